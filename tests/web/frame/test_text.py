"""Standings in words."""

from datetime import date
from fractions import Fraction

import pytest

from tracker.formatting import capitalize_first, format_list
from tracker.notifications.attention_text import format_missing
from tracker.rules.cycles import Cycle
from tracker.services.dashboard import ShortRequirement as Short
from tracker.web.pages.renewal_text import format_week
from tracker.web.rendering import format_cycle

TRAINING, RSC = Short("training", None, 300), Short("rsc", None, 210)
MEMBERSHIP = Short("membership", None, 0)


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ([RSC], "3.5 RSC hours"),
        ([Short("rsc", None, 60)], "one RSC hour"),
        ([Short("training", "DEIA", 60), RSC], "3.5 RSC hours and one DEIA hour"),
        ([TRAINING, Short("training", "DEIA", 60)], "5 training hours (one on DEIA)"),
        ([TRAINING, Short("training", "DEIA", 300)], "5 training hours (5 on DEIA)"),
        (
            [TRAINING, Short("training", "DEIA", 301)],
            "5 training hours and 5.02 DEIA hours",
        ),
        (
            [
                TRAINING,
                Short("training", "A", 60),
                Short("training", "B", 90),
            ],
            "5 training hours (one on A and 1.5 on B)",
        ),
        ([RSC, Short("training", "DEIA", 60)], "3.5 RSC hours and one DEIA hour"),
        ([MEMBERSHIP, RSC, TRAINING], "3.5 RSC hours, 5 training hours, and your membership"),
        ([RSC, Short("rsc", None, 2, "months")], "3.5 RSC hours (in 2 more months)"),
        ([Short("rsc", None, 1, "months")], "RSC in 1 more month"),
        ([Short("rsc", None, 180, year=2)], "3 RSC hours in the second year"),
        (
            [RSC, Short("rsc", None, 60, year=1), Short("rsc", None, 150, year=2)],
            "3.5 RSC hours (one in the first year and 2.5 in the second year)",
        ),
        (
            [RSC, Short("rsc", None, 120, year=1), Short("rsc", None, 120, year=2)],
            "3.5 RSC hours, 2 RSC hours in the first year, and 2 RSC hours in the second year",
        ),
        (
            [RSC, Short("rsc", None, 120, year=1, too_late=True), Short("rsc", None, 120, year=2)],
            "3.5 RSC hours (2 in the second year) and 2 RSC hours in the first year",
        ),
        (
            [RSC, Short("rsc", None, 120, formats="individual")],
            "3.5 RSC hours (2 individual)",
        ),
        (
            [Short("rsc", None, 90, formats="individual,group")],
            "1.5 individual and group RSC hours",
        ),
        ([], ""),
    ],
)
def test_missing_hours_form_one_phrase(missing: list[Short], words: str) -> None:
    assert format_missing(missing, membership="your membership") == words


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (date(2026, 1, 1), date(2026, 12, 31), "2026"),
        (date(2025, 1, 1), date(2027, 12, 31), "2025 to 2027"),
        (date(2025, 7, 1), date(2026, 6, 30), "July 1, 2025 to June 30, 2026"),
        (date(2026, 1, 1), date(2026, 6, 30), "January 1, 2026 to June 30, 2026"),
    ],
)
def test_cycles_are_named_by_years_or_dates(first: date, last: date, words: str) -> None:
    assert format_cycle(Cycle(first, last, last, 31, False, Fraction(1))) == words  # noqa: FBT003


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (date(2026, 11, 1), "in the first week of November"),
        (date(2026, 11, 7), "in the first week of November"),
        (date(2026, 11, 8), "in the second week of November"),
        (date(2026, 11, 21), "in the third week of November"),
        (date(2026, 11, 22), "in the last week of November"),
        (date(2027, 1, 31), "in the last week of January 2027"),
    ],
)
def test_forecasts_name_a_week(day: date, words: str) -> None:
    assert format_week(day, date(2026, 10, 1)) == words


def test_lists_and_capital_letters() -> None:
    assert [
        format_list([]),
        format_list(["a"]),
        format_list(["a", "b"]),
        format_list(["a", "b", "c"]),
    ] == [
        "",
        "a",
        "a and b",
        "a, b, and c",
    ]
    assert capitalize_first("rSC") == "RSC"
    assert capitalize_first("") == ""
