"""Work that a process which stays starts again and again. What ticks is APScheduler.

It only ticks: in memory, in UTC, every so many seconds. What a tick finds to do is worked out from
the database, so that a late, doubled, or missed tick changes nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from tracker.jobs.work_log import logged_failure


class Repeated:
    """Work that is started every ``seconds``, never twice at once, and can be waited for.

    APScheduler cancels what runs when it is shut down, so it only starts these tasks.
    """

    def __init__(self, name: str, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        self.seconds = seconds
        self._name = name
        self._work = work
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, unless it still runs."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def finish(self) -> None:
        """Wait until it has ended."""
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        with logged_failure(self._name):
            await self._work()


@asynccontextmanager
async def repeating(*works: Repeated) -> AsyncIterator[None]:
    """Start all of it at once, and then again and again while the context is open.

    At its end what has begun is finished.
    """
    scheduler = AsyncIOScheduler(timezone=UTC)
    for work in works:
        # No grace: a tick that comes late is as good as any, and several are one.
        scheduler.add_job(
            work.start, "interval", seconds=work.seconds, misfire_grace_time=None, coalesce=True
        )
    scheduler.start()
    for work in works:
        await work.start()
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)
        for work in works:
            await work.finish()
