"""An applicant's references: whom they name, and whether it has come, never what it says."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select

from tracker.records.entries.entry_writes import Author
from tracker.records.schema.tables import METADATA
from tracker.records.store.audit import Change, record_changes
from tracker.records.store.own_ids import with_own_id
from tracker.rules.reference_roles import SPARE

OPEN_STATES = ("open", "submitted")
# Each of them is a mail to somebody who may never have heard of us.
_NAMED_A_DAY = 10
_DAY = timedelta(days=1)

_APPLICATION = METADATA.tables["application"]
_PERSON = METADATA.tables["person"]
_REFERENCE = METADATA.tables["reference"]
_OUTBOX = METADATA.tables["outbox"]
_AUDIT = METADATA.tables["audit_event"]


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


class Naming(NamedTuple):
    """Whom an applicant names: ``email`` in lower case, ``role`` a key of the rulebook."""

    email: str
    name: str
    role: str


class Named(NamedTuple):
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
    connection: Connection, person_id: int, application_id: int, *, for_writing: bool = False
) -> Applied | None:
    """An application of the person's own; None where it is absent or another's.

    ``for_writing`` lets one writer at a time name or withdraw its referees.
    """
    query = select(*(_APPLICATION.c[name] for name in Applied._fields)).where(
        _APPLICATION.c.id == application_id, _APPLICATION.c.person_id == person_id
    )
    row = connection.execute(query.with_for_update() if for_writing else query).first()
    return None if row is None else Applied(*row)


def named_referees(connection: Connection, application_id: int) -> list[Named]:
    """Whom the applicant has named, in the order of naming."""
    query = (
        select(_REFERENCE)
        .where(_REFERENCE.c.application_id == application_id)
        .order_by(_REFERENCE.c.id)
    )
    rows = connection.execute(query).mappings().all()
    keys = {k: row["id"] for row in rows for k in _keys(row)}
    failed = select(_OUTBOX.c.dedupe_key).where(
        _OUTBOX.c.dedupe_key.in_(keys), _OUTBOX.c.state == "failed"
    )
    came_back = {keys[key] for key in connection.scalars(failed)}
    return [_named(row, came_back=row["id"] in came_back) for row in rows]


def request_key(reference_id: int, token_hash: str, number: int) -> str:
    """The outbox's key of the ``number``-th mail (0: the first) about a reference.

    With a part of the token's hash, because SQLite gives the id of a withdrawn one to another.
    """
    return f"reference:{reference_id}:{number}:{token_hash[:16]}"


def name_referee(
    connection: Connection, author: Author, application: Applied, naming: Naming, most: int
) -> int | None:
    """Store whom the applicant names; the reference's id, None if just that one waits already.

    ``most`` is as `has_room` takes it. Part of the caller's transaction, which read
    ``application`` for writing. Raises NamingRefused.
    """
    named = named_referees(connection, application.id)
    same = next((n for n in named if n.email == naming.email), None)
    if same is not None and application.is_open and _waits_as(same, naming):
        return None
    _refuse(connection, author, application, naming, same)
    if not has_room(named, most):
        words = "Several people have not answered yet: remove one of them to name another"
        raise NamingRefused("email", words)
    values = {"application_id": application.id, **naming._asdict()}
    own = with_own_id(connection, "reference", values)
    statement = insert(_REFERENCE).values(own).returning(_REFERENCE.c.id)
    reference_id = int(connection.execute(statement).scalar_one())
    _record(connection, author, reference_id, None, values)
    return reference_id


def has_room(named: Sequence[Named], most: int) -> bool:
    """Whether one more can be named, where ``most`` are as many as can be asked or have come.

    Received ones take no more than their places, so that the spare ones stay for whoever is named
    next. What they say has no part in it: the limit would tell the applicant.
    """
    states = Counter(n.state for n in named)
    places = max(0, most - SPARE)
    return states["waiting"] + min(states["received"], places) < most


def withdraw_referee(
    connection: Connection, author: Author, application: Applied, reference_id: int
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
        .returning(_REFERENCE.c.email, _REFERENCE.c.name, _REFERENCE.c.role)
    )
    row = connection.execute(statement).first()
    if row is None:
        return None
    before = {"application_id": application.id, **row._mapping}  # noqa: SLF001 - its documented name
    _record(connection, author, reference_id, before, None)
    return str(row.name)


def _waits_as(same: Named, naming: Naming) -> bool:
    """Whether just this naming is stored, and may yet be answered."""
    stored = (same.name, same.role, same.state, same.came_back)
    return stored == (naming.name, naming.role, "waiting", False)


def _keys(row: Any) -> list[str]:  # noqa: ANN401 - a row of the table
    if row["token_hash"] is None:
        return []
    return [request_key(row["id"], row["token_hash"], n) for n in range(row["reminders"] + 1)]


def _named(row: Any, *, came_back: bool) -> Named:  # noqa: ANN401 - a row of the table
    answered = row["received_at"] is not None
    state = "received" if answered else "declined" if row["declined_at"] else "waiting"
    asked = row["asked_at"] is not None
    return Named(row["id"], row["name"], row["email"], row["role"], state, asked, came_back)


def _refuse(
    connection: Connection,
    author: Author,
    application: Applied,
    naming: Naming,
    same: Named | None,
) -> None:
    if not application.is_open:
        raise NamingRefused("email", f"This application is {application.state}: nobody is asked")
    if naming.email in _own_addresses(connection, author.person_id):
        raise NamingRefused("email", "Enter the referee's address: this one is your own")
    if same is not None and same.state == "waiting":
        words = f"{same.name} is named with this address: remove that one first to change it"
        raise NamingRefused("email", words)
    if same is not None:
        became = "they declined" if same.state == "declined" else "their reference has come"
        words = f"You have named {same.name} with this address, and {became}: name somebody else"
        raise NamingRefused("email", words)
    if _named_lately(connection, author) >= _NAMED_A_DAY:
        words = f"You have named {_NAMED_A_DAY} people within a day: name the next one tomorrow"
        raise NamingRefused("email", words)


def _own_addresses(connection: Connection, person_id: int) -> set[str]:
    query = select(_PERSON.c.email, _PERSON.c.second_email).where(_PERSON.c.id == person_id)
    found = connection.execute(query).one()
    return {address.lower() for address in found if address}


def _named_lately(connection: Connection, author: Author) -> int:
    # The events, not the rows: whoever is withdrawn has had a mail all the same.
    query = select(func.count()).where(
        _AUDIT.c.table_name == "reference",
        _AUDIT.c.who == author.who,
        _AUDIT.c.before.is_(None),
        _AUDIT.c.at > author.at - _DAY,
    )
    return connection.scalar(query) or 0


def _record(
    connection: Connection,
    author: Author,
    reference_id: int,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> None:
    change = Change(author.who, author.at, "reference", reference_id, before, after)
    record_changes(connection, [change])
