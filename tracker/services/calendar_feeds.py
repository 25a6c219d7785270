"""Calendar addresses: secret, signed, and valid until their owner makes another or none."""

import hashlib
import secrets
from collections.abc import Mapping

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy import delete, insert, select
from sqlmodel import Session

from tracker.db.audit import Change, Stamp, record_changes
from tracker.db.statements import find_key, make_key
from tracker.db.tables import METADATA
from tracker.services.context import lock_person

_FEED = METADATA.tables["calendar_feed"]
_KEY_NAME = "calendar"
_LONGEST_TOKEN = 300


def feed_token(session: Session, person_id: int) -> str | None:
    """The secret part of a person's calendar address; None while it is switched off."""
    key, nonce = find_key(session, _KEY_NAME), _nonce(session, person_id)
    if key is None or nonce is None:
        return None
    return str(_serializer(key).dumps([person_id, nonce]))


def person_of_feed(session: Session, token: str) -> int | None:
    """Whose calendar an address opens; None where it is not ours, or was revoked."""
    key = find_key(session, _KEY_NAME)
    if key is None or len(token) > _LONGEST_TOKEN:
        return None
    try:
        person_id, nonce = _serializer(key).loads(token)
    except (BadData, ValueError, UnicodeError):
        return None
    return int(person_id) if _nonce(session, person_id) == nonce else None


def feed_mark(session: Session, person_id: int) -> str:
    """What names a person's present address in a form, without being it; empty without one."""
    nonce = _nonce(session, person_id)
    return hashlib.sha256(nonce.encode()).hexdigest()[:16] if nonce else ""


def replace_feed(session: Session, person_id: int, mark: str, by: Stamp) -> None:
    """Make a new address in the place of the one of that mark, which is then revoked.

    Nothing happens where the address is another one by now: the form was sent twice.
    """
    lock_person(session, person_id)
    if feed_mark(session, person_id) != mark:
        return
    make_key(session, _KEY_NAME)
    before = _remove(session, person_id)
    # The address itself stays out of the audit: it would open the calendar.
    after = {"created_at": by.at}
    row = {"person_id": person_id, "nonce": secrets.token_urlsafe(18), **after}
    session.connection().execute(insert(_FEED).values(row))
    _audit(session, person_id, before, after, by)


def end_feed(session: Session, person_id: int, by: Stamp) -> None:
    """Revoke the address, and have none; a second time changes nothing."""
    lock_person(session, person_id)
    _audit(session, person_id, _remove(session, person_id), None, by)


def _remove(session: Session, person_id: int) -> Mapping[str, object] | None:
    own = _FEED.c.person_id == person_id
    before = session.connection().execute(select(_FEED.c.created_at).where(own)).mappings().first()
    session.connection().execute(delete(_FEED).where(own))
    return None if before is None else dict(before)


def _audit(
    session: Session,
    person_id: int,
    before: Mapping[str, object] | None,
    after: Mapping[str, object] | None,
    by: Stamp,
) -> None:
    change = Change(by.who, by.at, _FEED.name, person_id, before, after)
    record_changes(session, [change])


def _nonce(session: Session, person_id: int) -> str | None:
    return session.scalar(select(_FEED.c.nonce).where(_FEED.c.person_id == person_id))


def _serializer(key: str) -> URLSafeSerializer:
    return URLSafeSerializer(key, salt=_KEY_NAME)
