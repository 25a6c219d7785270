"""The best window of RSC hours, against every window that there is."""

from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st

from tracker.rules.application.rsc import WeightedSession, best_window, list_windows

FIRST = date(2019, 12, 1)
days = st.integers(0, 1_600).map(lambda n: FIRST + timedelta(days=n))
sessions = st.lists(
    st.tuples(days, st.tuples(st.integers(0, 240), st.integers(0, 120))), max_size=14
).map(lambda rows: sorted(WeightedSession(day, minutes) for day, minutes in rows))
required = st.tuples(st.integers(1, 900), st.integers(1, 300))


def brute_force(found: Sequence[WeightedSession], months: int, needed: tuple[int, int]) -> int:
    """The least that any span of so many months, begun on any day at all, leaves to do."""
    least = sum(needed)
    for offset in range(-2, (found[-1].held_on - found[0].held_on).days + 1) if found else ():
        starts_on = found[0].held_on + timedelta(days=offset)
        before = starts_on + relativedelta(months=months)
        if before.day != starts_on.day:  # the month is too short: its last day is inside
            before += timedelta(days=1)
        inside = [s.minutes for s in found if starts_on <= s.held_on < before]
        sums = [sum(minutes[n] for minutes in inside) for n in range(2)]
        least = min(least, sum(max(0, n - s) for n, s in zip(needed, sums, strict=True)))
    return least


@given(sessions, st.sampled_from([1, 12, 24]), required)
def test_no_other_window_lacks_less(
    found: list[WeightedSession], months: int, needed: tuple[int, int]
) -> None:
    best = best_window(list_windows(found, months), needed)
    lacking = (
        sum(max(0, n - m) for n, m in zip(needed, best.minutes, strict=True))
        if best
        else sum(needed)
    )
    assert lacking == brute_force(found, months, needed)


@given(sessions, st.sampled_from([1, 12, 24]))
def test_a_window_holds_just_what_lies_within_it(found: list[WeightedSession], months: int) -> None:
    for window in list_windows(found, months):
        inside = [s.minutes for s in found if window.starts_on <= s.held_on <= window.ends_on]
        assert window.minutes == tuple(sum(minutes[n] for minutes in inside) for n in range(2))


@pytest.mark.parametrize(
    ("second", "minutes"),
    [(date(2024, 2, 26), 120), (date(2024, 2, 27), 120), (date(2024, 2, 28), 60)],
)
def test_two_years_end_the_day_before(second: date, minutes: int) -> None:
    two = [WeightedSession(date(2022, 2, 28), (60,)), WeightedSession(second, (60,))]
    best = best_window(list_windows(two, 24), [600])
    assert best is not None
    assert best.minutes == (minutes,)


@pytest.mark.parametrize(
    ("second", "minutes"),
    [(date(2026, 2, 27), 120), (date(2026, 2, 28), 120), (date(2026, 3, 1), 60)],
)
def test_two_years_from_leap_day_end_in_february(second: date, minutes: int) -> None:
    two = [WeightedSession(date(2024, 2, 29), (60,)), WeightedSession(second, (60,))]
    best = best_window(list_windows(two, 24), [600])
    assert best is not None
    assert best.minutes == (minutes,)


def test_of_two_equal_windows_the_last_is_taken() -> None:
    two = [WeightedSession(date(2018, 1, 1), (60,)), WeightedSession(date(2024, 1, 1), (60,))]
    best = best_window(list_windows(two, 24), [600])
    assert best is not None
    assert best.starts_on == date(2024, 1, 1)


def test_no_window_without_sessions() -> None:
    assert best_window(list_windows([], 24), [600]) is None
