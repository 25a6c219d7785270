"""What supervisees answer to a session that a provider has logged for them.

Confirming adds an entry to the supervisee's own log, in the same transaction as the standing that
follows from it; until then the session counts for nobody. Locks are taken in one order: the
session, the person, the rows.
"""

from typing import Any

from sqlalchemy import Connection, select

from tracker.records.entries.entries import entry_by_id, select_entries
from tracker.records.entries.entry_writes import (
    Author,
    Content,
    add_entry,
    delete_entry,
    lock_person,
)
from tracker.records.entries.group_rows import change_members
from tracker.records.groups.group_asks import Asked, asked_by_id, rows_of
from tracker.records.schema.tables import METADATA
from tracker.records.store.audit import Stamp
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import LoggedEntry

_ENTRY = METADATA.tables["entry"]
_MEMBER = METADATA.tables["group_member"]
_SESSION = METADATA.tables["group_session"]
RSC = "rsc"


def hold_asked(connection: Connection, person_id: int, member_id: int) -> Asked | None:
    """What a person is asked, read so that neither they nor the provider changes it meanwhile.

    None where it is absent or asked of somebody else.
    """
    found = asked_by_id(connection, person_id, member_id)
    if found is None:
        return None
    locked = select(_SESSION.c.id).where(_SESSION.c.id == found.session_id).with_for_update()
    connection.execute(locked)
    lock_person(connection, person_id)
    return asked_by_id(connection, person_id, member_id)


def content_of(asked: Asked) -> Content:
    """The entry that confirming it makes."""
    return Content(
        activity=RSC,
        held_on=asked.held_on,
        minutes=asked.minutes,
        title=asked.title,
        provider_id=asked.provider_id,
        provider_name=None,
        format=asked.format,
        reference=None,
        topics={},
    )


def same_sessions(connection: Connection, person_id: int, asked: Asked) -> list[LoggedEntry]:
    """Entries of the person's own, of that day and provider, that no session is confirmed by."""
    linked = select(_MEMBER.c.entry_id).where(_MEMBER.c.entry_id.is_not(None))
    same = (
        (_ENTRY.c.person_id == person_id)
        & (_ENTRY.c.held_on == asked.held_on)
        & (_ENTRY.c.provider_id == asked.provider_id)
        & (_ENTRY.c.activity == RSC)
        & _ENTRY.c.id.not_in(linked)
    )
    return list(select_entries(connection, same))


def confirm(
    connection: Connection,
    books: Rulebooks,
    author: Author,
    asked: Asked,
    *,
    own_entry: int | None = None,
) -> int:
    """Confirm what was read by `hold_asked`; the id of the entry that it is in the log.

    ``own_entry``, one of `same_sessions`, is taken for it instead of adding one. A second time
    changes nothing.
    """
    if asked.entry_id is not None:
        return asked.entry_id
    if asked.withdrawn_at is not None:
        message = f"session {asked.session_id} was withdrawn"
        raise ValueError(message)
    entry_id = own_entry
    if entry_id is None:
        content = content_of(asked)
        entry_id = add_entry(connection, books, author, content, _form_key(asked)).entry.id
    _answer(connection, author, asked, state="confirmed", note=None, entry_id=entry_id)
    return entry_id


def dispute(
    connection: Connection, books: Rulebooks, author: Author, asked: Asked, note: str | None
) -> None:
    """Say that something is wrong with what was read by `hold_asked`.

    An entry that confirming it added goes again; one that the person had logged stays.
    """
    ours = added_entry(connection, author.person_id, asked)
    if ours is not None:
        delete_entry(connection, books, author, ours.id)
    _answer(connection, author, asked, state="disputed", note=note, entry_id=None)


def added_entry(connection: Connection, person_id: int, asked: Asked) -> LoggedEntry | None:
    """The entry that confirming it added; None where there is none."""
    if asked.entry_id is None:
        return None
    key = connection.scalar(select(_ENTRY.c.form_key).where(_ENTRY.c.id == asked.entry_id))
    is_added = key == _form_key(asked)
    return entry_by_id(connection, person_id, asked.entry_id) if is_added else None


def _form_key(asked: Asked) -> str:
    """What makes the entry of one session and person one; no form of a page has such a key."""
    return f"group-session-{asked.session_id}"


def _answer(
    connection: Connection,
    author: Author,
    asked: Asked,
    *,
    entry_id: int | None,
    **values: Any,  # noqa: ANN401 - values of columns
) -> None:
    rows = rows_of(connection, author.person_id, asked.session_id)
    stamp = Stamp(author.who, author.at)
    common = {"person_id": author.person_id, "answered_at": author.at, **values}
    change_members(connection, stamp, rows[:1], entry_id=entry_id, **common)
    change_members(connection, stamp, rows[1:], entry_id=None, **common)
