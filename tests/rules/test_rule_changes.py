"""What changes in a rulebook after today, and when: each kind of rule, on the day it changes."""

from dataclasses import replace
from datetime import date

import pytest

from tests.rules.case_data import IMAGINED
from tracker.rules.model import Rulebook
from tracker.rules.parse import parse_rulebook
from tracker.rules.requirement import Source
from tracker.rules.rule_changes import RuleChange, Topic, list_changes_ahead

# Calendar years; IMHS has no renewals. Its own changes are those of cycles and requirements.
RULEBOOK = """
id = "EX-AIMH"
name = "Example"
time_zone = "America/New_York"
currency = "USD"

[categories]
"IFS" = { name = "Infant Family Specialist" }
"IFRS" = { name = "Infant Family Reflective Supervisor" }
"IMHS" = { name = "Infant Mental Health Specialist" }

[documents]
guide = { file = "000", title = "The guide" }

[[cycles]]
from = 2024-01-01
kind = "fixed"
years = 1
ends_on = 2024-12-31
grace_days = 31

[[requirements]]
id = "training"
label = "Training"
about = "In the year"
categories = ["IFS", "IFRS"]
counts = "training"
values = [{ from = 2024-01-01, hours = 15, SOURCE }]

[[interpretations]]
id = "reading"
document = "guide"
section = "Hours"
says = "It can be read in two ways."
readings = ["One.", "Another."]
taken = "One."
since = 2026-11-22
"""
HERE = 'source = { document = "guide", section = "Hours" }'
SOURCE = (Source(document="guide", section="Hours"),)
READING = ("reading",)
BOTH = ("IFS", "IFRS")
TODAY = date(2026, 11, 22)
NEXT_YEAR = date(2027, 1, 1)
VALUES = "values = [{ from = 2024-01-01, hours = 15, SOURCE }]"


def read(block: str = "", *changes: tuple[str, str]) -> Rulebook:
    """The rulebook with one more block and changes of its text."""
    text = RULEBOOK + block
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    rulebook, wrong = parse_rulebook(text.replace("SOURCE", HERE), "ex.toml")
    assert rulebook is not None, wrong
    return rulebook


def change(values: str, *, key: str = "") -> list[RuleChange]:
    """What changes in the training by other values, and another key of the requirement."""
    rulebook = read("", (VALUES, f"{key}\nvalues = [{values}]"))
    return list_changes_ahead(rulebook, TODAY)


def test_nothing_ahead_is_no_change() -> None:
    assert list_changes_ahead(read(), TODAY) == []


def test_what_begins_today_is_no_change_ahead() -> None:
    assert list_changes_ahead(read(), date(2024, 1, 1)) == []
    assert len(list_changes_ahead(read(), date(2023, 12, 31))) == 2


def test_hours_that_change_name_those_until_then() -> None:
    values = "{ from = 2024-01-01, hours = 15, SOURCE }, { from = 2027-01-01, hours = 20, SOURCE }"
    assert change(values, key='interpretation = "reading"') == [
        RuleChange(
            NEXT_YEAR,
            Topic.REQUIREMENT,
            "Training: 20 hours (until then 15 hours)",
            BOTH,
            ("renewal",),
            SOURCE,
            READING,
        )
    ]


def test_hours_from_within_a_cycle_change_with_the_next() -> None:
    values = "{ from = 2024-01-01, hours = 15, SOURCE }, { from = 2026-12-01, hours = 20, SOURCE }"
    assert [each.day for each in change(values)] == [NEXT_YEAR]


def test_hours_of_one_category_are_its_own() -> None:
    values = '{ from = 2027-01-01, hours = 9, categories = ["IFRS"], SOURCE }'
    later = values.replace("2027", "2028").replace("9", "10")
    first, second = change(f"{{ from = 2024-01-01, hours = 15, SOURCE }}, {values}, {later}")
    assert (first.says, first.categories) == ("Training for IFRS: 9 hours", ("IFRS",))
    assert second.says == "Training for IFRS: 10 hours (until then 9 hours)"


def test_requirement_that_ends_and_comes_back_is_named_so() -> None:
    ended = "{ from = 2027-01-01, asked = false, SOURCE }"
    again = "{ from = 2028-01-01, hours = 10, SOURCE }"
    changes = change(f"{{ from = 2024-01-01, hours = 15, SOURCE }}, {ended}, {again}")
    assert [each.says for each in changes] == [
        "Training: no longer required",
        "Training: 10 hours (until then not required)",
    ]


FAMILIES = """
[services]
prevention = "Prevention services"

[[requirements]]
of = "application"
id = "families"
label = "Families"
about = "Served in the last years"
categories = ["IFS"]
counts = "work"
unit = "families"
work = { services = ["prevention"] }
values = [{ from = 2024-01-01, many = 10, SOURCE }, { from = 2027-01-01, many = 20, SOURCE }]
"""


def test_numbers_that_change_have_their_unit() -> None:
    (found,) = list_changes_ahead(read(FAMILIES), TODAY)
    assert found.says == "Families: at least 20 families (until then at least 10 families)"


SAME = """
[[requirements]]
id = "training"
label = "Training"
about = "In the year"
categories = ["IMHS"]
counts = "training"
interpretation = "other"
values = [{ from = 2027-01-01, hours = 20, source = { document = "guide", section = "Other" } }]

[[interpretations]]
id = "other"
document = "guide"
section = "Other"
says = "It can be read in two ways."
readings = ["One.", "Another."]
taken = "One."
since = 2026-11-22
"""


def test_same_change_of_several_categories_is_one() -> None:
    first = 'interpretation = "reading"\nvalues = [{ from = 2027-01-01, hours = 20, SOURCE }]'
    (found,) = list_changes_ahead(read(SAME, (VALUES, first)), TODAY)
    other = Source(document="guide", section="Other")
    assert found.categories == ("IFS", "IFRS", "IMHS")
    assert found.sources == (*SOURCE, other)
    assert found.interpretations == ("reading", "other")


def test_sources_and_readings_of_one_change_are_named_once() -> None:
    first = 'interpretation = "reading"\nvalues = [{ from = 2027-01-01, hours = 20, SOURCE }]'
    same = SAME.partition("[[interpretations]]")[0].replace('"other"', '"reading"')
    (found,) = list_changes_ahead(read(same.replace("Other", "Hours"), (VALUES, first)), TODAY)
    assert (found.sources, found.interpretations) == (SOURCE, READING)


def test_changes_for_different_purposes_stay_apart() -> None:
    first = "values = [{ from = 2027-01-01, hours = 20, SOURCE }]"
    same = SAME.partition("interpretation")[0].replace("id =", 'of = "application"\nid =')
    changes = list_changes_ahead(read(f"{same}{first}", (VALUES, first)), TODAY)
    assert [each.purposes for each in changes] == [("renewal",), ("application",)]


REFERENCES = """
[roles]
colleague = "Colleague"

[[requirements]]
of = "application"
id = "references"
label = "References"
about = "Two"
categories = ["IFS"]
counts = "references"
interpretation = "reading"
references = { slots = [["colleague"]], endorsed = 1, vetted = true, vetted_until = 2026-12-31 }

  [[requirements.values]]
  from = 2024-01-01
  source = { document = "guide", section = "Oldest" }

  [[requirements.values]]
  from = 2025-01-01
  source = { document = "guide", section = "Old" }

  [[requirements.values]]
  from = 2026-01-01
  SOURCE
"""


def test_vetted_referees_stop_after_their_last_day() -> None:
    assert list_changes_ahead(read(REFERENCES), TODAY) == [
        RuleChange(
            NEXT_YEAR,
            Topic.REFERENCES,
            "References: vetted referees no longer count",
            ("IFS",),
            ("application",),
            SOURCE,
            READING,
        )
    ]


def test_vetted_referees_without_a_last_day_go_on() -> None:
    rulebook = read(REFERENCES, (", vetted_until = 2026-12-31", ""))
    assert list_changes_ahead(rulebook, TODAY) == []


FEE = """
[[fees]]
id = "renewal"
label = "Renewal fee"
categories = ["IFRS"]
how_to_pay = "Mail a check"
interpretation = "reading"
values = [{ from = 2027-01-01, amount = 75, SOURCE }]
"""


def test_coming_fee_is_named_with_its_source() -> None:
    assert list_changes_ahead(read(FEE), TODAY) == [
        RuleChange(
            NEXT_YEAR,
            Topic.FEE,
            "Renewal fee: $75.00",
            ("IFRS",),
            ("renewal",),
            SOURCE,
            READING,
        )
    ]


CAP = """
  [[requirements.caps]]
  topic = "SELF-STUDY"
  interpretation = "reading"

    [[requirements.caps.values]]
    from = 2027-01-01
    hours = 5
    SOURCE
"""


def test_coming_limit_is_named_with_its_reading() -> None:
    assert list_changes_ahead(read("", (VALUES, VALUES + CAP)), TODAY) == [
        RuleChange(
            NEXT_YEAR,
            Topic.REQUIREMENT,
            "Training: at most 5 hours about SELF-STUDY",
            BOTH,
            ("renewal",),
            SOURCE,
            READING,
        )
    ]


CYCLES = """
[[cycles]]
from = 2027-01-01
kind = "fixed"
years = 3
ends_on = 2029-12-31
grace_days = 31
interpretation = "reading"
"""


def test_coming_cycles_are_those_of_renewed_categories() -> None:
    assert list_changes_ahead(read(CYCLES), TODAY) == [
        RuleChange(
            NEXT_YEAR,
            Topic.CYCLE,
            "Cycles: A cycle lasts 3 years; one ends on December 31, 2029. It is due on its last "
            "day, followed by a grace period of 31 days. All hours are required starting with the "
            "first cycle.",
            BOTH,
            ("renewal",),
            interpretations=READING,
        )
    ]


@pytest.mark.parametrize(
    ("basis", "sources", "readings"),
    [("SOURCE", SOURCE, ()), ('interpretation = "reading"', (), READING)],
)
def test_coming_leave_has_its_source_or_reading(
    basis: str, sources: tuple[Source, ...], readings: tuple[str, ...]
) -> None:
    leave = f'[[absences]]\nkind = "leave"\nfrom = 2027-01-01\nexcuses = "nothing"\n{basis}\n'
    (found,) = list_changes_ahead(read(leave), TODAY)
    assert found == RuleChange(
        NEXT_YEAR, Topic.ABSENCE, found.says, BOTH, ("renewal",), sources, readings
    )
    assert found.says.startswith("Leave ")


CERTIFICATE = """
[[certificates]]
from = 2027-01-01
until = 2027-12-31
issuer = "EX"
signatory = "Kai"
title = "Chair"
wording = "is endorsed as"
"""
ISSUED = "Certificates of accepted renewals, issued by EX and signed by Kai, Chair"
ENDED = "No more certificates are issued"


@pytest.mark.parametrize(
    ("basis", "sources", "readings"),
    [("SOURCE", SOURCE, ()), ('interpretation = "reading"', (), READING)],
)
def test_certificates_begin_and_end_for_all(
    basis: str, sources: tuple[Source, ...], readings: tuple[str, ...]
) -> None:
    everyone = ("IFS", "IFRS", "IMHS")
    assert list_changes_ahead(read(CERTIFICATE + basis), TODAY) == [
        RuleChange(day, Topic.CERTIFICATE, says, everyone, ("renewal",), sources, readings)
        for day, says in ((NEXT_YEAR, ISSUED), (date(2028, 1, 1), ENDED))
    ]


def test_certificates_of_some_categories_concern_them() -> None:
    certificate = CERTIFICATE + 'SOURCE\ncategories = ["IFRS"]\n'
    changes = list_changes_ahead(read(certificate), TODAY)
    assert [each.categories for each in changes] == [("IFRS",), ("IFRS",)]


@pytest.mark.parametrize(
    ("following", "says"),
    [
        ("2027-07-01", [ISSUED, ISSUED]),
        ("2028-01-01", [ISSUED, ISSUED]),
        ("2028-01-02", [ISSUED, ENDED, ISSUED]),
    ],
)
def test_certificates_end_unless_others_follow(following: str, says: list[str]) -> None:
    certificate = CERTIFICATE + "SOURCE\n"
    later = certificate.replace("2027-01-01", following).replace("until = 2027-12-31\n", "")
    changes = list_changes_ahead(read(certificate + later), TODAY)
    assert [each.says for each in changes] == says


REMOVALS = """
[[removals]]
from = 2027-01-01
after_months = 1
BASIS

[[reinstatements]]
from = 2027-02-01
BASIS

[[requirements]]
of = "reinstatement"
id = "back"
label = "Recent training"
about = "In the last year"
categories = ["IFRS"]
counts = "training"
window = { months = 12 }
values = [{ from = 2024-01-01, hours = 15, SOURCE }]
"""


@pytest.mark.parametrize(
    ("basis", "sources", "readings"),
    [("SOURCE", SOURCE, ()), ('interpretation = "reading"', (), READING)],
)
def test_removals_and_reinstatements_concern_different_people(
    basis: str, sources: tuple[Source, ...], readings: tuple[str, ...]
) -> None:
    assert list_changes_ahead(read(REMOVALS.replace("BASIS", basis)), TODAY) == [
        RuleChange(
            NEXT_YEAR,
            Topic.REMOVAL,
            "A lapsed endorsement is kept for 1 month after its grace period, and then a "
            "coordinator removes it",
            BOTH,
            ("renewal",),
            sources,
            readings,
        ),
        RuleChange(
            date(2027, 2, 1),
            Topic.REMOVAL,
            "Only for IFRS: a removed endorsement can be reinstated at any time",
            ("IFRS",),
            ("reinstatement",),
            sources,
            readings,
        ),
    ]


PROVIDERS = """
[providers.rsc]
says = "Vetted"

  [[providers.rsc.accepts]]
  vetted = true
  from = 2027-01-01
  until = 2027-12-31
  interpretation = "reading"
  SOURCE

[[requirements]]
id = "rsc"
label = "RSC"
about = "In the year"
categories = ["IFRS", "IFS"]
counts = "rsc"
providers = "rsc"
values = [{ from = 2024-01-01, hours = 12, SOURCE }]

[[requirements]]
of = "application"
id = "rsc"
label = "RSC"
about = "Before the application"
categories = ["IFS", "IMHS"]
counts = "rsc"
providers = "rsc"
values = [{ from = 2024-01-01, hours = 12, SOURCE }]
"""


def test_providers_concern_all_who_need_them() -> None:
    begins = RuleChange(
        NEXT_YEAR,
        Topic.PROVIDERS,
        "RSC with providers vetted by the association starts to count",
        ("IFRS", "IFS", "IMHS"),
        ("renewal", "application"),
        SOURCE,
        READING,
        "rsc",
    )
    says = "RSC with providers vetted by the association no longer counts"
    last_day = date(2027, 12, 31)
    ends = replace(begins, day=date(2028, 1, 1), says=says, last_day=last_day)
    assert list_changes_ahead(read(PROVIDERS), TODAY) == [begins, ends]


def test_same_change_of_two_provider_rules_is_two() -> None:
    rule, renewal, application = PROVIDERS.split("\n[[requirements]]\n")
    other = application.replace('providers = "rsc"', 'providers = "other"')
    blocks = [rule, renewal, other.replace('of = "application"\n', "").replace("IFS", "IMHS", 1)]
    blocks[2] = blocks[2].replace('["IMHS", "IMHS"]', '["IMHS"]')
    text = "\n[[requirements]]\n".join(blocks) + rule.replace("s.rsc", "s.other")
    changes = list_changes_ahead(read(text), TODAY)
    assert [each.provider_rule for each in changes] == ["rsc", "other", "rsc", "other"]
    assert [each.categories for each in changes[:2]] == [("IFRS", "IFS"), ("IMHS",)]


RATING = """
[[ratings]]
id = "work"
asks = "How do you rate their work?"
categories = ["IFS"]
scale = ["Good", "Fair"]
from = 2027-01-01
until = 2027-12-31
interpretation = "reading"
SOURCE
"""
RATED = """
[roles]
colleague = "Colleague"

[[requirements]]
of = "application"
id = "references"
label = "References"
about = "One"
categories = ["IFS"]
counts = "references"
references = { slots = [["colleague"]] }
values = [{ from = 2024-01-01, SOURCE }]
"""


def test_questions_to_referees_begin_and_end() -> None:
    asks = "How do you rate their work?"
    begins = RuleChange(
        NEXT_YEAR,
        Topic.RATING,
        f"Referees are asked: {asks}",
        ("IFS",),
        ("application",),
        SOURCE,
        READING,
    )
    says = f"Referees are no longer asked: {asks}"
    ends = replace(begins, day=date(2028, 1, 1), says=says)
    assert list_changes_ahead(read(RATING + RATED), TODAY) == [begins, ends]


def test_question_without_a_last_day_goes_on() -> None:
    rulebook = read(RATING + RATED, ("until = 2027-12-31\n", ""))
    assert len(list_changes_ahead(rulebook, TODAY)) == 1


def test_next_change_is_first_and_a_days_are_by_topic() -> None:
    changes = list_changes_ahead(IMAGINED.associations["WHOLE"], date(2018, 12, 31))
    assert [each.day for each in changes] == sorted(each.day for each in changes)
    first = [each.topic for each in changes if each.day == date(2019, 1, 1)]
    assert list(dict.fromkeys(first)) == [Topic.REQUIREMENT, Topic.FEE, Topic.CYCLE, Topic.ABSENCE]
