"""Removals and reinstatements in words, with their days, sources, and readings."""

from datetime import date

import pytest

from tests.rules.case_data import IMAGINED
from tests.rules.test_removal_rules import reinstatement, removal
from tests.rules.test_rule_changes import REMOVALS, read
from tracker.rules.removal_description import (
    describe_removals,
    format_reinstatement_rule,
    format_removal_rule,
    list_removal_lines,
    list_removal_section,
    list_returning,
)
from tracker.rules.requirement import Source

REMOVING = IMAGINED.associations["REMOVING"]
REMOVED = (
    "A lapsed endorsement is kept through the first February 29 (February 28 in a year without it) "
    "after its grace period, and then a coordinator removes it"
)
REINSTATED = (
    "Only for IFS and IFRS: a removed endorsement can be reinstated for up to 1 year after the "
    "removal; later, the person applies anew"
)
LATER = "after the removal; later, the person applies anew"
BY_COORDINATOR = "and then a coordinator removes it"


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (
            {"after": "03-31"},
            f"through the first March 31 after its grace period, {BY_COORDINATOR}",
        ),
        ({"after_months": 2}, f"for 2 months after its grace period, {BY_COORDINATOR}"),
        ({"after_days": 1}, f"for 1 day after its grace period, {BY_COORDINATOR}"),
        ({"after_days": 0}, f"through its grace period, {BY_COORDINATOR}"),
        (
            {"after_days": 0, "by_itself": True},
            "through its grace period, and then it is removed automatically",
        ),
    ],
)
def test_removal_says_how_long_and_by_whom(keys: dict[str, object], says: str) -> None:
    assert format_removal_rule(removal(**keys)) == f"A lapsed endorsement is kept {says}"


def test_end_of_removals_is_said() -> None:
    assert format_removal_rule(removal(removed=False)) == (
        "Lapsed endorsements are no longer removed"
    )


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (
            {"latest_months": 3},
            f"A removed endorsement can be reinstated for up to 3 months {LATER}",
        ),
        (
            {"latest_years": 1},
            f"A removed endorsement can be reinstated for up to 1 year {LATER}",
        ),
        ({}, "A removed endorsement can be reinstated at any time"),
        (
            {"allowed": False},
            "Removed endorsements are no longer reinstated: the person applies anew",
        ),
    ],
)
def test_reinstatement_says_until_when(keys: dict[str, object], says: str) -> None:
    assert format_reinstatement_rule(reinstatement(**keys)) == says


def test_categories_are_named_unless_all_can_come_back() -> None:
    some = read(REMOVALS.replace("BASIS", "SOURCE"))
    assert [says[:13] for _, says in describe_removals(some)] == ["A lapsed endo", "Only for IFRS"]
    both = 'about = "In the last year"\ncategories = ["IFS", "IFRS"]'
    text = REMOVALS.replace("BASIS", "SOURCE").replace(
        'about = "In the last year"\ncategories = ["IFRS"]', both
    )
    assert [says[:13] for _, says in describe_removals(read(text))][1] == "A removed end"
    assert list_returning(read(text)) == ["IFS", "IFRS"]


def test_end_of_reinstatements_is_for_everyone() -> None:
    text = REMOVALS.replace("BASIS", "SOURCE")
    text += "\n[[reinstatements]]\nfrom = 2028-01-01\nallowed = false\nSOURCE\n"
    *_, (rule, says) = describe_removals(read(text))
    assert rule.starts_from == date(2028, 1, 1)
    assert says == "Removed endorsements are no longer reinstated: the person applies anew"


def test_section_has_only_what_rests_on_it() -> None:
    here = Source(document="policy", section="Reinstatement")
    assert list(list_removal_lines(REMOVING, here)) == [f"from January 1, 2025: {REINSTATED}"]
    read_so = read(REMOVALS.replace("BASIS", 'SOURCE\ninterpretation = "reading"'))
    first, second = list_removal_lines(read_so, Source(document="guide", section="Hours"))
    assert first.startswith("from January 1, 2027: A lapsed ")
    assert second.endswith("reinstated at any time (interpretation: reading)")


def test_all_lines_cite_what_they_rest_on() -> None:
    assert list_removal_section(REMOVING) == {
        "Removals and reinstatements": [
            f"from January 1, 2025: {REMOVED} [The lapse policy, Removal]",
            f"from January 1, 2025: {REINSTATED} [The lapse policy, Reinstatement]",
        ]
    }


def test_line_without_source_names_its_reading() -> None:
    rulebook = read(REMOVALS.replace("BASIS", 'interpretation = "reading"'))
    first, second = list_removal_lines(rulebook)
    assert first == (
        "from January 1, 2027: A lapsed endorsement is kept for 1 month after its grace period, "
        "and then a coordinator removes it (interpretation: reading)"
    )
    assert second.endswith("can be reinstated at any time (interpretation: reading)")


def test_rulebook_without_removals_has_no_section() -> None:
    assert list_removal_section(IMAGINED.associations["PAYING"]) == {}
