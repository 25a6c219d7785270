"""What a person is asked about the sessions that providers have logged: reading it.

Supervisees see the provider and themselves, not who else was named.
"""

from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Select, func, select
from sqlalchemy.sql import ColumnElement
from sqlmodel import Session

from tracker.db.audit import Stamp
from tracker.db.statements import run
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import LoggedEntry
from tracker.services.context import Actor, Author, ServiceContext, lock_person
from tracker.services.entries import (
    EntrySource,
    create_entry,
    delete_entry,
    find_entry,
    select_entries,
)
from tracker.services.entry_rules import EntryInput
from tracker.services.group_members import change_members
from tracker.services.sign_in import find_person_by_email

_MEMBER = METADATA.tables["group_member"]
_PERSON = METADATA.tables["person"]
_SESSION = METADATA.tables["group_session"]
_INDIVIDUAL, _GROUP = "individual", "group"


class ConfirmationRequest(NamedTuple):
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


def asked_of(session: Session, person_id: int) -> list[ConfirmationRequest]:
    """What waits for a person's answer, the oldest session first; one for each session."""
    if not run(session, _ANY_WAITING, [person_id] * 3):
        return []
    waiting = (_MEMBER.c.state == "asked") & _SESSION.c.withdrawn_at.is_(None)
    found = {a.session_id: a for a in _read(session, person_id, waiting)}
    return sorted(found.values(), key=lambda a: (a.held_on, a.id))


# Mostly nothing waits, and every visit of My year asks.
_ANY_WAITING = """
    SELECT 1 FROM group_member m WHERE m.state = 'asked' AND (m.person_id = ?
        OR m.person_id IS NULL AND (m.email IN (SELECT p.email FROM person p WHERE p.id = ?)
            OR m.email IN (SELECT LOWER(p.second_email) FROM person p WHERE p.id = ?)))
    LIMIT 1
"""


def asked_by_id(session: Session, person_id: int, member_id: int) -> ConfirmationRequest | None:
    """One that was asked of the person; None where it is absent or asked of somebody else."""
    found = next(iter(_read(session, person_id, _MEMBER.c.id == member_id)), None)
    if found is None or found.state != "confirmed":
        return found
    # Of several addresses of one person the first has the entry.
    first = rows_of(session, person_id, found.session_id)[0]
    return next(iter(_read(session, person_id, _MEMBER.c.id == first)), None)


def rows_of(session: Session, person_id: int, session_id: int) -> Sequence[int]:
    """The rows of a session that name the person, by any of their addresses."""
    of_session = _MEMBER.c.group_session_id == session_id
    return sorted(a.id for a in _read(session, person_id, of_session))


def _read(
    session: Session, person_id: int, where: ColumnElement[bool]
) -> list[ConfirmationRequest]:
    """The rows that name the person, the first of each session last."""
    mine = _MEMBER.c.person_id == person_id
    addresses = select(_PERSON.c.email).where(_PERSON.c.id == person_id)
    seconds = select(func.lower(_PERSON.c.second_email)).where(_PERSON.c.id == person_id)
    # Nobody was known by the address when the provider typed it, and now it is this person's.
    by_address = _MEMBER.c.person_id.is_(None) & (
        _MEMBER.c.email.in_(addresses) | _MEMBER.c.email.in_(seconds)
    )
    query = _asked().where(where, mine | by_address).order_by(_MEMBER.c.id.desc())
    rows = session.connection().execute(query).all()
    found = [
        (row[0], ConfirmationRequest._make((*row[1:-1], _GROUP if row[-1] > 1 else _INDIVIDUAL)))
        for row in rows
    ]
    return [a for owner, a in found if owner or _is_theirs(session, a.email, person_id)]


def _is_theirs(session: Session, email: str, person_id: int) -> bool:
    # A second address that several share says of none of them who it is.
    known = find_person_by_email(session, email)
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


_ENTRY = METADATA.tables["entry"]
RSC = "rsc"


def hold_asked(session: Session, person_id: int, member_id: int) -> ConfirmationRequest | None:
    """What a person is asked, read so that neither they nor the provider changes it meanwhile.

    None where it is absent or asked of somebody else.
    """
    found = asked_by_id(session, person_id, member_id)
    if found is None:
        return None
    locked = select(_SESSION.c.id).where(_SESSION.c.id == found.session_id).with_for_update()
    session.connection().execute(locked)
    lock_person(session, person_id)
    return asked_by_id(session, person_id, member_id)


def entry_input_of(asked: ConfirmationRequest) -> EntryInput:
    """The entry that confirming it makes."""
    return EntryInput(
        activity=RSC,
        held_on=asked.held_on,
        minutes=asked.minutes,
        title=asked.title,
        provider_id=asked.provider_id,
        format=asked.format,
    )


def same_sessions(
    session: Session, person_id: int, asked: ConfirmationRequest
) -> list[LoggedEntry]:
    """Entries of the person's own, of that day and provider, that no session is confirmed by."""
    linked = select(_MEMBER.c.entry_id).where(_MEMBER.c.entry_id.is_not(None))
    same = (
        (_ENTRY.c.person_id == person_id)
        & (_ENTRY.c.held_on == asked.held_on)
        & (_ENTRY.c.provider_id == asked.provider_id)
        & (_ENTRY.c.activity == RSC)
        & _ENTRY.c.id.not_in(linked)
    )
    return list(select_entries(session, same))


def confirm(
    session: Session,
    rulebooks: Rulebooks,
    author: Author,
    asked: ConfirmationRequest,
    *,
    own_entry: int | None = None,
) -> int:
    """Confirm what was read by `hold_asked`; the id of the entry that it is in the log.

    ``own_entry``, one of `same_sessions`, is taken for it instead of adding one. A second time
    changes nothing. Raises Refused as `create_entry`.
    """
    if asked.entry_id is not None:
        return asked.entry_id
    if asked.withdrawn_at is not None:
        message = f"session {asked.session_id} was withdrawn"
        raise ValueError(message)
    entry_id = own_entry
    if entry_id is None:
        source = EntrySource(_form_key(asked), is_from_provider=True)
        entry = entry_input_of(asked)
        entry_id = create_entry(
            _context(session, rulebooks, author), author.person_id, entry, source
        ).id
    _answer(session, author, asked, state="confirmed", note=None, entry_id=entry_id)
    return entry_id


def _context(session: Session, rulebooks: Rulebooks, author: Author) -> ServiceContext:
    return ServiceContext(session, rulebooks, Actor(author.who, author.person_id), author.at)


def dispute(
    session: Session,
    rulebooks: Rulebooks,
    author: Author,
    asked: ConfirmationRequest,
    note: str | None,
) -> None:
    """Say that something is wrong with what was read by `hold_asked`.

    An entry that confirming it added goes again; one that the person had logged stays. Raises
    Refused if its cycle is closed.
    """
    ours = added_entry(session, author.person_id, asked)
    if ours is not None:
        delete_entry(_context(session, rulebooks, author), ours.id)
    _answer(session, author, asked, state="disputed", note=note, entry_id=None)


def added_entry(session: Session, person_id: int, asked: ConfirmationRequest) -> LoggedEntry | None:
    """The entry that confirming it added; None where there is none."""
    if asked.entry_id is None:
        return None
    key = session.scalar(select(_ENTRY.c.form_key).where(_ENTRY.c.id == asked.entry_id))
    is_added = key == _form_key(asked)
    return find_entry(session, person_id, asked.entry_id) if is_added else None


def _form_key(asked: ConfirmationRequest) -> str:
    """What makes the entry of one session and person one; no form of a page has such a key."""
    return f"group-session-{asked.session_id}"


def _answer(
    session: Session,
    author: Author,
    asked: ConfirmationRequest,
    *,
    entry_id: int | None,
    **values: Any,  # noqa: ANN401 - values of columns
) -> None:
    rows = rows_of(session, author.person_id, asked.session_id)
    stamp = Stamp(author.who, author.at)
    common = {"person_id": author.person_id, "answered_at": author.at, **values}
    change_members(session, stamp, rows[:1], entry_id=entry_id, **common)
    change_members(session, stamp, rows[1:], entry_id=None, **common)
