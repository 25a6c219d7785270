"""Those whom a provider names for a session: who they are is looked up, and told to nobody."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, exists, insert, select

from tracker.records.entries.entry_writes import Author, lock_person
from tracker.records.entries.group_rows import change_members, record_members, shapes_of
from tracker.records.schema.tables import METADATA
from tracker.records.sign_in.sign_in import find_person
from tracker.records.store.audit import Stamp
from tracker.records.store.own_ids import with_own_id

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


def supervisees_of(connection: Connection, provider_id: int) -> list[Supervisee]:
    """Whom a provider can pick by name: only those who named her, or confirmed, themselves."""
    logged = exists().where(_ENTRY.c.person_id == _PERSON.c.id, _ENTRY.c.provider_id == provider_id)
    hers = _MEMBER.c.group_session_id.in_(
        select(_SESSION.c.id).where(_SESSION.c.provider_id == provider_id)
    )
    confirmed = exists().where(_MEMBER.c.person_id == _PERSON.c.id, _MEMBER.c.state == "confirmed")
    query = select(_PERSON.c.id, _PERSON.c.name, _PERSON.c.email).where(
        (_PERSON.c.id != provider_id) & (logged | confirmed.where(hers))
    )
    found = [Supervisee(*row) for row in connection.execute(query)]
    return sorted(found, key=lambda s: (s.name.casefold(), s.id))


def own_addresses(connection: Connection, person_id: int) -> set[str]:
    """A person's addresses, in lower case."""
    query = select(_PERSON.c.email, _PERSON.c.second_email).where(_PERSON.c.id == person_id)
    return {address.lower() for address in connection.execute(query).one() if address}


def members_of(connection: Connection, session_ids: Collection[int]) -> list[tuple[int, Member]]:
    """The members of these sessions with the session's id, by session and order of naming."""
    columns = [_MEMBER.c[name] for name in Member._fields]
    query = (
        select(_MEMBER.c.group_session_id, *columns)
        .where(_MEMBER.c.group_session_id.in_(session_ids))
        .order_by(_MEMBER.c.group_session_id, _MEMBER.c.id)
    )
    return [(row[0], Member(*row[1:])) for row in connection.execute(query)]


def add_members(
    connection: Connection, author: Author, session_id: int, invited: Iterable[Invited]
) -> Sequence[int]:
    """Ask people about a session; the ids of the new rows, one for each address."""
    added = []
    for one in invited:
        known = find_person(connection, one.email)
        values = {
            "group_session_id": session_id,
            "person_id": known.id if known else None,
            "state": "asked",
            "asked_at": author.at,
            **one._asdict(),
        }
        own = with_own_id(connection, "group_member", values)
        statement = insert(_MEMBER).values(own).returning(_MEMBER.c.id)
        added.append(int(connection.execute(statement).scalar_one()))
    after = shapes_of(connection, added)
    record_members(connection, Stamp(author.who, author.at), {}, after)
    return added


def ask_again(
    connection: Connection, author: Author, member_ids: Collection[int]
) -> Collection[int]:
    """Ask anew those who have not confirmed; their rows."""
    mine = _MEMBER.c.id.in_(member_ids) & (_MEMBER.c.state != "confirmed")
    people = connection.scalars(select(_MEMBER.c.person_id).where(mine)).all()
    for person_id in sorted({p for p in people if p is not None}):
        # In the order in which answers lock: session, person, row.
        lock_person(connection, person_id)
    ids = connection.scalars(select(_MEMBER.c.id).where(mine).order_by(_MEMBER.c.id)).all()
    values = {"state": "asked", "answered_at": None, "note": None, "reminded_at": None}
    stamp = Stamp(author.who, author.at)
    change_members(connection, stamp, ids, **values, asked_at=author.at)
    return ids


def take_out(connection: Connection, author: Author, session_id: int, member_id: int) -> bool:
    """No longer ask somebody who has not confirmed; False where there is none such.

    The caller has read the session, the provider's own, for writing.
    """
    before = shapes_of(connection, [member_id])
    statement = delete(_MEMBER).where(
        _MEMBER.c.id == member_id,
        _MEMBER.c.group_session_id == session_id,
        _MEMBER.c.state != "confirmed",
    )
    if connection.execute(statement).rowcount != 1:
        return False
    record_members(connection, Stamp(author.who, author.at), before, {})
    return True
