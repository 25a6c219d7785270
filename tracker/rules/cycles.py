"""Renewal cycles. Every first and last day named here is inside the cycle."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from functools import lru_cache

from dateutil.relativedelta import relativedelta

from tracker.rules.model import CycleScheme
from tracker.rules.requirement import MONTHS_IN_YEAR

_DAY = timedelta(days=1)
_WHOLE, _NOTHING = Fraction(1), Fraction(0)


@dataclass(frozen=True, slots=True)
class Cycle:
    """One cycle of one endorsement.

    ``share`` is the part of the hours that it asks (0 in a first cycle that asks none, a
    fraction for those endorsed mid-cycle, else 1).
    """

    starts_on: date
    ends_on: date
    due_on: date
    grace_days: int
    is_first: bool
    share: Fraction

    def grace_ends_on(self, due_on: date) -> date:
        """The last day of grace after ``due_on``, the due date in force."""
        return due_on + timedelta(days=self.grace_days)


def cycle_containing(schemes: Sequence[CycleScheme], endorsed_on: date, day: date) -> Cycle | None:
    """The cycle that ``day`` falls in for someone endorsed on ``endorsed_on``.

    None when no scheme was in force on that day, or the cycle ended before the endorsement.
    A cycle that a change of scheme cuts short ends on the day before the change.
    """
    index = max((i for i, s in enumerate(schemes) if s.starts_from <= day), default=None)
    if index is None:
        return None
    scheme = schemes[index]
    starts_on, ends_on = _whole_cycle(scheme, endorsed_on, day)
    starts_on = max(starts_on, scheme.starts_from)
    if index + 1 < len(schemes):
        ends_on = min(ends_on, schemes[index + 1].starts_from - _DAY)
    if ends_on < endorsed_on:
        return None
    is_first = starts_on <= endorsed_on <= ends_on
    return Cycle(
        starts_on=starts_on,
        ends_on=ends_on,
        due_on=ends_on + timedelta(days=scheme.due_days_after_end),
        grace_days=scheme.grace_days,
        is_first=is_first,
        share=_share(scheme, endorsed_on, ends_on) if is_first else _WHOLE,
    )


def cycle_before(schemes: Sequence[CycleScheme], endorsed_on: date, cycle: Cycle) -> Cycle | None:
    """The cycle that ended on the day before ``cycle`` starts, if the endorsement knew one."""
    return cycle_containing(schemes, endorsed_on, cycle.starts_on - _DAY)


def cycles_until(schemes: Sequence[CycleScheme], endorsed_on: date, day: date) -> list[Cycle]:
    """Every cycle of an endorsement, from the one that contains ``day`` back to its first."""
    found: list[Cycle] = []
    cycle = cycle_containing(schemes, endorsed_on, day)
    while cycle is not None:
        found.append(cycle)
        cycle = cycle_before(schemes, endorsed_on, cycle)
    return found


def _whole_cycle(scheme: CycleScheme, endorsed_on: date, day: date) -> tuple[date, date]:
    anchor = endorsed_on if scheme.ends_on is None else scheme.ends_on + _DAY
    return _cycle_from(anchor, scheme.years, day)


# A fixed cycle is the same for everybody: worked out once, not once an endorsement.
@lru_cache(maxsize=16_384)
def _cycle_from(anchor: date, years: int, day: date) -> tuple[date, date]:
    # Always counted from the original anchor: adding a year to a February 29 four times
    # would end on a February 28.
    number = (day.year - anchor.year) // years + 1
    while _start(anchor, years, number) > day:
        number -= 1
    return _start(anchor, years, number), _start(anchor, years, number + 1) - _DAY


def _start(anchor: date, years: int, number: int) -> date:
    return anchor + relativedelta(years=years * number)


def _share(scheme: CycleScheme, endorsed_on: date, ends_on: date) -> Fraction:
    """The part of a full cycle's hours that the first cycle asks: whole months or years only."""
    if scheme.first_cycle == "all hours":
        return _WHOLE
    if scheme.first_cycle == "no hours":
        return _NOTHING
    left = relativedelta(ends_on + _DAY, endorsed_on)
    if scheme.first_cycle == "fraction by year":
        return Fraction(left.years, scheme.years)
    return Fraction(left.years * MONTHS_IN_YEAR + left.months, scheme.years * MONTHS_IN_YEAR)
