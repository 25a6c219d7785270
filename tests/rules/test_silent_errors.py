"""What a rulebook would say without effect is refused, with what to write instead."""

import pytest

from tests.rules.test_parse import RULEBOOK
from tracker.rules.parse import parse_rulebook
from tracker.rules.similar_names import suggest

TOPIC = """
[[requirements]]
id = "training.deia"
label = "DEIA training"
about = "About DEIA"
categories = ["IFS"]
counts = "training"
topic = "DEIA"

  [[requirements.values]]
  from = 2000-01-01
  hours = 15
  source = { document = "ifs", section = "Training" }

  [[requirements.values]]
  from = 2026-01-01
  hours = 16
  source = { document = "ifs", section = "Training" }
"""
YEARLY = """
[[requirements]]
id = "rsc.yearly"
label = "Yearly RSC"
about = "In each year"
categories = ["IFS"]
counts = "rsc"
providers = "rsc"
each_year = true

  [[requirements.values]]
  from = 2000-01-01
  hours = HOURS
  source = { document = "ifs", section = "RSC" }
"""
APPLICATION = """
[[requirements]]
of = "application"
id = "references"
label = "References"
about = "Two"
categories = ["IFS"]
counts = "references"
values = [{ from = 2000-01-01, source = { document = "ifs", section = "References" } }]
references = { slots = [["colleague"], ["colleague"]], TERMS }

[roles]
colleague = "Colleague"
"""
WORK = """
[[requirements]]
of = "application"
id = "work"
label = "Work"
about = "Two years"
categories = ["IFS"]
counts = "work"
values = [{ from = 2000-01-01, source = { document = "ifs", section = "Work" }, MEASURE }]
work = { services = ["prevention"], TERMS }

[services]
prevention = "Prevention services"
"""


def check(text: str) -> list[str]:
    """Every problem as `tracker rules check` prints it, without the file's name."""
    rulebook, problems = parse_rulebook(text, "ex.toml")
    assert (rulebook is None) == bool(problems)
    return [str(problem).removeprefix("ex.toml: ") for problem in problems]


def only(text: str) -> str:
    (found,) = check(text)
    return found


def test_a_misspelled_name_is_reported_once() -> None:
    found = only(RULEBOOK.replace('providers = "rsc"', 'providers = "rcs"'))
    assert found == (
        "requirements[2].providers: 'rcs' is not in this file: did you mean rsc? "
        "(requirement 'rsc', line 51)"
    )


def test_a_topic_larger_than_its_whole_is_refused_from_its_day_on() -> None:
    assert only(RULEBOOK + TOPIC).startswith(
        "requirements[4].values[2].hours: from 2026-01-01 on it would be 16 of the 15 hours of "
        "'training', which it is a part of: write at most 15, or more hours there "
        "(requirement 'training.deia', line "
    )


def test_a_topic_as_large_as_its_whole_is_allowed() -> None:
    assert check(RULEBOOK + TOPIC.replace("hours = 16", "hours = 14.5")) == []


def test_a_topic_that_another_category_requires_is_no_part() -> None:
    text = RULEBOOK + TOPIC.replace('categories = ["IFS"]', 'categories = ["IFRS"]')
    assert check(text) == []


def test_a_whole_that_shrinks_below_its_topic_is_refused() -> None:
    less = """
  [[requirements.values]]
  from = 2026-01-01
  hours = 10
  source = { document = "ifs", section = "Training" }

[[requirements]]
id = "rsc"
"""
    text = RULEBOOK.replace('\n[[requirements]]\nid = "rsc"\n', less)
    text += TOPIC.partition("  [[requirements.values]]\n  from = 2026")[0]
    assert only(text).startswith("requirements[4].values[1].hours: from 2026-01-01 on it would be ")


@pytest.mark.parametrize("key", ["continues_from = 2026-01-01", "continues_within_days = 31"])
def test_terms_of_continuing_without_continues_are_refused(key: str) -> None:
    found = only(RULEBOOK.replace("grace_days = 31", f"grace_days = 31\n{key}"))
    assert "goes with continues, which is missing here: write continues, or remove it" in found


@pytest.mark.parametrize("day", ["2206-01-01", "1062-01-01"])
def test_a_day_centuries_from_the_others_is_refused(day: str) -> None:
    found = only(RULEBOOK.replace("until = 2027-12-21", f"from = {day}"))
    assert found == (
        f"providers.rsc.accepts[1].from: {day} is more than a century from 2000-01-01: write the "
        "year that is meant (line 26)"
    )


def test_a_unit_of_hours_is_refused() -> None:
    found = only(RULEBOOK.replace('counts = "training"', 'counts = "training"\nunit = "families"'))
    assert "unit goes with counts = 'work', not 'training': remove it" in found


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ('endorsed = 3, categories = ["IFS"]', "endorsed = 3 is more than the 2 references: write"),
        ("endorsed = 1", "endorsed or endorsed_roles without categories or vetted changes nothing"),
        ('categories = ["IFS"]', "categories or vetted without endorsed or endorsed_roles changes"),
        (
            'endorsed = 1, categories = ["IFS"], vetted_until = 2027-01-01',
            "vetted_until without vetted = true changes nothing: add vetted = true, or remove",
        ),
    ],
)
def test_terms_of_references_that_change_nothing_are_refused(terms: str, reason: str) -> None:
    assert reason in only(RULEBOOK + APPLICATION.replace("TERMS", terms))


@pytest.mark.parametrize(
    ("measure", "terms", "reason"),
    [
        ("years = 2", 'or_after = ["other"]', "or_after without after changes nothing: add after"),
        ("years = 2, many = 3", "paid = true", "years are measured without many and unit: remove"),
    ],
)
def test_terms_of_work_that_change_nothing_are_refused(
    measure: str, terms: str, reason: str
) -> None:
    text = WORK.replace("MEASURE", measure).replace("TERMS", terms)
    assert reason in only(RULEBOOK + text)


def test_a_window_without_terms_is_refused() -> None:
    text = RULEBOOK.replace(
        'providers = "rsc"', 'of = "application"\nproviders = "rsc"\nwindow = {}'
    )
    assert "requirements[2].window: limits nothing: write months, after, or while_giving" in only(
        text
    )


@pytest.mark.parametrize(
    "nested",
    [
        "x." * 30 + "y = 1",
        f"x = {'[' * 30}{']' * 30}",
        f"x = {'{y = ' * 30}1{'}' * 30}",
        "x." * 3000 + "y = 1",
    ],
)
def test_deep_nesting_is_refused(nested: str) -> None:
    assert only(f"{nested}\n{RULEBOOK}") == (
        "the whole file: is nested too deeply: write lists within lists at most three deep"
    )


def test_all_silent_errors_come_with_the_others() -> None:
    text = (RULEBOOK + TOPIC).replace('"America/New_York"', '"Mars"')
    text += '\n[attestations]\nother = "I agree"\n'
    assert [line.partition(":")[0] for line in check(text)] == [
        "time_zone",
        "attestations.other",
        "requirements[4].values[2].hours",
    ]


def test_a_name_in_the_wrong_case_is_recognized() -> None:
    assert suggest("ifs", ["IFS", "IMHM-C"]) == "did you mean IFS?"
    assert suggest("nothing", ["IFS", "IMHM-C"]) == ""
