"""What programs of an association sign in with: made, found by their secret, revoked.

Only a hash is stored: a token is shown once, when it is made.
"""

import secrets
from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import Connection, Row, insert, select, update

from tracker.records.schema.tables import METADATA
from tracker.records.sign_in.sign_in import hashed

SCOPES = ("standings:read", "entries:read", "entries:write")
# By its first letters a secret that got out can be recognised in logs and in source code.
_BEGINS_WITH = "ert_"
_TOKEN = METADATA.tables["api_token"]


class Caller(NamedTuple):
    """A program, by its token: of one association, and allowed what ``scopes`` name."""

    token_id: int
    name: str
    association: str
    scopes: frozenset[str]
    last_used_on: date | None


class Listed(NamedTuple):
    """A token as an operator sees it; ``state`` is "valid", "expired" or "revoked"."""

    id: int
    name: str
    association: str
    scopes: str
    created_at: datetime
    expires_at: datetime | None
    last_used_on: date | None
    state: str


def make_token(
    connection: Connection,
    *,
    association: str,
    name: str,
    scopes: Sequence[str],
    now: datetime,
    expires_at: datetime | None = None,
) -> tuple[int, str]:
    """The id and the secret of a new token; from ``expires_at`` on (None: never) it is void."""
    secret = f"{_BEGINS_WITH}{secrets.token_urlsafe(32)}"
    values = {
        "association": association,
        "name": name,
        "scopes": " ".join(sorted(set(scopes))),
        "token_hash": hashed(secret),
        "created_at": now,
        "expires_at": expires_at,
    }
    token_id = connection.scalar(insert(_TOKEN).values(values).returning(_TOKEN.c.id))
    return int(token_id or 0), secret


def find_caller(connection: Connection, secret: str, now: datetime) -> Caller | None:
    """Whose token that is; None for an unknown, expired or revoked one, which answer alike."""
    row = connection.execute(select(_TOKEN).where(_TOKEN.c.token_hash == hashed(secret))).first()
    if row is None or _state(row, now) != "valid":
        return None
    scopes = frozenset(row.scopes.split())
    return Caller(row.id, row.name, row.association, scopes, row.last_used_on)


def note_use(connection: Connection, token_id: int, today: date) -> None:
    """Remember the day on which a token was last used."""
    connection.execute(update(_TOKEN).where(_TOKEN.c.id == token_id).values(last_used_on=today))


def list_tokens(connection: Connection, now: datetime) -> list[Listed]:
    """Every token, in the order in which they were made."""
    rows = connection.execute(select(_TOKEN).order_by(_TOKEN.c.id))
    return [
        Listed(
            row.id,
            row.name,
            row.association,
            row.scopes,
            row.created_at,
            row.expires_at,
            row.last_used_on,
            _state(row, now),
        )
        for row in rows
    ]


def revoke_token(connection: Connection, token_id: int, now: datetime) -> bool:
    """Void a token at once; False where there is none with that id. A second time is harmless."""
    one = _TOKEN.c.id == token_id
    connection.execute(
        update(_TOKEN).where(one & _TOKEN.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    return connection.scalar(select(_TOKEN.c.id).where(one)) is not None


def _state(row: Row[tuple[object, ...]], now: datetime) -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now else "valid"
