"""Locks between processes that write: one for all of SQLite, one for each name on PostgreSQL."""

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import errors
from sqlalchemy import URL, func
from sqlmodel import Session, select

from tracker.clock import stopwatch
from tracker.db.dialect import is_postgresql, is_sqlite_url

_NOT_A_FILE = (None, "", ":memory:")
# A canceled query counts: waiting for a lock is part of every statement timeout.
_LOCK_ERRORS = (errors.LockNotAvailable, errors.DeadlockDetected, errors.QueryCanceled)
_RETRY_SECONDS = 0.002


class Busy(Exception):  # noqa: N818 - reads as the sentence it prints
    """Somebody else has been writing for too long. Nothing of this write was saved."""


@contextmanager
def write_lock(url: URL, timeout: float | None = None) -> Iterator[None]:
    """Hold the lock file beside an SQLite database; do nothing on other databases.

    SQLite's own busy handler sleeps longer after each try, so under load one of many writers can
    wait for seconds. The file is empty and may be deleted while nothing runs; SQLite's lock is
    what keeps the database whole.

    Raises Busy after ``timeout`` seconds; None waits forever.
    """
    if not is_sqlite_url(url) or url.database in _NOT_A_FILE:
        yield
        return
    # Read access is enough, so a command that runs as another account can use the same file.
    lock_file = os.open(f"{url.database}-turn", os.O_RDONLY | os.O_CREAT, 0o644)
    # flock() has no timeout, and a thread that waits in it cannot be interrupted.
    deadline = None if timeout is None else stopwatch() + timeout
    mode = fcntl.LOCK_EX if deadline is None else fcntl.LOCK_EX | fcntl.LOCK_NB
    is_locked = False
    try:
        while not is_locked:
            try:
                fcntl.flock(lock_file, mode)
                is_locked = True
            except BlockingIOError:
                if deadline is not None and stopwatch() >= deadline:
                    raise Busy from None
                time.sleep(_RETRY_SECONDS)
        yield
    finally:
        os.close(lock_file)


def is_busy(error: BaseException) -> bool:
    """Whether an error means that somebody else holds what a statement needs."""
    # SQLAlchemy keeps the driver's error in `orig`.
    cause: Any = getattr(error, "orig", None) or error
    locked = isinstance(cause, _LOCK_ERRORS)
    return locked or getattr(cause, "sqlite_errorname", "").startswith("SQLITE_BUSY")


def lock_names(session: Session, names: Iterable[str]) -> None:
    """Make other transactions that lock one of these names wait until this one ends."""
    # SQLite has one writer anyway. In one order, so that no two transactions wait for each other.
    if is_postgresql(session):
        for name in sorted(names):
            number = func.hashtextextended(name, 0)
            session.exec(select(func.pg_advisory_xact_lock(number))).all()
