"""Reads logged entries."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.sql import ColumnElement

from tracker.records.schema.tables import Entry, EntryTopic
from tracker.records.store.quick import as_date, run
from tracker.rules.explain import LoggedEntry

_ENTRY = Entry.__table__  # type: ignore[attr-defined]
_TOPIC = EntryTopic.__table__  # type: ignore[attr-defined]


def entries_of(
    connection: Connection, person_id: int, first: date, last: date
) -> list[LoggedEntry]:
    """A person's entries from ``first`` to ``last``, both days included, newest first."""
    rows = run(connection, _OF_PERSON, [person_id, first.isoformat(), last.isoformat()])
    return list(_grouped((*row[:3], as_date(row[3]), *row[4:]) for row in rows))


# What `select_entries` asks, in the words of the driver: every visit of My year asks it.
_OF_PERSON = """
    SELECT e.id, e.person_id, e.activity, e.held_on, e.minutes, e.title, e.provider_id,
        e.provider_name, e.format, e.reference, t.topic, t.minutes
    FROM entry e LEFT JOIN entry_topic t ON t.entry_id = e.id
    WHERE e.person_id = ? AND e.held_on BETWEEN ? AND ?
    ORDER BY e.held_on DESC, e.id DESC, t.topic
"""


def entry_by_id(connection: Connection, person_id: int, entry_id: int) -> LoggedEntry | None:
    """One entry of a person's own; None where it is absent or somebody else's."""
    own = (_ENTRY.c.person_id == person_id) & (_ENTRY.c.id == entry_id)
    return next(select_entries(connection, own), None)


def select_entries(connection: Connection, where: ColumnElement[bool]) -> Iterator[LoggedEntry]:
    """The entries that ``where`` picks, with their topics, newest first."""
    query = (
        select(
            _ENTRY.c.id,
            _ENTRY.c.person_id,
            _ENTRY.c.activity,
            _ENTRY.c.held_on,
            _ENTRY.c.minutes,
            _ENTRY.c.title,
            _ENTRY.c.provider_id,
            _ENTRY.c.provider_name,
            _ENTRY.c.format,
            _ENTRY.c.reference,
            _TOPIC.c.topic,
            _TOPIC.c.minutes,
        )
        .outerjoin_from(_ENTRY, _TOPIC, _TOPIC.c.entry_id == _ENTRY.c.id)
        .where(where)
        .order_by(_ENTRY.c.held_on.desc(), _ENTRY.c.id.desc(), _TOPIC.c.topic)
    )
    yield from _grouped(connection.execute(query))


def _grouped(rows: Iterable[Sequence[Any]]) -> Iterator[LoggedEntry]:
    for _, of_entry in groupby(rows, key=lambda row: int(row[0])):
        yield _entry(list(of_entry))


def _entry(rows: Sequence[Sequence[Any]]) -> LoggedEntry:
    topics = {row[10]: row[11] for row in rows if row[10] is not None}
    return LoggedEntry._make((*rows[0][:10], topics))
