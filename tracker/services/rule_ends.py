"""Stores when endorsements end by the rules of their category: the table endorsement_end.

So that the database knows the last day of each, wherever it matters.
"""

from collections import defaultdict
from collections.abc import Collection
from datetime import date

import sqlalchemy
from sqlalchemy import bindparam, delete
from sqlmodel import Session, col, or_

from tracker.db.engine import lock_names
from tracker.db.ledgers import EndorsementEnd
from tracker.db.people import Endorsement
from tracker.db.statements import in_chunks, insert_rows
from tracker.rulebooks import Rulebooks
from tracker.rules.category_ends import RecordedTerm, find_ends

_BATCH = 1_000
_HELD = sqlalchemy.select(
    col(Endorsement.person_id),
    col(Endorsement.association),
    col(EndorsementEnd.ends_on),
    col(Endorsement.id),
    col(Endorsement.category),
    col(Endorsement.starts_on),
    col(Endorsement.ends_on),
).outerjoin(EndorsementEnd, col(EndorsementEnd.endorsement_id) == col(Endorsement.id))
_FORGET = delete(EndorsementEnd).where(
    col(EndorsementEnd.endorsement_id).in_(bindparam("ids", expanding=True))
)


def refresh_rule_ends(
    session: Session, rulebooks: Rulebooks, person_ids: Collection[int] | None = None
) -> set[int]:
    """Work out anew when endorsements end by rule, and store what differs.

    Default: of everyone, also where the rulebook has no such rule any more. Call it before
    anything that depends on a last day: providers' spans and standings. Returns the endorsements
    whose last day differs.
    """
    if person_ids is None:
        return _refresh(session, rulebooks, None)
    changed = set[int]()
    if rulebooks.ending_categories:
        for ids in in_chunks(sorted(person_ids), _BATCH):
            changed |= _refresh(session, rulebooks, ids)
    return changed


def list_rule_ends(session: Session, rulebooks: Rulebooks) -> dict[int, date]:
    """The last days by the rules of these rulebooks, by endorsement, of everyone."""
    wanted, _ = _work_out(session, rulebooks, None)
    return wanted


def _refresh(session: Session, rulebooks: Rulebooks, ids: Collection[int] | None) -> set[int]:
    wanted, stored = _work_out(session, rulebooks, ids)
    if wanted != stored:
        # Somebody else may be storing the same days. As a rule none differ, and nobody waits.
        lock_names(session, ["last days by rule"])
        wanted, stored = _work_out(session, rulebooks, ids)
    gone = [number for number, ends_on in stored.items() if wanted.get(number) != ends_on]
    for few in in_chunks(gone, _BATCH):
        session.connection().execute(_FORGET, {"ids": few})
    new = sorted(wanted.items() - stored.items())
    rows = [{"endorsement_id": number, "ends_on": ends_on} for number, ends_on in new]
    insert_rows(session, EndorsementEnd, rows)
    return {*gone, *(number for number, _ in new)}


def _work_out(
    session: Session, rulebooks: Rulebooks, ids: Collection[int] | None
) -> tuple[dict[int, date], dict[int, date]]:
    """The last days by rule, and those that are stored, by endorsement, of these people or all."""
    query = _HELD.where(
        or_(
            col(Endorsement.association).in_(rulebooks.ending_categories),
            col(EndorsementEnd.endorsement_id).is_not(None),
        )
    )
    if ids is not None:
        query = query.where(col(Endorsement.person_id).in_(ids))
    stored: dict[int, date] = {}
    held: defaultdict[tuple[int, str], list[RecordedTerm]] = defaultdict(list)
    for row in session.connection().execute(query):
        person_id, association, stored_end, number, category, starts_on, ends_on = row
        recorded = RecordedTerm(number, category, starts_on, ends_on or date.max)
        held[person_id, association].append(recorded)
        if stored_end is not None:
            stored[number] = stored_end
    wanted: dict[int, date] = {}
    for (_, association), terms in held.items():
        if association in rulebooks.ending_categories:
            wanted |= find_ends(rulebooks.associations[association], terms)
    return wanted, stored
