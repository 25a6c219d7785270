"""Whole months in spans of days. Both ends of a span are inside it."""

from collections.abc import Iterable
from datetime import timedelta

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

    The spans are laid end to end from the first day on, so that one more day never makes less.
    """
    found = merged(spans)
    if not found:
        return 0
    days = sum((span.ends_on - span.starts_on).days + 1 for span in found)
    first = found[0].starts_on
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
