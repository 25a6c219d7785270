"""Evidence: rows that say which file proves which entry, and who may see it.

Every function that writes belongs into the caller's writing transaction; the bytes are written
before it (evidence_folder.py), and deleted after it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    insert,
    or_,
    select,
    update,
)

from tracker.records.entries.entry_writes import Author
from tracker.records.evidence.insight import sees_file, sights_of
from tracker.records.schema.tables import METADATA
from tracker.records.store.audit import Change, record_changes
from tracker.records.store.own_ids import with_own_id
from tracker.records.store.quick import run
from tracker.rulebooks import Rulebooks

_EVIDENCE = METADATA.tables["evidence"]
_ENTRY = METADATA.tables["entry"]
_DRAFT_FOR = timedelta(days=1)
_SWEEPER = "tracker"


class Received(NamedTuple):
    """A file that came and is on the disk as ``stored_as``; ``size`` in bytes."""

    name: str
    media_type: str
    size: int
    sha256: str
    stored_as: str


class File(NamedTuple):
    """One stored file; ``entry_id`` is None while its form is not saved. ``size`` in bytes."""

    id: int
    person_id: int
    entry_id: int | None
    name: str
    media_type: str
    size: int
    sha256: str
    stored_as: str


_COLUMNS = tuple(_EVIDENCE.c[name] for name in File._fields)


def files_of(
    connection: Connection, person_id: int, form_key: str, entry_id: int | None = None
) -> list[File]:
    """The files that a form shows: its own unsaved ones, and those of the entry it edits."""
    return _files(connection, _of_form(person_id, form_key, entry_id))


def files_of_entries(
    connection: Connection, person_id: int, only: int | None = None
) -> dict[int, list[File]]:
    """The files of each of a person's entries, or of the ``only`` one."""
    found: dict[int, list[File]] = {}
    which = "entry_id IS NOT NULL" if only is None else "entry_id = ?"
    chosen = [person_id] if only is None else [person_id, only]
    for row in run(connection, f"{_OF_PERSON} AND {which} ORDER BY id", chosen):
        found.setdefault(row[2], []).append(File(*row))
    return found


_OF_PERSON = f"SELECT {', '.join(File._fields)} FROM evidence WHERE person_id = ?"


def own_file(connection: Connection, file_id: int, person_id: int) -> File | None:
    """A file of a person's own, saved with an entry or not."""
    own = (_EVIDENCE.c.id == file_id) & (_EVIDENCE.c.person_id == person_id)
    return next(iter(_files(connection, own)), None)


def file_for(
    connection: Connection, books: Rulebooks, file_id: int, associations: Collection[str]
) -> File | None:
    """A file for who coordinates these associations: as far as they may read its owner's log.

    Nobody but the owner sees a file whose entry is not saved.
    """
    query = (
        select(*_COLUMNS, _ENTRY.c.held_on, _EVIDENCE.c.added_at)
        .join(_ENTRY, _ENTRY.c.id == _EVIDENCE.c.entry_id)
        .where(_EVIDENCE.c.id == file_id)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    sights = sights_of(connection, row.person_id, associations)
    is_seen = sees_file(books, sights, row.held_on, row.added_at)
    return File(*row[: len(_COLUMNS)]) if is_seen else None


def keep_files(
    connection: Connection,
    author: Author,
    form_key: str,
    received: Sequence[Received],
    entry_id: int | None,
) -> set[str]:
    """Give the files that came, and the form's unsaved ones, to the entry (None: not yet).

    Those that the form or the entry has already are not taken twice: returns the stored names
    of the ones that were taken.
    """
    held = files_of(connection, author.person_id, form_key, entry_id)
    known = {file.sha256 for file in held}
    new = {file.sha256: file for file in received if file.sha256 not in known}
    for file in new.values():
        values = file._asdict() | {
            "person_id": author.person_id,
            "entry_id": entry_id,
            "form_key": form_key,
            "added_at": author.at,
        }
        statement = insert(_EVIDENCE).values(with_own_id(connection, "evidence", values))
        row_id = connection.execute(statement.returning(_EVIDENCE.c.id)).scalar_one()
        _audit(connection, author.who, author.at, [(row_id, None, values)])
    drafts = [file for file in held if file.entry_id is None]
    if entry_id is not None and drafts:
        ids = [file.id for file in drafts]
        connection.execute(
            update(_EVIDENCE).where(_EVIDENCE.c.id.in_(ids)).values(entry_id=entry_id)
        )
        changed = [(f.id, _facts(f), _facts(f._replace(entry_id=entry_id))) for f in drafts]
        _audit(connection, author.who, author.at, changed)
    return {file.stored_as for file in new.values()}


def move_drafts(connection: Connection, author: Author, old_key: str, new_key: str) -> None:
    """Let a form's unsaved files follow it to its new key."""
    drafts = _of_form(author.person_id, old_key, None)
    connection.execute(update(_EVIDENCE).where(drafts).values(form_key=new_key))


def remove_file(
    connection: Connection, author: Author, file_id: int, entry_id: int | None
) -> File | None:
    """Delete a person's own file of the entry, or of no entry yet; None for any other."""
    own = (_EVIDENCE.c.id == file_id) & (_EVIDENCE.c.person_id == author.person_id)
    own &= or_(_EVIDENCE.c.entry_id.is_(None), _EVIDENCE.c.entry_id == entry_id)
    return next(iter(_remove(connection, author.who, author.at, own)), None)


def remove_files_of(connection: Connection, author: Author, entry_id: int) -> list[File]:
    """Delete all files of a person's own entry."""
    own = (_EVIDENCE.c.entry_id == entry_id) & (_EVIDENCE.c.person_id == author.person_id)
    return _remove(connection, author.who, author.at, own)


def remove_old_drafts(connection: Connection, at: datetime) -> list[File]:
    """Delete the files of forms that nobody saved within a day of sending them."""
    old = _EVIDENCE.c.entry_id.is_(None) & (_EVIDENCE.c.added_at < at - _DRAFT_FOR)
    return _remove(connection, _SWEEPER, at, old)


def stored_names(connection: Connection) -> set[str]:
    """The names of all files that have a row."""
    return set(connection.scalars(select(_EVIDENCE.c.stored_as)))


def _of_form(person_id: int, form_key: str, entry_id: int | None) -> ColumnElement[bool]:
    draft = (_EVIDENCE.c.form_key == form_key) & _EVIDENCE.c.entry_id.is_(None)
    mine = draft if entry_id is None else or_(draft, _EVIDENCE.c.entry_id == entry_id)
    return and_(_EVIDENCE.c.person_id == person_id, mine)


def _files(connection: Connection, where: ColumnElement[bool]) -> list[File]:
    rows = connection.execute(select(*_COLUMNS).where(where).order_by(_EVIDENCE.c.id))
    return [File(*row) for row in rows]


def _remove(
    connection: Connection, who: str, at: datetime, where: ColumnElement[bool]
) -> list[File]:
    files = _files(connection, where)
    if files:
        ids = [file.id for file in files]
        connection.execute(delete(_EVIDENCE).where(_EVIDENCE.c.id.in_(ids)))
        _audit(connection, who, at, [(file.id, _facts(file), None) for file in files])
    return files


def _facts(file: File) -> dict[str, Any]:
    return {name: value for name, value in file._asdict().items() if name != "id"}


_Changed = tuple[int, Mapping[str, Any] | None, Mapping[str, Any] | None]


def _audit(connection: Connection, who: str, at: datetime, changes: Iterable[_Changed]) -> None:
    record_changes(connection, [Change(who, at, "evidence", *change) for change in changes])
