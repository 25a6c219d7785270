"""The random keys with which this installation signs links and tokens."""

import secrets

from sqlmodel import Session, select

from tracker.db.access import Secret
from tracker.db.statements import upsert


def find_signing_key(session: Session, name: str) -> str | None:
    """Return the key of that name; None before it was first needed."""
    return session.exec(select(Secret.value).where(Secret.name == name)).first()


def get_signing_key(session: Session, name: str) -> str:
    """Return the key of that name (64 hexadecimal digits); the first call creates and stores it."""
    key = find_signing_key(session, name)
    if key is None:
        # If two callers create the key at the same time, the first is stored and both read it.
        upsert(session, Secret, [{"name": name, "value": secrets.token_hex(32)}], key=["name"])
        key = find_signing_key(session, name)
    return str(key)
