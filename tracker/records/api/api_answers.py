"""Idempotency keys: a request that a program sends again is answered as it was the first time.

The answer is stored in the transaction that does the work, so that one never stands without
the other.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tracker.records.schema.tables import METADATA

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
    connection: Connection, token_id: int, key: str, request_hash: str, now: datetime
) -> Answer | None:
    """None if the key is new and now the caller's; else the answer that it was given.

    Two requests at once: the second waits here until the first has committed.
    """
    dialect = {"sqlite": sqlite, "postgresql": postgresql}[connection.dialect.name]
    values = {
        "token_id": token_id,
        "key": key,
        "request_hash": request_hash,
        "status": _UNDER_WAY,
        "body": "",
        "at": now,
    }
    claiming = dialect.insert(_ANSWER).values(values).on_conflict_do_nothing()
    if connection.scalar(claiming.returning(_ANSWER.c.key)) is not None:
        return None
    columns = select(_ANSWER.c.request_hash, _ANSWER.c.status, _ANSWER.c.body)
    row = connection.execute(columns.where(_is(token_id, key))).one()
    return Answer(*row)


def keep_answer(connection: Connection, token_id: int, key: str, status: int, body: str) -> None:
    """Store what a claimed key was answered."""
    connection.execute(update(_ANSWER).where(_is(token_id, key)).values(status=status, body=body))


def forget_answers(connection: Connection, token_id: int, now: datetime) -> None:
    """Drop a token's answers that nobody will ask for any more: those older than seven days."""
    old = (_ANSWER.c.token_id == token_id) & (_ANSWER.c.at < now - timedelta(days=KEPT_DAYS))
    connection.execute(delete(_ANSWER).where(old))


def _is(token_id: int, key: str) -> ColumnElement[bool]:
    return (_ANSWER.c.token_id == token_id) & (_ANSWER.c.key == key)
