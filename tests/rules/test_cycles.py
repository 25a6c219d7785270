"""Cycles against an oracle that walks the calendar: no gap, no overlap, the right days.

The short form of promise 8; `python -m tests.rules.long_cycles` is the long one.
"""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.calendar_walk import SCHEMES, walk
from tests.rules.long_cycles import differences
from tracker.rules.cycles import cycle_before, cycle_containing, end_of_years, find_grace_end
from tracker.rules.model import CycleScheme

DAY = timedelta(days=1)
DUE = date(2025, 12, 31)
FIRST, LAST = date(2019, 1, 1), date(2029, 12, 31)
days = st.dates(FIRST, LAST)
# Some in the middle of the months, and every one that a calendar gets wrong.
ANCHORS = [
    *(date(2020, 2, 28), date(2020, 2, 29), date(2020, 3, 1), date(2021, 2, 28)),
    *(date(2019, 12, 31), date(2020, 1, 1), date(2023, 6, 30), date(2023, 7, 1)),
    *(date(2024, 2, 29), date(2022, 5, 17), date(2024, 12, 31), date(2025, 1, 1)),
]


def calendar_years(**changes: object) -> CycleScheme:
    values = {
        "starts_from": date(2000, 1, 1),
        "kind": "fixed",
        "years": 1,
        "ends_on": date(2000, 12, 31),
        "grace_days": 31,
    }
    return CycleScheme.model_validate({**values, **changes})


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("endorsed_on", ANCHORS, ids=str)
def test_cycles_are_those_of_the_calendar_walk(name: str, endorsed_on: date) -> None:
    assert differences(SCHEMES[name], endorsed_on, FIRST, LAST) == []


@pytest.mark.parametrize("name", SCHEMES)
@given(endorsed_on=days, day=days)
def test_cycles_cover_every_day_without_gaps(name: str, endorsed_on: date, day: date) -> None:
    cycle = cycle_containing(SCHEMES[name], endorsed_on, day)
    if cycle is None:
        assert day < endorsed_on
        return
    assert cycle.starts_on <= day <= cycle.ends_on
    for end in (cycle.starts_on, cycle.ends_on):
        assert cycle == cycle_containing(SCHEMES[name], endorsed_on, end)
    before = cycle_before(SCHEMES[name], endorsed_on, cycle)
    assert before.ends_on + DAY == cycle.starts_on if before else cycle.is_first


@pytest.mark.parametrize("name", SCHEMES)
@given(endorsed_on=days)
def test_only_the_cycle_of_endorsement_is_first(name: str, endorsed_on: date) -> None:
    first = cycle_containing(SCHEMES[name], endorsed_on, endorsed_on)
    assert first
    assert first.is_first
    assert 0 <= first.share <= 1
    later = cycle_containing(SCHEMES[name], endorsed_on, first.ends_on + DAY)
    assert later
    assert not later.is_first
    assert later.share == 1


@given(endorsed_on=days)
def test_share_by_month_counts_whole_months_left(
    endorsed_on: date,
) -> None:
    schemes = [calendar_years(years=3, ends_on=date(2027, 12, 31), first_cycle="fraction by month")]
    cycle = cycle_containing(schemes, endorsed_on, endorsed_on)
    assert cycle
    months, month = 0, cycle.ends_on + DAY
    while (month := (month - DAY).replace(day=1)) >= endorsed_on:
        months += 1
    assert cycle.share == Fraction(months, 36)


@given(endorsed_on=days)
def test_share_by_year_counts_whole_years_left(endorsed_on: date) -> None:
    schemes = [calendar_years(years=3, ends_on=date(2027, 12, 31), first_cycle="fraction by year")]
    cycle = cycle_containing(schemes, endorsed_on, endorsed_on)
    assert cycle
    year = cycle.ends_on.year
    whole = sum(date(year - n, 1, 1) >= endorsed_on for n in range(3))
    assert cycle.share == Fraction(whole, 3)


def test_no_cycle_before_the_first_scheme() -> None:
    schemes = [calendar_years(starts_from=date(2024, 1, 1))]
    assert cycle_containing(schemes, date(2020, 1, 1), date(2023, 12, 31)) is None
    assert cycle_containing(schemes, date(2020, 1, 1), date(2024, 1, 1))


def test_no_cycle_that_ended_before_the_endorsement() -> None:
    schemes = [calendar_years()]
    assert cycle_containing(schemes, date(2024, 1, 1), date(2023, 12, 31)) is None
    assert cycle_containing(schemes, date(2023, 12, 31), date(2023, 1, 1))


def test_new_scheme_cuts_the_current_cycle_short() -> None:
    june = calendar_years(starts_from=date(2024, 1, 1), ends_on=date(2024, 6, 30))
    schemes = [calendar_years(starts_from=date(2020, 1, 1)), june]
    old = cycle_containing(schemes, date(2020, 1, 1), date(2023, 12, 31))
    cut = cycle_containing(schemes, date(2020, 1, 1), date(2024, 1, 1))
    assert old
    assert cut
    assert (old.starts_on, old.ends_on) == (date(2023, 1, 1), date(2023, 12, 31))
    assert (cut.starts_on, cut.ends_on) == (date(2024, 1, 1), date(2024, 6, 30))


@pytest.mark.parametrize(
    ("short_cycle", "share"),
    [
        (None, Fraction(1)),
        ("all hours", Fraction(1)),
        ("no hours", Fraction(0)),
        ("fraction by month", Fraction(1, 2)),
    ],
)
def test_shortened_cycle_requires_what_the_scheme_says(
    short_cycle: str | None, share: Fraction
) -> None:
    june = calendar_years(starts_from=date(2024, 7, 1), ends_on=date(2025, 6, 30))
    schemes = [calendar_years(short_cycle=short_cycle), june]
    cut = cycle_containing(schemes, date(2020, 1, 1), date(2024, 6, 30))
    whole = cycle_containing(schemes, date(2020, 1, 1), date(2024, 7, 1))
    assert cut
    assert whole
    assert (cut.ends_on, cut.share) == (date(2024, 6, 30), share)
    assert whole.share == 1


def test_grace_period_runs_from_the_due_date() -> None:
    cycle = cycle_containing(
        [calendar_years(due_days_after_end=14)], date(2020, 1, 1), date(2024, 6, 1)
    )
    assert cycle
    assert cycle.due_on == date(2025, 1, 14)
    assert cycle.grace_ends_on(cycle.due_on) == date(2025, 2, 14)


@pytest.mark.parametrize(
    ("day", "expected"),
    [(date(2023, 12, 31), date(2026, 1, 31)), (date(2024, 1, 1), DUE + 9 * DAY)],
)
def test_grace_is_that_of_the_scheme_from_its_first_day(day: date, expected: date) -> None:
    later = calendar_years(starts_from=date(2024, 1, 1), grace_days=9)
    schemes = [calendar_years(), later]
    assert find_grace_end(schemes, date(2020, 1, 1), day, DUE) == expected


@given(first=days, years=st.integers(1, 5))
def test_years_end_like_a_cycle_from_that_day(first: date, years: int) -> None:
    anniversary = calendar_years(kind="anniversary", ends_on=None, years=years)
    cycle = cycle_containing([anniversary], first, first)
    assert cycle
    assert end_of_years(first, years) == cycle.ends_on


def test_a_year_from_february_29_ends_on_february_27() -> None:
    assert end_of_years(date(2024, 2, 29), 1) == date(2025, 2, 27)
    assert end_of_years(date(2024, 2, 29), 4) == date(2028, 2, 28)


def test_calendar_walk_handles_february_29() -> None:
    starts = [start for start, _ in walk(SCHEMES["anniversary"], date(2020, 2, 29), LAST)]
    assert [str(day) for day in starts[:6]] == [
        *("2020-02-29", "2021-02-28", "2022-02-28", "2023-02-28", "2024-02-29", "2025-02-28"),
    ]


@pytest.mark.parametrize("name", SCHEMES)
def test_the_calendar_ends_without_an_error(name: str) -> None:
    assert cycle_containing(SCHEMES[name], FIRST, date.max) is None
