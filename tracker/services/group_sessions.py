"""Those whom a provider names for a session: who they are is looked up, and told to nobody."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import Select, delete, exists, insert, select, update
from sqlmodel import Session

from tracker.db.audit import Change, Stamp, record_changes
from tracker.db.statements import with_own_id
from tracker.db.tables import METADATA
from tracker.services.context import Author, lock_person
from tracker.services.group_members import change_members, record_members, shapes_of
from tracker.services.sign_in import find_person_by_email

_ENTRY = METADATA.tables["entry"]
_MEMBER = METADATA.tables["group_member"]
_PERSON = METADATA.tables["person"]
_SESSION = METADATA.tables["group_session"]


class Invited(NamedTuple):
    """Whom a provider names: ``email`` in lower case, ``name`` where she picked them by it."""

    email: str
    name: str | None


class Member(NamedTuple):
    """A supervisee as the provider sees one; ``note`` says what is wrong with a disputed one."""

    id: int
    email: str
    name: str | None
    state: str
    answered_at: datetime | None
    note: str | None

    @property
    def label(self) -> str:
        """The name or the address, whichever the provider gave."""
        return self.name or self.email


class Supervisee(NamedTuple):
    """Somebody who has logged a session with a provider, or confirmed one of hers."""

    id: int
    name: str
    email: str


def supervisees_of(session: Session, provider_id: int) -> list[Supervisee]:
    """Whom a provider can pick by name: only those who named her, or confirmed, themselves."""
    logged = exists().where(_ENTRY.c.person_id == _PERSON.c.id, _ENTRY.c.provider_id == provider_id)
    hers = _MEMBER.c.group_session_id.in_(
        select(_SESSION.c.id).where(_SESSION.c.provider_id == provider_id)
    )
    confirmed = exists().where(_MEMBER.c.person_id == _PERSON.c.id, _MEMBER.c.state == "confirmed")
    query = select(_PERSON.c.id, _PERSON.c.name, _PERSON.c.email).where(
        (_PERSON.c.id != provider_id) & (logged | confirmed.where(hers))
    )
    found = [Supervisee(*row) for row in session.connection().execute(query)]
    return sorted(found, key=lambda s: (s.name.casefold(), s.id))


def own_addresses(session: Session, person_id: int) -> set[str]:
    """A person's addresses, in lower case."""
    query = select(_PERSON.c.email, _PERSON.c.second_email).where(_PERSON.c.id == person_id)
    return {address.lower() for address in session.connection().execute(query).one() if address}


def members_of(session: Session, session_ids: Collection[int]) -> list[tuple[int, Member]]:
    """The members of these sessions with the session's id, by session and order of naming."""
    columns = [_MEMBER.c[name] for name in Member._fields]
    query = (
        select(_MEMBER.c.group_session_id, *columns)
        .where(_MEMBER.c.group_session_id.in_(session_ids))
        .order_by(_MEMBER.c.group_session_id, _MEMBER.c.id)
    )
    return [(row[0], Member(*row[1:])) for row in session.connection().execute(query)]


def add_members(
    session: Session, author: Author, session_id: int, invited: Iterable[Invited]
) -> Sequence[int]:
    """PlannedRequirement people about a session; the ids of the new rows, one for each address."""
    added = []
    for one in invited:
        known = find_person_by_email(session, one.email)
        values = {
            "group_session_id": session_id,
            "person_id": known.id if known else None,
            "state": "asked",
            "asked_at": author.at,
            **one._asdict(),
        }
        own = with_own_id(session, "group_member", values)
        statement = insert(_MEMBER).values(own).returning(_MEMBER.c.id)
        added.append(int(session.connection().execute(statement).scalar_one()))
    after = shapes_of(session, added)
    record_members(session, Stamp(author.who, author.at), {}, after)
    return added


def ask_again(session: Session, author: Author, member_ids: Collection[int]) -> Collection[int]:
    """Ask anew those who have not confirmed; their rows."""
    mine = _MEMBER.c.id.in_(member_ids) & (_MEMBER.c.state != "confirmed")
    people = session.scalars(select(_MEMBER.c.person_id).where(mine)).all()
    for person_id in sorted({p for p in people if p is not None}):
        # In the order in which answers lock: session, person, row.
        lock_person(session, person_id)
    ids = session.scalars(select(_MEMBER.c.id).where(mine).order_by(_MEMBER.c.id)).all()
    values = {"state": "asked", "answered_at": None, "note": None, "reminded_at": None}
    stamp = Stamp(author.who, author.at)
    change_members(session, stamp, ids, **values, asked_at=author.at)
    return ids


def take_out(session: Session, author: Author, session_id: int, member_id: int) -> bool:
    """No longer ask somebody who has not confirmed; False where there is none such.

    The caller has read the session, the provider's own, for writing.
    """
    before = shapes_of(session, [member_id])
    statement = delete(_MEMBER).where(
        _MEMBER.c.id == member_id,
        _MEMBER.c.group_session_id == session_id,
        _MEMBER.c.state != "confirmed",
    )
    if session.connection().execute(statement).rowcount != 1:
        return False
    record_members(session, Stamp(author.who, author.at), before, {})
    return True


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


def sessions_of(session: Session, provider_id: int) -> list[GroupSession]:
    """All that a provider has logged, the latest session first."""
    return _read(session, _own(provider_id))


def session_of(
    session: Session, provider_id: int, session_id: int, *, for_writing: bool = False
) -> GroupSession | None:
    """One of a provider's own sessions; None where it is absent or another's.

    ``for_writing`` lets nobody answer it meanwhile.
    """
    own = _own(provider_id).where(_SESSION.c.id == session_id)
    return next(iter(_read(session, own.with_for_update() if for_writing else own)), None)


def session_from(session: Session, provider_id: int, form_key: str) -> GroupSession | None:
    """The session that the form with this key became, if it was saved already."""
    own = _own(provider_id).where(_SESSION.c.form_key == form_key)
    return next(iter(_read(session, own)), None)


def twin_of(
    session: Session, provider_id: int, held: Held, invited: Collection[Invited]
) -> GroupSession | None:
    """What looks like the same session, logged before: of that day, with somebody of the same.

    Two sessions with one person on one day are rare, whatever their lengths. Addresses are compared
    as the provider named them: whether two are one person's is not told.
    """
    same_day = (_SESSION.c.held_on == held.held_on) & _SESSION.c.withdrawn_at.is_(None)
    named = {one.email for one in invited}
    others = _read(session, _own(provider_id).where(same_day))
    return next((one for one in others if named & {m.email for m in one.members}), None)


def log_session(
    session: Session, author: Author, held: Held, invited: Sequence[Invited], form_key: str
) -> Logged:
    """Store a session once for each ``form_key``, and ask everybody ``invited``."""
    lock_person(session, author.person_id)
    before = session_from(session, author.person_id, form_key)
    if before is not None:
        return Logged(before.id, ())
    values = {
        "provider_id": author.person_id,
        **held._asdict(),
        "form_key": form_key,
        "logged_at": author.at,
    }
    statement = insert(_SESSION).values(values).returning(_SESSION.c.id)
    session_id = int(session.connection().execute(statement).scalar_one())
    _record(session, author, session_id, None, _shape(author, held))
    return Logged(session_id, add_members(session, author, session_id, invited))


def correct_session(
    session: Session,
    author: Author,
    group_session: GroupSession,
    held: Held,
    invited: Sequence[Invited],
) -> Collection[int]:
    """Change a session, and ask anew; the rows to tell people of.

    Asked again is whoever disputed it, and, where it changed, whoever has not answered; those who
    have confirmed keep what they confirmed. ``session`` was read for writing.
    """
    if held != group_session.held:
        own = _SESSION.c.id == group_session.id
        session.connection().execute(update(_SESSION).where(own).values(held._asdict()))
        before, after = _shape(author, group_session.held), _shape(author, held)
        _record(session, author, group_session.id, before, after)
    states = {"disputed"} if held == group_session.held else {"asked", "disputed"}
    again = [m.id for m in group_session.members if m.state in states]
    asked = ask_again(session, author, again)
    return [*asked, *add_members(session, author, group_session.id, invited)]


def withdraw_session(session: Session, author: Author, group_session: GroupSession) -> None:
    """Ask nobody any more; what was confirmed stays. A second time changes nothing."""
    if group_session.withdrawn_at is not None:
        return
    own = _SESSION.c.id == group_session.id
    session.connection().execute(update(_SESSION).where(own).values(withdrawn_at=author.at))
    shape = _shape(author, group_session.held)
    gone = {**shape, "withdrawn_at": author.at}
    _record(session, author, group_session.id, {**shape, "withdrawn_at": None}, gone)


def _own(provider_id: int) -> Select[Any]:
    columns = [_SESSION.c[name] for name in GroupSession._fields if name != "members"]
    own = _SESSION.c.provider_id == provider_id
    return select(*columns).where(own).order_by(_SESSION.c.held_on.desc(), _SESSION.c.id.desc())


def _read(session: Session, query: Select[Any]) -> list[GroupSession]:
    rows = session.connection().execute(query).all()
    found = members_of(session, [row.id for row in rows])
    members = {key: [m for _, m in of_one] for key, of_one in groupby(found, lambda f: f[0])}
    return [GroupSession._make((*row, members.get(row.id, ()))) for row in rows]


def _shape(author: Author, held: Held) -> dict[str, Any]:
    return {"provider_id": author.person_id, **held._asdict()}


def _record(
    session: Session,
    author: Author,
    session_id: int,
    before: dict[str, Any] | None,
    after: dict[str, Any],
) -> None:
    change = Change(author.who, author.at, "group_session", session_id, before, after)
    record_changes(session, [change])
