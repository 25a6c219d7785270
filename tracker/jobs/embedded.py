"""One process that does it all: jobs that are due, and delivery as soon as mail waits."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial

from sqlalchemy import Engine

from tracker.db.engine import reading
from tracker.importer.plans import ImportRunner
from tracker.jobs.desk_work import DeskBatches, DeskWorkRunner
from tracker.jobs.recheck import recheck
from tracker.jobs.repeating import Repeated, repeating
from tracker.jobs.runner import run_due
from tracker.jobs.work_log import log_delivery, log_returned_mail, log_run
from tracker.mail.delivery import deliver_once
from tracker.mail.smtp_connection import Server
from tracker.notifications.context import JobContext
from tracker.services.desk_tasks import list_working_tasks
from tracker.services.maintenance import find_maintenance

# How soon mail leaves, and the desk's work begins.
_DELIVER_SECONDS = 2


def run_waiting_imports(context: JobContext, now: datetime) -> None:
    """Continue the imports that wait, unless maintenance mode is on."""
    with context.transaction() as session:
        if find_maintenance(session) is not None:
            return
    ImportRunner(context, context.rulebooks, context.transaction).run_waiting(now)


def run_waiting_tasks(
    context: JobContext, engine: Engine, batches: DeskBatches, clock: Callable[[], datetime]
) -> None:
    """Go on with the desk's work that waits, unless maintenance mode is on."""
    # Only to read: this runs every two seconds, and to write would take SQLite's one write lock.
    with reading(engine) as session:
        if find_maintenance(session) is not None or not list_working_tasks(session):
            return
    DeskWorkRunner(context, batches, clock).run_waiting()


@asynccontextmanager
async def running(
    context: JobContext,
    engine: Engine,
    server: Server,
    clock: Callable[[], datetime],
    batches: DeskBatches,
) -> AsyncIterator[None]:
    """Tick and deliver while the context is open; at its end what has begun is finished.

    ``batches`` does the desk's work.
    """

    async def deliver() -> None:
        report = await deliver_once(
            engine, server, context.settings.mail, clock, recheck=partial(recheck, context)
        )
        log_delivery(report)

    async def tick() -> None:
        for ran in await asyncio.to_thread(lambda: list(run_due(context, clock(), clock))):
            log_run(ran)

    async def continue_imports() -> None:
        await asyncio.to_thread(run_waiting_imports, context, clock())

    async def continue_tasks() -> None:
        await asyncio.to_thread(run_waiting_tasks, context, engine, batches, clock)

    async def read_returned() -> None:
        await asyncio.to_thread(log_returned_mail, context, clock())

    seconds = context.settings.schedule.tick_seconds
    minutes = context.settings.mail.bounces.every_minutes
    async with repeating(
        Repeated("jobs", seconds, tick),
        # What a process that ended has left behind; what pages begin they do themselves.
        Repeated("imports", seconds, continue_imports),
        Repeated("desk work", _DELIVER_SECONDS, continue_tasks),
        Repeated("returned mail", minutes * 60, read_returned),
        Repeated("delivery", _DELIVER_SECONDS, deliver),
    ):
        yield
