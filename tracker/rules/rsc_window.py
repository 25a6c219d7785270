"""The best span of months for RSC hours: of all, the one that leaves least to do."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import accumulate
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
    days = [session.held_on for session in sessions]
    # Up to, and without, the session of that number: a window's sum is the difference of two.
    columns = zip(*(session.minutes for session in sessions), strict=True)
    sums = [list(accumulate(column, initial=0)) for column in columns]
    until = 0
    for number, first in enumerate(days):
        if number and days[number - 1] == first:
            continue
        ends_on = last_day(first, months)
        until = bisect_right(days, ends_on, until)
        yield Window(first, ends_on, tuple([s[until] - s[number] for s in sums]))


# Sessions of many people fall on the same days.
@lru_cache(maxsize=8_192)
def last_day(first: date, months: int) -> date:
    """The last day of a span of ``months`` that begins on ``first``: the eve of the same day.

    Where that month has no such day (29 February two years on), its own last day.
    """
    after = first + relativedelta(months=months)
    return after - _DAY if after.day == first.day else after


def best_window(found: Iterable[Window], required: Sequence[int]) -> Window | None:
    """The window that lacks least of what is ``required``; of equals the fullest, then the last.

    None where there is none.
    """

    def rank(window: Window) -> tuple[int, int, date]:
        short = 0
        for asked, minutes in zip(required, window.minutes, strict=True):
            if minutes < asked:
                short += asked - minutes
        return -short, sum(window.minutes), window.starts_on

    return max(found, key=rank, default=None)
