"""Adds, changes and deletes entries: each with its audit event and the standings it moves.

Every function belongs into the caller's writing transaction, so that an entry is never stored
without the standing that follows from it (of several saved together judged once, at the end).
"""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, insert, update

from tracker.records.entries.entries import entry_by_id
from tracker.records.entries.group_rows import release_entry
from tracker.records.judging.judging_late import evaluate_soon
from tracker.records.schema.tables import METADATA
from tracker.records.store.audit import Change, Stamp, record_changes
from tracker.records.store.own_ids import with_own_id
from tracker.records.store.quick import insert_one, run
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import LoggedEntry

_ENTRY = METADATA.tables["entry"]
_TOPIC = METADATA.tables["entry_topic"]


@dataclass(frozen=True, slots=True)
class Content:
    """What an entry says; minutes, also in ``topics`` (by topic)."""

    activity: str
    held_on: date
    minutes: int
    title: str
    provider_id: int | None
    provider_name: str | None
    format: str | None
    reference: str | None
    topics: dict[str, int]


_COLUMNS = tuple(one.name for one in fields(Content) if one.name != "topics")


@dataclass(frozen=True, slots=True)
class Author:
    """Whose entries are written, who writes them, and when (an aware instant)."""

    person_id: int
    who: str
    at: datetime


class Added(NamedTuple):
    """The entry that a form became; not ``new`` if that form had been saved before."""

    entry: LoggedEntry
    new: bool


class ChangedMeanwhile(Exception):  # noqa: N818 - reads as the sentence it prints
    """The entry is no longer what the form was filled from."""


def content_of(entry: LoggedEntry) -> Content:
    """What a stored entry says."""
    return Content(*entry[2:])


def version_of(entry: LoggedEntry) -> str:
    """A short text that changes when any part of the entry does."""
    whole = json.dumps(asdict(content_of(entry)), default=str, sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:32]


def lock_person(connection: Connection, person_id: int) -> None:
    """Let one writer at a time log for a person.

    Without it two entries saved at the same moment would each be judged without the other.
    """
    # SQLite has one writer at a time anyway.
    if connection.dialect.name == "postgresql":
        run(connection, "SELECT id FROM person WHERE id = ? FOR UPDATE", [person_id])


def minutes_on(
    connection: Connection, person_id: int, day: date, *, without: int | None = None
) -> int:
    """The minutes that a person has logged on one day, but for the entry ``without``."""
    sql = "SELECT SUM(minutes) FROM entry WHERE person_id = ? AND held_on = ? AND id <> ?"
    rows = run(connection, sql, [person_id, day.isoformat(), without or 0])
    return int(rows[0][0] or 0)


def saved_from(connection: Connection, person_id: int, form_key: str) -> LoggedEntry | None:
    """The entry that the form with this key became, if it was saved already."""
    sql = "SELECT id FROM entry WHERE person_id = ? AND form_key = ?"
    rows = run(connection, sql, [person_id, form_key])
    return entry_by_id(connection, person_id, int(rows[0][0])) if rows else None


def add_entry(
    connection: Connection, books: Rulebooks, author: Author, content: Content, form_key: str
) -> Added:
    """Store an entry once for each ``form_key``: a second call gives the first one's entry."""
    lock_person(connection, author.person_id)
    before = saved_from(connection, author.person_id, form_key)
    if before is not None:
        return Added(before, new=False)
    return Added(add_unsaved(connection, books, author, content, form_key), new=True)


def add_unsaved(
    connection: Connection, books: Rulebooks, author: Author, content: Content, form_key: str
) -> LoggedEntry:
    """The same for whoever holds the person's lock and has seen that nothing has this key."""
    values = {"person_id": author.person_id, "form_key": form_key, **_columns(content)}
    entry_id = insert_one(connection, "entry", with_own_id(connection, "entry", values))
    _insert_topics(connection, author.person_id, entry_id, content)
    _finish(connection, books, author, entry_id, before=None, after=content)
    return LoggedEntry(entry_id, author.person_id, *_fields(content))


def change_entry(
    connection: Connection,
    books: Rulebooks,
    author: Author,
    entry_id: int,
    *,
    content: Content,
    version: str,
) -> bool:
    """Change a person's own entry; False where it is absent or somebody else's.

    Raises ChangedMeanwhile when it no longer has the ``version`` that the form was filled from.
    """
    lock_person(connection, author.person_id)
    stored = entry_by_id(connection, author.person_id, entry_id)
    if stored is None:
        return False
    if version_of(stored) != version:
        raise ChangedMeanwhile
    connection.execute(delete(_TOPIC).where(_TOPIC.c.entry_id == entry_id))
    connection.execute(update(_ENTRY).where(_ENTRY.c.id == entry_id).values(_columns(content)))
    _insert_topics(connection, author.person_id, entry_id, content)
    _finish(connection, books, author, entry_id, before=content_of(stored), after=content)
    return True


def delete_entry(connection: Connection, books: Rulebooks, author: Author, entry_id: int) -> bool:
    """Delete a person's own entry; False where it is absent or somebody else's.

    A group session that it confirmed is asked about again.
    """
    lock_person(connection, author.person_id)
    stored = entry_by_id(connection, author.person_id, entry_id)
    if stored is None:
        return False
    release_entry(connection, Stamp(author.who, author.at), entry_id)
    connection.execute(delete(_TOPIC).where(_TOPIC.c.entry_id == entry_id))
    connection.execute(delete(_ENTRY).where(_ENTRY.c.id == entry_id))
    _finish(connection, books, author, entry_id, before=content_of(stored), after=None)
    return True


def _fields(content: Content) -> tuple[Any, ...]:
    return tuple(getattr(content, name) for name in LoggedEntry._fields[2:])


def _columns(content: Content) -> dict[str, Any]:
    return {name: getattr(content, name) for name in _COLUMNS}


def _shape(author: Author, content: Content) -> dict[str, Any]:
    return {"person_id": author.person_id, **_columns(content), "topics": content.topics}


def _insert_topics(connection: Connection, person_id: int, entry_id: int, content: Content) -> None:
    rows = [
        {
            "entry_id": entry_id,
            "topic": topic,
            "person_id": person_id,
            "held_on": content.held_on,
            "minutes": minutes,
        }
        for topic, minutes in content.topics.items()
    ]
    if rows:
        connection.execute(insert(_TOPIC), rows)


def _finish(
    connection: Connection,
    books: Rulebooks,
    author: Author,
    entry_id: int,
    *,
    before: Content | None,
    after: Content | None,
) -> None:
    shapes = [_shape(author, content) if content else None for content in (before, after)]
    record_changes(connection, [Change(author.who, author.at, "entry", entry_id, *shapes)])
    named = {c.provider_id for c in (before, after) if c and c.provider_id is not None}
    evaluate_soon(connection, books, author.person_id, author.at, providers=named)
