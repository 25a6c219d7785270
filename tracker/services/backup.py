"""Makes backups while everything runs: first the database, then the files that it knows.

A backup is written under a name that says that it is unfinished, and renamed once it is complete
and on the disk. An interruption or a full disk leaves nothing behind; what a killed backup leaves
is removed by the next.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.engine import make_url

from tracker.db.errors import Busy
from tracker.services.backup_files import (
    DATABASE,
    EVIDENCE,
    NAME_FORMAT,
    STORED_NAME,
    BackupError,
    Contents,
    Note,
    contents_of,
    copy_database,
    copy_file,
    digest_of_file,
    exclusive_folder,
    flush_path,
    write_note,
)

_UNFINISHED = ".unfinished-"
_ATTEMPTS = 10


class Backup(NamedTuple):
    """A complete backup; ``missing`` files were already gone, or differ from what was uploaded."""

    path: Path
    schema: str
    files: int
    missing: list[str]


def make_backup(url: str, evidence: Path | None, folder: Path, now: datetime) -> Backup:
    """Back up the database at ``url`` and its files into a new folder in ``folder``.

    The folder is named after ``now``, an aware instant. Raises BackupError and leaves nothing if
    the backup can't be made.
    """
    path = folder / now.astimezone(UTC).strftime(NAME_FORMAT)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (
            exclusive_folder(folder, _UNFINISHED, "another backup is being made"),
            _unfinished_folder(path) as unfinished,
        ):
            contents, missing = _copy_all(url, evidence, unfinished)
            note = Note(
                begun_at=now.astimezone(UTC).isoformat(timespec="seconds"),
                engine=make_url(url).get_backend_name(),
                schema=contents.schema,
                sha256=digest_of_file(unfinished / DATABASE),
                files=len(contents.files),
                missing=len(missing),
                rows=contents.rows,
            )
            write_note(unfinished, note)
            flush_path(unfinished / EVIDENCE)
            flush_path(unfinished)
            unfinished.rename(path)
            flush_path(folder)
    except (OSError, sqlite3.Error, Busy) as error:
        reason = str(error) or "others write all the time"
        raise BackupError(f"no backup was made in {folder}: {reason}") from error
    return Backup(path, contents.schema, len(contents.files), missing)


@contextmanager
def _unfinished_folder(path: Path) -> Iterator[Path]:
    """Create a folder to fill for ``path``; it is gone in the end unless it was renamed."""
    if path.exists():
        raise BackupError(f"{path} already exists")
    unfinished = path.parent / f"{_UNFINISHED}{path.name}"
    unfinished.mkdir(mode=0o700)
    (unfinished / EVIDENCE).mkdir(mode=0o700)
    try:
        yield unfinished
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _copy_all(url: str, evidence: Path | None, unfinished: Path) -> tuple[Contents, list[str]]:
    """Copy the database and its files; return what is in it, and the files that are missing.

    A file that is deleted meanwhile still has its row in the copy of the database. So the database
    is copied again until copy and files agree; the files that are there already stay.
    """
    for _ in range(_ATTEMPTS):
        (unfinished / DATABASE).unlink(missing_ok=True)
        contents = copy_database(url, unfinished / DATABASE)
        missing = _copy_files(evidence, unfinished / EVIDENCE, contents.files)
        if not missing or missing <= contents_of(url).files.keys():
            return contents, sorted(missing)
    raise BackupError("files were deleted all the time: try again")


def _copy_files(source: Path | None, target: Path, files: dict[str, str]) -> set[str]:
    """Copy these files, given with their digests, and no others; return those that are missing.

    A file that differs from what was uploaded is missing, but copied as it is.
    """
    for copy in [*target.iterdir()]:
        if copy.name not in files:
            copy.unlink()
    missing = set()
    for name, digest in files.items():
        copied = None
        if STORED_NAME.fullmatch(name) and (target / name).exists():
            copied = digest_of_file(target / name)
        elif STORED_NAME.fullmatch(name) and source is not None and (source / name).is_file():
            with suppress(FileNotFoundError):
                copied = copy_file(source / name, target / name)
        if copied != digest:
            missing.add(name)
    return missing
