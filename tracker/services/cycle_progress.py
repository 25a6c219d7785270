"""How many renewals were complete on each day of this cycle, and of the cycle before."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import case
from sqlmodel import Session, col, func, select

from tracker.db.ledgers import StandingRow
from tracker.db.people import Endorsement
from tracker.rules.cycles import Cycle, cycle_containing
from tracker.rules.model import Rulebook
from tracker.services.run_ledger import find_first_run_date

_DAY = timedelta(days=1)
# The chart and its table have a point for about so many days.
_POINTS = 12


class ProgressPoint(NamedTuple):
    """So many days into the cycle: complete and all renewals of this cycle and of the last one.

    None where there are no records: days to come, and those before the first evaluation here.
    """

    day: date
    day_before: date
    this: tuple[int, int] | None
    last: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class CycleProgress:
    """This cycle day by day, beside the cycle before.

    ``points`` end with today's; ``recorded_from`` is the day of the first evaluation (None: there
    was none yet).
    """

    cycle: Cycle
    before: Cycle
    recorded_from: date | None
    points: tuple[ProgressPoint, ...]

    @property
    def has_records(self) -> bool:
        """Whether anything is on record of either cycle."""
        return any(point.this or point.last for point in self.points)

    @property
    def has_comparison(self) -> bool:
        """Whether anything is on record of the last cycle."""
        return any(point.last for point in self.points)


def read_cycle_progress(session: Session, rulebook: Rulebook, today: date) -> CycleProgress | None:
    """The progress through the cycle that contains ``today``.

    None if people have cycles of their own, which have no common days. A renewal is complete from
    the day on which its standing became so and stayed so. That is known from the first evaluation
    here on: of what was imported then nobody knows on which day it was complete. Only endorsements
    that are on file today are counted.
    """
    cycle = _common_cycle(rulebook, today)
    before = _common_cycle(rulebook, cycle.starts_on - _DAY) if cycle else None
    if cycle is None or before is None:
        return None
    recorded_from = find_first_run_date(session, rulebook.id)
    this = _count_by_day(session, rulebook.id, cycle)
    last = _count_by_day(session, rulebook.id, before)
    points = []
    for day in _spread(cycle.starts_on, today):
        day_before = min(before.starts_on + (day - cycle.starts_on), before.ends_on)
        is_recorded = recorded_from is not None and recorded_from <= day
        was_recorded = recorded_from is not None and recorded_from <= day_before
        points.append(
            ProgressPoint(
                day,
                day_before,
                this.get(day) if is_recorded else None,
                last.get(day_before) if was_recorded else None,
            )
        )
    return CycleProgress(cycle, before, recorded_from, tuple(points))


def _common_cycle(rulebook: Rulebook, day: date) -> Cycle | None:
    """The cycle that everyone at the association is in on ``day``; None if there is none."""
    schemes = [scheme for scheme in rulebook.cycles if scheme.starts_from <= day]
    if not schemes or schemes[-1].ends_on is None:
        return None
    # Of an endorsement that began long before.
    return cycle_containing(rulebook.cycles, min(s.starts_from for s in schemes), day)


def _spread(first: date, last: date) -> Iterable[date]:
    """About `_POINTS` days from ``first`` to ``last``, which is the last of them."""
    step = max(1, -(-((last - first).days + 1) // _POINTS))
    days = [last - number * step * _DAY for number in range((last - first).days // step + 1)]
    return reversed(days)


def _count_by_day(session: Session, association: str, cycle: Cycle) -> dict[date, tuple[int, int]]:
    """(complete, all) renewals of a cycle, by each of its days; empty if there are none."""
    is_met = (col(StandingRow.status) == "met").label("is_met")
    endorsed_on = col(Endorsement.starts_on)
    counted_from = case((endorsed_on > cycle.starts_on, endorsed_on), else_=cycle.starts_on)
    query = (
        select(  # type: ignore[call-overload]
            counted_from.label("counted_from"), is_met, StandingRow.status_since, func.count()
        )
        .select_from(StandingRow)
        .join(Endorsement)
        .where(
            StandingRow.association == association,
            col(StandingRow.cycle_ends_on) == cycle.ends_on,
            col(StandingRow.due_on).is_not(None),
        )
        # By name: to PostgreSQL, two expressions with parameters are never the same.
        .group_by("counted_from", "is_met", col(StandingRow.status_since))
    )
    begun, complete = Counter[date](), Counter[date]()
    for first_day, met, since, count in session.exec(query):
        begun[first_day] += count
        if met:
            complete[max(since, first_day)] += count
    if not begun:
        return {}
    by_day, done, total = dict[date, tuple[int, int]](), 0, 0
    for number in range((cycle.ends_on - cycle.starts_on).days + 1):
        day = cycle.starts_on + number * _DAY
        done, total = done + complete[day], total + begun[day]
        by_day[day] = (done, total)
    return by_day
