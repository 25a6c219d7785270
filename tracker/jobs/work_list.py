"""The list of tasks for `tracker worker`: what is owed, worked out from the ledgers and enqueued.

procrastinate's tables are only a list. The run ledger, the outbox, and the states of the desk's
work say what is owed, and each task asks them once more before it does anything. So a task that
is lost is enqueued again by the next tick of any worker, and one that comes late or twice does
nothing.

Nothing is enqueued where somebody waits for a page: NOTIFY lets only one transaction at a time
commit. Workers look every two seconds for what people wait for (`Wanted.SOON`).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.jobs import Job as ListedTask
from procrastinate.manager import JobManager
from procrastinate.sync_psycopg_connector import SyncPsycopgConnector
from sqlalchemy import text
from sqlmodel import Session

from tracker.importer.plan_states import list_working
from tracker.jobs.runner import list_owed
from tracker.jobs.schedule import Job
from tracker.mail.delivery import CLAIM
from tracker.mail.outbox import count_claimable
from tracker.notifications.context import JobContext
from tracker.services.desk_tasks import list_working_tasks
from tracker.services.maintenance import find_maintenance

MAIL, JOBS = "mail", "jobs"
RUN_JOB, DELIVER, CONTINUE_IMPORT = "run_job", "deliver", "continue_import"
CONTINUE_DESK_WORK = "continue_desk_work"
# Batches of messages on the list at once. More would only wait there.
_MOST_BATCHES = 20
# People wait for the desk's work; the jobs follow in the order of the day.
_DESK_PRIORITY = 100
_PRIORITIES = {job: len(Job) - place for place, job in enumerate(Job)}


class Wanted(Enum):
    """What a tick looks for: what people wait for, or also the jobs of the day."""

    SOON = "mail and the desk's work"
    ALL = "everything"


class Task(NamedTuple):
    """A task to enqueue, unless one with this ``key`` waits.

    Of those with one ``lock``, only one runs at a time, in the order of priority and enqueueing.
    ``may_repeat``: another one may wait while one with this key runs.
    """

    name: str
    key: str
    queue: str
    arguments: dict[str, Any]
    priority: int = 0
    lock: str | None = None
    may_repeat: bool = False


def enqueue_owed(context: JobContext, now: datetime, wanted: Wanted) -> int:
    """Enqueue what is owed at ``now`` and not on the list yet; returns how many tasks.

    One process at a time does this; others leave it to that one. In maintenance everything waits.
    """
    try:
        with context.transaction() as session:
            if find_maintenance(session) is not None or not session.scalar(_TRY_LOCK):
                return 0
            owed = list_soon(session, now)
            if wanted is Wanted.ALL:
                owed += list_jobs(context, session, now)
            return _enqueue(session, _leave_out_listed(session, owed))
    except AlreadyEnqueued:
        # Another program has put a task back to wait. The next tick works it out again.
        return 0


def list_soon(session: Session, now: datetime) -> list[Task]:
    """The tasks for mail that is due and for the desk's work."""
    batches = min(-(-count_claimable(session, now) // CLAIM), _MOST_BATCHES)
    tasks = [
        Task(DELIVER, f"mail {number}", MAIL, {}, may_repeat=True) for number in range(batches)
    ]
    for plan_id in list_working(session):
        key = f"import {plan_id}"
        arguments = {"plan_id": plan_id}
        tasks.append(Task(CONTINUE_IMPORT, key, JOBS, arguments, _DESK_PRIORITY, key))
    for task_id, _ in list_working_tasks(session):
        key = f"desk {task_id}"
        arguments = {"task_id": task_id}
        tasks.append(Task(CONTINUE_DESK_WORK, key, JOBS, arguments, _DESK_PRIORITY, key))
    return tasks


def list_jobs(context: JobContext, session: Session, now: datetime) -> list[Task]:
    """A task for each job of each association that is owed."""
    return [
        Task(
            RUN_JOB,
            f"job {owed.job} {owed.rulebook.id}",
            JOBS,
            {"job": owed.job.value, "association": owed.rulebook.id},
            _PRIORITIES[owed.job],
            # So the jobs of one association run in the order of the day.
            f"association {owed.rulebook.id}",
        )
        for owed in list_owed(context, session, now)
    ]


def _leave_out_listed(session: Session, tasks: Sequence[Task]) -> list[Task]:
    """The tasks that neither wait nor run."""
    rows = session.connection().execute(_LISTED, {"keys": [task.key for task in tasks]}).all()
    waiting = {key for key, status in rows if status == "todo"}
    running = {key for key, status in rows if status == "doing"}
    new = []
    for task in tasks:
        if task.key not in waiting and (task.may_repeat or task.key not in running):
            new.append(task)
    return new


def _enqueue(session: Session, tasks: Iterable[Task]) -> int:
    listed = [
        ListedTask(
            queue=task.queue,
            task_name=task.name,
            priority=task.priority,
            lock=task.lock,
            queueing_lock=task.key,
            task_kwargs=task.arguments,
        )
        for task in tasks
    ]
    if not listed:
        return 0
    # Below SQLAlchemy's connection, so that it is part of this transaction.
    driver = session.connection().connection.driver_connection
    JobManager(SyncPsycopgConnector()).batch_defer_jobs(listed, connection=driver)
    return len(listed)


_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended('tracker work list', 0))")
_LISTED = text(
    "SELECT queueing_lock, status::text FROM procrastinate_jobs "
    "WHERE status IN ('todo', 'doing') AND queueing_lock = ANY(:keys)"
)
