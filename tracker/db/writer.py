"""How the web server writes: one thread that batches on SQLite, one transaction each elsewhere."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Lock
from typing import Any, Generic, TypeVar

from sqlalchemy import Engine
from sqlmodel import Session

from tracker.clock import stopwatch
from tracker.db.engine import is_postgresql, writing
from tracker.db.errors import Busy, is_busy, is_conflict

T = TypeVar("T")
# A commit waits for the disk, and that wait costs the same for one save and for many.
_BATCH = 64
_POSTGRESQL_THREADS = 10
# How long a save may wait in all. A nightly job may hold SQLite's only lock for seconds; on
# PostgreSQL a save waits only for others that write the same rows.
_SQLITE_TIMEOUT, _POSTGRESQL_TIMEOUT = 30.0, 10.0
_LEAST_TIMEOUT = 0.05
_MOST_WAITING = 1000
# Requests that block a thread of the pool (it has 40) while they wait, so that pages still load.
_BLOCKED_THREADS, _BLOCKED_TIMEOUT = 24, 1


@dataclass(eq=False)
class _Save(Generic[T]):
    """Work that waits to be written, its result, and by `stopwatch` how long it may wait.

    ``is_repeated``: it ran before, and another save was stored first.
    """

    work: Callable[[Session], T]
    deadline: float
    result: Future[T] = field(default_factory=Future)
    is_repeated: bool = False


class Writer:
    """Runs what web requests write, in the order in which they asked.

    ``around`` wraps each transaction: what it does on exit belongs to the transaction too.
    """

    def __init__(
        self,
        engine: Engine,
        around: Callable[[Session], AbstractContextManager[None]] = lambda _session: nullcontext(),
    ) -> None:
        self._engine = engine
        self._around = around
        is_sqlite = not is_postgresql(engine)
        self._batch = _BATCH if is_sqlite else 1
        self._has_rivals = not is_sqlite
        self._timeout = _SQLITE_TIMEOUT if is_sqlite else _POSTGRESQL_TIMEOUT
        self._waiting: deque[_Save[Any]] = deque()
        self._lock = Lock()
        self._blocked = BoundedSemaphore(_BLOCKED_THREADS)
        self._threads = ThreadPoolExecutor(1 if is_sqlite else _POSTGRESQL_THREADS, "writer")

    def run(self, work: Callable[[Session], T]) -> T:
        """Return what ``work`` returns, once everything it wrote is committed.

        If it raises, nothing it wrote is saved. It may run more than once, and only the last run
        counts, so it must do nothing but read and write in its session.

        Raises Busy if others write for too long; then nothing is saved either.
        """
        if not self._blocked.acquire(timeout=_BLOCKED_TIMEOUT):
            raise Busy
        try:
            return self.submit(work).result()
        finally:
            self._blocked.release()

    async def run_async(self, work: Callable[[Session], T]) -> T:
        """Like `run`, without blocking a thread while it waits."""
        return await asyncio.wrap_future(self.submit(work))

    def submit(self, work: Callable[[Session], T]) -> Future[T]:
        """Queue ``work`` and return its future; a canceled one is skipped. Raises Busy if full."""
        save = _Save(work, stopwatch() + self._timeout)
        with self._lock:
            if len(self._waiting) >= _MOST_WAITING:
                raise Busy
            self._waiting.append(save)
        try:
            # One task for each save: the first takes all that wait, the others find nothing left.
            self._threads.submit(self._write_waiting)
        except RuntimeError:  # no thread can be started
            save.result.cancel()
            raise Busy from None
        return save.result

    def _write_waiting(self) -> None:
        with self._lock:
            count = min(len(self._waiting), self._batch)
            batch = [self._waiting.popleft() for _ in range(count)]
        # A save whose request has gone is skipped before anything is done for it.
        self._write([save for save in batch if save.result.set_running_or_notify_cancel()])

    def _write(self, batch: Sequence[_Save[Any]]) -> None:
        if not batch:
            return
        first_deadline = min(save.deadline for save in batch)
        timeout = max(first_deadline - stopwatch(), _LEAST_TIMEOUT)
        try:
            with writing(self._engine, timeout) as session, self._around(session):
                results = [save.work(session) for save in batch]
        except BaseException as error:  # noqa: BLE001 - raised again where the save was requested
            self._retry(batch, error)
            return
        for save, result in zip(batch, results, strict=True):
            save.result.set_result(result)

    def _retry(self, batch: Sequence[_Save[Any]], error: BaseException) -> None:
        """After a rollback: one save at a time shows which one failed; busy ones may try again."""
        busy = is_busy(error)
        for save in batch:
            if busy and save.deadline <= stopwatch():
                save.result.set_exception(Busy())
            elif busy or len(batch) > 1:
                self._write([save])
            elif self._has_rivals and is_conflict(error) and not save.is_repeated:
                # Once more: it finds what was stored first, and says what to do about it.
                save.is_repeated = True
                self._write([save])
            else:
                save.result.set_exception(error)
