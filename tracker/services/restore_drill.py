"""Restores the newest backup into a scratch place, checks it, and leaves nothing but a record."""

import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import URL, Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col, select

from tracker.db.engine import is_sqlite_url, open_engine, reading
from tracker.db.errors import is_passing
from tracker.db.operations import RestoreDrill
from tracker.db.schema_versions import newest_version
from tracker.errors import UserError
from tracker.formatting import format_count
from tracker.master_key import MasterKey
from tracker.services.backup_files import (
    BACKUP_NAME,
    NOTE,
    OUR_TABLES,
    Note,
    PlaceError,
    contents_of,
    read_note,
)
from tracker.services.restore import restore_backup

_SCRATCH = ".drill-"
_SCRATCH_BYTES = 4
_SCRATCH_NAME = re.compile(rf"[0-9a-f]{{{2 * _SCRATCH_BYTES}}}")
# On PostgreSQL, the comment of each database that a drill makes. Never change it: a drill drops
# what an earlier version's left.
_SCRATCH_COMMENT = "Made by tracker restore --drill, which drops it"
# A backup can be right, though the machine is out of something or lets this user do nothing.
_SYSTEM_FAULTS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM),
}
_DETAIL_LENGTH, _NAME_LENGTH = 500, 200
# Backups are made every night (deploy/README.md). One may be missed, or run late.
OLDEST_NEWEST_BACKUP = timedelta(days=2)
# What keeps a restored database from being used, each in a sentence; empty if nothing does.
Check = Callable[[Session], Sequence[str]]


class DrillError(UserError):
    """The drill could not be done, which says nothing about the backup: the message says why."""

    heading = "The drill could not be done:"


class DrillRecord(NamedTuple):
    """The last backup that was proven, and the last that failed; None if there was none.

    ``undone`` is the last drill that could not be done.
    """

    proven: RestoreDrill | None
    failed: RestoreDrill | None
    undone: RestoreDrill | None


def read_drills(session: Session) -> DrillRecord:
    """What is on record."""
    is_proven, has_backup = col(RestoreDrill.is_proven), col(RestoreDrill.backup) != ""
    found = [
        session.exec(
            select(RestoreDrill).where(condition).order_by(col(RestoreDrill.id).desc()).limit(1)
        ).first()
        for condition in (is_proven, ~is_proven & has_backup, ~has_backup)
    ]
    for drill in found:
        if drill is not None:
            session.expunge(drill)
    return DrillRecord(*found)


def describe_undone(error: DrillError, now: datetime) -> RestoreDrill:
    """The record of a drill that could not be done."""
    detail = str(error)[:_DETAIL_LENGTH]
    return RestoreDrill(tried_at=now, backup="", is_proven=False, detail=detail)


def is_outdated(drill: RestoreDrill) -> bool:
    """Whether the newest backup was so old when it was tried that backups must have stopped."""
    return drill.backup_age is not None and drill.backup_age > OLDEST_NEWEST_BACKUP


def format_backup_age(drill: RestoreDrill) -> str:
    """How old the backup was when it was tried: ``5 hours``, ``12 days``; empty if unknown."""
    if drill.backup_age is None:
        return ""
    if drill.backup_age < OLDEST_NEWEST_BACKUP:
        return format_count(max(drill.backup_age // timedelta(hours=1), 0), "hour")
    return format_count(drill.backup_age.days, "day")


def find_newest_backup(folder: Path) -> Path:
    """The newest backup in a folder, or the folder itself if it is one. Raises DrillError."""
    try:
        if (folder / NOTE).is_file():
            return folder
        # Nothing else: a folder that somebody keeps beside them is no backup.
        backups = [
            path
            for path in folder.glob("tracker-*")
            if BACKUP_NAME.fullmatch(path.name) and path.is_dir()
        ]
    except OSError as error:
        raise DrillError(f"{folder} can't be read ({error.strerror})") from error
    if not backups:
        raise DrillError(f"{folder} holds no backup: name the folder that `tracker backup` fills")
    return max(backups, key=lambda path: path.name)


def try_backup(
    backup: Path, url: str, master_key: MasterKey, now: datetime, check: Check
) -> RestoreDrill:
    """Restore ``backup`` beside it, or into another database of the server at ``url``; check it.

    The result is not stored yet. What is wrong with the backup is its ``detail``. Raises DrillError
    if the place is at fault: a full disk, a missing program, or a server that allows no database.
    """
    drill = RestoreDrill(
        tried_at=now, backup=backup.name[:_NAME_LENGTH], is_proven=False, detail=""
    )
    with ExitStack() as stack:
        scratch = stack.enter_context(_scratch_folder(backup.parent))
        target = f"sqlite:///{scratch / 'database' / 'tracker.db'}"
        if not is_sqlite_url(url):
            target = stack.enter_context(_scratch_database(make_url(url)))
        try:
            note = read_note(backup)
            drill.backed_up_at = datetime.fromisoformat(note.begun_at)
            wrong = _restore(backup, note, target, scratch / "evidence", master_key, now, check)
        except (UserError, DBAPIError, ValueError) as error:
            if fault := _find_fault_of_place(error):
                raise DrillError(f"{backup.name}: {fault}") from error
            wrong = [str(getattr(error, "orig", None) or error)]
    drill.is_proven = not wrong
    drill.detail = "; ".join(wrong)[:_DETAIL_LENGTH]
    if not wrong:
        rows = format_count(sum(note.rows.values()), "row")
        drill.detail = f"schema {note.schema}, {rows}, {format_count(note.files, 'uploaded file')}"
    return drill


def _find_fault_of_place(error: BaseException | None) -> str:
    """What a place lacks, if that is why something failed, or what an error came from."""
    while error is not None:
        is_system_fault = isinstance(error, OSError) and error.errno in _SYSTEM_FAULTS
        if isinstance(error, PlaceError) or is_system_fault or is_passing(error):
            return str(getattr(error, "orig", None) or error).strip()
        error = error.__cause__
    return ""


def _restore(
    backup: Path,
    note: Note,
    url: str,
    evidence: Path,
    master_key: MasterKey,
    now: datetime,
    check: Check,
) -> list[str]:
    """Restore and check; what is wrong. Access is not revoked, which would make new keys."""
    restored = restore_backup(
        backup, url, evidence, now, revoke_access=False, master_key=master_key
    )
    wrong = []
    if len(restored.missing) > note.missing:
        lost = format_count(len(restored.missing) - note.missing, "uploaded file")
        wrong.append(f"{lost} missing or damaged")
    # A backup of an older version was migrated.
    compared = note.rows if note.schema == newest_version() else OUR_TABLES & note.rows.keys()
    found = contents_of(url).rows
    for name in sorted(compared):
        if found.get(name) != note.rows[name]:
            wrong.append(f"{name}: {note.rows[name]} rows backed up, {found.get(name)} restored")
    engine = open_engine(url, master_key=master_key)
    try:
        with reading(engine) as session:
            wrong += check(session)
    finally:
        engine.dispose()
    return wrong


@contextmanager
def _scratch_folder(folder: Path) -> Iterator[Path]:
    """Create a folder within, gone in the end; also what killed drills have left."""
    for left in folder.glob(f"{_SCRATCH}*"):
        if _SCRATCH_NAME.fullmatch(left.name.removeprefix(_SCRATCH)):
            with suppress(OSError), _locked(left):
                shutil.rmtree(left)
    scratch = folder / f"{_SCRATCH}{secrets.token_hex(_SCRATCH_BYTES)}"
    try:
        scratch.mkdir(mode=0o700)
    except OSError as error:
        raise DrillError(f"{folder} can't be written ({error.strerror})") from error
    try:
        with _locked(scratch):
            yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock a folder that a living drill uses. Raises BlockingIOError if another has the lock."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(lock)


@contextmanager
def _scratch_database(address: URL) -> Iterator[str]:
    """Create a database beside the one at ``address``, gone in the end, and give its URL."""
    name = f"{address.database}_drill_{secrets.token_hex(_SCRATCH_BYTES)}"
    engine = open_engine(address.render_as_string(hide_password=False))
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as server:
            _drop_left(server, str(address.database))
            _lock_name(server, name)
            # Crash side: a drill that is killed between these two leaves an empty database for the
            # operator to drop. Without its comment, it could be somebody else's.
            server.exec_driver_sql(f"CREATE DATABASE \"{name}\" ENCODING 'UTF8' TEMPLATE template0")
            try:
                server.exec_driver_sql(f"COMMENT ON DATABASE \"{name}\" IS '{_SCRATCH_COMMENT}'")
                yield address.set(database=name).render_as_string(hide_password=False)
            finally:
                server.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')
    except DBAPIError as error:
        raise DrillError(
            f"no scratch database can be made ({error.orig}): let the user create databases "
            "(ALTER ROLE … CREATEDB), or hold the drill on a server where it can"
        ) from error
    finally:
        engine.dispose()


def _drop_left(server: Connection, database: str) -> None:
    """Drop what killed drills have left, and nothing that a drill did not make.

    A database to which somebody is connected stays, and so does that of a drill that still runs.
    """
    query = text(
        "SELECT datname FROM pg_database d WHERE starts_with(datname, :prefix) "
        "AND shobj_description(d.oid, 'pg_database') = :comment AND NOT EXISTS "
        "(SELECT FROM pg_stat_activity a WHERE a.datname = d.datname)"
    )
    prefix = f"{database}_drill_"
    values = {"prefix": prefix, "comment": _SCRATCH_COMMENT}
    for name in server.execute(query, values).scalars().all():
        if _SCRATCH_NAME.fullmatch(name.removeprefix(prefix)) and _lock_name(server, name):
            server.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}"')


def _lock_name(server: Connection, name: str) -> bool:
    """Lock the name of a scratch database until ``server`` is closed; False if a drill has it."""
    query = text("SELECT pg_try_advisory_lock(hashtext('tracker drill'), hashtext(:name))")
    return bool(server.execute(query, {"name": name}).scalar_one())
