"""The database: reachable, current, writable, private, with room to grow (T2…)."""

import secrets
import shutil
import sqlite3
from pathlib import Path
from stat import S_IROTH

from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import URL, make_url

from tracker.checks.finding import Fact, Findings, Verdict, problem, warning
from tracker.failures.explaining import explain
from tracker.records.store.engine import newest_version, open_engine, schema_version, wal_is_safe

_MEGABYTE = 1_000_000
_LITTLE_ROOM = 1_000 * _MEGABYTE
_NO_ROOM = 100 * _MEGABYTE


def check_database(url: str) -> Verdict:
    """Look at the database; returns whether its contents can be looked at."""
    try:
        address = make_url(url)
        if address.get_backend_name() == "sqlite":
            return (yield from _check_file(address))
        return (yield from _check_schema(url))
    except Exception as error:  # noqa: BLE001 - explain raises again what it does not know
        yield problem("T201", explain(error).strip(), "Correct TRACKER_DATABASE_URL.")
        return False


def _check_file(address: URL) -> Verdict:
    file = Path(address.database or "").absolute()
    if not Path(address.database or "").is_absolute():
        yield warning(
            "T209",
            f"the database is named by a relative path, here {file}: another folder, another one",
            "Write it absolute, with four slashes: sqlite:////var/lib/tracker/tracker.db.",
        )
    folder = next(f for f in file.parents if f.exists())
    yield from _check_room(folder)
    if not file.exists():
        # Looking would make the file.
        yield warning(
            "T202", f"{file} does not exist yet", "`tracker migrate` makes it, as does an import."
        )
        return False
    if file.stat().st_mode & S_IROTH:
        yield warning(
            "T205",
            f"every user of this machine can read {file}, which holds people's names and hours",
            f"Run `chmod o-rwx {file}`.",
        )
    return (yield from _check_schema(address.render_as_string(hide_password=False)))


def _check_room(folder: Path) -> Findings:
    free = shutil.disk_usage(folder).free
    told = f"{free // _MEGABYTE} MB are free on the disk of {folder}"
    if free < _NO_ROOM:
        yield problem("T207", told, "Make room now: a full disk stops all writing.")
    elif free < _LITTLE_ROOM:
        yield warning("T206", told, "Make room before it is full.")
    else:
        yield Fact(f"disk: {told}")


def _check_schema(url: str) -> Verdict:
    found = schema_version(url)
    if found is None:
        yield warning("T202", "the database is empty", "`tracker migrate` makes its tables.")
        return False
    if found != newest_version():
        yield problem(
            "T203",
            f"the database has schema {found}, this program works with {newest_version()}",
            "Make a backup, then run `tracker migrate`.",
        )
        return False
    engine = open_engine(url)
    try:
        yield from _check_writing(engine)
        with engine.connect() as connection:
            yield from _describe(connection, found)
    finally:
        engine.dispose()
    return True


def _check_writing(engine: Engine) -> Findings:
    """Write a row, and take it back."""
    row = {"name": f"check-{secrets.token_hex(8)}", "value": ""}
    try:
        with engine.connect() as connection:
            transaction = connection.execution_options(writes=True).begin()
            try:
                connection.execute(text("INSERT INTO secret VALUES (:name, :value)"), row)
            finally:
                transaction.rollback()
    except Exception as error:  # noqa: BLE001 - explain raises again what it does not know
        hint = "Give this program's user the right to write (SQLite: to the folder, too)."
        yield problem("T204", explain(error).strip(), hint)


def _describe(connection: Connection, schema: str) -> Findings:
    if connection.dialect.name == "sqlite":
        journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        safe = wal_is_safe(sqlite3.sqlite_version_info)
        why = "" if safe else ", as this SQLite lacks the fix that makes WAL safe"
        version = f"SQLite {sqlite3.sqlite_version} (journal mode {journal}{why})"
    else:
        server = connection.exec_driver_sql("SHOW server_version").scalar_one()
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
        version = f"PostgreSQL {server} ({encoding})"
        if encoding != "UTF8":
            yield problem(
                "T208",
                f"the database's encoding is {encoding}, which cannot hold every name",
                "Create it again with ENCODING 'UTF8' TEMPLATE template0.",
            )
    yield Fact(f"database: {version}, schema {schema}")
