"""What a person's files take: which count towards their quota, and which are kept beside it.

The files of a closed cycle stay with what was submitted; nobody can remove them, so they take no
room. Those of forms that are not saved do: they are gone a day after they came.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from tracker.records.evidence.closing import Closed, Closing, read_closing_of
from tracker.records.evidence.evidence import File
from tracker.records.schema.tables import METADATA
from tracker.rulebooks import Rulebooks

_EVIDENCE = METADATA.tables["evidence"]
_ENTRY = METADATA.tables["entry"]
_COLUMNS = tuple(_EVIDENCE.c[name] for name in File._fields)
_WITH_ENTRY = _EVIDENCE.outerjoin(_ENTRY, _ENTRY.c.id == _EVIDENCE.c.entry_id)


class Kept(NamedTuple):
    """A file and what it proves; ``closed`` says what keeps it, None where it can be removed.

    ``title`` and ``held_on`` are None while its form is not saved.
    """

    file: File
    title: str | None
    held_on: date | None
    closed: Closed | None


def kept_files(
    connection: Connection, books: Rulebooks, person_id: int, at: datetime
) -> Sequence[Kept]:
    """All files of a person: first those of unsaved forms, then by day of the entry, newest first.

    ``at`` is the instant by which cycles are closed, or not yet.
    """
    closing = read_closing_of(connection, books, person_id, at)
    unsaved = _ENTRY.c.held_on.is_(None)
    query = (
        select(*_COLUMNS, _ENTRY.c.title, _ENTRY.c.held_on)
        .select_from(_WITH_ENTRY)
        .where(_EVIDENCE.c.person_id == person_id)
        .order_by(unsaved.desc(), _ENTRY.c.held_on.desc(), _EVIDENCE.c.id)
    )
    return [
        Kept(File(*row[:-2]), row.title, row.held_on, _closed(closing, row.held_on))
        for row in connection.execute(query)
    ]


def bytes_counted(connection: Connection, books: Rulebooks, person_id: int, at: datetime) -> int:
    """How much of their quota a person's files take, in bytes."""
    closing = read_closing_of(connection, books, person_id, at)
    sizes = _sizes_by_day(connection, person_id)
    return sum(size for day, size in sizes.items() if _closed(closing, day) is None)


def _sizes_by_day(connection: Connection, person_id: int) -> Mapping[date | None, int]:
    query = (
        select(_ENTRY.c.held_on, func.sum(_EVIDENCE.c.size))
        .select_from(_WITH_ENTRY)
        .where(_EVIDENCE.c.person_id == person_id)
        .group_by(_ENTRY.c.held_on)
    )
    return {row[0]: int(row[1]) for row in connection.execute(query)}


def _closed(closing: Closing, day: date | None) -> Closed | None:
    return None if day is None else closing.closed(day)
