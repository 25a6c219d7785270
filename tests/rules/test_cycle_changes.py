"""What a change of the schemes does to cycles, and which years and days of a cycle count."""

from datetime import date, timedelta
from fractions import Fraction

import pytest

from tests.rules.case_data import IMAGINED
from tests.rules.test_cycles import calendar_years
from tracker.rules.cycles import (
    Cycle,
    CycleYear,
    common_cycle,
    cycle_containing,
    cycles_until,
    find_grace_end,
    list_years,
    whole_cycle,
)
from tracker.rules.model import CycleScheme

DAY = timedelta(days=1)
EARLIER = date(2015, 1, 1)
EARLY, LEAP = IMAGINED.associations["EARLY"].cycles, IMAGINED.associations["LEAP"].cycles
CALENDAR = calendar_years(ends_on=date(2030, 12, 31))
BY_MONTH = calendar_years(first_cycle="fraction by month")
ANNIVERSARY = calendar_years(kind="anniversary", ends_on=None)
JUNE = calendar_years(starts_from=date(2027, 7, 1), ends_on=date(2028, 6, 30))


def cycle_of(*schemes: CycleScheme, day: date, endorsed_on: date = EARLIER) -> Cycle:
    cycle = cycle_containing(schemes, endorsed_on, day)
    assert cycle is not None
    return cycle


def lengthen(day: date, hours: object = 2.0) -> CycleScheme:
    """Years from July 1, 2027, until which the cycles that run on a day last."""
    return JUNE.model_copy(update={"lengthens_on": day, "long_cycle": hours})


@pytest.mark.parametrize(
    ("runs_on", "endorsed_on", "starts_on", "ends_on", "share"),
    [
        # The endorsement begins on that day, and after it.
        (date(2025, 8, 1), date(2025, 8, 1), date(2025, 8, 1), date(2027, 6, 30), 2),
        (date(2025, 8, 1), date(2025, 8, 2), date(2025, 8, 2), date(2026, 8, 1), 1),
        # A cycle that ends a day before the change, on its eve, and after it.
        (date(2026, 8, 1), date(2024, 6, 30), date(2026, 6, 30), date(2027, 6, 30), 2),
        (date(2026, 8, 1), date(2024, 7, 1), date(2026, 7, 1), date(2027, 6, 30), 1),
        (date(2026, 8, 1), date(2024, 7, 2), date(2026, 7, 2), date(2027, 6, 30), 1),
    ],
)
def test_change_lengthens_what_would_end_before_it(
    runs_on: date, endorsed_on: date, starts_on: date, ends_on: date, share: int
) -> None:
    schemes = ANNIVERSARY, lengthen(runs_on)
    cycle = cycle_of(*schemes, endorsed_on=endorsed_on, day=max(endorsed_on, runs_on))
    assert (cycle.starts_on, cycle.ends_on) == (starts_on, ends_on)
    assert cycle.share == share


@pytest.mark.parametrize(
    ("runs_on", "ends_on", "share"),
    [
        (date(2025, 12, 31), date(2027, 6, 30), 2),
        (date(2026, 1, 1), date(2025, 12, 31), 1),
    ],
)
def test_calendar_year_is_lengthened_if_it_runs_that_day(
    runs_on: date, ends_on: date, share: int
) -> None:
    cycle = cycle_of(CALENDAR, lengthen(runs_on), day=date(2025, 6, 1))
    assert cycle.ends_on == ends_on
    assert cycle.share == share


def test_each_change_ends_the_cycles_before_it() -> None:
    december = calendar_years(starts_from=date(2029, 1, 1))
    cycle = cycle_of(CALENDAR, JUNE, december, day=date(2027, 3, 1))
    assert cycle.ends_on == date(2027, 6, 30)


def test_lengthened_cycle_requires_its_months() -> None:
    cycle = cycle_of(*LEAP, endorsed_on=date(2020, 7, 15), day=date(2027, 1, 1))
    assert (cycle.starts_on, cycle.ends_on) == (date(2023, 7, 15), date(2029, 12, 31))
    assert cycle.share == Fraction(77, 36)


@pytest.mark.parametrize(
    ("endorsed_on", "hours", "share"),
    [
        (date(2026, 7, 1), 2.0, Fraction(1)),
        (date(2026, 10, 1), 2.0, Fraction(9, 12)),
        (date(2026, 1, 15), 1.0, Fraction(1)),
    ],
)
def test_first_cycle_that_is_lengthened_requires_no_more_than_others(
    endorsed_on: date, hours: float, share: Fraction
) -> None:
    schemes = BY_MONTH, lengthen(date(2026, 12, 1), hours)
    assert cycle_of(*schemes, endorsed_on=endorsed_on, day=endorsed_on).share == share


def test_last_row_of_a_table_goes_to_the_end() -> None:
    rows = [{"months": 3, "share": "1"}, {"months": 6, "share": "3/4"}]
    rows.append({"months": 12, "share": "1/4"})
    scheme = calendar_years(first_cycle="fraction by table", first_cycle_shares=rows)
    endorsed_on = date(2027, 3, 1)
    cycle = cycle_of(scheme, lengthen(date(2026, 12, 1)), endorsed_on=endorsed_on, day=endorsed_on)
    assert (cycle.starts_on, cycle.share) == (date(2026, 1, 1), Fraction(1, 4))


def test_cycle_cut_short_is_due_at_its_end() -> None:
    scheme = calendar_years(years=3, ends_on=date(2027, 12, 31), due_on="11-30")
    assert cycle_of(scheme, day=date(2025, 6, 1)).due_on == date(2027, 11, 30)
    assert cycle_of(scheme, JUNE, day=date(2025, 6, 1)).due_on == date(2027, 6, 30)


@pytest.mark.parametrize(
    ("endorsed_on", "due_on"),
    [(date(2025, 11, 30), date(2025, 11, 30)), (date(2025, 12, 1), date(2025, 12, 31))],
)
def test_nobody_is_overdue_on_their_first_day(endorsed_on: date, due_on: date) -> None:
    assert cycle_of(*EARLY, endorsed_on=endorsed_on, day=endorsed_on).due_on == due_on


@pytest.mark.parametrize(
    ("opens", "closes", "window"),
    [
        ("10-01", "10-01", (date(2025, 10, 1), date(2025, 10, 1))),
        (-90, -30, (date(2025, 10, 2), date(2025, 12, 1))),
        (-90, 10, (date(2025, 10, 2), date(2026, 1, 10))),
    ],
)
def test_submission_closes_on_its_last_day(
    opens: object, closes: object, window: tuple[date, date]
) -> None:
    scheme = calendar_years(submission_opens=opens, submission_closes=closes)
    cycle = cycle_of(scheme, day=date(2025, 6, 1))
    assert (cycle.opens_on, cycle.closes_on) == window


def test_leap_day_is_kept_while_years_are_counted_from_it() -> None:
    leap_day = date(2020, 2, 29)
    assert cycle_of(CALENDAR, day=date(2025, 6, 1)).leap_day is None
    changed = ANNIVERSARY.model_copy(update={"starts_from": date(2023, 1, 1)})
    for schemes, day, expected in (
        ((ANNIVERSARY,), date(2023, 1, 10), leap_day),
        ((CALENDAR, changed), date(2023, 1, 10), None),
        ((CALENDAR, changed), date(2023, 3, 10), leap_day),
    ):
        assert cycle_of(*schemes, endorsed_on=leap_day, day=day).leap_day == expected
    assert cycle_of(ANNIVERSARY, endorsed_on=leap_day - DAY, day=leap_day).leap_day is None


def test_years_of_a_cycle_follow_each_other() -> None:
    years = list_years(cycle_of(*IMAGINED.associations["FORMATS"].cycles, day=date(2026, 6, 1)))
    assert years == [
        CycleYear(1, date(2025, 1, 1), date(2025, 12, 31)),
        CycleYear(2, date(2026, 1, 1), date(2026, 12, 31)),
        CycleYear(3, date(2027, 1, 1), date(2027, 12, 31)),
    ]
    days = date(2025, 12, 31), date(2026, 1, 1), date(2026, 12, 31), date(2027, 1, 1)
    assert [years[1].contains(day) for day in days] == [False, True, True, False]


@pytest.mark.parametrize(
    ("endorsed_on", "years"),
    [
        (date(2025, 1, 1), 0),
        (date(2025, 1, 2), 1),
        (date(2026, 1, 1), 1),
        (date(2026, 1, 2), 2),
    ],
)
def test_years_that_began_before_the_endorsement_are_counted(endorsed_on: date, years: int) -> None:
    schemes = IMAGINED.associations["FORMATS"].cycles
    cycle = cycle_of(*schemes, endorsed_on=endorsed_on, day=endorsed_on)
    assert cycle.years_before == years


def test_hours_before_a_first_cycle_count_only_by_rule() -> None:
    cycle = cycle_of(CALENDAR, endorsed_on=date(2025, 6, 1), day=date(2025, 6, 1))
    assert (cycle.carried_from, cycle.counts_from) == (None, date(2025, 1, 1))


def test_only_fixed_cycles_are_common_to_all() -> None:
    assert common_cycle(LEAP, date(2027, 6, 1)) is None
    assert common_cycle(EARLY, date(1999, 12, 31)) is None


def test_whole_anniversary_cycle_begins_on_the_day() -> None:
    assert whole_cycle(LEAP[0], date(2024, 5, 17)) == (date(2024, 5, 17), date(2027, 5, 16))


def test_all_cycles_of_an_endorsement_are_listed_backward() -> None:
    endorsed_on = date(2023, 5, 1)
    cycles = cycles_until((CALENDAR,), endorsed_on, date(2025, 6, 1))
    assert [cycle.ends_on.year for cycle in cycles] == [2025, 2024, 2023]
    assert [cycle.is_first for cycle in cycles] == [False, False, True]
    assert cycles_until((CALENDAR,), endorsed_on, date(2022, 12, 31)) == ()


def test_grace_days_are_those_after_the_due_date() -> None:
    cycle = cycle_of(*EARLY, day=date(2024, 6, 1))
    due_dates = cycle.due_on, date(2025, 1, 31), date(2025, 5, 1)
    assert [cycle.count_grace_days(due_on) for due_on in due_dates] == [121, 59, 0]


def test_day_without_a_cycle_has_no_grace_period() -> None:
    due_on = date(2024, 11, 30)
    assert find_grace_end(EARLY, date(2030, 1, 1), date(2024, 6, 1), due_on) == due_on
    assert find_grace_end(EARLY, EARLIER, date(1999, 6, 1), due_on) == due_on
