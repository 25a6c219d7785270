"""Whole months in spans of days. Both ends of a span are inside it."""

from collections.abc import Iterable
from datetime import timedelta

from dateutil.relativedelta import relativedelta

from tracker.rules.standing import Span

_DAY = timedelta(days=1)
_MONTHS_IN_YEAR = 12
# What is left of several spans after their whole months adds up by days: 31, because the 30 days
# left of one span are a day short of a month.
_DAYS_IN_MONTH = 31


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
    """How many whole months the days come to; a day in several spans counts once."""
    months = days = 0
    for span in merged(spans):
        length = relativedelta(span.ends_on + _DAY, span.starts_on)
        months += length.years * _MONTHS_IN_YEAR + length.months
        days += length.days
    return months + days // _DAYS_IN_MONTH


def _cut(span: Span, taken: Span) -> Iterable[Span]:
    if taken.ends_on < span.starts_on or span.ends_on < taken.starts_on:
        yield span
        return
    if span.starts_on < taken.starts_on:
        yield Span(span.starts_on, taken.starts_on - _DAY)
    if taken.ends_on < span.ends_on:
        yield Span(taken.ends_on + _DAY, span.ends_on)
