"""An applicant's references: whom they name, and whether it has come, never what it says."""

import hmac
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import Select, delete, func, insert, select, update
from sqlmodel import Session

from tracker.db.audit import Change, record_changes
from tracker.db.statements import make_key
from tracker.db.tables import METADATA
from tracker.rules.application.references import SPARE
from tracker.services.context import Author
from tracker.services.sign_in import hash_token

OPEN_STATES = ("open", "submitted")
# Each of them is a mail to somebody who may never have heard of us.
_NAMED_A_DAY = 10
_DAY = timedelta(days=1)

_APPLICATION = METADATA.tables["application"]
_PERSON = METADATA.tables["person"]
_REFERENCE = METADATA.tables["reference"]
_OUTBOX = METADATA.tables["outbox"]
_WITHDRAWN = METADATA.tables["withdrawn_reference"]


class Applied(NamedTuple):
    """One's own application."""

    id: int
    association: str
    category: str
    state: str

    @property
    def is_open(self) -> bool:
        """Whether it is still to be decided, so that references count."""
        return self.state in OPEN_STATES


class RefereeInput(NamedTuple):
    """Whom an applicant names: ``email`` in lower case, ``role`` a key of the rulebook."""

    email: str
    name: str
    role: str


class NamedReferee(NamedTuple):
    """A referee as the applicant sees one.

    ``state`` is "received", "declined" or "waiting"; ``asked``: a mail was written to them, and
    ``came_back``: one to the address failed.
    """

    id: int
    name: str
    email: str
    role: str
    state: str
    asked: bool
    came_back: bool


class NamingRefused(ValueError):  # noqa: N818 - reads as the sentence it prints
    """Why somebody cannot be named; ``field`` is what to correct."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(words)
        self.field = field


def own_application(
    session: Session, person_id: int, application_id: int, *, for_writing: bool = False
) -> Applied | None:
    """An application of the person's own; None where it is absent or another's.

    ``for_writing`` lets one writer at a time name or withdraw its referees.
    """
    query = select(*(_APPLICATION.c[name] for name in Applied._fields)).where(
        _APPLICATION.c.id == application_id, _APPLICATION.c.person_id == person_id
    )
    row = session.connection().execute(query.with_for_update() if for_writing else query).first()
    return None if row is None else Applied(*row)


def named_referees(session: Session, application_id: int) -> list[NamedReferee]:
    """Whom the applicant has named, in the order of naming."""
    query = (
        select(_REFERENCE)
        .where(_REFERENCE.c.application_id == application_id)
        .order_by(_REFERENCE.c.id)
    )
    rows = session.connection().execute(query).mappings().all()
    keys = {k: row["id"] for row in rows for k in _keys(row)}
    failed = select(_OUTBOX.c.dedupe_key).where(
        _OUTBOX.c.dedupe_key.in_(keys), _OUTBOX.c.state == "failed"
    )
    came_back = {keys[key] for key in session.scalars(failed)}
    return [_named(row, came_back=row["id"] in came_back) for row in rows]


def request_key(reference_id: int, token_hash: str, number: int) -> str:
    """The outbox's key of the ``number``-th mail (0: the first) about a reference.

    With a part of the token's hash, because SQLite gives the id of a withdrawn one to another.
    """
    return f"reference:{reference_id}:{number}:{token_hash[:16]}"


def name_referee(
    session: Session, author: Author, application: Applied, naming: RefereeInput, most: int
) -> int | None:
    """Store whom the applicant names; the reference's id, None if just that one waits already.

    ``most`` is as `has_room` takes it. Part of the caller's transaction, which read
    ``application`` for writing. Raises NamingRefused.
    """
    named = named_referees(session, application.id)
    same = next((n for n in named if n.email == naming.email), None)
    if same is not None and application.is_open and _waits_as(same, naming):
        return None
    _refuse(session, author, application, naming, same)
    if not has_room(named, most):
        words = "Several people have not answered yet: remove one of them to name another"
        raise NamingRefused("email", words)
    values = {"application_id": application.id, **naming._asdict()}
    statement = insert(_REFERENCE).values(**values, named_at=author.at).returning(_REFERENCE.c.id)
    reference_id = int(session.connection().execute(statement).scalar_one())
    _record(session, author, reference_id, None, values)
    return reference_id


def has_room(named: Sequence[NamedReferee], most: int) -> bool:
    """Whether one more can be named, where ``most`` are as many as can be asked or have come.

    Received ones take no more than their places, so that the spare ones stay for whoever is named
    next. What they say has no part in it: the limit would tell the applicant.
    """
    states = Counter(n.state for n in named)
    places = max(0, most - SPARE)
    return states["waiting"] + min(states["received"], places) < most


def withdraw_referee(
    session: Session, author: Author, application: Applied, reference_id: int
) -> str | None:
    """Remove a referee who has neither answered nor declined, so that the link opens nothing.

    Returns the name; None where there is none such in ``application``.
    """
    statement = (
        delete(_REFERENCE)
        .where(
            _REFERENCE.c.id == reference_id,
            _REFERENCE.c.application_id == application.id,
            _REFERENCE.c.received_at.is_(None),
            _REFERENCE.c.declined_at.is_(None),
        )
        .returning(_REFERENCE.c.email, _REFERENCE.c.name, _REFERENCE.c.role, _REFERENCE.c.named_at)
    )
    row = session.connection().execute(statement).first()
    if row is None:
        return None
    before = {
        "application_id": application.id,
        "email": row.email,
        "name": row.name,
        "role": row.role,
    }
    withdrawn = {**before, "named_at": row.named_at, "withdrawn_at": author.at}
    session.connection().execute(insert(_WITHDRAWN).values(withdrawn))
    _record(session, author, reference_id, before, None)
    return str(row.name)


def _waits_as(same: NamedReferee, naming: RefereeInput) -> bool:
    """Whether just this naming is stored, and may yet be answered."""
    stored = (same.name, same.role, same.state, same.came_back)
    return stored == (naming.name, naming.role, "waiting", False)


def _keys(row: Any) -> list[str]:  # noqa: ANN401 - a row of the table
    if row["token_hash"] is None:
        return []
    return [request_key(row["id"], row["token_hash"], n) for n in range(row["reminders"] + 1)]


def _named(row: Any, *, came_back: bool) -> NamedReferee:  # noqa: ANN401 - a row of the table
    answered = row["received_at"] is not None
    state = "received" if answered else "declined" if row["declined_at"] else "waiting"
    asked = row["asked_at"] is not None
    return NamedReferee(row["id"], row["name"], row["email"], row["role"], state, asked, came_back)


def _refuse(
    session: Session,
    author: Author,
    application: Applied,
    naming: RefereeInput,
    same: NamedReferee | None,
) -> None:
    if not application.is_open:
        raise NamingRefused("email", f"This application is {application.state}: nobody is asked")
    if naming.email in _own_addresses(session, author.person_id):
        raise NamingRefused("email", "Enter the referee's address: this one is your own")
    if same is not None and same.state == "waiting":
        words = f"{same.name} is named with this address: remove that one first to change it"
        raise NamingRefused("email", words)
    if same is not None:
        became = "they declined" if same.state == "declined" else "their reference has come"
        words = f"You have named {same.name} with this address, and {became}: name somebody else"
        raise NamingRefused("email", words)
    if _named_lately(session, author) >= _NAMED_A_DAY:
        words = f"You have named {_NAMED_A_DAY} people within a day: name the next one tomorrow"
        raise NamingRefused("email", words)


def _own_addresses(session: Session, person_id: int) -> set[str]:
    query = select(_PERSON.c.email, _PERSON.c.second_email).where(_PERSON.c.id == person_id)
    found = session.connection().execute(query).one()
    return {address.lower() for address in found if address}


def _named_lately(session: Session, author: Author) -> int:
    """How many referees a person named in the last 24 hours, withdrawn ones too: all had a mail."""
    count = 0
    for table in (_REFERENCE, _WITHDRAWN):
        query = (
            select(func.count())
            .join_from(table, _APPLICATION, table.c.application_id == _APPLICATION.c.id)
            .where(
                _APPLICATION.c.person_id == author.person_id,
                table.c.named_at > author.at - _DAY,
            )
        )
        count += session.scalar(query) or 0
    return count


def _record(
    session: Session,
    author: Author,
    reference_id: int,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> None:
    change = Change(author.who, author.at, "reference", reference_id, before, after)
    record_changes(session, [change])


_KEY_NAME = "reference"
_COLUMNS = ("id", "email", "name", "role", "asked_at", "reminded_at", "reminders")
_OUTCOME = ("token_hash", "received_at", "declined_at")


class ReferenceRequest(NamedTuple):
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


class ReferenceAnswer(NamedTuple):
    """A referee's answer; ``endorsed_by`` and ``endorsed_as`` are None for who is not endorsed."""

    role_confirmed: bool
    relationship: str
    endorsed_by: str | None
    endorsed_as: str | None
    vetted: bool
    signed_as: str


class ReferenceLink(NamedTuple):
    """A request with its token, as a mail about it needs them."""

    request: ReferenceRequest
    token: str


def open_link(session: Session, reference_id: int, now: datetime) -> ReferenceLink:
    """Give a reference its secret link, as of now; a link that it had before opens nothing."""
    of_this = _REFERENCE.c.id == reference_id
    session.connection().execute(
        update(_REFERENCE).where(of_this).values(asked_at=now, reminders=0)
    )
    link = _link(session, session.connection().execute(_requests().where(of_this)).one())
    stored = {"token_hash": link.request.token_hash}
    session.connection().execute(update(_REFERENCE).where(of_this).values(stored))
    return link


def find_request(session: Session, token: str) -> ReferenceRequest | None:
    """The request whose link has this token; None for any other."""
    found = (
        session.connection()
        .execute(_requests().where(_REFERENCE.c.token_hash == hash_token(token)))
        .first()
    )
    return None if found is None else ReferenceRequest(*found)


def store_answer(
    session: Session, request: ReferenceRequest, answer: ReferenceAnswer, now: datetime
) -> bool:
    """Store the one answer; False if there is one, or a refusal, already."""
    values = {**answer._asdict(), "received_at": now, "answered_by_link": True}
    return _end(session, request, values, now)


def decline(session: Session, request: ReferenceRequest, now: datetime) -> bool:
    """Store that the referee gives no reference; False if there is an answer already."""
    return _end(session, request, {"declined_at": now}, now)


def list_unanswered_requests(
    session: Session, association: str, before: datetime
) -> Iterator[ReferenceRequest]:
    """Requests of undecided applications, made before the instant; none answered or declined."""
    query = _requests().where(
        _APPLICATION.c.association == association,
        _APPLICATION.c.state.in_(OPEN_STATES),
        _REFERENCE.c.asked_at < before,
        *_still_open(),
    )
    return (
        ReferenceRequest(*row)
        for row in session.connection().execute(query.order_by(_REFERENCE.c.id)).all()
    )


def count_reminder(
    session: Session, request: ReferenceRequest, now: datetime
) -> ReferenceLink | None:
    """Count one more reminder, and give the link to send; None if the answer has come meanwhile."""
    reminders = request.reminders + 1
    link = _link(session, request._replace(reminders=reminders, reminded_at=now))
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
    return link if session.connection().execute(statement).rowcount == 1 else None


def _requests() -> Select[Any]:
    columns = [_REFERENCE.c[name] for name in (*_COLUMNS, *_OUTCOME)]
    about = (_PERSON.c.name, _APPLICATION.c.association, _APPLICATION.c.category)
    return select(*columns, *about, _APPLICATION.c.state).select_from(
        _REFERENCE.join(_APPLICATION).join(_PERSON)
    )


def _still_open() -> tuple[Any, ...]:
    return (_REFERENCE.c.received_at.is_(None), _REFERENCE.c.declined_at.is_(None))


def _link(session: Session, row: Any) -> ReferenceLink:  # noqa: ANN401 - a row or a ReferenceRequest
    request = ReferenceRequest(*row)
    token = _token(make_key(session, _KEY_NAME), request)
    return ReferenceLink(request._replace(token_hash=hash_token(token)), token)


def _token(key: str, request: ReferenceRequest) -> str:
    if request.asked_at is None:
        raise ValueError(f"reference {request.id} has not been asked for")
    # Address and instant too: the id of one who was withdrawn can become another's.
    said = f"{request.id}\n{request.email}\n{request.asked_at.astimezone(UTC).isoformat()}"
    digest = hmac.digest(bytes.fromhex(key), said.encode(), sha256)
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _end(
    session: Session, request: ReferenceRequest, values: dict[str, Any], now: datetime
) -> bool:
    still_open = (_REFERENCE.c.id == request.id, *_still_open())
    stored = session.connection().execute(update(_REFERENCE).where(*still_open).values(values))
    if stored.rowcount != 1:
        return False
    before = dict.fromkeys(values)
    change = Change(request.email, now, "reference", request.id, before, values)
    record_changes(session, [change])
    return True
