"""What a check gives: facts that are as they should be, and findings with a hint."""

import os
import secrets
import shutil
import sqlite3
from collections.abc import Generator, Iterator
from enum import StrEnum
from pathlib import Path
from stat import S_IROTH, S_IRWXO, S_IWGRP
from typing import NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import Engine, text
from sqlalchemy.engine import URL, make_url
from sqlmodel import Session

from tracker.db.engine import is_postgresql, is_sqlite_url, open_engine, wal_is_safe
from tracker.db.schema import CREATE_WITH_UTF8, find_other_encoding, schema_version
from tracker.db.schema_versions import knows_version, newest_version
from tracker.db.signing_keys import check_master_key
from tracker.errors import explain_error
from tracker.master_key import MasterKeyError
from tracker.services.evidence import stored_names
from tracker.settings import ENVIRONMENT_PREFIX, SECRET_FILES, Settings


class Level(StrEnum):
    """A problem means that something will not work. A warning deserves a look."""

    WARNING = "warning"
    PROBLEM = "problem"


class Finding(NamedTuple):
    """Something wrong. ``id`` never changes its meaning, so that scripts can rely on it."""

    id: str
    level: Level
    message: str
    hint: str


class Fact(NamedTuple):
    """Something that is as it should be."""

    message: str


Findings = Iterator[Finding | Fact]
# Returns whether the checked thing can be used.
Verdict = Generator[Finding | Fact, None, bool]


def problem(number: str, message: str, hint: str) -> Finding:
    """A finding that something will not work."""
    return Finding(number, Level.PROBLEM, message, hint)


def warning(number: str, message: str, hint: str) -> Finding:
    """A finding that deserves a look."""
    return Finding(number, Level.WARNING, message, hint)


_THIS_MACHINE = {"localhost", "127.0.0.1", "::1", "0.0.0.0"}  # noqa: S104 - compared, not bound


def check_folder(folder: Path) -> Findings:
    """Check that the configuration folder has its file."""
    file = folder / "tracker.toml"
    if not folder.is_dir():
        yield problem(
            "T102",
            f"the configuration folder {folder} does not exist",
            "Copy config/ there, or correct TRACKER_CONFIG_DIR.",
        )
    elif not file.is_file():
        yield warning(
            "T103",
            f"{file} does not exist, so every setting has its default or comes from a variable",
            "Copy tracker.toml from config/ and name the coordinators there.",
        )
    else:
        yield Fact(f"settings: {file}")


def check_variables() -> Findings:
    """Check that each variable of the environment with our prefix is a setting."""
    fields = {f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in Settings.model_fields}
    fields.update(SECRET_FILES.values())
    for name in sorted(os.environ):
        given = name.upper()
        if given.startswith(ENVIRONMENT_PREFIX) and given.partition("__")[0] not in fields:
            yield warning(
                "T104",
                f"{name} is set, but no setting has that name",
                "Correct it; config/README.md lists the variables.",
            )


def check_address(base_url: str) -> Findings:
    """Check the address of the pages, to which links in emails lead."""
    parts = urlsplit(base_url)
    if parts.hostname in _THIS_MACHINE:
        yield warning(
            "T106",
            f"links in emails lead to {base_url}, which only this machine can open",
            "Set TRACKER_BASE_URL to the address that people open, such as https://hours.example.org.",
        )
    elif parts.scheme != "https":
        yield warning(
            "T107",
            f"links in emails lead to {base_url}, which is not encrypted: sign-ins can be read",
            "Put a TLS proxy in front of it (deploy/proxy/) and start TRACKER_BASE_URL with https://.",
        )
    else:
        yield Fact(f"address of the pages: {base_url}")


_MEGABYTE = 1_000_000
_LITTLE_SPACE = 1_000 * _MEGABYTE
_NO_SPACE = 100 * _MEGABYTE


def check_database(url: str) -> Verdict:
    """Check the database. Returns whether its contents can be checked."""
    try:
        address = make_url(url)
        if is_sqlite_url(address):
            return (yield from _check_file(address))
        return (yield from _check_schema(url))
    except Exception as error:  # noqa: BLE001 - explain_error raises our own bugs again
        hint = "Correct TRACKER_DATABASE_URL, or start the database server if it is down."
        yield problem("T201", explain_error(error).strip(), hint)
        return False


def _check_file(address: URL) -> Verdict:
    file = Path(address.database or "").absolute()
    if not Path(address.database or "").is_absolute():
        yield warning(
            "T209",
            f"the database has a relative path, here {file}: elsewhere it is another file",
            "Write an absolute path, with four slashes: sqlite:////var/lib/tracker/tracker.db.",
        )
    folder = next(f for f in file.parents if f.exists())
    yield from _check_disk(folder)
    if not file.exists():
        # Opening it would create the file.
        yield warning(
            "T202", f"{file} does not exist yet", "`tracker migrate` or an import creates it."
        )
        return False
    if file.stat().st_mode & S_IROTH:
        yield warning(
            "T205",
            f"every user of this machine can read {file}, which contains people's names and hours",
            f"Run `chmod o-rwx {file}`.",
        )
    return (yield from _check_schema(address.render_as_string(hide_password=False)))


def _check_disk(folder: Path) -> Findings:
    free = shutil.disk_usage(folder).free
    message = f"{free // _MEGABYTE} MB are free on the disk of {folder}"
    if free < _NO_SPACE:
        yield problem("T207", message, "Free up space now. Nothing can be saved on a full disk.")
    elif free < _LITTLE_SPACE:
        yield warning("T206", message, "Free up space before it is full.")
    else:
        yield Fact(f"disk: {message}")


def _check_schema(url: str) -> Verdict:
    found = schema_version(url)
    if found is None:
        yield warning("T202", "the database is empty", "`tracker migrate` creates its tables.")
        return False
    if found != newest_version():
        yield problem(
            "T203",
            f"the database has schema {found}, this program needs {newest_version()}",
            "Run `tracker upgrade`, which makes a backup first."
            if knows_version(found)
            else "A newer version of this program has migrated it. Install that version.",
        )
        return False
    engine = open_engine(url)
    try:
        yield from _check_writing(engine)
        with Session(engine) as session:
            yield from _describe(session, found)
    finally:
        engine.dispose()
    return True


def _check_writing(engine: Engine) -> Findings:
    """Write a row and roll it back."""
    row = {"name": f"check-{secrets.token_hex(8)}", "value": ""}
    try:
        with engine.connect() as connection:
            transaction = connection.execution_options(writes=True).begin()
            try:
                connection.execute(text("INSERT INTO secret VALUES (:name, :value)"), row)
            finally:
                transaction.rollback()
    except Exception as error:  # noqa: BLE001 - explain_error raises our own bugs again
        hint = "Give this program's user permission to write (SQLite: also to the folder)."
        yield problem("T204", explain_error(error).strip(), hint)


def _describe(session: Session, schema: str) -> Findings:
    if not is_postgresql(session):
        journal = session.connection().exec_driver_sql("PRAGMA journal_mode").scalar_one()
        safe = wal_is_safe(sqlite3.sqlite_version_info)
        why = "" if safe else ", as this SQLite lacks the fix that makes WAL safe"
        version = f"SQLite {sqlite3.sqlite_version} (journal mode {journal}{why})"
    else:
        server = session.connection().exec_driver_sql("SHOW server_version").scalar_one()
        encoding = session.connection().exec_driver_sql("SHOW server_encoding").scalar_one()
        version = f"PostgreSQL {server} ({encoding})"
        if find_other_encoding(session.connection()):
            yield problem(
                "T208",
                f"the database's encoding is {encoding}, which can't store every name",
                f"{CREATE_WITH_UTF8}.",
            )
    yield Fact(f"database: {version}, schema {schema}")


_OTHERS = 0o077


def check_key(session: Session, settings: Settings) -> Findings:
    """The master key is there, fits the database, and only its owner can read it."""
    key = settings.installation_key
    try:
        check_master_key(session)
    except MasterKeyError as error:
        yield problem("T213", f"the master key: {error}", "config/README.md, master_key_file.")
        return
    if not key.is_there:
        if key.file is None:
            message, hint = f"no master key is set: {key.place}", "config/README.md describes it."
            yield problem("T213", message, hint)
        return
    if key.file is not None and key.file.stat().st_mode & (S_IRWXO | S_IWGRP):
        message = f"other users of this machine can read or change {key.file}, the master key"
        yield warning("T214", message, f"Run `chmod 0600 {key.file}`.")
    else:
        yield Fact(f"master key: {key.place}")


def check_evidence(session: Session, settings: Settings) -> Findings:
    """Write a file and delete it; compare the uploaded files with the database."""
    folder = settings.evidence_folder
    if folder is None:
        yield Fact("evidence: no evidence_dir is set, so no files can be uploaded")
        return
    try:
        _try_writing(folder)
    except OSError as error:
        hint = "Give this program's user permission to write there, or set another evidence_dir."
        yield problem("T210", f"{folder} can't be written: {error.strerror}", hint)
        return
    if folder.exists() and folder.stat().st_mode & _OTHERS:
        message = f"other users of this machine can read {folder}, which contains people's files"
        yield warning("T211", message, f"Run `chmod 0700 {folder}`.")
    missing = [name for name in stored_names(session) if not (folder / name).is_file()]
    if missing:
        message = f"{len(missing)} uploaded files are not in {folder}"
        yield problem("T212", message, "Restore the folder from a backup of the same time.")
    else:
        yield Fact(f"evidence: files are kept in {folder}")


def _try_writing(folder: Path) -> None:
    if not folder.exists():
        # The first upload creates it. This only tries, and leaves nothing behind.
        folder.mkdir(mode=0o700)
        folder.rmdir()
        return
    file = folder / f"check-{secrets.token_hex(8)}"
    file.touch(mode=0o600)
    file.unlink()
