"""One process that does it all: ticks by APScheduler, and delivery as soon as mail waits.

The scheduler only ticks: in memory, in UTC, every so many seconds. What a tick finds to do is
decided by dates in the run ledger, so that a late, doubled or missed tick changes nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy import Engine

from tracker.db.engine import Busy, is_busy
from tracker.importer.plans import ImportRunner
from tracker.jobs.recheck import recheck
from tracker.jobs.runner import run_due
from tracker.mail.delivery import deliver_once
from tracker.mail.smtp_connection import Server
from tracker.notifications.context import JobContext

_DELIVER_SECONDS = 2
_log = structlog.get_logger(__name__)


class _Repeated:
    """Work that is started again and again, never twice at once, and can be waited for.

    APScheduler cancels what runs when it is shut down, so it only starts these tasks.
    """

    def __init__(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        self._name = name
        self._work = work
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def finish(self) -> None:
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        try:
            await self._work()
        except Exception as error:  # noqa: BLE001 - logged with its traceback
            # Whatever it was, the next tick tries again: the ledgers have no row of it.
            if isinstance(error, Busy) or is_busy(error):
                _log.warning("others are writing, the next tick tries again", work=self._name)
                return
            _log.exception("a tick failed and will be tried again", work=self._name)


@asynccontextmanager
async def running(
    context: JobContext, engine: Engine, server: Server, clock: Callable[[], datetime]
) -> AsyncIterator[None]:
    """Tick and deliver while the context is open; at its end what has begun is finished."""

    async def deliver() -> None:
        report = await deliver_once(
            engine, server, context.settings.mail, clock, recheck=partial(recheck, context)
        )
        if report.problems:
            # What servers say in words may name people; `tracker check` prints it.
            _log.warning(
                "the mail server has trouble: see `tracker check`", times=len(report.problems)
            )

    async def tick() -> None:
        for ran in await asyncio.to_thread(lambda: list(run_due(context, clock(), clock))):
            _log.info(
                "job done",
                job=ran.job.value,
                association=ran.association,
                local_date=ran.due.local_date.isoformat(),
                **ran.report,
            )

    async def continue_imports() -> None:
        runner = ImportRunner(context, context.rulebooks, context.transaction)
        await asyncio.to_thread(runner.run_waiting, clock())

    ticks, delivery = _Repeated("jobs", tick), _Repeated("delivery", deliver)
    # What a process that ended has left behind; what pages begin they do themselves.
    imports = _Repeated("imports", continue_imports)
    scheduler = AsyncIOScheduler(timezone=UTC)
    for work, seconds in (
        (ticks, context.settings.schedule.tick_seconds),
        (imports, context.settings.schedule.tick_seconds),
        (delivery, _DELIVER_SECONDS),
    ):
        # No grace: a tick that comes late is as good as any, and several are one.
        scheduler.add_job(
            work.start, "interval", seconds=seconds, misfire_grace_time=None, coalesce=True
        )
    scheduler.start()
    await ticks.start()
    await imports.start()
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)
        await ticks.finish()
        await imports.finish()
        await delivery.finish()
