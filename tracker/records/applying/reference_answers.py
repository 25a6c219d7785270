"""What a referee is asked and answers, by a secret link that is good until the one answer.

The link's token is worked out from the installation's own key and the row, so that a reminder
can carry the same link as the first mail; only its hash is stored.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, select, update

from tracker.records.applying.references import OPEN_STATES
from tracker.records.schema.tables import METADATA
from tracker.records.sign_in.sign_in import hashed
from tracker.records.store.audit import Change, record_changes
from tracker.records.store.keys import make_key

_KEY_NAME = "reference"
_APPLICATION = METADATA.tables["application"]
_PERSON = METADATA.tables["person"]
_REFERENCE = METADATA.tables["reference"]
_COLUMNS = ("id", "email", "name", "role", "asked_at", "reminded_at", "reminders")
_OUTCOME = ("token_hash", "received_at", "declined_at")


class Request(NamedTuple):
    """A reference that somebody is asked for, by whom and for what; ``reminders`` were sent."""

    id: int
    email: str
    name: str
    role: str
    asked_at: datetime | None
    reminded_at: datetime | None
    reminders: int
    token_hash: str | None
    received_at: datetime | None
    declined_at: datetime | None
    applicant: str
    association: str
    category: str
    application_state: str

    @property
    def state(self) -> str:
        """What the link shows: "received", "declined", "over" or (the form) "waiting"."""
        if self.received_at is not None:
            return "received"
        if self.declined_at is not None:
            return "declined"
        return "waiting" if self.application_state in OPEN_STATES else "over"


class Answer(NamedTuple):
    """A referee's answer; ``endorsed_by`` and ``endorsed_as`` are None for who is not endorsed."""

    role_confirmed: bool
    relationship: str
    endorsed_by: str | None
    endorsed_as: str | None
    vetted: bool
    signed_as: str


class Link(NamedTuple):
    """A request with its token, as a mail about it needs them."""

    request: Request
    token: str


def open_link(connection: Connection, reference_id: int, now: datetime) -> Link:
    """Give a reference its secret link, as of now; a link that it had before opens nothing."""
    of_this = _REFERENCE.c.id == reference_id
    connection.execute(update(_REFERENCE).where(of_this).values(asked_at=now, reminders=0))
    link = _link(connection, connection.execute(_requests().where(of_this)).one())
    stored = {"token_hash": link.request.token_hash}
    connection.execute(update(_REFERENCE).where(of_this).values(stored))
    return link


def find_request(connection: Connection, token: str) -> Request | None:
    """The request whose link has this token; None for any other."""
    found = connection.execute(_requests().where(_REFERENCE.c.token_hash == hashed(token))).first()
    return None if found is None else Request(*found)


def store_answer(connection: Connection, request: Request, answer: Answer, now: datetime) -> bool:
    """Store the one answer; False if there is one, or a refusal, already."""
    return _end(connection, request, {**answer._asdict(), "received_at": now}, now)


def decline(connection: Connection, request: Request, now: datetime) -> bool:
    """Store that the referee gives no reference; False if there is an answer already."""
    return _end(connection, request, {"declined_at": now}, now)


def unanswered(connection: Connection, association: str, before: datetime) -> Iterator[Request]:
    """Requests of undecided applications, made before the instant; none answered or declined."""
    query = _requests().where(
        _APPLICATION.c.association == association,
        _APPLICATION.c.state.in_(OPEN_STATES),
        _REFERENCE.c.asked_at < before,
        *_still_open(),
    )
    return (Request(*row) for row in connection.execute(query.order_by(_REFERENCE.c.id)).all())


def count_reminder(connection: Connection, request: Request, now: datetime) -> Link | None:
    """Count one more reminder, and give the link to send; None if the answer has come meanwhile."""
    reminders = request.reminders + 1
    link = _link(connection, request._replace(reminders=reminders, reminded_at=now))
    statement = (
        update(_REFERENCE)
        .where(
            _REFERENCE.c.id == request.id,
            _REFERENCE.c.reminders == request.reminders,
            *_still_open(),
        )
        # The hash is another one where somebody has made the installation a new key.
        .values(reminders=reminders, reminded_at=now, token_hash=link.request.token_hash)
    )
    return link if connection.execute(statement).rowcount == 1 else None


def _requests() -> Select[Any]:
    columns = [_REFERENCE.c[name] for name in (*_COLUMNS, *_OUTCOME)]
    about = (_PERSON.c.name, _APPLICATION.c.association, _APPLICATION.c.category)
    return select(*columns, *about, _APPLICATION.c.state).select_from(
        _REFERENCE.join(_APPLICATION).join(_PERSON)
    )


def _still_open() -> tuple[Any, ...]:
    return (_REFERENCE.c.received_at.is_(None), _REFERENCE.c.declined_at.is_(None))


def _link(connection: Connection, row: Any) -> Link:  # noqa: ANN401 - a row or a Request
    request = Request(*row)
    token = _token(make_key(connection, _KEY_NAME), request)
    return Link(request._replace(token_hash=hashed(token)), token)


def _token(key: str, request: Request) -> str:
    if request.asked_at is None:
        raise ValueError(f"reference {request.id} has not been asked for")
    # Address and instant too: the id of one who was withdrawn can become another's.
    said = f"{request.id}\n{request.email}\n{request.asked_at.astimezone(UTC).isoformat()}"
    digest = hmac.digest(bytes.fromhex(key), said.encode(), sha256)
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _end(connection: Connection, request: Request, values: dict[str, Any], now: datetime) -> bool:
    still_open = (_REFERENCE.c.id == request.id, *_still_open())
    stored = connection.execute(update(_REFERENCE).where(*still_open).values(values))
    if stored.rowcount != 1:
        return False
    before = dict.fromkeys(values)
    change = Change(request.email, now, "reference", request.id, before, values)
    record_changes(connection, [change])
    return True
