"""Renewal cycles. Every first and last day is included."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

from tracker.rules.model import CycleScheme, PartialHours
from tracker.rules.requirement import MONTHS_IN_YEAR

_DAY = timedelta(days=1)
# A cycle and its grace period end within a century of any of its days, as rulebooks have them.
_LAST_DAY = date.max.replace(year=date.max.year - 100)


@dataclass(frozen=True, slots=True)
class Cycle:
    """One cycle of one endorsement.

    ``share`` is the part of a full cycle's hours that it requires: 0 in a first cycle without
    hours, a fraction for an endorsement in mid-cycle or a shortened cycle, otherwise 1.
    ``years_before`` of its years began before the endorsement, if this is its first cycle.
    """

    starts_on: date
    ends_on: date
    due_on: date
    grace_days: int
    is_first: bool
    share: Fraction
    years_before: int = 0

    def grace_ends_on(self, due_on: date) -> date:
        """The last day of grace after ``due_on``, the due date in force."""
        return due_on + timedelta(days=self.grace_days)


def cycle_containing(schemes: Sequence[CycleScheme], endorsed_on: date, day: date) -> Cycle | None:
    """The cycle that ``day`` falls in for an endorsement that began on ``endorsed_on``.

    None if no scheme was in force on that day, the cycle ended before the endorsement, or the
    calendar ends too early. A cycle that is cut short by a change of scheme ends on the day before
    the change.
    """
    index = max(
        (i for i, s in enumerate(schemes) if s.starts_from <= day <= _LAST_DAY), default=None
    )
    if index is None:
        return None
    scheme = schemes[index]
    anchor = scheme.ends_on + _DAY if scheme.ends_on else endorsed_on
    whole = _find_cycle(anchor, scheme.years, day)
    starts_on, ends_on = max(whole[0], scheme.starts_from), whole[1]
    if index + 1 < len(schemes):
        ends_on = min(ends_on, schemes[index + 1].starts_from - _DAY)
    if ends_on < endorsed_on:
        return None
    is_first = starts_on <= endorsed_on
    share, years_before = Fraction(1), 0
    if is_first:
        share = _find_share(scheme, scheme.first_cycle, endorsed_on, ends_on)
        years_before = _count_years_before(starts_on, endorsed_on)
    elif scheme.short_cycle and (starts_on, ends_on) != whole:
        share = _find_share(scheme, scheme.short_cycle, starts_on, ends_on)
    due_on = ends_on + timedelta(days=scheme.due_days_after_end)
    return Cycle(starts_on, ends_on, due_on, scheme.grace_days, is_first, share, years_before)


class CycleYear(NamedTuple):
    """One whole year of a cycle, from one on; both days are included."""

    number: int
    starts_on: date
    ends_on: date

    def contains(self, day: date) -> bool:
        """Whether the day is one of the year's."""
        return self.starts_on <= day <= self.ends_on


def list_years(cycle: Cycle) -> list[CycleYear]:
    """The whole years of a cycle: the first begins on its first day.

    A cycle that a change of schemes cuts short can end within a year, which is not one of them.
    """
    years, starts_on = [], cycle.starts_on
    for number in range(1, cycle.ends_on.year - cycle.starts_on.year + 2):
        ends_on = end_of_years(cycle.starts_on, number)
        if ends_on > cycle.ends_on:
            break
        years.append(CycleYear(number, starts_on, ends_on))
        starts_on = ends_on + _DAY
    return years


def _count_years_before(starts_on: date, endorsed_on: date) -> int:
    """How many years of a cycle from ``starts_on`` on began before ``endorsed_on``."""
    years = endorsed_on.year - starts_on.year
    last_start = end_of_years(starts_on, years) + _DAY if years else starts_on
    return years + (last_start < endorsed_on)


def grace_days_on(schemes: Sequence[CycleScheme], day: date) -> int:
    """The length in days of the grace period of a cycle with ``day``; 0 if there is no cycle."""
    started = [scheme for scheme in schemes if scheme.starts_from <= day]
    return started[-1].grace_days if started else 0


class EarlierTerm(NamedTuple):
    """An endorsement of the same person that began earlier, at any association."""

    association: str
    category: str
    ends_on: date


def continue_cycle(
    schemes: Sequence[CycleScheme],
    cycle: Cycle,
    endorsement: EarlierTerm,
    endorsed_on: date,
    earlier: Iterable[EarlierTerm],
) -> Cycle:
    """The cycle in which an endorsement began, as an ordinary one if it continues an earlier one.

    ``endorsement`` is the new one. An earlier one that is still renewed in this cycle is not
    continued: the new one is additional.
    """
    scheme = [scheme for scheme in schemes if scheme.starts_from <= cycle.starts_on][-1]
    if scheme.continues_from and cycle.starts_on < scheme.continues_from:
        return cycle
    first_day = endorsed_on - timedelta(days=scheme.continues_within_days + 1)
    for term in earlier:
        kind = _compare_terms(endorsement, term)
        if kind in scheme.continues and first_day <= term.ends_on < cycle.due_on:
            return replace(cycle, is_first=False, share=Fraction(1), years_before=0)
    return cycle


def _compare_terms(new: EarlierTerm, earlier: EarlierTerm) -> str:
    if new.association != earlier.association:
        return "other association"
    return "same category" if new.category == earlier.category else "other category"


def whole_cycle(scheme: CycleScheme, day: date, anchor: date | None = None) -> tuple[date, date]:
    """The first and last day of the cycle with ``day`` that no change of schemes cuts short.

    ``anchor`` is the first day of any one cycle; a fixed scheme has its own.
    """
    if anchor is None:
        anchor = scheme.ends_on + _DAY if scheme.ends_on else day
    return _find_cycle(anchor, scheme.years, day)


def cycle_before(schemes: Sequence[CycleScheme], endorsed_on: date, cycle: Cycle) -> Cycle | None:
    """The cycle that ended on the day before ``cycle`` starts, if the endorsement had begun."""
    return cycle_containing(schemes, endorsed_on, cycle.starts_on - _DAY)


# A page asks several times for the cycles of each endorsement.
@lru_cache(maxsize=4_096)
def cycles_until(
    schemes: tuple[CycleScheme, ...], endorsed_on: date, day: date
) -> tuple[Cycle, ...]:
    """Every cycle of an endorsement, from the one that contains ``day`` back to its first."""
    cycles: list[Cycle] = []
    cycle = cycle_containing(schemes, endorsed_on, day)
    while cycle is not None:
        cycles.append(cycle)
        cycle = cycle_before(schemes, endorsed_on, cycle)
    return tuple(cycles)


def end_of_years(first: date, years: int) -> date:
    """The last day, included, of so many years that begin on ``first``.

    The next year begins on the same day, or on February 28 if there is no February 29. So cycles
    and memberships that begin on the same day end on the same day.
    """
    return _find_cycle(first, years, first)[1]


# A fixed cycle is the same for everyone: calculated once, not once per endorsement.
@lru_cache(maxsize=16_384)
def _find_cycle(anchor: date, years: int, day: date) -> tuple[date, date]:
    # Counted from the original anchor: adding a year to February 29 four times would give
    # February 28.
    number = (day.year - anchor.year) // years + 1
    while anchor + relativedelta(years=years * number) > day:
        number -= 1
    starts_on = anchor + relativedelta(years=years * number)
    return starts_on, anchor + relativedelta(years=years * (number + 1)) - _DAY


def _find_share(scheme: CycleScheme, hours: PartialHours, first: date, ends_on: date) -> Fraction:
    """The part of a full cycle's hours that a cycle from ``first`` on requires.

    Only whole months or years count.
    """
    if hours == "all hours":
        return Fraction(1)
    if hours == "no hours":
        return Fraction(0)
    left = relativedelta(ends_on + _DAY, first)
    if hours == "fraction by year":
        return Fraction(left.years, scheme.years)
    return Fraction(left.years * MONTHS_IN_YEAR + left.months, scheme.years * MONTHS_IN_YEAR)
