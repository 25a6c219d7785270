"""Who signed in or was refused, and what coordinators downloaded: a log line and a row for each.

Neither has an address: a line or a row says what happened (``kind``, ``outcome``), to whose record,
and from which client, as a keyed hash. What anybody can cause as often as they like is only logged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlmodel import Session, col, delete, select

from tracker.db.access import SecurityEvent
from tracker.services.sign_in import hash_client

SIGN_IN, SIGN_OUT, DOWNLOAD = "sign-in", "sign-out", "download"
DONE = "done"
KEPT = timedelta(days=365)
_MOST_SHOWN = 50
_LOG = structlog.get_logger("security")


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from: its internet address (or network), and the request's id."""

    network: str
    request_id: str


def record_event(
    session: Session, now: datetime, client: Client, kind: str, outcome: str, person_id: int | None
) -> None:
    """Log an event, and store it for the person whose it is.

    ``outcome`` is `DONE`, or why it was refused.
    """
    client_hash = hash_client(session, client.network)
    log_event(kind, outcome, person_id=person_id, client=client_hash)
    event = SecurityEvent(
        at=now,
        kind=kind,
        outcome=outcome,
        person_id=person_id,
        client_hash=client_hash,
        request_id=client.request_id or None,
    )
    session.add(event)
    session.flush()


def log_event(kind: str, outcome: str, *, person_id: int | None = None, client: str = "") -> None:
    """Log an event that is not stored; the line has the request's id as all lines have."""
    _LOG.info("security event", kind=kind, outcome=outcome, person_id=person_id, client=client)


def list_events(session: Session, person_id: int) -> Sequence[SecurityEvent]:
    """What happened to a person's own record lately, the newest first."""
    query = (
        select(SecurityEvent)
        .where(SecurityEvent.person_id == person_id)
        .order_by(col(SecurityEvent.at).desc(), col(SecurityEvent.id).desc())
        .limit(_MOST_SHOWN)
    )
    return session.exec(query).all()


def forget_old_events(session: Session, now: datetime) -> int:
    """Delete what happened more than a year ago; return how many."""
    return session.exec(delete(SecurityEvent).where(col(SecurityEvent.at) < now - KEPT)).rowcount
