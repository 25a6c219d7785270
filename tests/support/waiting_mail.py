"""Messages in the outbox."""

from typing import Any

from sqlmodel import Session

from tests.support.cast import ALICE, NOW
from tracker.db.ledgers import Outbox


def add_mail(session: Session, key: str, **values: object) -> Outbox:
    """Store a message to Alice's first address that waits, or with other values."""
    row: dict[str, Any] = {
        "kind": "notices",
        "recipient": ALICE,
        "subject": "Your hours",
        "body": b"body",
        "created_at": NOW,
        "next_attempt_at": NOW,
        **values,
    }
    mail = Outbox(dedupe_key=key, message_id=f"<{key}@example.org>", **row)
    session.add(mail)
    session.flush()
    return mail
