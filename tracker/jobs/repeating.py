"""Work that a process which stays starts again and again. What ticks is APScheduler.

It only ticks: in memory, in UTC, every so many seconds. What a tick finds to do is worked out from
the database, so that a late, doubled, or missed tick changes nothing.

APScheduler waits for instants. So that ticks go on when the machine's clock is set, each tick plans
the next one from the present, and plans that lie too far ahead are made anew.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from tracker import clock
from tracker.jobs.work_log import logged_failure

# How soon it is noticed that the clock was set back.
_WATCH_SECONDS = 1.0


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


class _Every(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Fires a ``pause`` after the present instant, not after the one that was planned.

    Otherwise a clock that was set forward by a year would have a year of ticks to count.
    """

    def __init__(self, pause: timedelta) -> None:
        self.pause = pause

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        """The next instant, as APScheduler asks."""
        return now + self.pause


async def _watch_clock(scheduler: AsyncIOScheduler) -> None:
    """Start what is planned for later than its pause allows: the clock was set back."""
    while True:
        await asyncio.sleep(_WATCH_SECONDS)
        now = clock.now()
        for job in scheduler.get_jobs():
            if job.next_run_time - now > job.trigger.pause:
                job.modify(next_run_time=now)


@asynccontextmanager
async def repeating(*works: Repeated) -> AsyncIterator[None]:
    """Start all of it at once, and then again and again while the context is open.

    At its end what has begun is finished.
    """
    scheduler = AsyncIOScheduler(timezone=UTC)
    for work in works:
        # No grace: a tick that comes late is as good as any, and several are one.
        trigger = _Every(timedelta(seconds=work.seconds))
        scheduler.add_job(work.start, trigger, misfire_grace_time=None, coalesce=True)
    scheduler.start()
    watch = asyncio.create_task(_watch_clock(scheduler))
    for work in works:
        await work.start()
    try:
        yield
    finally:
        watch.cancel()
        scheduler.shutdown(wait=False)
        for work in works:
            await work.finish()
