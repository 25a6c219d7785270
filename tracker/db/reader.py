"""How the web server reads for pages that many people open: a few threads, however many ask."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from sqlalchemy import Engine
from sqlmodel import Session

from tracker.db.engine import is_postgresql, reading

T = TypeVar("T")
Page = TypeVar("Page")
# Reading SQLite never waits, so a second thread would only compete for the interpreter. A thread
# that waits for PostgreSQL lets others run.
_SQLITE_THREADS, _POSTGRESQL_THREADS = 1, 3


class Reader:
    """Runs reads in the order in which they were requested."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        is_sqlite = not is_postgresql(engine)
        self._threads = ThreadPoolExecutor(
            _SQLITE_THREADS if is_sqlite else _POSTGRESQL_THREADS, "reader"
        )

    async def read(self, work: Callable[[Session], T]) -> T:
        """Return what ``work`` reads of one state of the database."""
        return await self.render(work, lambda data: data)

    async def render(self, work: Callable[[Session], T], page: Callable[[T], Page]) -> Page:
        """Return the ``page`` of what ``work`` reads, made in the same thread after the read."""
        loop = asyncio.get_running_loop()
        # In the context of the request: its locale, and its id for the log.
        return await loop.run_in_executor(self._threads, copy_context().run, self._run, work, page)

    def _run(self, work: Callable[[Session], T], page: Callable[[T], Page]) -> Page:
        with reading(self._engine) as session:
            data = work(session)
        return page(data)
