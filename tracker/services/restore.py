"""A backup put back, into a database that is empty: first the files, then the database whole.

An SQLite file gets its name last, so that what is interrupted has restored nothing. In PostgreSQL
the dump is one transaction, and what follows it can be done again by hand.
"""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError

from tracker.db.engine import (
    SchemaError,
    knows_version,
    migrate,
    newest_version,
    open_engine,
    schema_version,
    writing,
)
from tracker.services.backup_files import (
    DATABASE,
    EVIDENCE,
    STORED,
    BackupError,
    Note,
    alone_in,
    check_ours,
    check_sqlite,
    copy_file,
    digest_of_file,
    files_of_database,
    flush_path,
    load_dump,
    read_note,
)
from tracker.services.browser_sessions import RevokedAccess, revoke_all_access

_UNFINISHED = ".restoring-"
_WHO = "tracker restore"
# What stands beside an SQLite file belongs to it, and would be played into any other.
_BESIDE = ("-journal", "-wal", "-shm")
_JOURNAL_HEAD = 28


class Restored(NamedTuple):
    """What was put back: ``schema`` is the backup's, before it was brought to this program's.

    ``lacking`` files have a row, and are not there or not what was once uploaded; ``ended`` is
    None where all sessions stay open.
    """

    note: Note
    schema: str
    lacking: list[str]
    ended: RevokedAccess | None


def restore_backup(
    backup: Path, url: str, evidence: Path | None, at: datetime, *, end_access: bool = True
) -> Restored:
    """Put the backup in the folder ``backup`` into the empty or absent database at ``url``.

    With ``end_access`` sessions, codes and links that it brings back are ended at ``at``. Raises
    BackupError, before anything is written where the target or the backup will not do.
    """
    try:
        note = _checked(backup, url, evidence)
        _put_files_back(backup / EVIDENCE, evidence)
        address = make_url(url)
        if address.get_backend_name() == "sqlite":
            ended = _restore_sqlite(backup, address, at, end_access=end_access)
        else:
            ended = _restore_server(backup, url, at, end_access=end_access)
        return Restored(note, note.schema, _lacking(url, evidence), ended)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"{backup} could not be restored: {error}") from error


def _checked(backup: Path, url: str, evidence: Path | None) -> Note:
    note = read_note(backup)
    engine = make_url(url).get_backend_name()
    if note.engine != engine:
        raise BackupError(f"{backup} is of {note.engine}, and TRACKER_DATABASE_URL of {engine}")
    if not knows_version(note.schema):
        raise BackupError(f"{backup} has schema {note.schema}: a newer program made it")
    if note.files and evidence is None:
        raise BackupError("the backup holds files: say by TRACKER_EVIDENCE_DIR where they go")
    _ensure_empty(url)
    if digest_of_file(backup / DATABASE) != note.sha256:
        raise BackupError(f"{backup / DATABASE} is damaged: take another backup")
    if engine == "sqlite":
        check_ours(backup / DATABASE, note.schema)
    return note


def _ensure_empty(url: str) -> None:
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        if not address.database or address.database == ":memory:":
            raise BackupError("TRACKER_DATABASE_URL names no file")
        file = Path(address.database)
        for beside in _BESIDE:
            if _holds_anything(left := Path(f"{file}{beside}")):
                raise BackupError(f"{left} is left of another database: move both away")
        if not file.exists() or not file.stat().st_size:
            return
    # Of a file that is there: whatever it is instead of a database, it is not empty.
    file_errors = (sqlite3.DatabaseError, DatabaseError)
    with suppress(SchemaError, *(file_errors if address.get_backend_name() == "sqlite" else ())):
        if schema_version(url) is None:
            return
    shown = address.render_as_string(hide_password=True)
    raise BackupError(
        f"{shown} is not empty: stop what runs on it, and move it away or name another"
    )


def _holds_anything(beside: Path) -> bool:
    """Whether SQLite would play a file into the database; not a journal whose head is emptied.

    Raises BackupError where that cannot be seen, or SQLite could not work beside it.
    """
    try:
        if not stat.S_ISREG(beside.lstat().st_mode):
            # Nor would it follow a link.
            what = "is no file, and SQLite writes one of that name"
            raise BackupError(f"{beside} {what}: move it away, or name another database")
        with beside.open("rb") as file:
            return any(file.read(_JOURNAL_HEAD))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        right = "let this user read it, or move it away if it is of another database"
        raise BackupError(f"{beside} cannot be read ({error.strerror}): {right}") from error


def _put_files_back(source: Path, target: Path | None) -> None:
    """Have each file of the backup in ``target``; one that is there as it should be stays."""
    names = [file.name for file in source.iterdir() if STORED.fullmatch(file.name)]
    if target is None or not names:
        return
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _fresh_in(target) as fresh:
        for name in names:
            there = target / name
            if there.is_file() and digest_of_file(there) == digest_of_file(source / name):
                continue
            copy_file(source / name, fresh / name)
            (fresh / name).replace(there)
    flush_path(target)


@contextmanager
def _fresh_in(folder: Path) -> Iterator[Path]:
    """A new folder within, gone at the end. What a killed restore left there holds sessions."""
    with (
        alone_in(folder, _UNFINISHED, "another restore is at work"),
        TemporaryDirectory(prefix=_UNFINISHED, dir=folder) as fresh,
    ):
        yield Path(fresh)


def _restore_sqlite(
    backup: Path, address: URL, at: datetime, *, end_access: bool
) -> RevokedAccess | None:
    """Do everything in a folder beside, then give the file its name; none is overwritten."""
    target = Path(str(address.database))
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _fresh_in(target.parent) as fresh:
        file = fresh / target.name
        copy_file(backup / DATABASE, file)
        try:
            check_sqlite(file)
        except (BackupError, sqlite3.DatabaseError) as error:
            raise BackupError(f"{backup / DATABASE} is damaged: take another backup") from error
        url = URL.create("sqlite", database=str(file)).render_as_string()
        ended = _finish(url, at, end_access=end_access)
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
        flush_path(file)
        _ensure_empty(address.render_as_string())
        target.unlink(missing_ok=True)
        os.link(file, target)
    flush_path(target.parent)
    return ended


def _restore_server(
    backup: Path, url: str, at: datetime, *, end_access: bool
) -> RevokedAccess | None:
    load_dump(backup / DATABASE, url)
    try:
        return _finish(url, at, end_access=end_access)
    except Exception as error:
        # It is no longer empty, and may let in whoever was signed out since.
        raise BackupError(
            "the database was filled, and not finished: drop it, make it anew, and restore again; "
            f"{type(error).__name__}: {error}"
        ) from error


def _finish(url: str, at: datetime, *, end_access: bool) -> RevokedAccess | None:
    """Bring what was restored to this program's schema, and close what it opens again."""
    if schema_version(url) != newest_version():
        migrate(url)
    if not end_access:
        return None
    engine = open_engine(url)
    try:
        with writing(engine) as connection:
            return revoke_all_access(connection, _WHO, at, calendars=False, tokens=False)
    finally:
        engine.dispose()


def _lacking(url: str, evidence: Path | None) -> list[str]:
    files = files_of_database(url)
    return [name for name, digest in files.items() if not _is_right(evidence, name, digest)]


def _is_right(evidence: Path | None, name: str, digest: str) -> bool:
    file = None if evidence is None else evidence / name
    return file is not None and file.is_file() and digest_of_file(file) == digest
