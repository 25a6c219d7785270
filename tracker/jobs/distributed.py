"""Jobs and mail on any number of machines: `tracker worker`, by procrastinate on PostgreSQL.

Each worker enqueues what is owed (`work_list.py`), and runs tasks of the list with the functions of
the embedded engine. Those decide by the ledgers, so the list may lose or double anything.

A worker that dies holds nothing for long. Its tasks are deleted when its heartbeat has stopped for
a lease, and the next tick enqueues what is still owed; they are not put back to wait, because that
fails if the same task waits again by then. PostgreSQL ends its transactions after the same time.

A worker that lives, but could not store that a task has ended, begins again as another worker: for
the list, that task would run for as long as the worker does. It also deletes what it runs by the
list alone: an answer of the database may be lost, and a server that crashed, or was replaced by a
standby, may have forgotten the end of a task.

Mail and jobs are two workers for the list, which begin again each by itself: before that, what runs
is finished, and a code for signing in must not wait for an evaluation.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import structlog
from procrastinate import App, PsycopgConnector
from procrastinate.connector import BaseConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job as ListedTask
from procrastinate.jobs import Status
from procrastinate.manager import JobManager, NotificationCallback
from sqlalchemy import Engine

from tracker.db.engine import is_pooled, libpq_url, notice_lost_server
from tracker.importer.plan_states import forget_progress, note_progress
from tracker.importer.plans import ImportRunner
from tracker.importer.problems import Progress
from tracker.jobs import work_list
from tracker.jobs.desk_work import DeskBatches, DeskWorkRunner
from tracker.jobs.recheck import recheck
from tracker.jobs.repeating import Repeated, repeating
from tracker.jobs.runner import run_one
from tracker.jobs.schedule import Job
from tracker.jobs.work_list import Wanted, enqueue_owed
from tracker.jobs.work_log import log_delivery, log_returned_mail, log_run, logged_failure
from tracker.mail.delivery import deliver_once
from tracker.mail.smtp_connection import Server
from tracker.notifications.context import JobContext

# How soon workers look for mail, and whether a database that failed is back.
_SOON_SECONDS = 2.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class WorkerContext:
    """What a worker works with.

    ``clock`` should be the same for all workers; ``set_clock`` sets it again by the server's.
    ``batches`` does the desk's work.
    """

    jobs: JobContext
    engine: Engine
    database_url: str
    server: Server
    clock: Callable[[], datetime]
    set_clock: Callable[[], None]
    batches: DeskBatches

    def run_job(self, job: str, association: str) -> None:
        """Run one job of one association, if the ledger says that it is owed."""
        with logged_failure(job):
            ran = run_one(self.jobs, Job(job), association, self.clock)
            if ran is not None:
                log_run(ran)

    async def deliver(self) -> None:
        """Send one batch of the messages that are due."""
        with logged_failure("delivery"):
            report = await deliver_once(
                self.engine,
                self.server,
                self.jobs.settings.mail,
                self.clock,
                recheck=partial(recheck, self.jobs),
                claims=1,
            )
            log_delivery(report)

    def continue_import(self, plan_id: int) -> None:
        """Work on an import, if it still waits for that, and store how far it has come."""

        def note(done: int, total: int) -> None:
            with self.jobs.transaction() as session:
                note_progress(session, plan_id, done, total)

        with logged_failure("imports"):
            runner = ImportRunner(self.jobs, self.jobs.rulebooks, self.jobs.transaction)
            runner.run(plan_id, self.clock(), Progress(note))
            with self.jobs.transaction() as session:
                forget_progress(session, plan_id)

    def continue_desk_work(self, task_id: int) -> None:
        """Work on a task of the desk for a while, if it has not ended."""
        with logged_failure("desk work"):
            DeskWorkRunner(self.jobs, self.batches, self.clock).run(task_id)


async def run_worker(worker: WorkerContext, stop: asyncio.Event) -> None:
    """Enqueue what is owed and run tasks until ``stop`` is set; what has begun is finished.

    If the database does not answer, it is tried again until it does.
    """
    settings = worker.jobs.settings
    lease = settings.worker.lease_seconds

    async def enqueue(wanted: Wanted) -> None:
        await asyncio.to_thread(enqueue_owed, worker.jobs, worker.clock(), wanted)

    async def look_for_all() -> None:
        await asyncio.to_thread(worker.set_clock)
        await enqueue(Wanted.ALL)

    async def read_returned() -> None:
        await asyncio.to_thread(log_returned_mail, worker.jobs, worker.clock())

    async with repeating(
        Repeated("jobs", min(settings.schedule.tick_seconds, lease / 2), look_for_all),
        Repeated("mail", _SOON_SECONDS, partial(enqueue, Wanted.SOON)),
        # Any number of processes may read one mailbox.
        Repeated("returned mail", settings.mail.bounces.every_minutes * 60, read_returned),
    ):
        queues = (work_list.MAIL, work_list.JOBS)
        await asyncio.gather(*(_keep_running_tasks(worker, queue, stop) for queue in queues))


async def _keep_running_tasks(worker: WorkerContext, queue: str, stop: asyncio.Event) -> None:
    app = _build_app(worker)
    while not stop.is_set():
        try:
            await _run_tasks(app, worker, queue, stop)
        except Exception as error:  # noqa: BLE001 - the database is away, or this worker was
            _log.warning("the worker starts again", queue=queue, error=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _SOON_SECONDS)


class _TaskList(JobManager):
    """The list of tasks; ``lost`` is set when the end of one could not be stored.

    A connection that breaks at a heartbeat, or while listening, is no reason to begin again: the
    next heartbeat comes within the lease, and meanwhile tasks are looked for.
    """

    def __init__(self, connector: BaseConnector) -> None:
        super().__init__(connector)
        self.lost = asyncio.Event()
        self._worker_id: int | None = None
        self._running = set[int | None]()
        self._orphans = set[int | None]()

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> ListedTask | None:
        """The next task, noted as one that runs."""
        self._worker_id = worker_id
        task = await super().fetch_job(queues, worker_id)
        if task is not None:
            self._running.add(task.id)
        return task

    async def update_heartbeat(self, worker_id: int) -> None:
        """Say that this worker lives, if the database answers."""
        with suppress(ConnectorException):
            await super().update_heartbeat(worker_id)

    async def listen_for_jobs(
        self, *, on_notification: NotificationCallback, queues: Iterable[str] | None = None
    ) -> None:
        """Listen for new tasks, again after each connection that breaks."""
        while True:
            with suppress(ConnectorException):
                await super().listen_for_jobs(on_notification=on_notification, queues=queues)
            await asyncio.sleep(_SOON_SECONDS)

    async def finish_job(self, job: ListedTask, status: Status, delete_job: bool) -> None:  # noqa: FBT001 - as procrastinate calls it
        """Store that a task has ended, or that this could not be stored."""
        try:
            await super().finish_job(job, status, delete_job)
        except ConnectorException:
            _log.warning("the end of a task could not be stored", task=job.queueing_lock)
            self.lost.set()
        finally:
            self._running.discard(job.id)

    async def reap_own(self) -> None:
        """Delete the tasks that this worker runs by the list, and does not run.

        Not at the first look: the answer with a task may be on its way.
        """
        if self._worker_id is None:
            return
        orphans = set[int | None]()
        for task in await self.list_jobs_async(status="doing", worker_id=self._worker_id):
            if task.id in self._orphans and task.id not in self._running:
                await self.finish_job_by_id_async(int(task.id or 0), Status.FAILED, delete_job=True)
                _log.warning("deleted a task that nobody runs", task=task.queueing_lock)
            elif task.id not in self._running:
                orphans.add(task.id)
        self._orphans = orphans


def _build_app(worker: WorkerContext) -> App:
    """The app with our tasks; what came of a task is in the ledgers, not in its result."""
    settings = worker.jobs.settings.worker
    keywords: dict[str, object] = dict(notice_lost_server(settings.lease_seconds))
    # By this name `tracker upgrade` finds who else is connected.
    keywords["fallback_application_name"] = "tracker"
    if is_pooled(worker.database_url):
        keywords["prepare_threshold"] = None
    connector = PsycopgConnector(
        conninfo=libpq_url(worker.database_url), min_size=1, max_size=2, kwargs=keywords
    )
    app = App(connector=connector)

    @app.task(name=work_list.RUN_JOB)
    async def run_job(job: str, association: str) -> None:
        await asyncio.to_thread(worker.run_job, job, association)

    @app.task(name=work_list.DELIVER)
    async def deliver() -> None:
        await worker.deliver()

    @app.task(name=work_list.CONTINUE_IMPORT)
    async def continue_import(plan_id: int) -> None:
        await asyncio.to_thread(worker.continue_import, plan_id)

    @app.task(name=work_list.CONTINUE_DESK_WORK)
    async def continue_desk_work(task_id: int) -> None:
        await asyncio.to_thread(worker.continue_desk_work, task_id)

    return app


async def _run_tasks(app: App, worker: WorkerContext, queue: str, stop: asyncio.Event) -> None:
    """Run tasks of a queue until ``stop`` is set, one fails, or the end of one is lost."""
    settings = worker.jobs.settings.worker
    lease = settings.lease_seconds
    app.job_manager = tasks = _TaskList(app.connector)
    async with app.open_async():
        running = asyncio.create_task(
            app.run_worker_async(
                queues=[queue],
                name=queue,
                # `delete_jobs`: what came of a task is in the ledgers.
                delete_jobs="always",
                listen_notify=settings.listen and not is_pooled(worker.database_url),
                fetch_job_polling_interval=settings.poll_seconds,
                update_heartbeat_interval=lease / 4,
                stalled_worker_timeout=lease,
                install_signal_handlers=False,
            )
        )
        others = [
            asyncio.create_task(stop.wait()),
            asyncio.create_task(tasks.lost.wait()),
            asyncio.create_task(_reap_repeatedly(app, tasks, lease)),
        ]
        done, _ = await asyncio.wait([running, *others], return_when=asyncio.FIRST_COMPLETED)
        # Canceled, a worker finishes the task that runs.
        for task in (running, *others):
            task.cancel()
        await asyncio.gather(running, *others, return_exceptions=True)
        for task in done:
            if not task.cancelled():
                task.result()


async def _reap_repeatedly(app: App, tasks: _TaskList, lease: float) -> None:
    while True:
        await reap_stalled(app, lease)
        await tasks.reap_own()
        await asyncio.sleep(lease / 4)


async def reap_stalled(app: App, lease: float) -> int:
    """Delete the tasks of workers that have not been heard of for ``lease`` seconds.

    Returns how many. The server's clock measures it.
    """
    manager = app.job_manager
    await manager.prune_stalled_workers(lease)
    reaped = 0
    for task in await manager.get_stalled_jobs(seconds_since_heartbeat=lease):
        if task.id is not None:
            # Another worker may have deleted it, or the one that seemed dead have finished it.
            with suppress(ConnectorException):
                await manager.finish_job_by_id_async(task.id, Status.FAILED, delete_job=True)
                reaped += 1
                _log.warning("took over a task of a dead worker", task=task.queueing_lock)
    return reaped
