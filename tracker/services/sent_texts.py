"""The texts of emails to people, which their coordinators can read for a year.

A text has neither codes nor the secret parts of links; emails that are about those have none. It is
encrypted like a waiting message, so a reader of the database alone reads none.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlmodel import Session, col, select, update

from tracker.db.ledgers import SECOND_COPY, Outbox
from tracker.db.signing_keys import body_cipher
from tracker.master_key import MasterKeyError

KEPT = timedelta(days=365)


class SentText(NamedTuple):
    """The subject and the text of an email; ``text`` is None if it is not kept, or unreadable."""

    subject: str
    text: str | None


def read_sent_text(session: Session, message_number: int) -> SentText:
    """What an email said; of a copy to a second address, what its original said."""
    query = select(Outbox.subject, Outbox.message_id, Outbox.text, Outbox.dedupe_key)
    subject, message_id, stored, key = session.exec(query.where(Outbox.id == message_number)).one()
    if stored is None and key.endswith(SECOND_COPY):
        original = query.where(Outbox.dedupe_key == key.removesuffix(SECOND_COPY))
        for _, message_id, stored, _ in session.exec(original):
            return SentText(subject, _decrypt(session, message_id, stored))
    return SentText(subject, _decrypt(session, message_id, stored))


def _decrypt(session: Session, message_id: str, stored: bytes | None) -> str | None:
    if stored is None:
        return None
    try:
        text = body_cipher(session).decrypt(message_id, stored)
    except MasterKeyError:
        return None
    return None if text is None else text.decode()


def forget_old_texts(session: Session, now: datetime) -> int:
    """Delete the texts of emails that were written more than a year ago; return how many."""
    is_old = col(Outbox.text).is_not(None) & (col(Outbox.created_at) < now - KEPT)
    return session.exec(update(Outbox).where(is_old).values(text=None)).rowcount
