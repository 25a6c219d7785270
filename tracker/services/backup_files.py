"""What a backup is made of: a folder of its own with the database, the files, and a note on both.

``tracker-<instant>/`` holds ``backup.json`` (written last), ``database`` (an SQLite file, or what
pg_dump wrote), and ``evidence/`` with the files under the names that the database has for them.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL, Connection, create_engine, inspect, select
from sqlalchemy.engine import make_url

from tracker.db.engine import open_engine, reading
from tracker.db.tables import METADATA
from tracker.db.write_lock import write_lock
from tracker.errors import UserError

DATABASE, EVIDENCE, NOTE = "database", "evidence", "backup.json"
STORED = re.compile(r"[0-9a-f]{40}")
_CHUNK = 1024 * 1024


class BackupError(UserError):
    """A backup was not made or not restored: the message says why, and what to do."""

    heading = "That can't be done:"


class Note(NamedTuple):
    """What ``backup.json`` says; ``begun_at`` is an ISO instant, ``engine`` a kind of database."""

    begun_at: str
    engine: str
    schema: str
    sha256: str
    files: int


@contextmanager
def alone_in(folder: Path, unfinished: str, doing: str) -> Iterator[None]:
    """One at a time works in the folder; what those left that were killed earlier is removed.

    The names of what is not finished begin with ``unfinished``. Raises BackupError, which says
    what is ``doing`` there, while somebody else is at work.
    """
    held = os.open(folder, os.O_RDONLY)
    try:
        _lock(held, f"{doing} in {folder}")
        for left in folder.glob(f"{unfinished}*"):
            shutil.rmtree(left)
        yield
    finally:
        os.close(held)


def _lock(held: int, words: str) -> None:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BackupError(words) from error


def write_note(folder: Path, note: Note) -> None:
    """Write it for good."""
    with new_file(folder / NOTE) as file:
        file.write((json.dumps(note._asdict(), indent=1) + "\n").encode())
        flush(file)


def read_note(folder: Path) -> Note:
    """What a whole backup says of itself; raises BackupError where ``folder`` is none."""
    try:
        found: dict[str, Any] = json.loads((folder / NOTE).read_bytes())
        return Note(**found)
    except (OSError, ValueError, TypeError) as error:
        raise BackupError(
            f"{folder} is no whole backup: name a folder tracker-… that `tracker backup` made"
        ) from error


def new_file(path: Path) -> IO[bytes]:
    """A file that was not there, for its owner alone."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def copy_file(source: Path, target: Path) -> str:
    """Copy to a new file, for good; the SHA-256 of what was read."""
    digest = hashlib.sha256()
    with source.open("rb") as read, new_file(target) as written:
        while part := read.read(_CHUNK):
            digest.update(part)
            written.write(part)
        flush(written)
    return digest.hexdigest()


def digest_of_file(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush(file: IO[bytes]) -> None:
    """Have what was written on the disk."""
    file.flush()
    os.fsync(file.fileno())


def flush_path(path: Path) -> None:
    """The same for a file that others wrote, or for the names in a folder."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


_EVIDENCE = METADATA.tables["evidence"]
_BUSY_SECONDS = 30
# Of every schema.
_OURS = {"alembic_version", "person", "endorsement", "entry", "audit_event"}


class Copied(NamedTuple):
    """What a copy holds: its schema, and the digest of each file of evidence by its name."""

    schema: str
    files: dict[str, str]


def copy_database(url: str, target: Path) -> Copied:
    """Write a copy of the database at ``url`` to the new file ``target``.

    Raises BackupError where there is nothing to copy, or what is there is damaged.
    """
    address = make_url(url)
    if address.get_backend_name() != "sqlite":
        return _dump(url, target)
    if not address.database or not Path(address.database).is_file():
        raise BackupError(f"there is no database at {address}")
    _copy_sqlite(address, target)
    check_sqlite(target)
    engine = create_engine(URL.create("sqlite", database=str(target)))
    try:
        with engine.connect() as connection:
            return _what_it_holds(connection)
    finally:
        engine.dispose()


def files_of_database(url: str) -> dict[str, str]:
    """The files of evidence that the database at ``url`` knows now, as in `Copied`."""
    engine = open_engine(url)
    try:
        with reading(engine) as session:
            return _what_it_holds(session.connection()).files
    finally:
        engine.dispose()


def check_sqlite(file: Path) -> None:
    """Have SQLite look through a file that nobody else has open; raises BackupError if damaged."""
    with closing(sqlite3.connect(file)) as connection:
        # One file, whatever the original keeps beside it.
        connection.execute("PRAGMA journal_mode = DELETE")
        found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        stray = connection.execute("PRAGMA foreign_key_check").fetchone()
    if found != "ok" or stray:
        raise BackupError(f"the database is damaged: {found if found != 'ok' else stray}")


def check_ours(file: Path, schema: str) -> None:
    """Look whether an SQLite file holds our tables of this ``schema``; nothing is written.

    Raises BackupError, which says what it is instead, and what would be right.
    """
    uri = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            ours = names >= _OURS
            found = connection.execute("SELECT version_num FROM alembic_version") if ours else ()
            versions = [version for (version,) in found]
    except sqlite3.DatabaseError as error:
        what = f"{file} is no SQLite database, or a damaged one ({error})"
        raise BackupError(f"{what}: take another backup") from error
    if not ours:
        what = "tables of another program" if names else "nothing"
        raise BackupError(f"{file} holds {what}: name a backup that `tracker backup` made")
    if versions != [schema]:
        what = f"has schema {' and '.join(map(str, versions)) or '(none)'}, and backup.json says"
        raise BackupError(f"{file} {what} {schema}: they are of two backups, take another")


def load_dump(dump: Path, url: str) -> None:
    """Put what `copy_database` wrote of PostgreSQL into the empty database at ``url``."""
    _run("pg_restore", url, "--no-owner", "--exit-on-error", "--single-transaction", str(dump))


def _what_it_holds(connection: Connection) -> Copied:
    schema = MigrationContext.configure(connection).get_current_revision()
    if schema is None:
        raise BackupError("the database is empty, or another program's")
    files: dict[str, str] = {}
    # An older schema has no such table.
    if inspect(connection).has_table(_EVIDENCE.name):
        rows = connection.execute(select(_EVIDENCE.c.stored_as, _EVIDENCE.c.sha256))
        files = {row.stored_as: row.sha256 for row in rows}
    return Copied(schema, files)


def _copy_sqlite(address: URL, target: Path) -> None:
    uri = f"{Path(str(address.database)).absolute().as_uri()}?mode=rw"
    new_file(target).close()
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)) as source,
        closing(sqlite3.connect(target)) as copy,
    ):
        # While it is not whole, nobody needs it: whoever writes waits for no disk of the copy.
        copy.execute("PRAGMA journal_mode = OFF")
        copy.execute("PRAGMA synchronous = OFF")
        with _turn(address, source):
            source.backup(copy, progress=_give_up)
    flush_path(target)


@contextmanager
def _turn(address: URL, source: sqlite3.Connection) -> Iterator[None]:
    """Wait for a turn among the writers where readers and they exclude each other.

    Without it one of many writers would always come first. With a write-ahead log nobody waits.
    """
    if source.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        yield
        return
    with write_lock(address, _BUSY_SECONDS):
        yield


def _give_up(status: int, _remaining: int, _total: int) -> None:
    # Only what holds the file without waiting for its turn, for longer than SQLite waits.
    if status in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        raise BackupError("another program holds the database: end it, or try again")


def _dump(url: str, target: Path) -> Copied:
    engine = open_engine(url)
    try:
        with reading(engine) as session:
            connection = session.connection()
            holds = _what_it_holds(connection)
            # What pg_dump writes is the very state that was read here.
            snapshot = connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one()
            new_file(target).close()
            options = ("--format=custom", "--no-owner", f"--snapshot={snapshot}")
            _run("pg_dump", url, *options, f"--file={target}")
    finally:
        engine.dispose()
    flush_path(target)
    return holds


def _run(program: str, url: str, *options: str) -> None:
    """Call a client program of PostgreSQL; its password travels where nobody can list it."""
    path = shutil.which(program)
    if path is None:
        raise BackupError(
            f"{program} is not here: install PostgreSQL's client programs, of the server's version"
        )
    address = make_url(url)
    password = address.password or address.query.get("password")
    # Not `set`: it leaves a password where it is told of none.
    plain = address._replace(drivername="postgresql", password=None)
    plain = plain.difference_update_query(["password"])
    command = [path, *options, f"--dbname={plain.render_as_string(hide_password=False)}"]
    more = {"PGPASSWORD": str(password)} if password else {}
    done = subprocess.run(  # noqa: S603 - found above, with our own options
        command, env=os.environ | more, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise BackupError(f"{program} failed: {done.stderr.strip()}")
