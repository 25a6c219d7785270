"""`tracker worker`: jobs and mail without pages, on any number of machines (PostgreSQL)."""

import asyncio
import logging
import signal
from importlib.util import find_spec

from tracker.cli.context import AppContext, open_app
from tracker.db.engine import is_sqlite_url, open_engine, writing
from tracker.db.server_clock import ServerClock
from tracker.db.signing_keys import prepare_keys
from tracker.errors import UserError
from tracker.logs import configure_logs
from tracker.mail.smtp_connection import parse_server
from tracker.notifications.context import open_context
from tracker.settings import load_settings

# A job that has to wait longer for other writers continues at the next tick.
_JOB_LOCK_TIMEOUT = 20.0


class WorkerError(UserError):
    """`tracker worker` can't run in this installation."""

    heading = "`tracker worker` can't start:"


def run() -> None:
    """Work until SIGINT or SIGTERM, then finish what has begun.

    Raises WorkerError on SQLite, or without the extra `distributed`.
    """
    configure_logs()
    # It logs each task; what a job did, we log ourselves.
    logging.getLogger("procrastinate").setLevel(logging.WARNING)
    # Before the database is opened, which would create a file.
    if is_sqlite_url(load_settings().database_url.get_secret_value()):
        raise WorkerError(
            "the database is SQLite, which only one machine can use: run `tracker serve` or "
            "`tracker run-due` there. Workers need PostgreSQL."
        )
    if find_spec("procrastinate") is None:
        raise WorkerError(
            "procrastinate is not installed: install this program with its extra "
            "`distributed` (deploy/README.md)"
        )
    with open_app(is_first=True) as app:
        with writing(app.engine) as session:
            prepare_keys(session)
        asyncio.run(_work(app))


async def _work(app: AppContext) -> None:
    from tracker.cli.desk_work import BATCHES
    from tracker.jobs.distributed import WorkerContext, run_worker

    settings = app.settings
    url = settings.database_url.get_secret_value()
    # A frozen or cut-off worker must not hold its locks for longer than others wait for it.
    engine = open_engine(
        url, idle_seconds=settings.worker.lease_seconds, master_key=settings.installation_key
    )
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        clock = await asyncio.to_thread(ServerClock, engine)
        worker = WorkerContext(
            jobs=open_context(settings, app.rulebooks, engine, _JOB_LOCK_TIMEOUT),
            engine=engine,
            database_url=url,
            server=parse_server(settings.smtp_url.get_secret_value()),
            clock=clock,
            set_clock=clock.read_server,
            batches=BATCHES,
        )
        await run_worker(worker, stop)
    finally:
        engine.dispose()
