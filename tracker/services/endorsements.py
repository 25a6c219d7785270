"""Reads what a person holds, the cycles of an endorsement, and when providers' sessions count."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import NamedTuple

import sqlalchemy
from sqlalchemy import and_, bindparam
from sqlmodel import Session, col, exists, select

from tracker.db.applications import Application
from tracker.db.ledgers import LAST_DAY, ProviderSpan
from tracker.db.people import Endorsement, Person, Renewal
from tracker.db.submissions import Submission
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle, cycles_until
from tracker.rules.standing import Span, Standing
from tracker.services.applications import list_undecided_applications
from tracker.services.context import Refusal
from tracker.services.evaluation import DayOf, days_at, judge_all
from tracker.services.submitted_sessions import list_frozen


class Endorsed(NamedTuple):
    """One endorsement and whose it is; ``ends_on`` includes its day, None has no end.

    It is the last day on record, or an earlier one by the rules of the category.
    """

    id: int
    person_id: int
    name: str
    email: str
    association: str
    category: str
    starts_on: date
    ends_on: date | None

    @property
    def triple(self) -> tuple[str, str, date]:
        """What decides which plan a cycle has: association, category and first day."""
        return self.association, self.category, self.starts_on


_HELD_COLUMNS = (
    col(Endorsement.id),
    col(Endorsement.person_id),
    col(Person.name),
    col(Person.email),
    col(Endorsement.association),
    col(Endorsement.category),
    col(Endorsement.starts_on),
    LAST_DAY.label("ends_on"),
)
_HELD_ORDER = (col(Endorsement.association), col(Endorsement.starts_on), col(Endorsement.id))
_HELD = (
    sqlalchemy.select(*_HELD_COLUMNS)
    .join(Person, col(Person.id) == col(Endorsement.person_id))
    .order_by(*_HELD_ORDER)
)


# Built once, because building a statement takes as long as running it.
_HELD_BY_PERSON = _HELD.where(col(Endorsement.person_id) == bindparam("person_id"))


def endorsements_of(session: Session, person_id: int) -> list[Endorsed]:
    """Return every endorsement that a person holds, held or will hold."""
    rows = session.connection().execute(_HELD_BY_PERSON, {"person_id": person_id})
    return [Endorsed._make(row) for row in rows]


class Own(NamedTuple):
    """What every page of a person needs; ``endorsements`` are as of `endorsements_of`.

    ``extended`` are due dates by endorsement and first day of the cycle, ``submitted`` the
    renewals that are submitted by the same. ``frozen`` has the sessions that belong to one of
    those, each with its endorsement.
    """

    time_zone: str | None
    has_applied: bool
    endorsements: list[Endorsed]
    extended: Mapping[tuple[int, date], date]
    submitted: Collection[tuple[int, date]] = ()
    frozen: Mapping[int, int] = MappingProxyType({})


_OWN = (
    sqlalchemy.select(
        col(Person.time_zone),
        exists().where(col(Application.person_id) == Person.id),
        col(Renewal.cycle_starts_on),
        col(Renewal.extended_due_on),
        col(Submission.cycle_starts_on),
        *_HELD_COLUMNS,
    )
    .outerjoin(Endorsement, col(Endorsement.person_id) == col(Person.id))
    .outerjoin(Renewal, col(Renewal.endorsement_id) == col(Endorsement.id))
    .outerjoin(
        Submission,
        and_(
            col(Submission.endorsement_id) == col(Endorsement.id),
            col(Submission.returned_at).is_(None),
        ),
    )
    .where(col(Person.id) == bindparam("person_id"))
    .order_by(*_HELD_ORDER)
)


def own_of(session: Session, person_id: int) -> Own:
    """Return what a person holds, with their time zone and whether they ever applied."""
    time_zone, has_applied = None, False
    endorsements, extended, submitted = {}, {}, set()
    for row in session.connection().execute(_OWN, {"person_id": person_id}):
        time_zone, has_applied, cycle_starts_on, extended_due_on, submitted_cycle, *held = row
        endorsed = Endorsed._make(held)
        if endorsed.id is not None:
            endorsements[endorsed.id] = endorsed
        if cycle_starts_on is not None:
            extended[endorsed.id, cycle_starts_on] = extended_due_on
        if submitted_cycle is not None:
            submitted.add((endorsed.id, submitted_cycle))
    frozen = {}
    if submitted:
        frozen = {number: held for number, (held, _) in list_frozen(session, [person_id]).items()}
    return Own(time_zone, has_applied, [*endorsements.values()], extended, submitted, frozen)


def endorsement_within(
    session: Session, endorsement_id: int, associations: Collection[str]
) -> Endorsed | None:
    """Return an endorsement if it belongs to one of ``associations``, otherwise None."""
    query = _HELD.where(
        col(Endorsement.id) == endorsement_id, col(Endorsement.association).in_(associations)
    )
    row = session.connection().execute(query).first()
    return None if row is None else Endorsed._make(row)


def spans_of(session: Session, rule: str, provider_ids: Collection[int]) -> dict[int, list[Span]]:
    """Return the days on which each provider's sessions count under a rule, in order."""
    query = (
        select(ProviderSpan)
        .where(ProviderSpan.rule == rule, col(ProviderSpan.provider_id).in_(provider_ids))
        .order_by(col(ProviderSpan.starts_on))
    )
    spans: defaultdict[int, list[Span]] = defaultdict(list)
    for row in session.exec(query):
        spans[row.provider_id].append(Span(row.starts_on, row.ends_on))
    return spans


def cycles_held(rulebooks: Rulebooks, endorsed: Endorsed, today: date) -> Sequence[Cycle]:
    """Return every cycle from that of ``today`` (or of the endorsement's last day) back.

    Empty without a rulebook, without renewal rules for the category, and before the first day.
    """
    last = min(today, endorsed.ends_on or today)
    rulebook = rulebooks.associations.get(endorsed.association)
    if rulebook is None or last < endorsed.starts_on:
        return ()
    if not rulebook.requirements_of(endorsed.category):
        return ()
    return cycles_until(rulebook.cycles, endorsed.starts_on, last)


def standing_in(
    session: Session, rulebooks: Rulebooks, day_of: DayOf, endorsement_id: int, starts_on: date
) -> Standing | None:
    """Judge an endorsement in the cycle that ``starts_on``; None if it ended before it is due."""
    judged = judge_all(
        session, rulebooks, day_of, cycle_day=starts_on, endorsement_ids=[endorsement_id]
    )
    return next(judged, None)


class CycleLock(NamedTuple):
    """A cycle that locks its days after ``grace_ends_on``, or once its renewal is submitted."""

    association: str
    cycle: Cycle
    grace_ends_on: date
    is_submitted: bool = False


@dataclass(frozen=True, slots=True)
class CycleLocks:
    """The locks of the person who holds ``own``; ``applies``: an application is undecided."""

    rulebooks: Rulebooks
    day_of: DayOf
    own: Own
    applies: bool

    def lock_on(self, day: date) -> CycleLock | None:
        """Why no session can be added on a day; None if it can.

        Of several cycles, it is the one that closes last, and of those the first.
        """
        return self._find_lock(day, with_submitted=True)

    def lock_of(self, entry_id: int, held_on: date) -> CycleLock | None:
        """Why a session can't be changed; None if it can."""
        for endorsement in self.own.endorsements:
            if endorsement.id == self.own.frozen.get(entry_id):
                return self.cycle_of(endorsement, held_on)
        return self.lock_on(held_on)

    def closed_on(self, day: date) -> CycleLock | None:
        """The closed cycle of a day, the one that closed last; None if the day is open.

        What belongs to a submitted renewal can still be added, unless it is a session.
        """
        return self._find_lock(day, with_submitted=False)

    def cycle_of(self, endorsement: Endorsed, day: date) -> CycleLock | None:
        """The cycle of one endorsement in which hours of ``day`` count, closed or not."""
        if endorsement.association not in self.rulebooks.associations:
            return None
        plan = self.rulebooks.plan_counting(*endorsement.triple, day)
        if plan is None or plan.cycle is None:
            return None
        key = (endorsement.id, plan.cycle.starts_on)
        grace_ends_on = plan.cycle.grace_ends_on(self.own.extended.get(key, plan.cycle.due_on))
        is_submitted = key in self.own.submitted
        return CycleLock(endorsement.association, plan.cycle, grace_ends_on, is_submitted)

    def _find_lock(self, day: date, *, with_submitted: bool) -> CycleLock | None:
        """The cycle of a day that closes last, if each of the day's cycles is closed or submitted.

        Without ``with_submitted`` each has to be closed.
        """
        if self.applies:
            return None
        cycles = (self.cycle_of(endorsement, day) for endorsement in self.own.endorsements)
        locks = [cycle for cycle in cycles if cycle is not None]
        for lock in locks:
            is_closed = lock.grace_ends_on < self.day_of(lock.association)
            if not is_closed and not (with_submitted and lock.is_submitted):
                return None
        return max(locks, key=lambda lock: lock.grace_ends_on, default=None)


def load_person_locks(
    session: Session, rulebooks: Rulebooks, person_id: int, now: datetime
) -> CycleLocks:
    """The locks of a person."""
    own = own_of(session, person_id)
    applies = own.has_applied and bool(list_undecided_applications(session, person_id))
    return CycleLocks(rulebooks, days_at(rulebooks, now), own, applies=applies)


def refusal_of_lock(field: str, lock: CycleLock) -> Refusal:
    """Why nothing that belongs to a closed cycle, or a submitted renewal, can be changed."""
    facts = {
        "association": lock.association,
        "starts_on": lock.cycle.starts_on,
        "ends_on": lock.cycle.ends_on,
        "grace_ends_on": lock.grace_ends_on,
    }
    return Refusal(field, "cycle-submitted" if lock.is_submitted else "cycle-closed", facts)
