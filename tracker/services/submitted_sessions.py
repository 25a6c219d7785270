"""What submitted renewals lock, for many people at once: what the triggers of `entry` refuse.

`tracker.services.endorsements` has the same for one person's pages. What writes the sessions of
many people looks here first, so that nobody runs into a trigger (migration 0034).
"""

from collections import defaultdict
from collections.abc import Collection
from datetime import date
from typing import NamedTuple

from sqlalchemy import or_, select
from sqlmodel import Session, col

from tracker.db.applications import Application
from tracker.db.log import Entry
from tracker.db.people import Endorsement
from tracker.db.statements import in_chunks
from tracker.db.submissions import Submission

_MANY = 500


class SubmittedCycle(NamedTuple):
    """A cycle whose renewal is submitted; both days are included."""

    endorsement_id: int
    association: str
    starts_on: date
    ends_on: date


class SubmittedSessions(NamedTuple):
    """What is locked: by person, and the ids of the sessions that stay as they are.

    ``free_until`` has the last days (None: no end) of each person's endorsements by their ids.
    ``applying`` are the people with an undecided application, for which any session may count.
    """

    cycles: dict[int, list[SubmittedCycle]]
    frozen: dict[int, SubmittedCycle]
    free_until: dict[int, dict[int, date | None]]
    applying: set[int]

    def find_lock(self, person_id: int, day: date) -> SubmittedCycle | None:
        """The submitted cycle that keeps a new session on ``day`` out; None if it can be added."""
        locked = {
            cycle.endorsement_id: cycle
            for cycle in self.cycles.get(person_id, ())
            if cycle.starts_on <= day <= cycle.ends_on
        }
        if not locked or person_id in self.applying:
            return None
        for endorsement_id, last_day in self.free_until[person_id].items():
            if endorsement_id not in locked and (last_day is None or last_day >= day):
                return None
        return next(iter(locked.values()))


def list_frozen(session: Session, person_ids: Collection[int]) -> dict[int, tuple[int, date]]:
    """The sessions that submitted renewals rest on: not those that were logged later.

    By their ids, with the endorsement and the first day of the cycle.
    """
    query = (
        select(col(Entry.id), col(Submission.endorsement_id), col(Submission.cycle_starts_on))
        .join(Endorsement, col(Endorsement.person_id) == col(Entry.person_id))
        .join(Submission)
        .where(
            col(Entry.person_id).in_(person_ids),
            col(Submission.returned_at).is_(None),
            col(Entry.held_on).between(
                col(Submission.cycle_starts_on), col(Submission.cycle_ends_on)
            ),
            or_(
                col(Entry.logged_at).is_(None),
                col(Entry.logged_at) <= col(Submission.submitted_at),
            ),
        )
    )
    rows = session.connection().execute(query)
    return {entry_id: (held, starts_on) for entry_id, held, starts_on in rows}


def read_submitted(session: Session, person_ids: Collection[int]) -> SubmittedSessions:
    """What the submitted renewals of these people lock."""
    found = SubmittedSessions(defaultdict(list), {}, defaultdict(dict), set())
    for ids in in_chunks(sorted(person_ids), _MANY):
        _read(session, ids, found)
    return found


def _read(session: Session, person_ids: Collection[int], found: SubmittedSessions) -> None:
    in_force = (
        select(
            col(Endorsement.person_id),
            col(Submission.endorsement_id),
            col(Endorsement.association),
            col(Submission.cycle_starts_on),
            col(Submission.cycle_ends_on),
        )
        .join(Submission)
        .where(col(Endorsement.person_id).in_(person_ids), col(Submission.returned_at).is_(None))
    )
    cycles = dict[tuple[int, date], SubmittedCycle]()
    connection = session.connection()
    for person_id, *values in connection.execute(in_force.order_by(col(Submission.id))):
        cycle = SubmittedCycle._make(values)
        found.cycles[person_id].append(cycle)
        cycles[cycle.endorsement_id, cycle.starts_on] = cycle
    people = [each for each in person_ids if each in found.cycles]
    if not people:
        return
    for entry_id, key in list_frozen(session, people).items():
        found.frozen[entry_id] = cycles[key]
    held = select(col(Endorsement.person_id), col(Endorsement.id), col(Endorsement.ends_on))
    mine = held.where(col(Endorsement.person_id).in_(people))
    for person_id, endorsement_id, ends_on in connection.execute(mine):
        found.free_until[person_id][endorsement_id] = ends_on
    undecided = select(col(Application.person_id)).where(
        col(Application.person_id).in_(people), col(Application.decided_on).is_(None)
    )
    found.applying.update(connection.execute(undecided).scalars())
