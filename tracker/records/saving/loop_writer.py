"""Where pages write to SQLite: in the thread that answers them, several savings in one transaction.

SQLite works within this process. A thread of its own would have to ask the answering one for its
turn after each statement, and meanwhile every other process waits for the lock. So only what may
take long is left to threads: to open the database, to wait for the turn and for readers, and
whatever goes wrong, or cannot begin soon.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, Future, Task
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary

from tracker.clock import stopwatch
from tracker.records.judging.judging_late import judging_late
from tracker.records.store.at_once import AtOnce
from tracker.records.store.queue import Busy, own_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future as ThreadFuture

    from sqlalchemy import Connection, Engine

T = TypeVar("T")
# So few that whoever asks for something else meanwhile is answered within a blink.
_TOGETHER = 32
# Between pages it is one's turn after some milliseconds; whoever has it longer has it for long.
_SOON = 1.0
# Even what is late tries for a moment.
_LEAST = 0.05


class _Aside(Exception):  # noqa: N818 - reads as the sentence it is
    """This cannot be done here."""


class _Elsewhere(Protocol):
    """Asks a thread for a job, which was asked for first at ``since`` (by `stopwatch`)."""

    def __call__(self, job: Callable[[Connection], T], since: float) -> ThreadFuture[T]: ...


@dataclass(eq=False)
class _Asked(Generic[T]):
    """A job, since when it waits, and what becomes of it."""

    job: Callable[[Connection], T]
    since: float
    answer: Future[T]


@dataclass
class _Line:
    """Who waits in one event loop, and what works through them on a connection of its own."""

    database: AtOnce
    waiting: deque[_Asked[Any]] = field(default_factory=deque)
    work: Task[None] | None = None


class LoopWriter:
    """Runs what pages save on ``engine``, an SQLite one, in the order in which it came.

    Nobody waits longer than ``within`` seconds for others, and no more than ``most`` at a time.
    What fails, or cannot be done soon, is asked of a thread: ``elsewhere``.
    """

    def __init__(self, engine: Engine, elsewhere: _Elsewhere, *, within: float, most: int) -> None:
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
        if (line := self._lines.get(loop)) is None:
            line = self._lines[loop] = _Line(AtOnce(self._engine))
        if len(line.waiting) >= self._most:
            raise Busy
        asked: _Asked[T] = _Asked(job, stopwatch(), loop.create_future())
        line.waiting.append(asked)
        if line.work is None or line.work.done():
            line.work = loop.create_task(self._work(line))
        try:
            return await asked.answer
        except _Aside:
            return await asyncio.wrap_future(self._elsewhere(job, asked.since))

    async def _work(self, line: _Line) -> None:
        while line.waiting:
            try:
                async with own_turn(self._engine.url, min(_SOON, self._within)):
                    await self._write(line.database, _next(line.waiting))
            except (Busy, OSError):
                _refuse(line.waiting, _Aside())
                line.waiting.clear()
            # Others are answered between two lots.
            await asyncio.sleep(0)

    async def _write(self, database: AtOnce, wanted: list[_Asked[Any]]) -> None:
        """Store what each job writes, or nothing of any: which of them failed shows elsewhere."""
        if not wanted:
            return
        patience = max(wanted[0].since + self._within - stopwatch(), _LEAST)
        try:
            async with database.writing(patience) as connection:
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
