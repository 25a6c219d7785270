"""Whole months in spans of days. Both ends of a span are inside it."""

from collections.abc import Iterable
from datetime import date, timedelta

from dateutil.relativedelta import relativedelta

from tracker.rules.standing import Span

# Nobody plans further: a day beyond is a slip of the finger.
PLAUSIBLE_YEARS = 10
_DAY = timedelta(days=1)
_MONTHS_IN_YEAR = 12


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same days as spans in order, none touching the next."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and (span.starts_on - found[-1].ends_on).days <= 1:
            found[-1] = Span(found[-1].starts_on, max(found[-1].ends_on, span.ends_on))
        else:
            found.append(span)
    return found


def without(spans: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """The days of ``spans`` that are in none of ``taken``, in order."""
    left = merged(spans)
    for one in merged(taken):
        left = [part for span in left for part in _cut(span, one)]
    return left


def whole_months(spans: Iterable[Span]) -> int:
    """How many whole months the days come to; a day in several spans counts once.

    The spans are laid end to end. Months differ, so the same days can come to more if they are
    counted from a later span on: what makes most counts, so that one more day never makes less.
    """
    days = most = 0
    for span in reversed(merged(spans)):
        days += (span.ends_on - span.starts_on).days + 1
        most = max(most, _months_from(span.starts_on, days))
    return most


def _months_from(first: date, days: int) -> int:
    length = relativedelta(first + timedelta(days=days), first)
    return length.years * _MONTHS_IN_YEAR + length.months


def _cut(span: Span, taken: Span) -> Iterable[Span]:
    if taken.ends_on < span.starts_on or span.ends_on < taken.starts_on:
        yield span
        return
    if span.starts_on < taken.starts_on:
        yield Span(span.starts_on, taken.starts_on - _DAY)
    if taken.ends_on < span.ends_on:
        yield Span(taken.ends_on + _DAY, span.ends_on)
