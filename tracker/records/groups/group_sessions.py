"""RSC sessions that a provider logs for several supervisees: hers to write, theirs to confirm.

Each function belongs into the caller's writing transaction. What a provider reads here is whom she
named and what they answered, never whether somebody is known, nor what they did with an entry.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, insert, select, update

from tracker.records.entries.entry_writes import Author, lock_person
from tracker.records.groups.group_members import Invited, Member, add_members, ask_again, members_of
from tracker.records.schema.tables import METADATA
from tracker.records.store.audit import Change, record_changes

_SESSION = METADATA.tables["group_session"]


class Held(NamedTuple):
    """What a session was; whole minutes."""

    held_on: date
    minutes: int
    title: str


class GroupSession(NamedTuple):
    """A session as its provider sees it, with those whom she named, in the order of naming."""

    id: int
    held_on: date
    minutes: int
    title: str
    logged_at: datetime
    withdrawn_at: datetime | None
    members: Sequence[Member]

    @property
    def held(self) -> Held:
        """What the session was."""
        return Held(self.held_on, self.minutes, self.title)

    @property
    def unanswered(self) -> bool:
        """Whether somebody has not confirmed it, so that there is something to correct."""
        return self.withdrawn_at is None and any(m.state != "confirmed" for m in self.members)


class Logged(NamedTuple):
    """The session that a form became, and the rows to tell people of (none the second time)."""

    session_id: int
    asked: Collection[int]


def sessions_of(connection: Connection, provider_id: int) -> list[GroupSession]:
    """All that a provider has logged, the latest session first."""
    return _read(connection, _own(provider_id))


def session_of(
    connection: Connection, provider_id: int, session_id: int, *, for_writing: bool = False
) -> GroupSession | None:
    """One of a provider's own sessions; None where it is absent or another's.

    ``for_writing`` lets nobody answer it meanwhile.
    """
    own = _own(provider_id).where(_SESSION.c.id == session_id)
    return next(iter(_read(connection, own.with_for_update() if for_writing else own)), None)


def session_from(connection: Connection, provider_id: int, form_key: str) -> GroupSession | None:
    """The session that the form with this key became, if it was saved already."""
    own = _own(provider_id).where(_SESSION.c.form_key == form_key)
    return next(iter(_read(connection, own)), None)


def twin_of(
    connection: Connection, provider_id: int, held: Held, invited: Collection[Invited]
) -> GroupSession | None:
    """What looks like the same session, logged before: of that day, with somebody of the same.

    Two sessions with one person on one day are rare, whatever their lengths. Addresses are compared
    as the provider named them: whether two are one person's is not told.
    """
    same_day = (_SESSION.c.held_on == held.held_on) & _SESSION.c.withdrawn_at.is_(None)
    named = {one.email for one in invited}
    others = _read(connection, _own(provider_id).where(same_day))
    return next((one for one in others if named & {m.email for m in one.members}), None)


def log_session(
    connection: Connection, author: Author, held: Held, invited: Sequence[Invited], form_key: str
) -> Logged:
    """Store a session once for each ``form_key``, and ask everybody ``invited``."""
    lock_person(connection, author.person_id)
    before = session_from(connection, author.person_id, form_key)
    if before is not None:
        return Logged(before.id, ())
    values = {
        "provider_id": author.person_id,
        **held._asdict(),
        "form_key": form_key,
        "logged_at": author.at,
    }
    statement = insert(_SESSION).values(values).returning(_SESSION.c.id)
    session_id = int(connection.execute(statement).scalar_one())
    _record(connection, author, session_id, None, _shape(author, held))
    return Logged(session_id, add_members(connection, author, session_id, invited))


def correct_session(
    connection: Connection,
    author: Author,
    session: GroupSession,
    held: Held,
    invited: Sequence[Invited],
) -> Collection[int]:
    """Change a session, and ask anew; the rows to tell people of.

    Asked again is whoever disputed it, and, where it changed, whoever has not answered; those who
    have confirmed keep what they confirmed. ``session`` was read for writing.
    """
    if held != session.held:
        own = _SESSION.c.id == session.id
        connection.execute(update(_SESSION).where(own).values(held._asdict()))
        before, after = _shape(author, session.held), _shape(author, held)
        _record(connection, author, session.id, before, after)
    states = {"disputed"} if held == session.held else {"asked", "disputed"}
    again = [m.id for m in session.members if m.state in states]
    asked = ask_again(connection, author, again)
    return [*asked, *add_members(connection, author, session.id, invited)]


def withdraw_session(connection: Connection, author: Author, session: GroupSession) -> None:
    """Ask nobody any more; what was confirmed stays. A second time changes nothing."""
    if session.withdrawn_at is not None:
        return
    own = _SESSION.c.id == session.id
    connection.execute(update(_SESSION).where(own).values(withdrawn_at=author.at))
    shape = _shape(author, session.held)
    gone = {**shape, "withdrawn_at": author.at}
    _record(connection, author, session.id, {**shape, "withdrawn_at": None}, gone)


def _own(provider_id: int) -> Select[Any]:
    columns = [_SESSION.c[name] for name in GroupSession._fields if name != "members"]
    own = _SESSION.c.provider_id == provider_id
    return select(*columns).where(own).order_by(_SESSION.c.held_on.desc(), _SESSION.c.id.desc())


def _read(connection: Connection, query: Select[Any]) -> list[GroupSession]:
    rows = connection.execute(query).all()
    found = members_of(connection, [row.id for row in rows])
    members = {key: [m for _, m in of_one] for key, of_one in groupby(found, lambda f: f[0])}
    return [GroupSession._make((*row, members.get(row.id, ()))) for row in rows]


def _shape(author: Author, held: Held) -> dict[str, Any]:
    return {"provider_id": author.person_id, **held._asdict()}


def _record(
    connection: Connection,
    author: Author,
    session_id: int,
    before: dict[str, Any] | None,
    after: dict[str, Any],
) -> None:
    change = Change(author.who, author.at, "group_session", session_id, before, after)
    record_changes(connection, [change])
