"""Where pages write: in one place, several savings in one transaction, answered once it is stored.

To store for good costs a wait for the disk, and judging somebody anew a dozen statements; both
cost hardly more for twenty people than for one. So what waits is written together, by one
thread, and while that is stored the next ones gather.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tracker.clock import stopwatch
from tracker.records.judging.judging_late import judging_late
from tracker.records.saving.loop_writer import LoopWriter
from tracker.records.store.engine import writing
from tracker.records.store.queue import Busy, is_busy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, Engine

T = TypeVar("T")
# Enough for every connection of a busy site; few enough that the first need not wait for long.
_TOGETHER = 64
# How long PostgreSQL lets a batch, and then each job of it, wait for a person whom another process
# has locked: meanwhile others wait for it.
_PATIENCE = 0.25
# How long a job may wait in all. SQLite has one lock for everybody, which a night's work may hold
# for seconds; elsewhere only who wants the same rows waits.
_ANSWERED_WITHIN = {"sqlite": 30.0}
_ANSWERED_WITHIN_ELSEWHERE = 10.0
# Even what is late tries for a moment.
_LEAST = 0.05
# Who may wait with a thread of the pages (there are 40, and whoever reads needs one), how long
# for that, and who may wait without.
_WAITING_THREADS, _FOR_A_PLACE, _MOST_WAITING = 24, 1, 1000


class _Asked(Generic[T]):
    """A job, and what becomes of it."""

    def __init__(self, job: Callable[[Connection], T], since: float | None) -> None:
        self.job = job
        self.answer: Future[T] = Future()
        self.since = stopwatch() if since is None else since


class Writer:
    """Runs what pages save on ``engine``, in the order in which it came."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: deque[_Asked[Any]] = deque()
        self._lock = Lock()
        self._at_work = False
        self._places = BoundedSemaphore(_WAITING_THREADS)
        is_sqlite = engine.dialect.name == "sqlite"
        self._within = _ANSWERED_WITHIN["sqlite"] if is_sqlite else _ANSWERED_WITHIN_ELSEWHERE
        self._on_loop = (
            LoopWriter(engine, self.ask, within=self._within, most=_MOST_WAITING)
            if is_sqlite
            else None
        )
        self._thread = ThreadPoolExecutor(1, "writer")
        # Jobs that failed in company, each in a transaction of its own. On SQLite there is only
        # one at a time anyway; elsewhere one that waits for a lock need not hold up the others.
        self._alone = ThreadPoolExecutor(1 if is_sqlite else 4, "alone")
        # And those that a lock held up there, too: so many people can be locked at once.
        self._patient = self._alone if is_sqlite else ThreadPoolExecutor(6, "patient")

    def run(self, job: Callable[[Connection], T]) -> T:
        """What ``job`` returns, once all that it wrote is stored for good.

        If it raises, nothing of it is stored. It may be run more than once (only the last run
        counts), so it must do nothing but read and write on its connection. Its audit events, and
        the standings that its entries move, come after it in the same transaction.

        Raises Busy where others write for too long; then, too, nothing of it is stored.
        """
        if not self._places.acquire(timeout=_FOR_A_PLACE):
            raise Busy
        try:
            return self.ask(job).result()
        finally:
            self._places.release()

    async def answer(self, job: Callable[[Connection], T]) -> T:
        """The same without a thread that waits."""
        if self._on_loop:
            return await self._on_loop.answer(job)
        return await asyncio.wrap_future(self.ask(job))

    def ask(self, job: Callable[[Connection], T], since: float | None = None) -> Future[T]:
        """The same for whoever waits elsewhere, by `stopwatch` ``since`` when (default: now)."""
        asked = _Asked(job, since)
        with self._lock:
            if len(self._waiting) >= _MOST_WAITING:
                raise Busy
            self._waiting.append(asked)
            if self._at_work:
                return asked.answer
            self._at_work = True
        try:
            self._thread.submit(self._work)
        except RuntimeError:
            self._give_up()
        return asked.answer

    def _give_up(self) -> None:
        """No thread can be started: nobody may wait for one, and the next who asks tries again."""
        with self._lock:
            given_up, self._waiting = self._waiting, deque()
            self._at_work = False
        for asked in given_up:
            _refuse(asked, Busy())

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
        if not wanted:
            return
        try:
            answers = self._together(wanted, self._patience(wanted))
        except BaseException as error:  # noqa: BLE001 - raised again where the job was asked for
            # Nothing of any is stored; which of them failed, or whether they met, shows alone.
            self._after(error, wanted, self._alone, self._write_alone)
            return
        for asked, answer in zip(wanted, answers, strict=True):
            asked.answer.set_result(answer)

    def _write_alone(self, asked: _Asked[Any]) -> None:
        self._write_one(asked, self._patience([asked]), self._write_patiently)

    def _write_patiently(self, asked: _Asked[Any]) -> None:
        self._write_one(asked, max(self._left(asked), _LEAST), None)

    def _write_one(
        self, asked: _Asked[Any], patience: float, then: Callable[[_Asked[Any]], None] | None
    ) -> None:
        try:
            (answer,) = self._together([asked], patience)
        except BaseException as error:  # noqa: BLE001 - raised again where the job was asked for
            self._after(error, [asked], self._patient, then)
        else:
            asked.answer.set_result(answer)

    def _after(
        self,
        error: BaseException,
        failed: Sequence[_Asked[Any]],
        pool: ThreadPoolExecutor,
        then: Callable[[_Asked[Any]], None] | None,
    ) -> None:
        """Have each of those that ``failed`` try again if that can help; else tell it why."""
        was_busy = isinstance(error, Busy) or is_busy(error)
        for asked in failed:
            is_late = self._left(asked) <= 0
            if was_busy and (then is None or is_late):
                _refuse(asked, Busy())
            elif then is None or not (was_busy or len(failed) > 1):
                _refuse(asked, error)
            else:
                try:
                    pool.submit(then, asked)
                except RuntimeError:
                    _refuse(asked, Busy())

    def _left(self, asked: _Asked[Any]) -> float:
        return asked.since + self._within - stopwatch()

    def _patience(self, jobs: Sequence[_Asked[Any]]) -> float:
        """How many seconds these may wait for others before they make room for the next."""
        if self._patient is not self._alone:
            return _PATIENCE
        return max(min(self._left(asked) for asked in jobs), _LEAST)

    def _together(self, batch: Sequence[_Asked[Any]], patience: float) -> list[Any]:
        """What each job returns, once all that they wrote is stored; or nothing of any is."""
        with writing(self._engine, patience) as connection, judging_late(connection):
            return [asked.job(connection) for asked in batch]


def _refuse(asked: _Asked[Any], error: BaseException) -> None:
    if not asked.answer.cancelled():
        asked.answer.set_exception(error)
