"""What a backup consists of, and how its parts are copied and checked.

A backup is a folder ``tracker-<instant>/`` with ``backup.json`` (written last), ``database`` (an
SQLite file, or the output of pg_dump), and ``evidence/`` with the uploaded files under the names
that the database has for them.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import IO, NamedTuple

from sqlalchemy import URL, Connection, func, inspect, table
from sqlalchemy.engine import make_url
from sqlmodel import Session, select

from tracker.db.engine import is_pooled, is_sqlite_url, open_engine, reading, write_lock
from tracker.db.log import Evidence
from tracker.db.schema import read_version
from tracker.errors import UserError

DATABASE, EVIDENCE, NOTE = "database", "evidence", "backup.json"
# Begins with the instant, in UTC, at which the backup was begun: the highest name is the newest.
NAME_FORMAT = "tracker-%Y-%m-%d-%H%M%SZ"
BACKUP_NAME = re.compile(r"tracker-\d{4}-\d{2}-\d{2}-\d{6}Z")
STORED_NAME = re.compile(r"[0-9a-f]{40}")
_CHUNK = 1024 * 1024
_BUSY_SECONDS = 30
# What pg_dump and pg_restore print when the machine or the server is at fault, or is too old.
_PLACE_AT_FAULT = re.compile(
    r"No space left on device|could not extend file|Disk quota exceeded|Read-only file system"
    r"|Permission denied|out of memory|unsupported version|server version mismatch"
    r"|connection to server|server closed the connection|terminating connection"
)
# Tables of every schema version.
OUR_TABLES = {"alembic_version", "person", "endorsement", "entry", "audit_event"}


class BackupError(UserError):
    """A backup was not made or not restored: the message says why, and what to do."""

    heading = "That can't be done:"


class PlaceError(BackupError):
    """The backup is not at fault: a program is missing, a disk is full, or a setting is wrong."""


class Note(NamedTuple):
    """What ``backup.json`` says; ``begun_at`` is an ISO instant, ``engine`` a kind of database.

    ``missing`` of the ``files`` that the database knows were not there. ``rows`` counts those of
    each table; older backups have no counts.
    """

    begun_at: str
    engine: str
    schema: str
    sha256: str
    files: int
    missing: int = 0
    rows: Mapping[str, int] = MappingProxyType({})


class Contents(NamedTuple):
    """What a database holds: its schema version, and the digest of each uploaded file by name.

    ``rows`` counts those of each table.
    """

    schema: str
    files: dict[str, str]
    rows: dict[str, int]


@contextmanager
def exclusive_folder(folder: Path, unfinished: str, activity: str) -> Iterator[None]:
    """Lock a folder, and remove what killed processes left there under ``unfinished`` names.

    Raises BackupError, which names the ``activity``, if another process has the lock.
    """
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupError(f"{activity} in {folder}") from error
        for left_behind in folder.glob(f"{unfinished}*"):
            shutil.rmtree(left_behind)
        yield
    finally:
        os.close(lock)


def write_note(folder: Path, note: Note) -> None:
    """Write ``backup.json`` to the disk."""
    with _create(folder / NOTE) as file:
        file.write((json.dumps(note._asdict(), indent=1) + "\n").encode())
        _flush(file)


def read_note(folder: Path) -> Note:
    """Read ``backup.json``; raises BackupError if ``folder`` is not a complete backup."""
    try:
        return Note(**json.loads((folder / NOTE).read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise BackupError(
            f"{folder} is not a complete backup: name a folder tracker-… that `tracker backup` made"
        ) from error


def copy_file(source: Path, target: Path) -> str:
    """Copy to a new file, on the disk, and return the SHA-256 of what was read."""
    digest = hashlib.sha256()
    with source.open("rb") as original, _create(target) as copy:
        while chunk := original.read(_CHUNK):
            digest.update(chunk)
            copy.write(chunk)
        _flush(copy)
    return digest.hexdigest()


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush_path(path: Path) -> None:
    """Have a file that another program wrote, or the names in a folder, on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _create(path: Path) -> IO[bytes]:
    """Create a file that only its owner may read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _flush(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def copy_database(url: str, target: Path) -> Contents:
    """Write a consistent copy of the database at ``url`` to the new file ``target``.

    Raises BackupError if there is nothing to copy, or if it is damaged.
    """
    address = make_url(url)
    if not is_sqlite_url(address):
        return _dump_postgresql(url, target)
    if not address.database or not Path(address.database).is_file():
        raise BackupError(f"there is no database at {address}")
    _copy_sqlite(address, target)
    check_sqlite(target)
    return contents_of(URL.create("sqlite", database=str(target)).render_as_string())


def contents_of(url: str) -> Contents:
    """Return what the database at ``url`` holds now."""
    engine = open_engine(url)
    try:
        with reading(engine) as session:
            return _read_contents(session)
    finally:
        engine.dispose()


def _read_contents(session: Session) -> Contents:
    connection: Connection = session.connection()
    schema = read_version(connection)
    if schema is None:
        raise BackupError("the database is empty, or another program's")
    files: dict[str, str] = {}
    tables = inspect(connection).get_table_names()
    # An older schema has no such table.
    if "evidence" in tables:
        files = dict(session.exec(select(Evidence.stored_as, Evidence.sha256)).all())
    rows = {}
    for name in sorted(tables):
        query = select(func.count()).select_from(table(name))
        rows[name] = connection.execute(query).scalar_one()
    return Contents(schema, files, rows)


def _copy_sqlite(address: URL, target: Path) -> None:
    uri = f"{Path(str(address.database)).absolute().as_uri()}?mode=rw"
    _create(target).close()
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)) as source,
        closing(sqlite3.connect(target)) as copy,
    ):
        # Until it is complete nobody needs the copy, so no writer waits for its disk.
        copy.execute("PRAGMA journal_mode = OFF")
        copy.execute("PRAGMA synchronous = OFF")
        # With a write-ahead log nobody waits. Without it readers and writers exclude each other,
        # and without the lock one of many writers would always come first.
        has_log = source.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        with nullcontext() if has_log else write_lock(address, _BUSY_SECONDS):
            source.backup(copy, progress=_refuse_busy)
    flush_path(target)


def _refuse_busy(status: int, _remaining: int, _total: int) -> None:
    # Another program that does not use our lock has held the file longer than SQLite waits.
    if status in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        raise BackupError("another program holds the database: end it, or try again")


def check_sqlite(file: Path) -> None:
    """Let SQLite check a file that nobody else has open; raises BackupError if it is damaged."""
    with closing(sqlite3.connect(file)) as connection:
        # One file, whatever the original has beside it.
        connection.execute("PRAGMA journal_mode = DELETE")
        result = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        broken_reference = connection.execute("PRAGMA foreign_key_check").fetchone()
    if result != "ok":
        raise BackupError(f"the database is damaged: {result}")
    if broken_reference:
        raise BackupError(f"the database is damaged: {broken_reference}")


def check_backed_up_database(file: Path, schema: str) -> None:
    """Raise BackupError unless an SQLite file holds our tables of this ``schema``; only reads."""
    uri = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
    versions: list[str] = []
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            if tables >= OUR_TABLES:
                query = "SELECT version_num FROM alembic_version"
                versions = [version for (version,) in connection.execute(query)]
    except sqlite3.DatabaseError as error:
        raise BackupError(
            f"{file} is not an SQLite database, or is damaged ({error}): take another backup"
        ) from error
    if not tables >= OUR_TABLES:
        contents = "tables of another program" if tables else "nothing"
        raise BackupError(f"{file} holds {contents}: name a backup that `tracker backup` made")
    if versions != [schema]:
        found = " and ".join(versions) or "(none)"
        raise BackupError(
            f"{file} has schema {found}, but backup.json says {schema}: they are of two backups, "
            "take another"
        )


def load_postgresql_dump(dump: Path, url: str) -> None:
    """Load what `copy_database` wrote into the empty PostgreSQL database at ``url``."""
    _run("pg_restore", url, "--no-owner", "--exit-on-error", "--single-transaction", str(dump))


def _dump_postgresql(url: str, target: Path) -> Contents:
    engine = open_engine(url)
    try:
        with reading(engine) as session:
            contents = _read_contents(session)
            # pg_dump writes the very state that was read here.
            query = "SELECT pg_export_snapshot()"
            snapshot = session.connection().exec_driver_sql(query).scalar_one()
            _create(target).close()
            options = ("--format=custom", "--no-owner", f"--snapshot={snapshot}")
            _run("pg_dump", url, *options, f"--file={target}")
    finally:
        engine.dispose()
    flush_path(target)
    return contents


def _run(program: str, url: str, *options: str) -> None:
    """Run a client program of PostgreSQL; no other process can list its password."""
    path = shutil.which(program)
    if path is None:
        raise PlaceError(
            f"{program} is not installed: install PostgreSQL's client programs, "
            "of the server's version"
        )
    if is_pooled(url):
        raise PlaceError(
            f"{program} needs the database itself: in TRACKER_DATABASE_URL, name it instead of "
            "the pooler"
        )
    address = make_url(url)
    password = address.password or address.query.get("password")
    # Not `set`, which ignores `password=None`.
    plain = address._replace(drivername="postgresql", password=None)
    plain = plain.difference_update_query(["password"])
    command = [path, *options, f"--dbname={plain.render_as_string(hide_password=False)}"]
    environment = os.environ | ({"PGPASSWORD": str(password)} if password else {})
    done = subprocess.run(  # noqa: S603 - found above, with our own options
        command, env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode:
        kind = PlaceError if _PLACE_AT_FAULT.search(done.stderr) else BackupError
        raise kind(f"{program} failed: {done.stderr.strip()}")
