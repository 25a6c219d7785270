"""Restores a backup into an empty database: first the files, then the whole database.

An SQLite file gets its name last, so an interruption restores nothing. On PostgreSQL the dump is
one transaction; what follows it can be repeated by hand.
"""

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError

from tracker.database_urls import find_sqlite_file
from tracker.db.engine import is_sqlite_url, open_engine, writing
from tracker.db.errors import SchemaError, is_unavailable
from tracker.db.migrate import migrate
from tracker.db.schema import schema_version
from tracker.db.schema_versions import knows_version, newest_version
from tracker.db.signing_keys import prepare_keys
from tracker.errors import format_url
from tracker.master_key import MasterKey
from tracker.services.backup_files import (
    DATABASE,
    EVIDENCE,
    STORED_NAME,
    BackupError,
    Note,
    PlaceError,
    check_backed_up_database,
    check_sqlite,
    contents_of,
    copy_file,
    digest_of_file,
    exclusive_folder,
    flush_path,
    load_postgresql_dump,
    read_note,
)
from tracker.services.browser_sessions import RevokedAccess, revoke_all_access

_UNFINISHED = ".restoring-"
_ACTOR = "tracker restore"
# SQLite would play these files beside a database into it.
_SIDE_FILES = ("-journal", "-wal", "-shm")
_JOURNAL_HEADER_BYTES = 28
# Finishes the restored database at a URL.
Finish = Callable[[str], RevokedAccess | None]


class Restored(NamedTuple):
    """What was restored; ``missing`` files have a row but are gone, or differ from the upload.

    ``revoked`` is None if all sessions stay open.
    """

    note: Note
    missing: list[str]
    revoked: RevokedAccess | None


def restore_backup(
    backup: Path,
    url: str,
    evidence: Path | None,
    now: datetime,
    *,
    revoke_access: bool = True,
    master_key: MasterKey | None = None,
) -> Restored:
    """Restore the folder ``backup`` into the empty or absent database at ``url``.

    ``revoke_access`` ends the sessions, codes and links that it brings back; the keys are renewed,
    and if ``master_key`` (default: the file beside the database) is missing or another one, it is
    used for everything from now on. Raises BackupError, before anything is written if the target
    or the backup will not do.
    """
    master_key = master_key or MasterKey.beside(url)
    try:
        note = _check(backup, url, evidence)
        if evidence is not None:
            _restore_files(backup / EVIDENCE, evidence)
        address = make_url(url)
        finish = partial(_finish, now=now, key=master_key, revoke_access=revoke_access)
        if is_sqlite_url(address):
            revoked = _restore_sqlite(backup, address, finish)
        else:
            revoked = _restore_postgresql(backup, url, finish)
        missing = [
            name
            for name, digest in contents_of(url).files.items()
            if evidence is None or not _is_right(evidence / name, digest)
        ]
        return Restored(note, missing, revoked)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"{backup} could not be restored: {error}") from error


def _check(backup: Path, url: str, evidence: Path | None) -> Note:
    note = read_note(backup)
    engine = make_url(url).get_backend_name()
    if note.engine != engine:
        raise PlaceError(
            f"{backup} is a backup of {note.engine}, but TRACKER_DATABASE_URL is {engine}"
        )
    if not knows_version(note.schema):
        raise PlaceError(f"{backup} has schema {note.schema}: a newer program made it")
    if note.files and evidence is None:
        raise BackupError("the backup holds files: set TRACKER_EVIDENCE_DIR to where they belong")
    _ensure_empty(url)
    if digest_of_file(backup / DATABASE) != note.sha256:
        raise BackupError(f"{backup / DATABASE} is damaged: take another backup")
    if engine == "sqlite":
        check_backed_up_database(backup / DATABASE, note.schema)
    return note


def _ensure_empty(url: str) -> None:
    address = make_url(url)
    is_empty = _is_empty_sqlite(url) if is_sqlite_url(address) else _holds_no_tables(url)
    if not is_empty:
        raise BackupError(
            f"{format_url(url)} is not empty: stop what runs on it, and move it away or name "
            "another"
        )


def _is_empty_sqlite(url: str) -> bool:
    """Whether an SQLite file is absent or holds nothing. Raises BackupError if it can't be used."""
    file = find_sqlite_file(url)
    if file is None:
        raise BackupError("TRACKER_DATABASE_URL names no file")
    for ending in _SIDE_FILES:
        _ensure_unused(Path(f"{file}{ending}"))
    if not file.exists() or not file.stat().st_size:
        return True
    try:
        return _holds_no_tables(url)
    except DatabaseError:  # the file is no database
        return False


def _holds_no_tables(url: str) -> bool:
    try:
        return schema_version(url) is None
    except SchemaError:
        return False


def _ensure_unused(side_file: Path) -> None:
    """Raise BackupError if SQLite would play a file into the database, or can't work beside it.

    A journal whose header is emptied is harmless.
    """
    try:
        # SQLite would not follow a link either.
        if not stat.S_ISREG(side_file.lstat().st_mode):
            raise BackupError(
                f"{side_file} is not a file, but SQLite writes one of that name: move it away, or "
                "name another database"
            )
        with side_file.open("rb") as file:
            in_use = any(file.read(_JOURNAL_HEADER_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise BackupError(
            f"{side_file} cannot be read ({error.strerror}): let this user read it, or move it "
            "away if it belongs to another database"
        ) from error
    if in_use:
        raise BackupError(f"{side_file} is left of another database: move both away")


def _restore_files(source: Path, target: Path) -> None:
    """Copy the backup's files to ``target``, except those that are there and right."""
    names = [file.name for file in source.iterdir() if STORED_NAME.fullmatch(file.name)]
    if not names:
        return
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _unfinished_folder(target) as unfinished:
        for name in names:
            if not _is_right(target / name, digest_of_file(source / name)):
                copy_file(source / name, unfinished / name)
                (unfinished / name).replace(target / name)
    flush_path(target)


@contextmanager
def _unfinished_folder(folder: Path) -> Iterator[Path]:
    """Create a folder within, gone in the end. What a killed restore left there is removed."""
    with (
        exclusive_folder(folder, _UNFINISHED, "another restore is running"),
        TemporaryDirectory(prefix=_UNFINISHED, dir=folder) as unfinished,
    ):
        yield Path(unfinished)


def _restore_sqlite(backup: Path, address: URL, finish: Finish) -> RevokedAccess | None:
    """Finish the database in a folder beside, then link it to its name; overwrite nothing."""
    target = Path(str(address.database))
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _unfinished_folder(target.parent) as unfinished:
        file = unfinished / target.name
        copy_file(backup / DATABASE, file)
        try:
            check_sqlite(file)
        except (BackupError, sqlite3.DatabaseError) as error:
            if is_unavailable(error):
                raise
            raise BackupError(f"{backup / DATABASE} is damaged: take another backup") from error
        url = URL.create("sqlite", database=str(file)).render_as_string()
        revoked = finish(url)
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
        flush_path(file)
        _ensure_empty(address.render_as_string())
        target.unlink(missing_ok=True)
        os.link(file, target)
    flush_path(target.parent)
    return revoked


def _restore_postgresql(backup: Path, url: str, finish: Finish) -> RevokedAccess | None:
    load_postgresql_dump(backup / DATABASE, url)
    try:
        return finish(url)
    except Exception as error:
        # It is no longer empty, and may let in people who were signed out since.
        raise BackupError(
            "the database was filled but not finished: drop it, create it again, and restore "
            f"again; {type(error).__name__}: {error}"
        ) from error


def _finish(
    url: str, *, now: datetime, key: MasterKey, revoke_access: bool
) -> RevokedAccess | None:
    """Migrate what was restored to this program's schema, and revoke access to it."""
    if schema_version(url) != newest_version():
        migrate(url)
    if not revoke_access:
        return None
    engine = open_engine(url, master_key=key)
    try:
        with writing(engine) as session:
            revoked = revoke_all_access(
                session, _ACTOR, now, calendars=False, tokens=False, may_be_lost=True
            )
            prepare_keys(session)
            return revoked
    finally:
        engine.dispose()


def _is_right(file: Path, digest: str) -> bool:
    return file.is_file() and digest_of_file(file) == digest
