"""Calendar addresses: secret and signed, valid until their owner replaces or deletes them."""

import hashlib
import secrets

from sqlmodel import Session

from tracker.db.access import CalendarFeed
from tracker.db.signing_keys import CALENDAR, find_signing_key, get_signing_key
from tracker.services.context import ServiceContext, lock_person
from tracker.services.signed_links import read_token, sign_token

_SALT = "calendar"
_FINGERPRINT_LENGTH = 16


def get_feed_token(session: Session, person_id: int) -> str | None:
    """The secret part of a person's calendar address; None if they have none."""
    feed = session.get(CalendarFeed, person_id)
    if feed is None or find_signing_key(session, CALENDAR) is None:
        return None
    return sign_token(session, CALENDAR, _SALT, [person_id, feed.nonce])


def find_feed_owner(session: Session, token: str) -> int | None:
    """The person whose calendar an address opens; None if it is not ours or was revoked."""
    content = read_token(session, CALENDAR, _SALT, token)
    if content is None:
        return None
    person_id, nonce = content
    feed = session.get(CalendarFeed, person_id)
    return feed.person_id if feed is not None and feed.nonce == nonce else None


def get_feed_fingerprint(session: Session, person_id: int) -> str:
    """What names a person's address in a form without revealing it; empty if they have none."""
    feed = session.get(CalendarFeed, person_id)
    return hashlib.sha256(feed.nonce.encode()).hexdigest()[:_FINGERPRINT_LENGTH] if feed else ""


def replace_feed(context: ServiceContext, fingerprint: str) -> None:
    """Give the actor a new address in place of the one with this fingerprint.

    Nothing happens if theirs is another one by now: the form was sent twice.
    """
    session, person_id = context.session, context.person_id
    lock_person(session, person_id)
    if get_feed_fingerprint(session, person_id) != fingerprint:
        return
    get_signing_key(session, CALENDAR)
    known = session.get(CalendarFeed, person_id)
    # The address itself is not audited: it would open the calendar.
    before = {"created_at": known.created_at} if known else None
    nonce = secrets.token_urlsafe(18)
    session.merge(CalendarFeed(person_id=person_id, nonce=nonce, created_at=context.now))
    session.flush()
    after = {"created_at": context.now}
    context.record_change("calendar_feed", person_id, before=before, after=after)


def delete_feed(context: ServiceContext) -> None:
    """Revoke the actor's address, if they have one."""
    lock_person(context.session, context.person_id)
    feed = context.session.get(CalendarFeed, context.person_id)
    if feed is not None:
        context.session.delete(feed)
        context.session.flush()
        before = {"created_at": feed.created_at}
        context.record_change("calendar_feed", feed.person_id, before=before)
