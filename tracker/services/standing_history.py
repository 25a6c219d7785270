"""Every standing that was stored, by the day from which on it was so.

A row is written when a stored standing changes, so a standing of any later day is the last row
before it. Of several changes on one day only the last one is kept.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from tracker.db.ledgers import StandingHistory
from tracker.db.statements import upsert

_SAME = ("status", "due_on", "requirements")
_KEY = ("endorsement_id", "cycle_starts_on", "since")
Key = tuple[int, date]


class StandingBefore(NamedTuple):
    """What was stored of one renewal before it was judged again."""

    status: str
    status_since: date
    due_on: date | None
    requirements: str


def note_changes(
    session: Session, before: Mapping[Key, StandingBefore], rows: Iterable[Mapping[str, Any]]
) -> None:
    """Keep those of the ``rows`` of the standing table that differ from what was stored."""
    changed = []
    for row in rows:
        endorsement_id, cycle_starts_on = row["endorsement_id"], row["cycle_starts_on"]
        stored = before.get((endorsement_id, cycle_starts_on))
        values = {name: row[name] for name in _SAME}
        if stored is None or any(getattr(stored, name) != values[name] for name in _SAME):
            values |= {
                "endorsement_id": endorsement_id,
                "cycle_starts_on": cycle_starts_on,
                "since": row["judged_on"],
            }
            changed.append(values)
    upsert(session, StandingHistory, changed, key=_KEY, update=_SAME)


def list_stored_on(
    session: Session, endorsement_ids: Collection[int], day: date
) -> dict[Key, StandingHistory]:
    """The standings that were stored at the end of a day, by endorsement and first day of cycle."""
    query = (
        select(StandingHistory)
        .where(
            col(StandingHistory.endorsement_id).in_(endorsement_ids), StandingHistory.since <= day
        )
        .order_by(col(StandingHistory.since))
    )
    return {(row.endorsement_id, row.cycle_starts_on): row for row in session.exec(query)}
