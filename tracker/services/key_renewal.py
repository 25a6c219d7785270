"""Gives the installation new keys, so that links that were sent until now stop working."""

from datetime import datetime

from sqlmodel import Session, col, select, update

from tracker.db.applications import Reference
from tracker.db.audit import Change, record_changes
from tracker.db.ledgers import Outbox
from tracker.db.signing_keys import (
    CALENDAR,
    DEVICE,
    REFERENCE,
    SIGN_IN,
    UNSUBSCRIBE,
    check_master_key,
    renew_signing_keys,
    replace_lost_master_key,
)
from tracker.services.reference_submission import request_key

_UNSENT = col(Outbox.state).in_(["waiting", "sending"])
_VOIDED = "its code was voided"
_LOST = "it was encrypted with a master key that is lost"


def renew_keys(
    session: Session, who: str, now: datetime, *, calendars: bool, may_be_lost: bool
) -> int | None:
    """Renew the keys of links: those of sign-in, referees, and unsubscribing stop working.

    ``calendars``: those of calendars, too. If ``may_be_lost`` and the master key is missing or
    another one, a new one is used for everything; returns how many waiting messages can't be sent
    for that reason, and None if the master key is right. Otherwise raises MasterKeyError for it.
    """
    lost_messages = None
    if not may_be_lost:
        check_master_key(session)
    elif replace_lost_master_key(session):
        lost_messages = _fail_waiting_messages(session, now)
    purposes = [SIGN_IN, DEVICE, REFERENCE, UNSUBSCRIBE, *([CALENDAR] if calendars else [])]
    renew_signing_keys(session, purposes)
    _drop_waiting_codes(session, now)
    _void_referee_links(session)
    # Keys have no number, as there is one set of them.
    change = Change(who, now, "key_generation", 0, {"renewed": []}, {"renewed": purposes})
    record_changes(session, [change])
    return lost_messages


def _fail_waiting_messages(session: Session, now: datetime) -> int:
    failed = (
        update(Outbox)
        .where(_UNSENT)
        .values(
            state="failed",
            finished_at=now,
            lease_until=None,
            last_error=_LOST,
            bounced=False,
            body=b"",
        )
    )
    return session.exec(failed).rowcount


def _drop_waiting_codes(session: Session, now: datetime) -> None:
    waiting = (col(Outbox.state) == "waiting", col(Outbox.expires_at).is_not(None))
    values = {"state": "dropped", "finished_at": now, "last_error": _VOIDED, "body": b""}
    session.exec(update(Outbox).where(*waiting).values(**values))


def _void_referee_links(session: Session) -> None:
    """Void the links of referees who have not answered; the next reminder has a new one.

    A link whose first email still waits stays: nobody has it yet.
    """
    unsent = set(session.exec(select(Outbox.dedupe_key).where(_UNSENT)).all())
    open_links = (
        col(Reference.token_hash).is_not(None),
        col(Reference.received_at).is_(None),
        col(Reference.declined_at).is_(None),
    )
    for reference in session.exec(select(Reference).where(*open_links)).all():
        first = request_key(reference.id, reference.token_hash or "", 0)
        if first not in unsent:
            reference.token_hash = None
            session.add(reference)
    session.flush()
