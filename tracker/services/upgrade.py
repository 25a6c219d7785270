"""Brings a database to this program's schema: back up, migrate, check, or leave it as it was.

Migrations and checks are one transaction on both engines. So there is nothing to take back: what
fails, is killed, or finds the disk full was never there. The backup is for what comes later.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, func, select, table
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from tracker.db.engine import is_postgresql, open_engine, write_lock, writing
from tracker.db.errors import SchemaError
from tracker.db.in_use import using_alone
from tracker.db.migrate import upgrading
from tracker.db.schema import refuse_newer_schema, schema_version
from tracker.db.schema_versions import newest_version
from tracker.db.signing_keys import prepare_keys
from tracker.db.tables import METADATA
from tracker.errors import UserError
from tracker.master_key import MasterKey
from tracker.services.backup import Backup, make_backup
from tracker.services.backup_files import OUR_TABLES, BackupError

# What keeps an upgraded database from being used, each in a sentence; empty if nothing does.
Check = Callable[[Session], Sequence[str]]


class UpgradeError(UserError):
    """The upgrade failed. The message says why, how the database is now, and what to do."""

    heading = "The upgrade failed:"


class _WrongAfterwards(Exception):  # noqa: N818 - ends the transaction, and is reported
    """The migrated database is not right."""


class Installation(NamedTuple):
    """What is upgraded: a database, the folder of uploaded files, and the master key."""

    url: str
    evidence: Path | None
    master_key: MasterKey


class Upgraded(NamedTuple):
    """The schema before and after; ``backup`` is None if none was wanted or needed."""

    before: str
    after: str
    backup: Backup | None


def upgrade_database(
    installation: Installation, backups: Path | None, now: datetime, check: Check
) -> Upgraded:
    """Upgrade while nobody else works with the database; ``backups`` None makes no backup.

    Repeating it does no harm. Raises InUse, SchemaError, BackupError before anything is changed,
    and UpgradeError after everything was undone.
    """
    url, newest = installation.url, newest_version()
    with using_alone(url):
        before = schema_version(url)
        if before is None:
            raise SchemaError("it is empty or missing. `tracker migrate` creates its tables")
        if before == newest:
            _prepare(installation)
            return Upgraded(before, newest, None)
        refuse_newer_schema(before)
        backup = None
        if backups is not None:
            backup = _back_up(installation, backups, now)
        try:
            _migrate(installation, check)
        except Exception as error:
            # Whatever a migration raises; the error stays in the traceback of this one.
            raise UpgradeError(_describe(error, installation, before, backup)) from error
    return Upgraded(before, newest, backup)


def _back_up(installation: Installation, backups: Path, now: datetime) -> Backup:
    try:
        return make_backup(installation.url, installation.evidence, backups, now)
    except BackupError as error:
        raise BackupError(
            f"{error}\nNothing was changed. If you have a backup of your own, `tracker upgrade "
            "--no-backup` makes none"
        ) from error


def _prepare(installation: Installation) -> None:
    engine = open_engine(installation.url, master_key=installation.master_key)
    try:
        with writing(engine) as session:
            prepare_keys(session)
    finally:
        engine.dispose()


def _migrate(installation: Installation, check: Check) -> None:
    engine = open_engine(installation.url, master_key=installation.master_key)
    try:
        with engine.connect() as connection, write_lock(engine.url):
            before = _count_rows(connection)
            # Reading began a transaction.
            connection.rollback()
            with upgrading(connection), Session(connection) as session:
                prepare_keys(session)
                wrong = [*_list_damage(session, before), *check(session)]
                if wrong:
                    raise _WrongAfterwards("\n".join(wrong))
    finally:
        engine.dispose()


def _count_rows(connection: Connection) -> dict[str, int]:
    """How many rows the tables of every version hold: no migration adds or deletes any."""
    return {
        name: connection.execute(select(func.count()).select_from(table(name))).scalar_one()
        for name in sorted(OUR_TABLES)
    }


def _list_damage(session: Session, before: dict[str, int]) -> list[str]:
    """What is wrong with the migrated tables and rows."""
    connection = session.connection()
    wrong = []
    for name, count in _count_rows(connection).items():
        if count != before[name]:
            wrong.append(f"the table {name} had {before[name]} rows and now has {count}")
    # Fails if a table or a column of this program is missing.
    for found in METADATA.sorted_tables:
        connection.execute(select(found).limit(1)).first()
    if not is_postgresql(session):
        for check in ("foreign_key_check", "integrity_check(10)"):
            faults = connection.exec_driver_sql(f"PRAGMA {check}").all()
            wrong += [f"{check}: {fault}" for fault in faults if tuple(fault) != ("ok",)]
    return wrong


def _describe(
    error: Exception, installation: Installation, before: str, backup: Backup | None
) -> str:
    """What went wrong, how the database is now, and where its backup is."""
    cause = str(getattr(error, "orig", None) or error).strip()
    if not isinstance(error, (UserError, _WrongAfterwards)):
        cause = f"{type(error).__name__}: {cause}"
    try:
        now = schema_version(installation.url)
    except (SQLAlchemyError, OSError) as unreadable:
        state = (
            f"The database can't be read now ({type(unreadable).__name__}). It is either as before "
            "or upgraded, never between. Run `tracker upgrade` again when it can"
        )
    else:
        state = f"The database is as it was before, with schema {before}"
        if now != before:
            # Only if the connection broke while PostgreSQL confirmed the commit.
            state = f"All the same the database was upgraded to schema {now}. Run it again"
    kept = f"\nThe backup from before is {backup.path}" if backup else ""
    return f"{cause}\n{state}.{kept}"
