"""Backups, taken while everything runs: the database first, then the files that it knows.

A backup is written under a name that says so, and renamed once it is whole and on the disk. What
is interrupted, or runs out of room, leaves nothing behind, or (killed) what the next one removes.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.engine import make_url

from tracker.db.write_lock import Busy
from tracker.services.backup_files import (
    DATABASE,
    EVIDENCE,
    STORED,
    BackupError,
    Copied,
    Note,
    alone_in,
    copy_database,
    copy_file,
    digest_of_file,
    files_of_database,
    flush_path,
    write_note,
)

_UNFINISHED, _DOING = ".unfinished-", "another backup is being made"
# Each time another copy of the database is taken, and only the files that came since.
_TIMES = 10
_BUSY = "others write all the while"


class Made(NamedTuple):
    """A whole backup; ``lacking`` files were already gone, or not what was once uploaded."""

    path: Path
    schema: str
    files: int
    lacking: list[str]


def make_backup(url: str, evidence: Path | None, folder: Path, at: datetime) -> Made:
    """Back up the database at ``url`` and its files into a new folder in ``folder``.

    ``at``, an aware instant, names it. Raises BackupError; what was begun is then removed.
    """
    whole = folder / f"tracker-{at.astimezone(UTC):%Y-%m-%d-%H%M%SZ}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with alone_in(folder, _UNFINISHED, _DOING), _unfinished(folder, whole) as part:
            copied, lacking = _copy_all(url, evidence, part)
            note = Note(
                begun_at=at.astimezone(UTC).isoformat(timespec="seconds"),
                engine=make_url(url).get_backend_name(),
                schema=copied.schema,
                sha256=digest_of_file(part / DATABASE),
                files=len(copied.files),
            )
            write_note(part, note)
            for written in (part / EVIDENCE, part):
                flush_path(written)
            part.rename(whole)
            flush_path(folder)
    except (OSError, sqlite3.Error, Busy) as error:
        raise BackupError(f"no backup was made in {folder}: {str(error) or _BUSY}") from error
    return Made(whole, copied.schema, len(copied.files), lacking)


@contextmanager
def _unfinished(folder: Path, whole: Path) -> Iterator[Path]:
    """A new folder to fill; whatever goes wrong, it is gone in the end."""
    if whole.exists():
        raise BackupError(f"{whole} is there already")
    part = folder / f"{_UNFINISHED}{whole.name}"
    part.mkdir(mode=0o700)
    (part / EVIDENCE).mkdir(mode=0o700)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _copy_all(url: str, evidence: Path | None, part: Path) -> tuple[Copied, list[str]]:
    """The database and its files; a file that was deleted meanwhile is in neither.

    Such a file has its row in a copy that is older than the deletion, so another one is taken.
    """
    for _ in range(_TIMES):
        (part / DATABASE).unlink(missing_ok=True)
        copied = copy_database(url, part / DATABASE)
        lacking = _copy_files(evidence, part / EVIDENCE, copied.files)
        if not lacking or lacking <= files_of_database(url).keys():
            return copied, sorted(lacking)
    raise BackupError("files of evidence were deleted all the while: try again")


def _copy_files(source: Path | None, target: Path, wanted: dict[str, str]) -> set[str]:
    """Have the ``wanted`` files and no others in ``target``; those that are not, or not right."""
    for there in [*target.iterdir()]:
        if there.name not in wanted:
            there.unlink()
    return {name for name, digest in wanted.items() if not _is_copied(source, target, name, digest)}


def _is_copied(source: Path | None, target: Path, name: str, digest: str) -> bool:
    """Whether a file is in ``target`` as it was uploaded; one that differs is kept as it is."""
    if (target / name).exists():
        return True
    if source is None or not STORED.fullmatch(name) or not (source / name).is_file():
        return False
    try:
        return copy_file(source / name, target / name) == digest
    except FileNotFoundError:
        return False
