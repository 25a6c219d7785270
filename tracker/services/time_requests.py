"""Requests for leave or for a later due date: asked, withdrawn, read by whoever may read them.

Both days of a leave are included, and so is the due date that an extension asks for.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, insert, select, true, update
from sqlmodel import Session

from tracker.db.audit import Change, Stamp, record_changes
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks
from tracker.services.context import Author, lock_person
from tracker.services.evaluation import evaluate_later

_REQUEST = METADATA.tables["time_request"]
_ENDORSEMENT = METADATA.tables["endorsement"]
_PERSON = METADATA.tables["person"]
LEAVE, EXTENSION = "leave", "extension"
ASKED, GRANTED, DECLINED, WITHDRAWN = "asked", "granted", "declined", "withdrawn"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for one endorsement.

    A leave's first and last day (None: not known yet); or the first day of the cycle and the due
    date that an extension asks for.
    """

    endorsement_id: int
    kind: str
    starts_on: date
    ends_on: date | None
    reason: str


class Request(NamedTuple):
    """A request with whose it is, and what became of it."""

    id: int
    endorsement_id: int
    kind: str
    starts_on: date
    ends_on: date | None
    reason: str
    asked_at: datetime
    state: str
    decided_at: datetime | None
    decided_by: str | None
    answer: str | None
    person_id: int
    name: str
    email: str
    association: str
    category: str

    @property
    def is_open(self) -> bool:
        """Whether nobody has decided, and it was not withdrawn."""
        return self.state == ASKED


class AskedAlready(Exception):  # noqa: N818 - reads as the sentence it prints
    """The endorsement has an open request of that kind."""


_OF_REQUEST = [_REQUEST.c[name] for name in Request._fields[:11]]
_QUERY = (
    select(
        *_OF_REQUEST,
        _PERSON.c.id,
        _PERSON.c.name,
        _PERSON.c.email,
        _ENDORSEMENT.c.association,
        _ENDORSEMENT.c.category,
    )
    .join_from(_REQUEST, _ENDORSEMENT)
    .join(_PERSON, _PERSON.c.id == _ENDORSEMENT.c.person_id)
)


def requests_of(session: Session, person_id: int) -> list[Request]:
    """All requests of a person, the newest first."""
    query = _QUERY.where(_PERSON.c.id == person_id).order_by(_REQUEST.c.id.desc())
    return [Request._make(row) for row in session.connection().execute(query)]


def requests_within(
    session: Session, association: str, *, undecided: bool, skip: int, most: int
) -> list[Request]:
    """At most ``most`` of an association: the open ones, oldest first; or the decided, newest."""
    order = _REQUEST.c.asked_at if undecided else _REQUEST.c.decided_at.desc()
    query = _QUERY.where(_of(association, undecided=undecided)).order_by(order, _REQUEST.c.id)
    return [
        Request._make(row) for row in session.connection().execute(query.offset(skip).limit(most))
    ]


def count_requests(session: Session, association: str, *, undecided: bool) -> int:
    """How many requests of an association are open, or are decided."""
    query = (
        select(func.count())
        .select_from(_REQUEST.join(_ENDORSEMENT))
        .where(_of(association, undecided=undecided))
    )
    return session.scalar(query) or 0


def request_within(
    session: Session, request_id: int, associations: Collection[str]
) -> Request | None:
    """One request of these associations; None where it is absent or another one's."""
    within = (_REQUEST.c.id == request_id) & _ENDORSEMENT.c.association.in_(associations)
    row = session.connection().execute(_QUERY.where(within)).first()
    return None if row is None else Request._make(row)


def ask(session: Session, author: Author, wish: Wish, form_key: str) -> int:
    """Store a request once for each form; the caller has checked whose endorsement it is.

    Raises AskedAlready where one of the kind is open for the endorsement.
    """
    lock_person(session, author.person_id)
    of_endorsement = _REQUEST.c.endorsement_id == wish.endorsement_id
    columns = [_REQUEST.c[name] for name in asdict(wish)]
    same = of_endorsement & (_REQUEST.c.form_key == form_key)
    before = session.connection().execute(select(_REQUEST.c.id, *columns).where(same)).first()
    # A form that was sent, and then changed (the back button), is another request.
    if before is not None and tuple(before[1:]) == tuple(asdict(wish).values()):
        return int(before[0])
    still_open = of_endorsement & (_REQUEST.c.kind == wish.kind) & (_REQUEST.c.state == ASKED)
    if session.scalar(select(_REQUEST.c.id).where(still_open)) is not None:
        raise AskedAlready
    values = {**asdict(wish), "form_key": form_key, "asked_at": author.at, "state": ASKED}
    number = (
        session.connection()
        .execute(insert(_REQUEST).values(values).returning(_REQUEST.c.id))
        .scalar()
    )
    # The reason is the person's own words, and stands in the request alone.
    after = {name: value for name, value in asdict(wish).items() if name != "reason"}
    change = Change(author.who, author.at, "time_request", number or 0, None, after)
    record_changes(session, [change])
    return number or 0


def withdraw(session: Session, author: Author, request_id: int) -> bool:
    """Withdraw one's own request that nobody has decided; False where there is none."""
    own = select(_ENDORSEMENT.c.id).where(_ENDORSEMENT.c.person_id == author.person_id)
    mine = _REQUEST.c.endorsement_id.in_(own)
    return settle(session, request_id, Stamp(author.who, author.at), mine, state=WITHDRAWN)


def settle(
    session: Session,
    request_id: int,
    stamp: Stamp,
    where: ColumnElement[bool],
    **values: Any,  # noqa: ANN401 - values of columns
) -> bool:
    """End an open request, with its audit event; False where it is not open (any more).

    Of two who do it at once only one does: the row is taken by a conditional update.
    """
    ended = {"decided_at": stamp.at, "decided_by": stamp.who, **values}
    still_open = (_REQUEST.c.id == request_id) & (_REQUEST.c.state == ASKED) & where
    if session.connection().execute(update(_REQUEST).where(still_open).values(ended)).rowcount != 1:
        return False
    told = {"state": values["state"]}
    change = Change(stamp.who, stamp.at, "time_request", request_id, {"state": ASKED}, told)
    record_changes(session, [change])
    return True


def _of(association: str, *, undecided: bool) -> ColumnElement[bool]:
    states = (ASKED,) if undecided else (GRANTED, DECLINED)
    return (_ENDORSEMENT.c.association == association) & _REQUEST.c.state.in_(states)


_LEAVE = METADATA.tables["leave"]
_RENEWAL = METADATA.tables["renewal"]


@dataclass(frozen=True, slots=True)
class Grant:
    """The days in force: a leave's first and last (None: open), or a cycle's and the due date."""

    starts_on: date
    ends_on: date | None


def grant(
    session: Session,
    rulebooks: Rulebooks,
    request: Request,
    given: Grant,
    *,
    answer: str,
    by: Stamp,
) -> bool:
    """Grant with the days ``given``, and judge anew in the same transaction; False if it is late.

    The request then holds the days that were granted. Leave that began on the same day is
    replaced, and so is an earlier extension of the cycle.
    """
    lock_person(session, request.person_id)
    values = {"starts_on": given.starts_on, "ends_on": given.ends_on, "answer": answer or None}
    if not settle(session, request.id, by, true(), state=GRANTED, **values):
        return False
    if request.kind == LEAVE:
        _write_leave(session, request, given, by)
    elif given.ends_on is not None:
        _extend(session, request, given.ends_on, by)
    evaluate_later(session, rulebooks, request.person_id, by.at)
    return True


def decline(session: Session, request: Request, *, answer: str, by: Stamp) -> bool:
    """Decline with a word; False if somebody has decided before."""
    return settle(session, request.id, by, true(), state=DECLINED, answer=answer)


def _write_leave(session: Session, request: Request, given: Grant, by: Stamp) -> None:
    _put(
        session,
        "leave",
        {"endorsement_id": request.endorsement_id, "starts_on": given.starts_on},
        {"ends_on": given.ends_on, "reason": request.reason},
        by,
    )


def _extend(session: Session, request: Request, due_on: date, by: Stamp) -> None:
    _put(
        session,
        "renewal",
        {"endorsement_id": request.endorsement_id, "cycle_starts_on": request.starts_on},
        {"extended_due_on": due_on, "reason": request.reason},
        by,
    )


def _put(
    session: Session, name: str, key: dict[str, Any], values: dict[str, Any], by: Stamp
) -> None:
    """Write the row that ``key`` names, new or changed, with its audit event."""
    table = METADATA.tables[name]
    before = session.connection().execute(select(table).filter_by(**key)).mappings().first()
    if before is None:
        statement = insert(table).values(**key, **values).returning(table.c.id)
        number = session.connection().execute(statement).scalar_one()
    else:
        number = before["id"]
        session.connection().execute(update(table).where(table.c.id == number).values(values))
    # As with requests: the reason stays where it was written.
    after = {**key, **{column: value for column, value in values.items() if column != "reason"}}
    old = None if before is None else {column: before[column] for column in after}
    record_changes(session, [Change(by.who, by.at, name, number, old, after)])
