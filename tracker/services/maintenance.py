"""Maintenance mode: pages and the API pause, jobs and mail wait, and nothing is lost.

It is a row of the database, so that every process on every machine follows it, also one that
starts later.
"""

from datetime import datetime

from sqlmodel import Session, delete

from tracker.db.operations import Maintenance
from tracker.db.statements import upsert

_ONLY = 1


def find_maintenance(session: Session) -> Maintenance | None:
    """The maintenance that is going on; None if there is none."""
    return session.get(Maintenance, _ONLY)


def start_maintenance(
    session: Session, now: datetime, ends_at: datetime | None, message: str
) -> Maintenance:
    """Turn it on, or change its text and expected end; it keeps its beginning."""
    row = {"since": now, "ends_at": ends_at, "message": " ".join(message.split())}
    upsert(session, Maintenance, [row], key=["id"], update=["ends_at", "message"])
    return session.get_one(Maintenance, _ONLY, populate_existing=True)


def end_maintenance(session: Session) -> bool:
    """Turn it off; False if it was off."""
    return session.exec(delete(Maintenance)).rowcount == 1
