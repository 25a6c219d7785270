"""Where pages write: in one place, several savings in one transaction, answered once it is stored.

To store for good costs a wait for the disk, and judging somebody anew a dozen statements; both
cost hardly more for twenty people than for one. So what waits is written together, by one
thread, and while that is stored the next ones gather.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tracker.records.engine import writing
from tracker.records.judging_late import judging_late

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, Engine

T = TypeVar("T")
# Enough for every connection of a busy site; few enough that the first need not wait for long.
_TOGETHER = 64
# How long PostgreSQL lets a batch wait for a person whom another process has locked. Alone, a job
# may wait for as long as it takes.
_PATIENCE = "250ms"


class _Asked(Generic[T]):
    """A job, and what becomes of it."""

    def __init__(self, job: Callable[[Connection], T]) -> None:
        self.job = job
        self.answer: Future[T] = Future()


class Writer:
    """Runs what pages save on ``engine``, in the order in which it came."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: deque[_Asked[Any]] = deque()
        self._lock = Lock()
        self._at_work = False
        self._thread = ThreadPoolExecutor(1, "writer")
        # Jobs that failed in company, each in a transaction of its own. On SQLite there is only
        # one at a time anyway; elsewhere one that waits for a lock need not hold up the others.
        self._alone = ThreadPoolExecutor(1 if engine.dialect.name == "sqlite" else 4, "alone")

    def run(self, job: Callable[[Connection], T]) -> T:
        """What ``job`` returns, once all that it wrote is stored for good.

        If it raises, nothing of it is stored. It may be run more than once (only the last run
        counts), so it must do nothing but read and write on its connection. Its audit events, and
        the standings that its entries move, come after it in the same transaction.
        """
        return self.ask(job).result()

    async def answer(self, job: Callable[[Connection], T]) -> T:
        """The same without a thread that waits."""
        return await asyncio.wrap_future(self.ask(job))

    def ask(self, job: Callable[[Connection], T]) -> Future[T]:
        """The same for whoever waits elsewhere."""
        asked = _Asked(job)
        with self._lock:
            self._waiting.append(asked)
            if self._at_work:
                return asked.answer
            self._at_work = True
        self._thread.submit(self._work)
        return asked.answer

    def _work(self) -> None:
        while batch := self._next():
            self._write(batch)

    def _next(self) -> Sequence[_Asked[Any]]:
        with self._lock:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _TOGETHER))]
            self._at_work = bool(batch)
        return batch

    def _write(self, batch: Sequence[_Asked[Any]]) -> None:
        # Whoever no longer waits for an answer has given up before anything was done.
        wanted = [asked for asked in batch if asked.answer.set_running_or_notify_cancel()]
        try:
            answers = self._together([asked.job for asked in wanted])
        except BaseException as error:  # noqa: BLE001 - raised again where the job was asked for
            # Nothing of any is stored; which of them failed, or whether they met, shows alone.
            if len(wanted) == 1:
                wanted[0].answer.set_exception(error)
                return
            for asked in wanted:
                self._alone.submit(self._write_alone, asked)
            return
        for asked, answer in zip(wanted, answers, strict=True):
            asked.answer.set_result(answer)

    def _write_alone(self, asked: _Asked[Any]) -> None:
        try:
            (answer,) = self._together([asked.job])
        except BaseException as error:  # noqa: BLE001 - raised again where the job was asked for
            asked.answer.set_exception(error)
        else:
            asked.answer.set_result(answer)

    def _together(self, jobs: Sequence[Callable[[Connection], Any]]) -> list[Any]:
        """What each job returns, once all that they wrote is stored; or nothing of any is."""
        with writing(self._engine) as connection:
            if len(jobs) > 1 and connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
            with judging_late(connection):
                return [job(connection) for job in jobs]
