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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

DATABASE, EVIDENCE, NOTE = "database", "evidence", "backup.json"
STORED = re.compile(r"[0-9a-f]{40}")
_CHUNK = 1024 * 1024


class BackupError(Exception):
    """A backup was not made or not restored: the message says why, and what to do."""


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
