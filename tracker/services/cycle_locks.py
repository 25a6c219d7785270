"""Which days are closed: nothing that was held on them may be added, changed or deleted.

A renewal that is over and past its days of grace stays what was submitted. A day is closed when
every cycle that holds it is; an application that is not decided yet keeps all days open, because
hours of any age can count for it. The import is not bound by this: it is how associations correct
the past. An extension opens a cycle again, to the end of its own days of grace.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from sqlmodel import Session

from tracker.db.statements import among, as_date, run
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle
from tracker.services.applications import list_undecided_applications
from tracker.services.context import Refusal
from tracker.services.endorsements import Endorsed, endorsements_of
from tracker.services.evaluation import DayOf, days_at


class CycleLock(NamedTuple):
    """The cycle that closed a day last; ``last_day`` is the last on which it was still open."""

    association: str
    cycle: Cycle
    last_day: date


@dataclass(frozen=True, slots=True)
class CycleLocks:
    """What tells of any day whether it is closed for one person.

    ``extended`` are due dates by endorsement and first day of the cycle; ``applies``: an
    application of theirs is not decided yet.
    """

    rulebooks: Rulebooks
    day_of: DayOf
    endorsements: Sequence[Endorsed]
    extended: Mapping[tuple[int, date], date]
    applies: bool

    def closed(self, day: date) -> CycleLock | None:
        """Why nothing held on ``day`` may be written any more; None where it may."""
        if self.applies:
            return None
        found = [c for one in self.endorsements if (c := self.cycle_of(one, day))]
        is_open = any(c.last_day >= self.day_of(c.association) for c in found)
        return None if is_open else max(found, key=lambda c: c.last_day, default=None)

    def cycle_of(self, one: Endorsed, day: date) -> CycleLock | None:
        """The cycle of one endorsement that holds ``day``, whether it is closed or not."""
        if one.association not in self.rulebooks.associations:
            return None
        plan = self.rulebooks.plan(one.association, one.category, one.starts_on, day)
        if plan is None or plan.cycle is None:
            return None
        due_on = self.extended.get((one.id, plan.cycle.starts_on), plan.cycle.due_on)
        return CycleLock(one.association, plan.cycle, plan.cycle.grace_ends_on(due_on))


def read_cycle_locks(
    session: Session,
    rulebooks: Rulebooks,
    at: datetime,
    endorsements: Sequence[Endorsed],
    *,
    applies: bool,
) -> CycleLocks:
    """What tells a person's closed days at an instant; one query."""
    which = among(session, [one.id for one in endorsements])
    sql = f"""
        SELECT endorsement_id, cycle_starts_on, extended_due_on FROM renewal
        WHERE endorsement_id {which.sql}
    """
    rows = run(session, sql, which.parameters)
    extended = {(row[0], as_date(row[1])): as_date(row[2]) for row in rows}
    return CycleLocks(rulebooks, days_at(rulebooks, at), endorsements, extended, applies)


def read_cycle_locks_of(
    session: Session, rulebooks: Rulebooks, person_id: int, at: datetime
) -> CycleLocks:
    """What tells the closed days of a person of whom nothing is read yet."""
    endorsements = endorsements_of(session, person_id)
    applies = bool(list_undecided_applications(session, person_id))
    return read_cycle_locks(session, rulebooks, at, endorsements, applies=applies)


def cycle_lock_for(
    session: Session, rulebooks: Rulebooks, person_id: int, day: date, at: datetime
) -> CycleLock | None:
    """Why a person may write no entry held on ``day`` any more; None where they may."""
    return read_cycle_locks_of(session, rulebooks, person_id, at).closed(day)


def refusal_of_lock(field: str, lock: CycleLock) -> Refusal:
    """Why nothing that belongs to a closed cycle can be changed."""
    facts = {
        "association": lock.association,
        "starts_on": lock.cycle.starts_on,
        "ends_on": lock.cycle.ends_on,
        "grace_ends_on": lock.last_day,
    }
    return Refusal(field, "cycle-closed", facts)
