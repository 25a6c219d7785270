"""Closed renewal cycles: no entry of theirs can be added, changed, or deleted.

A cycle closes when its grace period ends; an extension opens it again. A day is locked when every
cycle that contains it is closed. An undecided application keeps all days open, because hours of
any age can count for it. Imports ignore the locks: with them associations correct the past.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from sqlmodel import Session, col, select

from tracker.db.people import Renewal
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle
from tracker.services.applications import list_undecided_applications
from tracker.services.context import Refusal
from tracker.services.endorsements import Endorsed, endorsements_of
from tracker.services.evaluation import DayOf, days_at


class CycleLock(NamedTuple):
    """A cycle that locks its days after ``grace_ends_on``."""

    association: str
    cycle: Cycle
    grace_ends_on: date


@dataclass(frozen=True, slots=True)
class CycleLocks:
    """The locks of one person.

    ``extended`` are due dates by endorsement and first day of the cycle. ``applies``: an
    application of the person is undecided.
    """

    rulebooks: Rulebooks
    day_of: DayOf
    endorsements: Sequence[Endorsed]
    extended: Mapping[tuple[int, date], date]
    applies: bool

    def lock_on(self, day: date) -> CycleLock | None:
        """The lock of a day, the one that closed last; None if the day is open."""
        last = None
        for endorsement in self.endorsements:
            lock = None if self.applies else self.cycle_of(endorsement, day)
            if lock is None:
                continue
            if lock.grace_ends_on >= self.day_of(lock.association):
                return None
            if last is None or lock.grace_ends_on > last.grace_ends_on:
                last = lock
        return last

    def cycle_of(self, endorsement: Endorsed, day: date) -> CycleLock | None:
        """The cycle of one endorsement that contains ``day``, whether it is closed or not."""
        if endorsement.association not in self.rulebooks.associations:
            return None
        plan = self.rulebooks.plan(*endorsement.triple, day)
        if plan is None or plan.cycle is None:
            return None
        due_on = self.extended.get((endorsement.id, plan.cycle.starts_on), plan.cycle.due_on)
        return CycleLock(endorsement.association, plan.cycle, plan.cycle.grace_ends_on(due_on))


def load_cycle_locks(
    session: Session,
    rulebooks: Rulebooks,
    now: datetime,
    endorsements: Sequence[Endorsed],
    *,
    applies: bool,
) -> CycleLocks:
    """The locks of the person with these endorsements; ``applies`` is as of `CycleLocks`."""
    ids = [endorsement.id for endorsement in endorsements]
    renewals = session.exec(select(Renewal).where(col(Renewal.endorsement_id).in_(ids)))
    extended = {(r.endorsement_id, r.cycle_starts_on): r.extended_due_on for r in renewals}
    return CycleLocks(rulebooks, days_at(rulebooks, now), endorsements, extended, applies)


def load_person_locks(
    session: Session, rulebooks: Rulebooks, person_id: int, now: datetime
) -> CycleLocks:
    """The locks of a person."""
    endorsements = endorsements_of(session, person_id)
    applies = bool(list_undecided_applications(session, person_id))
    return load_cycle_locks(session, rulebooks, now, endorsements, applies=applies)


def refusal_of_lock(field: str, lock: CycleLock) -> Refusal:
    """Why nothing that belongs to a closed cycle can be changed."""
    facts = {
        "association": lock.association,
        "starts_on": lock.cycle.starts_on,
        "ends_on": lock.cycle.ends_on,
        "grace_ends_on": lock.grace_ends_on,
    }
    return Refusal(field, "cycle-closed", facts)
