"""Where the writers of a database wait for each other, and for how long."""

import asyncio
import fcntl
import os
from collections import deque
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from threading import Lock, Thread
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
    turn = _take(_line_of(f"{url.database}-turn"), seconds)
    try:
        yield
    finally:
        os.close(turn)


@asynccontextmanager
async def own_turn(url: URL, seconds: float) -> AsyncIterator[None]:
    """The same for an event loop, which goes on while this waits; for SQLite alone."""
    line = _line_of(f"{url.database}-turn")
    turn = line.try_once()
    if turn is None:
        turn = await _wait_for(line.join(), seconds)
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


class _Line:
    """Those of this process who wait for their turn at a file, in their order.

    The system wakes no one after a time. So a thread waits, which holds up no end of anything: one
    for all, however many give up before it is their turn.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._waiting: deque[Future[int]] = deque()
        self._lock = Lock()
        self._has_thread = False

    def try_once(self) -> int | None:
        """The file, open and locked, which the caller closes; None where somebody has it."""
        try:
            return self._locked(fcntl.LOCK_NB)
        except BlockingIOError:
            return None

    def take(self) -> int:
        """The same, however long it takes."""
        return self._locked(0)

    def join(self) -> "Future[int]":
        """The same once it is the caller's turn; who no longer wants it cancels."""
        place: Future[int] = Future()
        with self._lock:
            self._waiting.append(place)
            if self._has_thread:
                return place
            self._has_thread = True
        try:
            Thread(target=self._wait, name="turn", daemon=True).start()
        except RuntimeError:
            self._give_up()
        return place

    def _give_up(self) -> None:
        """No thread can be started: nobody may wait for one, and the next who joins tries again."""
        with self._lock:
            given_up, self._waiting = self._waiting, deque()
            self._has_thread = False
        for place in given_up:
            if place.set_running_or_notify_cancel():
                place.set_exception(Busy())

    def _wait(self) -> None:
        while self._is_wanted():
            try:
                turn = self.take()
            except OSError as error:
                if place := self._first():
                    place.set_exception(error)
            else:
                if place := self._first():
                    place.set_result(turn)
                else:
                    os.close(turn)

    def _is_wanted(self) -> bool:
        """Whether anybody waits; if not, this thread ends."""
        with self._lock:
            while self._waiting and self._waiting[0].cancelled():
                self._waiting.popleft()
            self._has_thread = bool(self._waiting)
            return self._has_thread

    def _first(self) -> "Future[int] | None":
        """The first who still wants it: from now on it cannot be cancelled."""
        with self._lock:
            while self._waiting:
                place = self._waiting.popleft()
                if place.set_running_or_notify_cancel():
                    return place
        return None

    def _locked(self, how: int) -> int:
        # To read is enough, so that a command of another account may wait at the same file.
        turn = os.open(self._path, os.O_RDONLY | os.O_CREAT, 0o644)
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | how)
        except BaseException:
            os.close(turn)
            raise
        return turn


# One for each file: there are few.
_line_of = cache(_Line)


def _take(line: _Line, seconds: float | None) -> int:
    if not seconds:
        return line.take()
    turn = line.try_once()
    if turn is not None:
        return turn
    place = line.join()
    try:
        return place.result(seconds)
    except TimeoutError as error:
        if place.cancel():
            raise Busy from error
        return place.result()


async def _wait_for(place: "Future[int]", seconds: float) -> int:
    try:
        return await asyncio.wait_for(asyncio.wrap_future(place), seconds)
    except TimeoutError as error:
        if place.cancel():
            raise Busy from error
        return place.result()
    except asyncio.CancelledError:
        if not place.cancel() and not place.exception():
            os.close(place.result())
        raise
