"""What a person is asked about the sessions that providers have logged: reading it.

Supervisees see the provider and themselves, not who else was named.
"""

from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, select
from sqlalchemy.sql import ColumnElement

from tracker.records.schema.tables import METADATA
from tracker.records.sign_in.sign_in import find_person
from tracker.records.store.quick import run

_MEMBER = METADATA.tables["group_member"]
_PERSON = METADATA.tables["person"]
_SESSION = METADATA.tables["group_session"]
_INDIVIDUAL, _GROUP = "individual", "group"


class Asked(NamedTuple):
    """A session that a provider says somebody took part in; whole minutes.

    ``state`` is "asked", "confirmed" or "disputed"; ``entry_id`` is the entry that it became.
    """

    id: int
    session_id: int
    email: str
    state: str
    answered_at: datetime | None
    note: str | None
    entry_id: int | None
    provider_id: int
    provider: str
    held_on: date
    minutes: int
    title: str
    withdrawn_at: datetime | None
    format: str


def asked_of(connection: Connection, person_id: int) -> list[Asked]:
    """What waits for a person's answer, the oldest session first; one for each session."""
    if not run(connection, _ANY_WAITING, [person_id] * 3):
        return []
    waiting = (_MEMBER.c.state == "asked") & _SESSION.c.withdrawn_at.is_(None)
    found = {a.session_id: a for a in _read(connection, person_id, waiting)}
    return sorted(found.values(), key=lambda a: (a.held_on, a.id))


# Mostly nothing waits, and every visit of My year asks.
_ANY_WAITING = """
    SELECT 1 FROM group_member m WHERE m.state = 'asked' AND (m.person_id = ?
        OR m.person_id IS NULL AND (m.email IN (SELECT p.email FROM person p WHERE p.id = ?)
            OR m.email IN (SELECT LOWER(p.second_email) FROM person p WHERE p.id = ?)))
    LIMIT 1
"""


def asked_by_id(connection: Connection, person_id: int, member_id: int) -> Asked | None:
    """One that was asked of the person; None where it is absent or asked of somebody else."""
    found = next(iter(_read(connection, person_id, _MEMBER.c.id == member_id)), None)
    if found is None or found.state != "confirmed":
        return found
    # Of several addresses of one person the first has the entry.
    first = rows_of(connection, person_id, found.session_id)[0]
    return next(iter(_read(connection, person_id, _MEMBER.c.id == first)), None)


def rows_of(connection: Connection, person_id: int, session_id: int) -> Sequence[int]:
    """The rows of a session that name the person, by any of their addresses."""
    of_session = _MEMBER.c.group_session_id == session_id
    return sorted(a.id for a in _read(connection, person_id, of_session))


def _read(connection: Connection, person_id: int, where: ColumnElement[bool]) -> list[Asked]:
    """The rows that name the person, the first of each session last."""
    mine = _MEMBER.c.person_id == person_id
    addresses = select(_PERSON.c.email).where(_PERSON.c.id == person_id)
    seconds = select(func.lower(_PERSON.c.second_email)).where(_PERSON.c.id == person_id)
    # Nobody was known by the address when the provider typed it, and now it is this person's.
    by_address = _MEMBER.c.person_id.is_(None) & (
        _MEMBER.c.email.in_(addresses) | _MEMBER.c.email.in_(seconds)
    )
    query = _asked().where(where, mine | by_address).order_by(_MEMBER.c.id.desc())
    rows = connection.execute(query).all()
    found = [
        (row[0], Asked._make((*row[1:-1], _GROUP if row[-1] > 1 else _INDIVIDUAL))) for row in rows
    ]
    return [a for owner, a in found if owner or _is_theirs(connection, a.email, person_id)]


def _is_theirs(connection: Connection, email: str, person_id: int) -> bool:
    # A second address that several share says of none of them who it is.
    known = find_person(connection, email)
    return known is not None and known.id == person_id


@cache
def _asked() -> Select[Any]:
    other = _MEMBER.alias("other")
    named = (
        # Two addresses of one person are not yet a group.
        select(func.count(func.coalesce(other.c.person_id, -other.c.id).distinct()))
        .where(other.c.group_session_id == _MEMBER.c.group_session_id)
        .correlate(_MEMBER)
        .scalar_subquery()
    )
    return select(
        _MEMBER.c.person_id,
        _MEMBER.c.id,
        _MEMBER.c.group_session_id,
        *(_MEMBER.c[name] for name in ("email", "state", "answered_at", "note", "entry_id")),
        _SESSION.c.provider_id,
        _PERSON.c.name,
        *(_SESSION.c[name] for name in ("held_on", "minutes", "title", "withdrawn_at")),
        named,
    ).select_from(_MEMBER.join(_SESSION).join(_PERSON, _PERSON.c.id == _SESSION.c.provider_id))
