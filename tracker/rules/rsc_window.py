"""The best span of months for RSC hours: of all, the one that leaves least to do."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

_DAY = timedelta(days=1)


class Weighed(NamedTuple):
    """A session's day, and its minutes for each of the requirements that share the window."""

    held_on: date
    minutes: tuple[int, ...]


class Window(NamedTuple):
    """A span of ``months`` that begins with a session: both days inside; minutes for each."""

    starts_on: date
    ends_on: date
    minutes: tuple[int, ...]


def windows(sessions: Sequence[Weighed], months: int) -> Iterator[Window]:
    """Each span of ``months`` that begins on a session's day; ``sessions`` in order of days.

    No other span holds more than one of these: sliding one forward to its first session
    loses nothing.
    """
    until, sums = 0, [0] * (len(sessions[0].minutes) if sessions else 0)
    for number, first in enumerate(sessions):
        ends_on = first.held_on + relativedelta(months=months) - _DAY
        while until < len(sessions) and sessions[until].held_on <= ends_on:
            sums = [s + m for s, m in zip(sums, sessions[until].minutes, strict=True)]
            until += 1
        if number == 0 or sessions[number - 1].held_on != first.held_on:
            yield Window(first.held_on, ends_on, tuple(sums))
        sums = [s - m for s, m in zip(sums, first.minutes, strict=True)]


def best_window(
    sessions: Sequence[Weighed],
    months: int,
    required: Sequence[int],
    *,
    open_on: date | None = None,
) -> Window | None:
    """The window that lacks least of what is ``required``; of equals the fullest, then the last.

    ``open_on`` leaves out the windows that end before that day. None where there is none.
    """

    def rank(window: Window) -> tuple[int, int, date]:
        short = sum(max(0, r - m) for r, m in zip(required, window.minutes, strict=True))
        return -short, sum(window.minutes), window.starts_on

    found = (w for w in windows(sessions, months) if open_on is None or open_on <= w.ends_on)
    return max(found, key=rank, default=None)
