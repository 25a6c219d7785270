"""Tasks of `tracker worker`: enqueued from the ledgers, run by its own functions, never doubled."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import pytest
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from sqlalchemy import text
from sqlmodel import Session

from tests.importer.uploads import Desk, as_csv
from tests.jobs.harness import JobHarness, at
from tests.jobs.test_embedded import SECONDS, until
from tests.jobs.workers import build_worker
from tests.mail.conftest import letter
from tests.mail.sink import Sink
from tests.support.cast import BOOKS, NOW, fill
from tests.support.desk_work import LongWork, fill_desk
from tracker.db.engine import reading, writing
from tracker.importer.plan_states import forget_progress, read_percent
from tracker.importer.plans import plan_again
from tracker.jobs import distributed, work_list
from tracker.jobs.distributed import WorkerContext, reap_stalled, run_worker
from tracker.jobs.work_list import Wanted, enqueue_owed
from tracker.mail.delivery import CLAIM
from tracker.mail.outbox import enqueue
from tracker.notifications import mailing_sending
from tracker.services.desk_tasks import MAILING

AUTUMN, MORNING = at("2024-09-15"), at("2024-12-02")
NOWHERE = "smtp://127.0.0.1:9?tls=none"


@pytest.fixture
def jobs(postgres_database_url: str) -> Iterator[JobHarness]:
    harness = JobHarness(postgres_database_url)
    yield harness
    harness.engine.dispose()


@pytest.fixture
def worker(jobs: JobHarness) -> Iterator[WorkerContext]:
    built = build_worker(jobs, NOWHERE, lambda: MORNING)
    yield built
    built.engine.dispose()


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "_SOON_SECONDS", 0.05)


def list_tasks(jobs: JobHarness) -> list[tuple[str, str]]:
    """Key and status of each task, in the order in which they run."""
    query = "SELECT queueing_lock, status FROM procrastinate_jobs ORDER BY priority DESC, id"
    with reading(jobs.engine) as session:
        return [(key, status) for key, status in session.connection().execute(text(query))]


def work(worker: WorkerContext, is_done: Callable[[], bool]) -> None:
    async def run() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(run_worker(worker, stop))
        try:
            await until(is_done)
        finally:
            stop.set()
            await running

    asyncio.run(run())


def test_a_worker_does_what_is_due_and_its_mail_arrives(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    with Sink() as sink:
        worker = build_worker(jobs, sink.url, lambda: MORNING)
        work(worker, lambda: len(sink.taken) == 3)
        worker.engine.dispose()
    mails = [mail for kind in ("notices", "digest") for mail in jobs.mails(kind)]
    assert {taken.message_id for taken in sink.taken} == {mail.message_id for mail in mails}


def test_what_is_owed_is_enqueued_once(jobs: JobHarness, worker: WorkerContext) -> None:
    assert enqueue_owed(worker.jobs, MORNING, Wanted.ALL) == 8
    assert enqueue_owed(worker.jobs, MORNING, Wanted.ALL) == 0
    assert [key for key, _ in list_tasks(jobs)] == [
        f"job {job} {association}"
        for job in ("evaluate", "notices", "references", "digest")
        for association in ("NCIMHA", "CT-AIMH")
    ]


def test_a_task_that_comes_late_changes_nothing(jobs: JobHarness, worker: WorkerContext) -> None:
    jobs.add_alice(AUTUMN)
    enqueue_owed(worker.jobs, MORNING, Wanted.ALL)
    jobs.run(MORNING)
    before = jobs.everything()
    work(worker, lambda: not any(key.startswith("job") for key, _ in list_tasks(jobs)))
    after = jobs.everything()
    # The mail server can't be reached, so messages were tried.
    assert {name for name in before if before[name] != after[name]} <= {"outbox"}


def test_nothing_owed_is_nothing_enqueued(worker: WorkerContext) -> None:
    assert enqueue_owed(worker.jobs, MORNING, Wanted.SOON) == 0


def test_a_task_that_somebody_else_enqueued_stops_nothing(
    jobs: JobHarness, worker: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue_owed(worker.jobs, MORNING, Wanted.ALL)
    monkeypatch.setattr(work_list, "_leave_out_listed", lambda _session, tasks: tasks)
    assert enqueue_owed(worker.jobs, MORNING, Wanted.ALL) == 0
    assert len(list_tasks(jobs)) == 8


def test_only_one_process_at_a_time_enqueues(jobs: JobHarness, worker: WorkerContext) -> None:
    with writing(jobs.engine) as session:
        lock = "SELECT pg_advisory_xact_lock(hashtextextended('tracker work list', 0))"
        session.connection().execute(text(lock))
        assert enqueue_owed(worker.jobs, MORNING, Wanted.ALL) == 0


def test_each_batch_of_messages_is_a_task(jobs: JobHarness, worker: WorkerContext) -> None:
    letters = [letter(f"person{number}@example.org") for number in range(2 * CLAIM + 1)]
    with writing(jobs.engine) as session:
        enqueue(session, letters, MORNING)
    enqueue_owed(worker.jobs, MORNING, Wanted.SOON)
    assert [key for key, _ in list_tasks(jobs)] == ["mail 0", "mail 1", "mail 2"]


def test_held_messages_are_no_task(jobs: JobHarness, worker: WorkerContext) -> None:
    jobs.add_alice(AUTUMN)
    jobs.run(MORNING)
    jobs.execute("DELETE FROM outbox WHERE person_id IS NULL")
    jobs.change("person", email_refused_at=MORNING, email_refused_reason="550 5.1.1 unknown")
    assert enqueue_owed(worker.jobs, MORNING, Wanted.SOON) == 0
    jobs.change("person", email_refused_at=None, email_refused_reason=None)
    assert enqueue_owed(worker.jobs, MORNING, Wanted.SOON) == 1


def test_tasks_of_a_dead_worker_are_deleted_and_owed_again(
    jobs: JobHarness, worker: WorkerContext
) -> None:
    enqueue_owed(worker.jobs, MORNING, Wanted.ALL)
    jobs.execute(
        "WITH dead AS (INSERT INTO procrastinate_workers (last_heartbeat)"
        " VALUES (now() - interval '6 seconds') RETURNING id)"
        " UPDATE procrastinate_jobs SET status = 'doing', worker_id = dead.id FROM dead"
        " WHERE queueing_lock = 'job evaluate NCIMHA'"
    )
    # Someone has enqueued it besides: to put the dead worker's back to wait would now fail.
    jobs.execute(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock)"
        " VALUES ('jobs', 'run_job', 'job evaluate NCIMHA')"
    )

    async def reap() -> int:
        app = distributed._build_app(worker)
        async with app.open_async():
            return await reap_stalled(app, 5)

    assert asyncio.run(reap()) == 1
    assert ("job evaluate NCIMHA", "doing") not in list_tasks(jobs)
    assert enqueue_owed(worker.jobs, MORNING, Wanted.ALL) == 0
    jobs.execute("DELETE FROM procrastinate_jobs WHERE queueing_lock = 'job evaluate NCIMHA'")
    assert enqueue_owed(worker.jobs, MORNING, Wanted.ALL) == 1


def test_tasks_of_a_living_worker_are_left_alone(jobs: JobHarness, worker: WorkerContext) -> None:
    enqueue_owed(worker.jobs, MORNING, Wanted.ALL)
    jobs.execute(
        "WITH alive AS (INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id)"
        " UPDATE procrastinate_jobs SET status = 'doing', worker_id = alive.id FROM alive"
        " WHERE queueing_lock = 'job evaluate NCIMHA'"
    )

    async def reap() -> int:
        app = distributed._build_app(worker)
        async with app.open_async():
            return await reap_stalled(app, 60)

    assert asyncio.run(reap()) == 0
    assert enqueue_owed(worker.jobs, MORNING, Wanted.ALL) == 0


def test_a_task_never_runs_before_earlier_jobs_of_the_day(
    jobs: JobHarness, worker: WorkerContext
) -> None:
    worker.run_job("notices", "NCIMHA")
    assert jobs.runs("notices", "NCIMHA") == []
    worker.run_job("evaluate", "NCIMHA")
    worker.run_job("notices", "NCIMHA")
    assert len(jobs.runs("notices", "NCIMHA")) == 1


def test_a_job_that_fails_stops_no_other_and_is_tried_again(
    jobs: JobHarness, worker: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_keywords: object) -> int:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr("tracker.jobs.runner.run_references", fail)
        work(worker, lambda: jobs.runs("digest", "CT-AIMH") != [])
    assert jobs.runs("references", "CT-AIMH") == []
    work(worker, lambda: jobs.runs("references", "CT-AIMH") != [])


def test_a_worker_waits_for_a_database_that_is_away(
    jobs: JobHarness, worker: WorkerContext
) -> None:
    hang_up = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"

    async def run() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(run_worker(worker, stop))
        await until(lambda: jobs.runs("digest", "CT-AIMH") != [])
        database = " AND datname = current_database()"
        await asyncio.to_thread(jobs.execute, hang_up + database)
        jobs.engine.dispose()
        jobs.execute("DELETE FROM run_ledger")
        await until(lambda: jobs.runs("digest", "CT-AIMH") != [])
        stop.set()
        await running

    asyncio.run(run())


def test_a_task_whose_end_was_not_stored_is_owed_again(
    jobs: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The worker lives on, so its lease never ends.
    worker = build_worker(jobs, NOWHERE, lambda: MORNING, lease_seconds=600)
    finish, digest = JobManager.finish_job, ("digest", "CT-AIMH")
    lost: list[str] = []

    async def lose_one(manager: JobManager, job: Job, status: Status, delete_job: bool) -> None:  # noqa: FBT001 - as procrastinate calls it
        if not lost and job.queueing_lock == "job digest CT-AIMH":
            lost.append(job.queueing_lock)
            raise ConnectorException
        await finish(manager, job, status, delete_job)

    monkeypatch.setattr(JobManager, "finish_job", lose_one)

    async def run() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(run_worker(worker, stop))
        await until(lambda: bool(lost))
        jobs.execute("DELETE FROM run_ledger WHERE job = 'digest'")
        await until(lambda: jobs.runs(*digest) != [])
        stop.set()
        await running

    asyncio.run(run())
    worker.engine.dispose()


def test_a_task_whose_end_the_server_forgot_is_owed_again(jobs: JobHarness) -> None:
    # The worker lives on, so nobody takes it for dead.
    worker = build_worker(jobs, NOWHERE, lambda: MORNING, lease_seconds=1)
    forget = (
        "INSERT INTO procrastinate_jobs"
        " (queue_name, task_name, queueing_lock, lock, status, worker_id)"
        " SELECT 'jobs', 'run_job', 'job evaluate ' || :name, 'association ' || :name, 'doing', id"
        " FROM procrastinate_workers ORDER BY id LIMIT 1 OFFSET :place"
    )

    def are_done() -> bool:
        digests = [jobs.runs("digest", name) for name in ("NCIMHA", "CT-AIMH")]
        return [] not in digests and not list_tasks(jobs)

    async def run() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(run_worker(worker, stop))
        await until(are_done)
        # For the list, a process is two workers.
        for place, name in enumerate(("NCIMHA", "CT-AIMH")):
            jobs.execute(forget, name=name, place=place)
        jobs.execute("DELETE FROM run_ledger")
        try:
            await until(are_done)
        finally:
            stop.set()
            await running

    asyncio.run(run())
    worker.engine.dispose()


def test_mail_leaves_while_a_job_runs_although_a_connection_broke(
    jobs: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch, broken = JobManager.fetch_job, list[str]()
    begun, may_end = threading.Event(), threading.Event()

    async def break_once(
        manager: JobManager, queues: Iterable[str] | None, worker_id: int
    ) -> Job | None:
        if begun.is_set() and not broken and queues == [work_list.MAIL]:
            broken.append("mail")
            raise ConnectorException
        return await fetch(manager, queues, worker_id)

    def run_for_long(*_: object) -> None:
        begun.set()
        may_end.wait(SECONDS)

    monkeypatch.setattr(JobManager, "fetch_job", break_once)
    monkeypatch.setattr(WorkerContext, "run_job", run_for_long)
    with Sink() as sink:
        worker = build_worker(jobs, sink.url, lambda: MORNING)

        async def run() -> None:
            stop = asyncio.Event()
            running = asyncio.create_task(run_worker(worker, stop))
            try:
                await until(lambda: bool(broken))
                with writing(jobs.engine) as session:
                    enqueue(session, [letter("alice@example.org")], MORNING)
                async with asyncio.timeout(SECONDS / 2):
                    await until(lambda: len(sink.taken) == 1)
            finally:
                may_end.set()
                stop.set()
                await running

        asyncio.run(run())
        worker.engine.dispose()


def test_a_heartbeat_that_was_lost_ends_no_worker(
    jobs: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = build_worker(jobs, NOWHERE, lambda: MORNING, lease_seconds=1)
    update, heartbeats = JobManager.update_heartbeat, Counter[int]()

    async def lose_first(manager: JobManager, worker_id: int) -> None:
        heartbeats[worker_id] += 1
        if heartbeats[worker_id] == 1:
            raise ConnectorException
        await update(manager, worker_id)

    monkeypatch.setattr(JobManager, "update_heartbeat", lose_first)
    work(worker, lambda: sum(heartbeats.values()) >= 6)
    worker.engine.dispose()
    assert len(heartbeats) == 2


def test_a_worker_imports_and_pages_see_how_far_it_is(
    postgres_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(fill(postgres_database_url))
    roster = [["Name", "E-mail", "Endorsement", "Date endorsed"]]
    roster += [[f"Zoe {n}", f"zoe{n}@example.org", "IFS", "2024-03-14"] for n in range(5)]
    plan_id = desk.upload(("roster.csv", as_csv(roster)))
    desk.do(plan_again, plan_id)
    jobs = JobHarness(postgres_database_url, rulebooks=BOOKS)
    worker = build_worker(jobs, NOWHERE, lambda: NOW)
    enqueue_owed(worker.jobs, NOW, Wanted.SOON)
    assert [key for key, _ in list_tasks(jobs)] == [f"import {plan_id}"]
    seen = []

    def look_and_forget(session: Session, plan_id: int) -> None:
        seen.append(read_percent(session, plan_id))
        forget_progress(session, plan_id)

    monkeypatch.setattr(distributed, "forget_progress", look_and_forget)
    worker.continue_import(plan_id)
    assert desk.state(plan_id) == ("planned", "")
    # All steps are done; the page never shows 100% before the state is another one.
    assert seen == [99]
    with reading(jobs.engine) as session:
        assert read_percent(session, plan_id) is None
    for engine in (worker.engine, jobs.engine, desk.cast.engine):
        engine.dispose()


def test_a_worker_does_the_desks_long_work(
    postgres_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailing_sending, "BATCH", 2)
    desk = LongWork(fill_desk(postgres_database_url))
    task_id = desk.start(MAILING)
    jobs = JobHarness(postgres_database_url, rulebooks=BOOKS)
    worker = build_worker(jobs, NOWHERE, lambda: desk.now)
    enqueue_owed(worker.jobs, desk.now, Wanted.SOON)
    assert (f"desk {task_id}", "todo") in list_tasks(jobs)
    work(worker, lambda: desk.task(task_id).state == "done")
    assert desk.mailed() == desk.people
    enqueue_owed(worker.jobs, desk.now, Wanted.SOON)
    assert [key for key, _ in list_tasks(jobs) if key.startswith("desk")] == []
    for engine in (worker.engine, jobs.engine, desk.cast.engine):
        engine.dispose()
