"""Removals and reinstatements in a rulebook: on which days, what is refused, and how it is said."""

from datetime import date
from pathlib import Path

import pytest

from tests.rules.case_data import IMAGINED
from tracker.rules.description import describe_rulebook
from tracker.rules.parse import parse_rulebook
from tracker.rules.removal_rules import ReinstatementRule, RemovalRule
from tracker.rules.rule_changes import list_changes_ahead

REMOVING = Path(__file__).parents[1] / "rulebooks/rulebooks/removing.toml"
TEXT = REMOVING.read_text("utf-8")
BOOK = IMAGINED.associations["REMOVING"]


def removal(**keys: object) -> RemovalRule:
    return RemovalRule.model_validate({"from": date(2025, 1, 1), "interpretation": "x", **keys})


def reinstatement(**keys: object) -> ReinstatementRule:
    given = {"from": date(2025, 1, 1), "interpretation": "x", **keys}
    return ReinstatementRule.model_validate(given)


def problems(*changes: tuple[str, str]) -> list[str]:
    """What is wrong with the rulebook after changes of its text."""
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    _, wrong = parse_rulebook(text, "removing.toml")
    return [f"{problem.key}: {problem.reason}" for problem in wrong]


@pytest.mark.parametrize(
    ("keys", "grace_ends_on", "kept_through"),
    [
        ({"after_days": 0}, date(2027, 1, 31), date(2027, 1, 31)),
        ({"after_days": 30}, date(2027, 1, 31), date(2027, 3, 2)),
        ({"after_months": 1}, date(2027, 1, 31), date(2027, 2, 28)),
        ({"after_months": 1}, date(2028, 1, 31), date(2028, 2, 29)),
        ({"after": "02-29"}, date(2027, 1, 31), date(2027, 2, 28)),
        ({"after": "02-29"}, date(2028, 1, 31), date(2028, 2, 29)),
        ({"after": "01-31"}, date(2027, 1, 31), date(2027, 1, 31)),
        ({"after": "01-30"}, date(2027, 1, 31), date(2028, 1, 30)),
    ],
)
def test_lapsed_endorsement_is_kept_through_a_day(
    keys: dict[str, object], grace_ends_on: date, kept_through: date
) -> None:
    assert removal(**keys).kept_through(grace_ends_on) == kept_through


@pytest.mark.parametrize(
    ("keys", "removed_on", "latest"),
    [
        ({"latest_months": 3}, date(2027, 11, 30), date(2028, 2, 29)),
        ({"latest_years": 1}, date(2027, 3, 1), date(2028, 3, 1)),
        ({"latest_years": 1}, date(2028, 2, 29), date(2029, 2, 28)),
        ({"latest_years": 4}, date(2028, 2, 29), date(2032, 2, 29)),
        ({}, date(2027, 3, 1), None),
    ],
)
def test_reinstatement_is_possible_through_a_day(
    keys: dict[str, object], removed_on: date, latest: date | None
) -> None:
    assert reinstatement(**keys).latest_on(removed_on) == latest


def test_what_lapsed_before_the_rule_is_not_removed() -> None:
    assert IMAGINED.removal_rule("REMOVING", date(2024, 12, 31)) is None
    assert IMAGINED.removal_rule("REMOVING", date(2025, 1, 1)) is not None


def test_category_without_requirements_is_not_reinstated() -> None:
    assert IMAGINED.reinstatement_rule("REMOVING", "IMHS", date(2027, 3, 1)) is None
    assert IMAGINED.reinstatement_rule("REMOVING", "IFS", date(2027, 3, 1)) is not None


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('after = "02-29"', 'after = "01-15"', "removals[1].after: 2026-01-15 is before the end"),
        ('after = "02-29"', "after_days = -1", "removals[1].after_days: "),
        (
            "[[reinstatements]]\nfrom = 2025-01-01",
            "[[reinstatements]]\nfrom = 2024-06-01",
            "reinstatements[1].from: nothing is required of IFS on 2024-06-01",
        ),
        ("window = { months = 12 }", "", "the hours of a reinstatement need a window"),
        ("window = { months = 12 }", "window = { while_giving = true, months = 12 }", "ignores"),
        ('window = { since = "removal" }', 'window = { since = "lapse" }', "window.since: "),
        ('of = "reinstatement"\nid = "back.training"', 'id = "back.training"', "counts must"),
        ('counts = "training"\nwindow', 'counts = "exam"\nwindow', "a window is about hours"),
        ("window = { months = 12 }", "window = { months = 12 }\neach_year = true", "each_year,"),
        ("  amount = 50", "  amount = 50\n  late_amount = 60", "a reinstatement has no due date"),
        ('fee = "reinstatement"', 'fee = "renewal"', "'renewal' is no fee of this category"),
        ("latest_years = 1", "latest_months = 1", None),
    ],
)  # fmt: skip
def test_what_would_be_silently_wrong_is_refused(old: str, new: str, says: str | None) -> None:
    found = problems((old, new))
    assert found == [] if says is None else any(says in each for each in found), found


ONE = (
    "removals[1]: give one of after_days, after_months, and after: how long a lapsed endorsement "
    "is kept after its grace period"
)
ENDED = "removals[1]: removed = false ends removals: remove the keys that say when"
EITHER = "reinstatements[1]: give either latest_months or latest_years"
ALLOWED = (
    "reinstatements[1]: latest_months and latest_years go with one that is allowed: remove them"
)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('after = "02-29"', "", ONE),
        ('after = "02-29"', 'after = "02-29"\nafter_months = 1', ONE),
        ('after = "02-29"', 'after = "02-29"\nremoved = false', ENDED),
        ('after = "02-29"', "by_itself = true\nremoved = false", ENDED),
        ("latest_years = 1", "latest_years = 1\nlatest_months = 3", EITHER),
        ("latest_years = 1", "latest_years = 1\nallowed = false", ALLOWED),
        ("latest_years = 1", "latest_months = 1\nallowed = false", ALLOWED),
    ],
)
def test_keys_that_contradict_each_other_are_refused(old: str, new: str, expected: str) -> None:
    assert expected in problems((old, new))


def test_hours_must_fit_into_the_days_since_the_removal() -> None:
    changes = [("  hours = 2\n", "  hours = 300\n"), ("latest_years = 1", "latest_months = 1")]
    found = problems(*changes)
    assert len(found) == 1
    assert found[0].startswith(
        "reinstatements[1].latest_months: 300 hours of 'back.rsc' since the removal do not fit"
    )


def test_reinstatement_needs_blocks_that_allow_it() -> None:
    blocks = TEXT[TEXT.index("[[removals]]") : TEXT.index("[providers.rsc]")]
    found = problems((blocks, ""))
    assert any(each.startswith("requirements[2].of: nobody is ever reinstated") for each in found)
    without_removals = TEXT[TEXT.index("[[removals]]") : TEXT.index("[[reinstatements]]")]
    assert problems((without_removals, ""))[0].startswith("reinstatements: nobody is ever removed")


def test_rulebook_in_words_has_removals_and_ways_back() -> None:
    lines = [line.strip() for line in describe_rulebook(BOOK, {"own": ("REMOVING",)})]
    assert (
        "from January 1, 2025: A lapsed endorsement is kept through the first February 29 "
        "(February 28 in a year without it) after its grace period, and then a coordinator removes "
        "it [The lapse policy, Removal]"
    ) in lines
    assert "sessions count starting on the day of the removal" in lines
    assert "back.training (reinstatement): Recent training" in lines


def test_changes_ahead_name_removals() -> None:
    says = [change.says for change in list_changes_ahead(BOOK, date(2024, 6, 1))]
    assert (
        "Only for IFS and IFRS: a removed endorsement can be reinstated for up to 1 year after the "
        "removal; later, the person applies anew"
    ) in says
