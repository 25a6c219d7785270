"""Where the writers of a database wait for each other, and for how long."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from threading import Thread
from typing import Any

from psycopg import errors
from sqlalchemy import URL

_NO_FILE = (None, "", ":memory:")
# The last one: waiting has its part in all that takes too long for a page.
_WAITED = (errors.LockNotAvailable, errors.DeadlockDetected, errors.QueryCanceled)


class Busy(Exception):  # noqa: N818 - reads as the sentence it prints
    """Somebody else is writing for so long that this was given up; nothing of it is stored."""


@contextmanager
def one_at_a_time(url: URL, seconds: float | None = None) -> Iterator[None]:
    """Hold the file beside an SQLite database that says whose turn it is to write.

    SQLite lets waiting writers look again after ever longer sleeps, so that one of many comes
    late by seconds; here the system wakes them. The file is empty, and may be deleted while
    nothing runs: what keeps the database whole is its own lock.

    Raises Busy after ``seconds``; without them it waits for as long as it takes.
    """
    if url.get_backend_name() != "sqlite" or url.database in _NO_FILE:
        yield
        return
    turn = _open(url)
    _take(turn, seconds)
    try:
        yield
    finally:
        os.close(turn)


@asynccontextmanager
async def own_turn(url: URL, seconds: float) -> AsyncIterator[None]:
    """The same for an event loop, which goes on while this waits; for SQLite alone."""
    turn = _open(url)
    if not _is_free(turn):
        await _wait_for(turn, seconds)
    try:
        yield
    finally:
        os.close(turn)


def is_busy(error: BaseException) -> bool:
    """Whether an error says that somebody else holds what a statement needs."""
    # Through SQLAlchemy, or as the driver gave it.
    cause: Any = getattr(error, "orig", None) or error
    locked = isinstance(cause, _WAITED)
    return locked or getattr(cause, "sqlite_errorname", "").startswith("SQLITE_BUSY")


def _open(url: URL) -> int:
    # To read is enough, so that a command of another account may wait at the same file.
    return os.open(f"{url.database}-turn", os.O_RDONLY | os.O_CREAT, 0o644)


async def _wait_for(turn: int, seconds: float) -> None:
    """The same for an event loop."""
    taken = _take_later(turn)
    try:
        await asyncio.wait_for(asyncio.wrap_future(taken), seconds)
    except TimeoutError as error:
        if taken.cancel():
            raise Busy from error
    except asyncio.CancelledError:
        if not taken.cancel():
            os.close(turn)
        raise


def _take(turn: int, seconds: float | None) -> None:
    """Lock the open file, or close it and raise."""
    try:
        if not _is_free(turn):
            _wait(turn, seconds)
    except BaseException:
        # Where a thread waits on it, that thread closes it.
        if not seconds:
            os.close(turn)
        raise


def _is_free(turn: int) -> bool:
    try:
        fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(turn: int, seconds: float | None) -> None:
    if not seconds:
        fcntl.flock(turn, fcntl.LOCK_EX)
        return
    taken = _take_later(turn)
    try:
        taken.result(seconds)
    except TimeoutError as error:
        if taken.cancel():
            raise Busy from error
        taken.result()


def _take_later(turn: int) -> "Future[None]":
    """What is done once the open file is locked; cancelled, it is closed then.

    The system wakes no one after a time: so another thread waits, which holds up no end.
    """
    taken: Future[None] = Future()
    try:
        Thread(target=_take_for, args=(turn, taken), name="turn", daemon=True).start()
    except RuntimeError as error:
        os.close(turn)
        raise Busy from error
    return taken


def _take_for(turn: int, taken: Future[None]) -> None:
    fcntl.flock(turn, fcntl.LOCK_EX)
    if taken.set_running_or_notify_cancel():
        taken.set_result(None)
    else:
        os.close(turn)
