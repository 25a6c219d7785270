"""Unsubscribing from optional mail by a signed link: the link itself is the authority."""

from datetime import datetime

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from tracker.records.schema.tables import METADATA
from tracker.records.store.keys import find_key, make_key

_UNSUBSCRIBED = METADATA.tables["unsubscribed"]
_KEY_NAME = "unsubscribe"

Wish = tuple[str, str, str]


def unsubscribe_token(connection: Connection, email: str, kind: str, association: str) -> str:
    """The last part of a link that ends ``kind`` of mail from ``association`` to ``email``.

    Makes the installation's key on the first call, so give it a writing connection.
    """
    return str(_serializer(make_key(connection, _KEY_NAME)).dumps([email, kind, association]))


def read_unsubscribe_token(connection: Connection, token: str) -> Wish | None:
    """The address, kind and association that a token names; None if it is not ours."""
    key = find_key(connection, _KEY_NAME)
    if key is None:
        return None
    try:
        email, kind, association = _serializer(key).loads(token)
    except (BadData, ValueError, UnicodeError):
        return None
    return email, kind, association


def unsubscribe(connection: Connection, wish: Wish, now: datetime) -> None:
    """Store that the address no longer wants that mail; a second time changes nothing."""
    dialect = {"sqlite": sqlite, "postgresql": postgresql}[connection.dialect.name]
    values = dict(zip(("email", "kind", "association"), wish, strict=True))
    connection.execute(
        dialect.insert(_UNSUBSCRIBED).values(**values, at=now).on_conflict_do_nothing()
    )


def is_unsubscribed(connection: Connection, email: str, kind: str, association: str) -> bool:
    """Whether the address asked for no more of that mail."""
    query = select(_UNSUBSCRIBED.c.email).where(
        _UNSUBSCRIBED.c.email == email,
        _UNSUBSCRIBED.c.kind == kind,
        _UNSUBSCRIBED.c.association == association,
    )
    return connection.scalar(query) is not None


def _serializer(key: str) -> URLSafeSerializer:
    return URLSafeSerializer(key, salt=_KEY_NAME)
