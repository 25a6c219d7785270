"""Who works with a database: many programs at once, or one that upgrades it alone.

On SQLite programs hold a shared lock on a file beside the database, which says nothing by itself
and may be deleted while nothing runs. On PostgreSQL the server knows who is connected.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

from sqlalchemy import Connection, func, select, text

from tracker.database_urls import find_sqlite_file
from tracker.db.engine import is_sqlite_url, open_engine, open_lock_file
from tracker.errors import UserError

# Connections of ours by the name that `open_engine` gives them, to this database, but this one.
_OTHERS = text(
    "SELECT DISTINCT coalesce(host(client_addr), 'this machine') FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND application_name = current_setting('application_name')"
)


_UPGRADING = "it is being upgraded. Try again when that is done"
_STOP_THEM = (
    "another program has it open. Stop `tracker serve`, timers, and other commands (`systemctl "
    "stop tracker.service tracker-run-due.timer`), then try again"
)


class InUse(UserError):  # noqa: N818 - reads as the sentence it prints
    """Others work with the database, or one of them alone: the message says what to do."""

    heading = "The database is in use:"


@contextmanager
def using(url: str, *, is_first: bool = False) -> Iterator[None]:
    """Work with the database beside others. Raises InUse while it is upgraded.

    A file that is missing is not waited for, unless the caller is going to make it (``is_first``).
    On PostgreSQL this does nothing: a program that starts meanwhile finds the older schema.
    """
    with ExitStack() as stack:
        file = find_sqlite_file(url)
        if file and (is_first or file.is_file()):
            # Without permission to create the lock there is none to write the database either.
            with suppress(OSError):
                file.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(_locked(file, fcntl.LOCK_SH, _UPGRADING))
        yield


@contextmanager
def using_alone(url: str) -> Iterator[None]:
    """Work with the database while no other program of ours does. Raises InUse otherwise."""
    if is_sqlite_url(url):
        file = find_sqlite_file(url)
        with _locked(file, fcntl.LOCK_EX, _STOP_THEM) if file and file.is_file() else nullcontext():
            yield
        return
    engine = open_engine(url)
    try:
        with engine.begin() as connection:
            _refuse_others(connection)
            yield
    finally:
        engine.dispose()


@contextmanager
def _locked(file: Path, mode: int, message: str) -> Iterator[None]:
    lock = open_lock_file(file, "users")
    try:
        try:
            fcntl.flock(lock, mode | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InUse(f"{file}: {message}") from error
        yield
    finally:
        os.close(lock)


def _refuse_others(connection: Connection) -> None:
    # Held until the end of the transaction, so that two upgrades can't begin at once.
    number = func.hashtextextended("tracker alone", 0)
    if not connection.execute(select(func.pg_try_advisory_xact_lock(number))).scalar_one():
        raise InUse(_UPGRADING)
    others = connection.execute(_OTHERS).scalars().all()
    if others:
        raise InUse(
            f"other programs are connected, from {', '.join(sorted(others))}. Stop `tracker "
            "serve`, timers, and other commands on every machine, then try again"
        )
