"""Where pages write to SQLite: in the thread that answers them, several savings in one transaction.

SQLite works within this process. A thread of its own would have to ask the answering one for its
turn after each statement, and meanwhile every other process waits for the lock. So only what may
take long is left to threads: to wait for the turn, and for readers; and whatever goes wrong.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, Future, Task
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from tracker.clock import stopwatch
from tracker.records.judging.judging_late import judging_late
from tracker.records.store.engine import writing_at_once
from tracker.records.store.queue import Busy, own_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future as ThreadFuture

    from sqlalchemy import Connection, Engine

T = TypeVar("T")
# So few that whoever asks for something else meanwhile is answered within a blink.
_TOGETHER = 32
# Even what is late tries for a moment.
_LEAST = 0.05


class _Aside(Exception):  # noqa: N818 - reads as the sentence it is
    """This cannot be done here."""


@dataclass(eq=False)
class _Asked(Generic[T]):
    """A job, what becomes of it, and by when."""

    job: Callable[[Connection], T]
    answer: Future[T]
    until: float

    @property
    def left(self) -> float:
        return self.until - stopwatch()


@dataclass
class _Line:
    """Who waits in one event loop, and what works through them."""

    waiting: deque[_Asked[Any]] = field(default_factory=deque)
    work: Task[None] | None = None


class LoopWriter:
    """Runs what pages save on ``engine``, an SQLite one, in the order in which it came.

    Nobody waits longer than ``within`` seconds for their turn, and no more than ``most`` at a
    time. What fails, or cannot begin at once, is asked of a thread: ``elsewhere``.
    """

    def __init__(
        self,
        engine: Engine,
        elsewhere: Callable[[Callable[[Connection], Any]], ThreadFuture[Any]],
        *,
        within: float,
        most: int,
    ) -> None:
        self._engine = engine
        self._elsewhere = elsewhere
        self._within = within
        self._most = most
        self._lines: WeakKeyDictionary[AbstractEventLoop, _Line] = WeakKeyDictionary()

    async def answer(self, job: Callable[[Connection], T]) -> T:
        """What ``job`` returns, once all that it wrote is stored for good.

        Raises what `Writer.run` raises, and asks the same of a job.
        """
        loop = asyncio.get_running_loop()
        line = self._lines.setdefault(loop, _Line())
        if len(line.waiting) >= self._most:
            raise Busy
        asked: _Asked[T] = _Asked(job, loop.create_future(), stopwatch() + self._within)
        line.waiting.append(asked)
        if line.work is None or line.work.done():
            line.work = loop.create_task(self._work(line.waiting))
        try:
            return await asked.answer
        except _Aside:
            found: T = await asyncio.wrap_future(self._elsewhere(job))
            return found

    async def _work(self, waiting: deque[_Asked[Any]]) -> None:
        while waiting:
            patience = max(waiting[0].left, _LEAST)
            try:
                async with own_turn(self._engine.url, patience):
                    await self._write(_next(waiting))
            except Busy as busy:
                _refuse((asked for asked in waiting if asked.left <= 0), busy)
            except OSError:
                _refuse(_next(waiting), _Aside())

    async def _write(self, wanted: list[_Asked[Any]]) -> None:
        """Store what each job writes, or nothing of any: which of them failed shows elsewhere."""
        try:
            async with writing_at_once(self._engine) as connection:
                with judging_late(connection):
                    answers = [asked.job(connection) for asked in wanted]
        except Exception:  # noqa: BLE001 - raised again where it is asked for
            _refuse(wanted, _Aside())
            return
        for asked, answer in zip(wanted, answers, strict=True):
            if not asked.answer.done():
                asked.answer.set_result(answer)


def _next(waiting: deque[_Asked[Any]]) -> list[_Asked[Any]]:
    """The first who wait; whoever no longer does has given up before anything was done."""
    first = [waiting.popleft() for _ in range(min(len(waiting), _TOGETHER))]
    return [asked for asked in first if not asked.answer.done()]


def _refuse(some: Iterable[_Asked[Any]], error: Exception) -> None:
    for asked in some:
        if not asked.answer.done():
            asked.answer.set_exception(error)
