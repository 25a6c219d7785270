"""Renewal cycles. Every first and last day is included."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

from tracker.rules.model import CycleScheme
from tracker.rules.month_days import first_month_day_after, is_leap_day, last_month_day_until
from tracker.rules.requirement import MONTHS_IN_YEAR

_DAY = timedelta(days=1)
# A cycle and its grace period end within a century of any of its days, as rulebooks have them.
_LAST_DAY = date.max.replace(year=date.max.year - 100)


@dataclass(frozen=True, slots=True)
class Cycle:
    """One cycle of one endorsement.

    ``share`` is the part of a full cycle's hours that it requires: 0 in a first cycle without
    hours, a fraction for an endorsement in mid-cycle or a shortened cycle, perhaps more than 1 for
    a lengthened one, otherwise 1. Of the requirements in ``exempts`` it requires nothing. Hours
    held since ``carried_from``, before it starts, count in it; None: only its own. ``due_on`` may
    be before ``ends_on``: hours held between the two count, but are late.

    The renewal is submitted from ``opens_on`` through ``closes_on``. Without ``opens_on`` it has
    no window; without ``closes_on`` the window closes with the grace period. ``leap_day`` is the
    February 29 from which the cycle's years are counted, if they are counted from one.
    ``years_before`` of its years began before the endorsement, which continues no other.
    """

    starts_on: date
    ends_on: date
    due_on: date
    grace_days: int
    is_first: bool
    share: Fraction
    grace_until: str | None = None
    opens_on: date | None = None
    closes_on: date | None = None
    leap_day: date | None = None
    exempts: tuple[str, ...] = ()
    carried_from: date | None = None
    years_before: int = 0

    @property
    def counts_from(self) -> date:
        """The first day whose hours count."""
        return self.carried_from or self.starts_on

    def grace_ends_on(self, due_on: date) -> date:
        """The last day of grace after ``due_on``, the due date in force.

        A grace period until a day of the year ends on the same day for everyone: an extension
        beyond that day has no grace period of its own.
        """
        if self.grace_until is None:
            return due_on + timedelta(days=self.grace_days)
        return max(due_on, first_month_day_after(self.grace_until, self.due_on))

    def count_grace_days(self, due_on: date) -> int:
        """How many days the grace period has after ``due_on``, the due date in force."""
        return (self.grace_ends_on(due_on) - due_on).days


class _Place(NamedTuple):
    """Where a day falls: in which scheme, in which of its cycles, and in which days of that.

    ``whole`` are the cycle's first and last day if no change cuts it short or lengthens it.
    """

    scheme: CycleScheme
    anchor: date
    whole: tuple[date, date]
    starts_on: date
    ends_on: date
    lengthened_by: CycleScheme | None


def cycle_containing(schemes: Sequence[CycleScheme], endorsed_on: date, day: date) -> Cycle | None:
    """The cycle that ``day`` falls in for an endorsement that began on ``endorsed_on``.

    None if no scheme was in force on that day, the cycle ended before the endorsement, or the
    calendar ends too early. A cycle that is cut short by a change of scheme ends on the day before
    the change.
    """
    place = _find_place(schemes, endorsed_on, day)
    if place is None or place.ends_on < endorsed_on:
        return None
    scheme = place.scheme
    due_on = _find_due_date(place, endorsed_on)
    opens_on, closes_on = _find_window(scheme, max(place.starts_on, endorsed_on), due_on)
    is_from_leap_day = is_leap_day(place.anchor) and place.starts_on == place.whole[0]
    cycle = Cycle(
        place.starts_on,
        place.ends_on,
        due_on,
        scheme.grace_days or 0,
        is_first=False,
        share=_find_ordinary_share(place),
        grace_until=scheme.grace_until,
        opens_on=opens_on,
        closes_on=closes_on,
        leap_day=place.anchor if is_from_leap_day else None,
    )
    if place.starts_on > endorsed_on:
        return cycle
    first = _begin(place, cycle, endorsed_on)
    return replace(first, years_before=_count_years_before(cycle, endorsed_on))


def begin_cycle(schemes: Sequence[CycleScheme], cycle: Cycle, first_day: date) -> Cycle:
    """The cycle in which an endorsement began, counted from ``first_day``, a day in it.

    Whichever day that is, no year before the endorsement is required.
    """
    place = _find_first_place(schemes, cycle)
    return cycle if place is None else _begin(place, cycle, first_day)


def make_ordinary(schemes: Sequence[CycleScheme], cycle: Cycle) -> Cycle:
    """The cycle in which an endorsement began, with the hours of those that began before it.

    It keeps its due date, because nobody is overdue on their first day, and the years before it.
    """
    place = _find_first_place(schemes, cycle)
    if place is None:
        return cycle
    share = _find_ordinary_share(place)
    return replace(cycle, is_first=False, share=share, exempts=(), carried_from=None)


def find_ordinary_due_date(schemes: Sequence[CycleScheme], cycle: Cycle) -> date:
    """The due date of the cycle in which an endorsement began for those that began before it."""
    place = _find_first_place(schemes, cycle)
    return cycle.due_on if place is None else _find_due_date(place, place.starts_on)


def _find_first_place(schemes: Sequence[CycleScheme], cycle: Cycle) -> _Place | None:
    # An anniversary cycle in which an endorsement began, began with it.
    return _find_place(schemes, cycle.starts_on, cycle.starts_on)


def _begin(place: _Place, cycle: Cycle, first_day: date) -> Cycle:
    months = place.scheme.first_cycle_months_before
    return replace(
        cycle,
        is_first=True,
        share=_find_first_share(place, first_day),
        exempts=place.scheme.first_cycle_exempts,
        carried_from=cycle.starts_on - relativedelta(months=months) if months else None,
    )


def common_cycle(schemes: Sequence[CycleScheme], day: date) -> Cycle | None:
    """The cycle that everyone is in on ``day``; None if it depends on the day of endorsement."""
    started = [scheme for scheme in schemes if scheme.starts_from <= day]
    if not started or started[-1].kind != "fixed":
        return None
    # Of an endorsement that began before the cycle.
    return cycle_containing(schemes, date.min, day)


def _find_place(schemes: Sequence[CycleScheme], endorsed_on: date, day: date) -> _Place | None:
    index = max(
        (i for i, s in enumerate(schemes) if s.starts_from <= day <= _LAST_DAY), default=None
    )
    if index is None:
        return None
    scheme = schemes[index]
    anchor = scheme.ends_on + _DAY if scheme.ends_on else endorsed_on
    whole = _find_cycle(anchor, scheme.years, day)
    ends_on, lengthened_by = whole[1], None
    if index + 1 < len(schemes):
        following = schemes[index + 1]
        last_day = following.starts_from - _DAY
        running = _find_lengthened(scheme, following, anchor, whole)
        if running is not None:
            whole, ends_on, lengthened_by = running, last_day, following
        ends_on = min(ends_on, last_day)
    starts_on = max(whole[0], scheme.starts_from)
    return _Place(scheme, anchor, whole, starts_on, ends_on, lengthened_by)


def _find_lengthened(
    scheme: CycleScheme, following: CycleScheme, anchor: date, cycle: tuple[date, date]
) -> tuple[date, date] | None:
    """The cycle that ``following`` lengthens, if ``cycle`` is that one or would come after it.

    It is of ``scheme`` and runs on ``following.lengthens_on``. An endorsement that begins later
    than that day has none in an anniversary scheme; nor has one whose cycle lasts longer anyway.
    """
    runs_on = following.lengthens_on
    if runs_on is None or cycle[1] < runs_on:
        return None
    if scheme.kind == "anniversary" and anchor > runs_on:
        return None
    running = _find_cycle(anchor, scheme.years, runs_on)
    return running if running[1] + _DAY < following.starts_from else None


def _find_due_date(place: _Place, endorsed_on: date) -> date:
    """The due date before any extension.

    A cycle is due at its end if a change moves that to another day of the year than ``due_on``
    was meant for, and if an endorsement came too late: nobody is overdue on their first day.
    """
    scheme, ends_on = place.scheme, place.ends_on
    if scheme.due_on:
        is_whole_year = _find_cycle(place.anchor, 1, ends_on)[1] == ends_on
        due_on = last_month_day_until(scheme.due_on, ends_on) if is_whole_year else ends_on
    elif scheme.due_days_before_end:
        due_on = ends_on - timedelta(days=scheme.due_days_before_end)
    else:
        return ends_on + timedelta(days=scheme.due_days_after_end)
    return ends_on if due_on < max(place.starts_on, endorsed_on) else due_on


def _find_window(
    scheme: CycleScheme, first_day: date, due_on: date
) -> tuple[date | None, date | None]:
    """The first and last day of the submission of a renewal that there is since ``first_day``.

    A window that had closed by then has neither: nobody could use it.
    """
    opens, closes = scheme.submission_opens, scheme.submission_closes
    if opens is None:
        return None, None
    if isinstance(opens, str):
        opens_on = last_month_day_until(opens, due_on)
    else:
        opens_on = due_on + timedelta(days=opens)
    if closes is None:
        closes_on = None
    elif isinstance(closes, str):
        closes_on = first_month_day_after(closes, opens_on - _DAY)
    else:
        closes_on = due_on + timedelta(days=closes)
    if closes_on is not None and closes_on < first_day:
        return None, None
    return max(opens_on, first_day), closes_on


def find_grace_end(
    schemes: Sequence[CycleScheme], endorsed_on: date, day: date, due_on: date
) -> date:
    """The last day of grace of the cycle with ``day``, after ``due_on``, the due date in force.

    It is the due date if there is no cycle. As `Cycle.grace_ends_on`, for reports on thousands of
    renewals: a grace period of so many days takes no cycle.
    """
    started = [scheme for scheme in schemes if scheme.starts_from <= day]
    if started and started[-1].grace_days is not None:
        return due_on + timedelta(days=started[-1].grace_days)
    cycle = cycle_containing(schemes, endorsed_on, day)
    return cycle.grace_ends_on(due_on) if cycle else due_on


def cycle_counting(schemes: Sequence[CycleScheme], endorsed_on: date, day: date) -> Cycle | None:
    """The cycle in which hours held on ``day`` count: as a rule, the one that contains it.

    The months before the first cycle may count in it, too.
    """
    cycle = cycle_containing(schemes, endorsed_on, max(day, endorsed_on))
    return None if cycle is None or day < cycle.counts_from else cycle


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
    number = (day.year - anchor.year) // years
    if anchor + relativedelta(years=years * number) > day:
        number -= 1
    starts_on = anchor + relativedelta(years=years * number)
    return starts_on, anchor + relativedelta(years=years * (number + 1)) - _DAY


def list_year_ends(cycle: Cycle) -> list[date]:
    """The last days of the cycle's whole years, in order.

    Like cycles, they are counted from the first day of all, which may be a February 29.
    """
    ends, day = list[date](), cycle.starts_on
    while True:
        end = _find_cycle(cycle.leap_day or cycle.starts_on, 1, day)[1]
        if end > cycle.ends_on:
            return ends
        ends.append(end)
        day = end + _DAY


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
    years, starts_on = list[CycleYear](), cycle.starts_on
    for number, ends_on in enumerate(list_year_ends(cycle), 1):
        years.append(CycleYear(number, starts_on, ends_on))
        starts_on = ends_on + _DAY
    return years


def _count_years_before(cycle: Cycle, first_day: date) -> int:
    """How many whole years of a cycle began before ``first_day``, a day in it."""
    return sum(year.starts_on < first_day for year in list_years(cycle))


def _find_ordinary_share(place: _Place) -> Fraction:
    """The part of a full cycle's hours that someone endorsed before the cycle needs."""
    starts_on, ends_on, whole = place.starts_on, place.ends_on, place.whole
    if place.lengthened_by is not None:
        return _find_share(place.scheme, place.lengthened_by.long_cycle, starts_on, ends_on)
    if place.scheme.short_cycle and (starts_on, ends_on) != whole:
        return _find_share(place.scheme, place.scheme.short_cycle, starts_on, ends_on)
    return Fraction(1)


def _find_first_share(place: _Place, first_day: date) -> Fraction:
    """The part of a full cycle's hours that the cycle of endorsement requires."""
    scheme = place.scheme
    if scheme.first_cycle == "fraction by table":
        share = _find_share_in_table(scheme, place.starts_on, first_day)
    else:
        share = _find_share(scheme, scheme.first_cycle, first_day, place.ends_on)
    if place.lengthened_by is None:
        return share
    # Of a lengthened cycle, nobody owes more than those who were in it from its first day.
    ordinary = _find_ordinary_share(place)
    return ordinary if scheme.first_cycle == "all hours" else min(share, ordinary)


def _find_share_in_table(scheme: CycleScheme, starts_on: date, first_day: date) -> Fraction:
    # The last row goes to the end of a cycle that a change makes longer, too.
    rows = scheme.first_cycle_shares
    share = Fraction(rows[-1].share)
    for row in reversed(rows):
        if first_day < starts_on + relativedelta(months=row.months):
            share = Fraction(row.share)
    return share


def _find_share(
    scheme: CycleScheme, hours: str | float | None, first: date, ends_on: date
) -> Fraction:
    """The part of a full cycle's hours that a cycle from ``first`` on requires.

    Only whole months or years count.
    """
    if isinstance(hours, float):
        # By its digits: 1.1 is eleven tenths.
        return Fraction(str(hours))
    if hours == "all hours":
        return Fraction(1)
    if hours == "no hours":
        return Fraction(0)
    left = relativedelta(ends_on + _DAY, first)
    if hours == "fraction by year":
        return Fraction(left.years, scheme.years)
    return Fraction(left.years * MONTHS_IN_YEAR + left.months, scheme.years * MONTHS_IN_YEAR)
