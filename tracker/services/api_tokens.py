"""What programs of an association sign in with: made, found by their secret, revoked.

Only a hash is stored: a token is shown once, when it is made.
"""

import secrets
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Row, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from tracker.db.tables import METADATA
from tracker.services.sign_in import hash_token

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
    session: Session,
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
        "token_hash": hash_token(secret),
        "created_at": now,
        "expires_at": expires_at,
    }
    token_id = session.scalar(insert(_TOKEN).values(values).returning(_TOKEN.c.id))
    return int(token_id or 0), secret


def find_caller(session: Session, secret: str, now: datetime) -> Caller | None:
    """Whose token that is; None for an unknown, expired or revoked one, which answer alike."""
    row = (
        session.connection()
        .execute(select(_TOKEN).where(_TOKEN.c.token_hash == hash_token(secret)))
        .first()
    )
    if row is None or _state(row, now) != "valid":
        return None
    scopes = frozenset(row.scopes.split())
    return Caller(row.id, row.name, row.association, scopes, row.last_used_on)


def note_use(session: Session, token_id: int, today: date) -> None:
    """Remember the day on which a token was last used."""
    session.connection().execute(
        update(_TOKEN).where(_TOKEN.c.id == token_id).values(last_used_on=today)
    )


def list_tokens(session: Session, now: datetime) -> list[Listed]:
    """Every token, in the order in which they were made."""
    rows = session.connection().execute(select(_TOKEN).order_by(_TOKEN.c.id))
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


def revoke_token(session: Session, token_id: int, now: datetime) -> bool:
    """Void a token at once; False where there is none with that id. A second time is harmless."""
    one = _TOKEN.c.id == token_id
    session.connection().execute(
        update(_TOKEN).where(one & _TOKEN.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    return session.scalar(select(_TOKEN.c.id).where(one)) is not None


def _state(row: Row[tuple[object, ...]], now: datetime) -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now else "valid"


KEPT_DAYS = 7
_ANSWER = METADATA.tables["api_answer"]
# While the work is being done; nobody else sees it, as it is not committed.
_UNDER_WAY = 0


class Answer(NamedTuple):
    """What a request was answered; ``request_hash`` is that of what it asked."""

    request_hash: str
    status: int
    body: str


def claim_key(
    session: Session, token_id: int, key: str, request_hash: str, now: datetime
) -> Answer | None:
    """None if the key is new and now the caller's; else the answer that it was given.

    Two requests at once: the second waits here until the first has committed.
    """
    dialect = {"sqlite": sqlite, "postgresql": postgresql}[session.connection().dialect.name]
    values = {
        "token_id": token_id,
        "key": key,
        "request_hash": request_hash,
        "status": _UNDER_WAY,
        "body": "",
        "at": now,
    }
    claiming = dialect.insert(_ANSWER).values(values).on_conflict_do_nothing()
    if session.scalar(claiming.returning(_ANSWER.c.key)) is not None:
        return None
    columns = select(_ANSWER.c.request_hash, _ANSWER.c.status, _ANSWER.c.body)
    row = session.connection().execute(columns.where(_is(token_id, key))).one()
    return Answer(*row)


def keep_answer(session: Session, token_id: int, key: str, status: int, body: str) -> None:
    """Store what a claimed key was answered."""
    session.connection().execute(
        update(_ANSWER).where(_is(token_id, key)).values(status=status, body=body)
    )


def forget_answers(session: Session, token_id: int, now: datetime) -> None:
    """Drop a token's answers that nobody will ask for any more: those older than seven days."""
    old = (_ANSWER.c.token_id == token_id) & (_ANSWER.c.at < now - timedelta(days=KEPT_DAYS))
    session.connection().execute(delete(_ANSWER).where(old))


def _is(token_id: int, key: str) -> ColumnElement[bool]:
    return (_ANSWER.c.token_id == token_id) & (_ANSWER.c.key == key)
