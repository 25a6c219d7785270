"""Where the pages that many ask for read: a few threads, however many ask."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Engine
from sqlmodel import Session

from tracker.db.engine import reading

T = TypeVar("T")
Page = TypeVar("Page")
# A thread that reads SQLite never waits for anything but its turn to run Python, so a second one
# makes both slower; one that asks a server leaves its turn to others meanwhile.
_THREADS = {"sqlite": 1}
_THREADS_OF_A_SERVER = 3


class Reader:
    """Reads on ``engine``, in the order in which it was asked."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        threads = _THREADS.get(engine.dialect.name, _THREADS_OF_A_SERVER)
        self._threads = ThreadPoolExecutor(threads, "reader")

    async def answer(self, job: Callable[[Session], T]) -> T:
        """What ``job`` reads of one state of the database."""
        return await self.show(job, lambda found: found)

    async def show(self, job: Callable[[Session], T], page: Callable[[T], Page]) -> Page:
        """The ``page`` of what ``job`` reads: made in the same thread, the database let go."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._run, job, page)

    def _run(self, job: Callable[[Session], T], page: Callable[[T], Page]) -> Page:
        with reading(self._engine) as session:
            found = job(session)
        return page(found)
