"""How the cycles of a rulebook are described, in sentences."""

from datetime import date
from typing import Any

import pytest

from tests.rules.tables import LATER
from tests.rules.test_rulebook_errors import ROWS, anniversary, book, scheme
from tracker.rules.cycle_text import format_scheme, name_month_day
from tracker.rules.model import CycleScheme, Rulebook

ALL_HOURS = "All hours are required starting with the first cycle."
BEGINS = "A cycle lasts one year and ends on December 31. It is due on its last day, followed by a "
BEGINS += "grace period of 31 days. "


def describe(table: dict[str, Any]) -> str:
    """A cycle in words."""
    return format_scheme(CycleScheme.model_validate(table), Rulebook.model_validate(book()))


def test_a_plain_cycle_is_described_in_three_sentences() -> None:
    assert (
        describe(anniversary(grace_days=0))
        == ("A cycle lasts one year from the day of endorsement. It is due on its last day. ")
        + ALL_HOURS
    )
    assert describe(anniversary(years=3, grace_days=0)).startswith("A cycle lasts 3 years from the")
    assert describe(scheme()) == BEGINS + ALL_HOURS


def test_due_date_is_counted_from_the_end() -> None:
    assert (
        describe(scheme(due_days_after_end=1, grace_days=1))
        == (
            "A cycle lasts one year and ends on December 31. It is due 1 day after its last day, "
            "followed by a grace period of 1 day. "
        )
        + ALL_HOURS
    )


@pytest.mark.parametrize(
    ("window", "words"),
    [
        ({"submission_opens": -1}, "opens 1 day before the due date"),
        (
            {"submission_opens": -90, "submission_closes": 1},
            "opens 90 days before the due date; its last day is 1 day after the due date",
        ),
        (
            {"submission_opens": 0, "submission_closes": "01-15"},
            "opens on the due date; its last day is January 15",
        ),
        (
            {"submission_opens": "10-01", "submission_closes": 0},
            "opens on October 1; its last day is the due date",
        ),
    ],
)
def test_the_submission_is_described_by_its_days(window: dict[str, Any], words: str) -> None:
    assert describe(scheme(**window)) == f"{BEGINS}The submission {words}. {ALL_HOURS}"


def test_a_first_cycle_is_counted_from_the_application() -> None:
    by_table = {"first_cycle": "fraction by table", "first_cycle_shares": ROWS}
    assert describe(scheme(**by_table, first_cycle_from="application")) == BEGINS + (
        "In the cycle in which an endorsement begins, a part of the hours is required; hours held "
        "in it before that day count. The first cycle is counted from the day of the application, "
        "if one is on record. By the month of the cycle in which the application was submitted: "
        "all hours through month 4, 3/4 of the hours through month 8, and 1/2 of the hours through "
        "month 12."
    )


CONTINUED = "All hours are required if the endorsement continues one of "
THREE_KINDS = (
    "the same category, another category, or another association that ended at most 31 days "
    "before, in cycles from January 1, 2026 on"
)
HELD = "Years held include earlier endorsements of "
LENGTHENED = (
    "This change lengthens the cycles that run on January 1, 2026: they last through December 31, "
    "2027 and require "
)
LONG = {"from": date(2028, 1, 1), "lengthens_on": LATER}


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        (
            {"continues": ["same category"], "continues_within_days": 1},
            f"{CONTINUED}the same category that ended at most 1 day before",
        ),
        (
            {
                "continues": ["same category", "other category", "other association"],
                "continues_within_days": 31,
                "continues_from": LATER,
            },
            f"{CONTINUED}{THREE_KINDS}",
        ),
        ({"held_break_days": 0}, f"{HELD}the same category, without a break"),
        (
            {"held_counts": ["other category", "other association"], "held_break_days": 1},
            f"{HELD}another category or another association, without a break of more than 1 day",
        ),
        (
            {"short_cycle": "fraction by month"},
            "A cycle that a change cuts short requires hours for each whole month in it",
        ),
        ({**LONG, "long_cycle": "all hours"}, f"{LENGTHENED}the hours of other cycles"),
        ({**LONG, "long_cycle": 1.5}, f"{LENGTHENED}1.5 times as many hours"),
    ],
)
def test_terms_of_a_cycle_have_a_sentence(terms: dict[str, Any], words: str) -> None:
    assert describe({**scheme(), **terms}) == f"{BEGINS}{ALL_HOURS} {words}."


def test_february_29_is_named_with_the_day_before() -> None:
    names = [name_month_day(day) for day in ("02-28", "02-29", "03-01")]
    assert names == [
        "February 28",
        "February 29 (February 28 in a year without it)",
        "March 1",
    ]
