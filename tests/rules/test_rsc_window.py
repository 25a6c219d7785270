"""The best window of RSC hours, against every window that there is."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import NamedTuple

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st

from tracker.rules.application.rsc import RscWindow, best_window, last_day, list_windows


class Session(NamedTuple):
    """A day, and the minutes for each of the requirements that share the window."""

    held_on: date
    minutes: tuple[int, ...]


FIRST = date(2019, 12, 1)
days = st.integers(0, 1_600).map(lambda n: FIRST + timedelta(days=n))
sessions = st.lists(
    st.tuples(days, st.tuples(st.integers(0, 240), st.integers(0, 120))), max_size=14
).map(lambda rows: sorted(Session(day, minutes) for day, minutes in rows))
required = st.tuples(st.integers(1, 900), st.integers(1, 300))


def windows(found: Sequence[Session], months: int, open_on: date = date.min) -> Iterator[RscWindow]:
    columns = list(zip(*(session.minutes for session in found), strict=True))
    return list_windows([session.held_on for session in found], columns, months, open_on)


def brute_force(found: Sequence[Session], months: int, needed: tuple[int, int]) -> int:
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
    found: list[Session], months: int, needed: tuple[int, int]
) -> None:
    best = best_window(windows(found, months), needed)
    lacking = (
        sum(max(0, n - m) for n, m in zip(needed, best.minutes, strict=True))
        if best
        else sum(needed)
    )
    assert lacking == brute_force(found, months, needed)


@given(sessions, st.sampled_from([1, 12, 24]))
def test_a_window_holds_just_what_lies_within_it(found: list[Session], months: int) -> None:
    for window in windows(found, months):
        inside = [s.minutes for s in found if window.starts_on <= s.held_on <= window.ends_on]
        assert window.minutes == tuple(sum(minutes[n] for minutes in inside) for n in range(2))


def every_window(found: Sequence[Session], months: int) -> list[RscWindow]:
    """Those that begin with a session, also the ones that are never the best."""
    every = []
    for first in sorted({session.held_on for session in found}):
        ends_on = last_day(first, months)
        inside = [s.minutes for s in found if first <= s.held_on <= ends_on]
        every.append(RscWindow(first, ends_on, tuple(map(sum, zip(*inside, strict=True)))))
    return every


@given(sessions, st.sampled_from([1, 12, 24]), required, days)
def test_of_all_open_windows_the_best_is_listed(
    found: list[Session], months: int, needed: tuple[int, int], open_on: date
) -> None:
    still_open = [w for w in every_window(found, months) if open_on <= w.ends_on]
    listed = windows(found, months, open_on)
    assert best_window(listed, needed) == best_window(still_open, needed)


@pytest.mark.parametrize(
    ("second", "minutes"),
    [(date(2024, 2, 26), 120), (date(2024, 2, 27), 120), (date(2024, 2, 28), 60)],
)
def test_two_years_end_the_day_before(second: date, minutes: int) -> None:
    two = [Session(date(2022, 2, 28), (60,)), Session(second, (60,))]
    best = best_window(windows(two, 24), [600])
    assert best is not None
    assert best.minutes == (minutes,)


@pytest.mark.parametrize(
    ("second", "minutes"),
    [(date(2026, 2, 27), 120), (date(2026, 2, 28), 120), (date(2026, 3, 1), 60)],
)
def test_two_years_from_leap_day_end_in_february(second: date, minutes: int) -> None:
    two = [Session(date(2024, 2, 29), (60,)), Session(second, (60,))]
    best = best_window(windows(two, 24), [600])
    assert best is not None
    assert best.minutes == (minutes,)


def test_of_two_equal_windows_the_last_is_taken() -> None:
    two = [Session(date(2018, 1, 1), (60,)), Session(date(2024, 1, 1), (60,))]
    best = best_window(windows(two, 24), [600])
    assert best is not None
    assert best.starts_on == date(2024, 1, 1)


def test_full_window_goes_before_one_with_more_hours() -> None:
    more, full = Session(date(2018, 1, 1), (120, 59)), Session(date(2024, 1, 1), (60, 60))
    for two in (
        [more, full],
        [full._replace(held_on=more.held_on), more._replace(held_on=full.held_on)],
    ):
        best = best_window(windows(two, 24), [60, 60])
        assert best is not None
        assert best.minutes == (60, 60)


def test_windows_within_others_are_left_out() -> None:
    days = [date(2024, 1, 1), date(2024, 1, 5), date(2024, 1, 20), date(2024, 2, 3)]
    found = list(windows([Session(day, (60,)) for day in days], 1))
    assert found == [
        RscWindow(days[0], date(2024, 1, 31), (180,)),
        RscWindow(days[1], date(2024, 2, 4), (180,)),
    ]


def test_window_begins_with_a_session_that_counts() -> None:
    nothing, hour = Session(date(2024, 1, 1), (0,)), Session(date(2024, 1, 5), (60,))
    best = best_window(windows([nothing, hour], 24), [600])
    assert best is not None
    assert best.starts_on == hour.held_on


def test_no_window_without_sessions() -> None:
    assert best_window(windows([], 24), [600]) is None
