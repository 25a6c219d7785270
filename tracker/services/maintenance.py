"""Maintenance mode: pages and the API pause, jobs and mail wait, and nothing is lost.

It is a row of the database, so that every process on every machine follows it, also one that
starts later.
"""

from datetime import datetime

from sqlmodel import Session

from tracker.db.operations import Maintenance

_ONLY = 1


def find_maintenance(session: Session) -> Maintenance | None:
    """The maintenance that is going on; None if there is none."""
    return session.get(Maintenance, _ONLY)


def start_maintenance(
    session: Session, now: datetime, ends_at: datetime | None, message: str
) -> Maintenance:
    """Turn it on, or change its text and expected end; it keeps its beginning."""
    maintenance = find_maintenance(session) or Maintenance(since=now)
    maintenance.ends_at = ends_at
    maintenance.message = " ".join(message.split())
    session.add(maintenance)
    session.flush()
    return maintenance


def end_maintenance(session: Session) -> bool:
    """Turn it off; False if it was off."""
    maintenance = find_maintenance(session)
    if maintenance is None:
        return False
    session.delete(maintenance)
    return True
