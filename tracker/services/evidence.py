"""Evidence: rows that say which file proves which entry, and who may see it.

Every function that writes belongs into the caller's writing transaction; the bytes are written
before it (evidence_folder.py), and deleted after it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, update
from sqlmodel import Session

from tracker.db.audit import Change, record_changes
from tracker.db.statements import run, with_own_id
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks
from tracker.services.context import Author
from tracker.services.coordinator_access import access_windows, sees_file
from tracker.services.cycle_locks import CycleLock, CycleLocks, read_cycle_locks_of

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
    session: Session, person_id: int, form_key: str, entry_id: int | None = None
) -> list[File]:
    """The files that a form shows: its own unsaved ones, and those of the entry it edits."""
    return _files(session, _of_form(person_id, form_key, entry_id))


def files_of_entries(
    session: Session, person_id: int, only: int | None = None
) -> dict[int, list[File]]:
    """The files of each of a person's entries, or of the ``only`` one."""
    found: dict[int, list[File]] = {}
    which = "entry_id IS NOT NULL" if only is None else "entry_id = ?"
    chosen = [person_id] if only is None else [person_id, only]
    for row in run(session, f"{_OF_PERSON} AND {which} ORDER BY id", chosen):
        found.setdefault(row[2], []).append(File(*row))
    return found


_OF_PERSON = f"SELECT {', '.join(File._fields)} FROM evidence WHERE person_id = ?"


def own_file(session: Session, file_id: int, person_id: int) -> File | None:
    """A file of a person's own, saved with an entry or not."""
    own = (_EVIDENCE.c.id == file_id) & (_EVIDENCE.c.person_id == person_id)
    return next(iter(_files(session, own)), None)


def file_for(
    session: Session, rulebooks: Rulebooks, file_id: int, associations: Collection[str]
) -> File | None:
    """A file for who coordinates these associations: as far as they may read its owner's log.

    Nobody but the owner sees a file whose entry is not saved.
    """
    query = (
        select(*_COLUMNS, _ENTRY.c.held_on, _EVIDENCE.c.added_at)
        .join(_ENTRY, _ENTRY.c.id == _EVIDENCE.c.entry_id)
        .where(_EVIDENCE.c.id == file_id)
    )
    row = session.connection().execute(query).first()
    if row is None:
        return None
    sights = access_windows(session, row.person_id, associations)
    is_seen = sees_file(rulebooks, sights, row.held_on, row.added_at)
    return File(*row[: len(_COLUMNS)]) if is_seen else None


def keep_files(
    session: Session,
    author: Author,
    form_key: str,
    received: Sequence[Received],
    entry_id: int | None,
) -> set[str]:
    """Give the files that came, and the form's unsaved ones, to the entry (None: not yet).

    Those that the form or the entry has already are not taken twice: returns the stored names
    of the ones that were taken.
    """
    held = files_of(session, author.person_id, form_key, entry_id)
    known = {file.sha256 for file in held}
    new = {file.sha256: file for file in received if file.sha256 not in known}
    for file in new.values():
        values = file._asdict() | {
            "person_id": author.person_id,
            "entry_id": entry_id,
            "form_key": form_key,
            "added_at": author.at,
        }
        statement = insert(_EVIDENCE).values(with_own_id(session, "evidence", values))
        row_id = session.connection().execute(statement.returning(_EVIDENCE.c.id)).scalar_one()
        _audit(session, author.who, author.at, [(row_id, None, values)])
    drafts = [file for file in held if file.entry_id is None]
    if entry_id is not None and drafts:
        ids = [file.id for file in drafts]
        session.connection().execute(
            update(_EVIDENCE).where(_EVIDENCE.c.id.in_(ids)).values(entry_id=entry_id)
        )
        changed = [(f.id, _facts(f), _facts(f._replace(entry_id=entry_id))) for f in drafts]
        _audit(session, author.who, author.at, changed)
    return {file.stored_as for file in new.values()}


def move_drafts(session: Session, author: Author, old_key: str, new_key: str) -> None:
    """Let a form's unsaved files follow it to its new key."""
    drafts = _of_form(author.person_id, old_key, None)
    session.connection().execute(update(_EVIDENCE).where(drafts).values(form_key=new_key))


def remove_file(
    session: Session, author: Author, file_id: int, entry_id: int | None
) -> File | None:
    """Delete a person's own file of the entry, or of no entry yet; None for any other."""
    own = (_EVIDENCE.c.id == file_id) & (_EVIDENCE.c.person_id == author.person_id)
    own &= or_(_EVIDENCE.c.entry_id.is_(None), _EVIDENCE.c.entry_id == entry_id)
    return next(iter(_remove(session, author.who, author.at, own)), None)


def remove_files_of(session: Session, author: Author, entry_id: int) -> list[File]:
    """Delete all files of a person's own entry."""
    own = (_EVIDENCE.c.entry_id == entry_id) & (_EVIDENCE.c.person_id == author.person_id)
    return _remove(session, author.who, author.at, own)


def remove_old_drafts(session: Session, at: datetime) -> list[File]:
    """Delete the files of forms that nobody saved within a day of sending them."""
    old = _EVIDENCE.c.entry_id.is_(None) & (_EVIDENCE.c.added_at < at - _DRAFT_FOR)
    return _remove(session, _SWEEPER, at, old)


def stored_names(session: Session) -> set[str]:
    """The names of all files that have a row."""
    return set(session.scalars(select(_EVIDENCE.c.stored_as)))


def _of_form(person_id: int, form_key: str, entry_id: int | None) -> ColumnElement[bool]:
    draft = (_EVIDENCE.c.form_key == form_key) & _EVIDENCE.c.entry_id.is_(None)
    mine = draft if entry_id is None else or_(draft, _EVIDENCE.c.entry_id == entry_id)
    return and_(_EVIDENCE.c.person_id == person_id, mine)


def _files(session: Session, where: ColumnElement[bool]) -> list[File]:
    rows = session.connection().execute(select(*_COLUMNS).where(where).order_by(_EVIDENCE.c.id))
    return [File(*row) for row in rows]


def _remove(session: Session, who: str, at: datetime, where: ColumnElement[bool]) -> list[File]:
    files = _files(session, where)
    if files:
        ids = [file.id for file in files]
        session.connection().execute(delete(_EVIDENCE).where(_EVIDENCE.c.id.in_(ids)))
        _audit(session, who, at, [(file.id, _facts(file), None) for file in files])
    return files


def _facts(file: File) -> dict[str, Any]:
    return {name: value for name, value in file._asdict().items() if name != "id"}


_Changed = tuple[int, Mapping[str, Any] | None, Mapping[str, Any] | None]


def _audit(session: Session, who: str, at: datetime, changes: Iterable[_Changed]) -> None:
    record_changes(session, [Change(who, at, "evidence", *change) for change in changes])


_WITH_ENTRY = _EVIDENCE.outerjoin(_ENTRY, _ENTRY.c.id == _EVIDENCE.c.entry_id)


class Kept(NamedTuple):
    """A file and what it proves; ``closed`` says what keeps it, None where it can be removed.

    ``title`` and ``held_on`` are None while its form is not saved.
    """

    file: File
    title: str | None
    held_on: date | None
    closed: CycleLock | None


def kept_files(
    session: Session, rulebooks: Rulebooks, person_id: int, at: datetime
) -> Sequence[Kept]:
    """All files of a person: first those of unsaved forms, then by day of the entry, newest first.

    ``at`` is the instant by which cycles are closed, or not yet.
    """
    closing = read_cycle_locks_of(session, rulebooks, person_id, at)
    unsaved = _ENTRY.c.held_on.is_(None)
    query = (
        select(*_COLUMNS, _ENTRY.c.title, _ENTRY.c.held_on)
        .select_from(_WITH_ENTRY)
        .where(_EVIDENCE.c.person_id == person_id)
        .order_by(unsaved.desc(), _ENTRY.c.held_on.desc(), _EVIDENCE.c.id)
    )
    return [
        Kept(File(*row[:-2]), row.title, row.held_on, _closed(closing, row.held_on))
        for row in session.connection().execute(query)
    ]


def bytes_counted(session: Session, rulebooks: Rulebooks, person_id: int, at: datetime) -> int:
    """How much of their quota a person's files take, in bytes."""
    closing = read_cycle_locks_of(session, rulebooks, person_id, at)
    sizes = _sizes_by_day(session, person_id)
    return sum(size for day, size in sizes.items() if _closed(closing, day) is None)


def _sizes_by_day(session: Session, person_id: int) -> Mapping[date | None, int]:
    query = (
        select(_ENTRY.c.held_on, func.sum(_EVIDENCE.c.size))
        .select_from(_WITH_ENTRY)
        .where(_EVIDENCE.c.person_id == person_id)
        .group_by(_ENTRY.c.held_on)
    )
    return {row[0]: int(row[1]) for row in session.connection().execute(query)}


def _closed(closing: CycleLocks, day: date | None) -> CycleLock | None:
    return None if day is None else closing.closed(day)
