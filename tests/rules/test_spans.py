"""Whole months of work: what touches is one, what overlaps counts once."""

from datetime import date, timedelta

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st

from tracker.rules.application.work import count_months, subtract_spans, whole_months
from tracker.rules.counting import merge_spans
from tracker.rules.standing import Span

FIRST = date(2020, 1, 1)
spans = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 200)).map(
        lambda p: Span(FIRST + timedelta(days=p[0]), FIRST + timedelta(days=p[0] + p[1]))
    ),
    max_size=6,
)


def days_of(found: list[Span]) -> set[date]:
    return {
        span.starts_on + timedelta(days=n)
        for span in found
        for n in range((span.ends_on - span.starts_on).days + 1)
    }


@given(spans)
def test_merging_keeps_every_day_once(found: list[Span]) -> None:
    one = merge_spans(found)
    assert days_of(one) == days_of(found)
    assert sum((s.ends_on - s.starts_on).days + 1 for s in one) == len(days_of(found))


@given(spans, spans)
def test_subtraction_removes_exactly_the_taken_days(found: list[Span], taken: list[Span]) -> None:
    assert days_of(subtract_spans(found, taken)) == days_of(found) - days_of(taken)


def test_span_that_takes_one_day_leaves_the_others() -> None:
    week = Span(date(2020, 1, 6), date(2020, 1, 12))
    for taken, left in (
        (Span(FIRST, week.starts_on), [Span(date(2020, 1, 7), week.ends_on)]),
        (Span(week.ends_on, date(2020, 2, 1)), [Span(week.starts_on, date(2020, 1, 11))]),
        (Span(FIRST, date(2020, 1, 5)), [week]),
        (Span(date(2020, 1, 13), date(2020, 2, 1)), [week]),
        (week, []),
    ):
        assert subtract_spans([week], [taken]) == left


@given(spans, st.integers(0, 600))
def test_one_more_day_of_work_never_makes_less(found: list[Span], day: int) -> None:
    more = FIRST + timedelta(days=day)
    assert whole_months([*found, Span(more, more)]) >= whole_months(found)


def test_months_of_all_days_are_those_of_dateutil() -> None:
    for first in (date(2019, 12, 1) + timedelta(days=n) for n in range(122)):
        for days in range(430):  # through a leap day, and the end of February without one
            end = first + timedelta(days=days)
            length = relativedelta(end, first)
            assert count_months(first, end) == length.years * 12 + length.months, (first, end)


def test_earlier_day_does_not_lengthen_a_month() -> None:
    month = Span(date(2021, 1, 30), date(2021, 2, 27))
    assert whole_months([month]) == 1
    assert whole_months([Span(FIRST, FIRST), month]) == 1


@pytest.mark.parametrize(
    ("ends_on", "months"),
    [(date(2021, 12, 30), 23), (date(2021, 12, 31), 24), (date(2022, 1, 1), 24)],
)
def test_two_years_are_whole_the_day_before(ends_on: date, months: int) -> None:
    assert whole_months([Span(FIRST, ends_on)]) == months


def test_years_that_touch_are_one_span() -> None:
    parts = [Span(FIRST, date(2020, 6, 15)), Span(date(2020, 6, 16), date(2021, 12, 31))]
    assert whole_months(parts) == 24


def test_leftover_days_from_several_jobs_make_a_month() -> None:
    parts = [Span(date(2020, 1, 1), date(2020, 1, 15)), Span(date(2020, 3, 1), date(2020, 3, 16))]
    assert whole_months(parts) == 1


def test_two_jobs_at_a_time_count_once() -> None:
    both = [Span(FIRST, date(2020, 12, 31)), Span(FIRST, date(2020, 12, 31))]
    assert whole_months(both) == 12


@given(st.integers(2000, 2060), st.integers(1, 5), st.integers(0, 364))
def test_two_years_apart_are_two_years(year: int, later: int, days: int) -> None:
    parts = []
    for number in (year, year + 1 + later):
        first = date(number, 1, 1) + timedelta(days=days)
        parts.append(Span(first, first + relativedelta(years=1) - timedelta(days=1)))
    assert whole_months(parts) == 24


def test_leap_day_not_worked_costs_no_month() -> None:
    parts = [
        Span(date(2019, 1, 1), date(2019, 12, 15)),
        Span(date(2021, 1, 1), date(2022, 1, 16)),
    ]
    assert whole_months(parts) == 24
    parts[1] = Span(date(2021, 1, 1), date(2022, 1, 15))
    assert whole_months(parts) == 23


def test_two_whole_months_apart_are_two() -> None:
    parts = [Span(date(2019, 7, 1), date(2019, 7, 31)), Span(date(2020, 2, 1), date(2020, 2, 29))]
    assert whole_months(parts) == 2


def test_year_that_ends_before_the_leap_day_is_not_whole() -> None:
    assert whole_months([Span(date(2019, 3, 1), date(2020, 2, 28))]) == 11
    assert whole_months([Span(date(2019, 3, 1), date(2020, 2, 29))]) == 12


def count_laid(first: date, days: int) -> int:
    """The whole months of so many days, in years without February 29.

    In February, a month that began on the 29th or later is whole on March 1.
    """
    end = first + timedelta(days=days)
    length = relativedelta(end, first)
    is_too_early = (end.month, end.day) == (2, 28) and first.day > 28
    return length.years * 12 + length.months - is_too_early


def test_days_left_over_are_laid_end_to_end() -> None:
    for first in (date(2021, 1, 1) + timedelta(days=n) for n in range(365)):
        second = first + timedelta(days=70)
        for days in (*range(27, 33), *range(57, 63)):
            parts = [
                Span(first, first + timedelta(days=8)),
                Span(second, second + timedelta(days=days - 10)),
            ]
            apart = count_months(second, second + timedelta(days=days - 9))
            assert whole_months(parts) == max(apart, count_laid(first, days)), (first, days)


def test_leap_day_worked_alone_adds_no_day() -> None:
    leap_day = Span(date(2020, 2, 29), date(2020, 2, 29))
    assert whole_months([leap_day, Span(date(2020, 5, 1), date(2020, 5, 30))]) == 0
    assert whole_months([leap_day, Span(date(2020, 5, 1), date(2020, 5, 31))]) == 1


def test_most_months_can_count_from_a_later_span() -> None:
    parts = [Span(date(2022, 1, 1), date(2022, 2, 2)), Span(date(2022, 2, 21), date(2022, 3, 19))]
    assert whole_months(parts) == 2
    # A day before them makes January of it, which is longer than February.
    day = date(2021, 12, 21)
    assert whole_months([Span(day, day), *parts]) == 2
