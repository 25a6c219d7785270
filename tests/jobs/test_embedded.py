"""The jobs inside `tracker serve`: ticks, delivery to a real server, and an orderly end."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from tests.jobs.harness import TWO, JobHarness, at
from tests.mail.sink import Sink
from tests.support.desk_work import LongWork, fill_desk
from tracker.cli.desk_work import BATCHES
from tracker.db.engine import writing
from tracker.db.operations import Maintenance
from tracker.jobs import embedded
from tracker.jobs.embedded import run_waiting_tasks, running
from tracker.jobs.runner import JobRun, run_due
from tracker.mail.smtp_connection import parse_server
from tracker.notifications import mailing_sending
from tracker.notifications.context import JobContext, open_context
from tracker.rulebooks import Rulebooks
from tracker.services.desk_tasks import MAILING

AUTUMN = at("2024-09-15")
MORNING = at("2024-12-02")
SECONDS = 60


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not reached():  # noqa: ASYNC110 - a database sets no event
            await asyncio.sleep(0.01)


@pytest.fixture
def rulebooks() -> Rulebooks:
    """One association more than in most tests."""
    return TWO


@pytest.fixture
def quick_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_DELIVER_SECONDS", 0.05)


@pytest.mark.usefixtures("quick_delivery")
def test_a_tick_does_what_is_due_and_its_mail_arrives(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    with Sink() as sink:

        async def serve() -> None:
            server = parse_server(sink.url)
            async with running(jobs.context, jobs.engine, server, lambda: MORNING, {}):
                await until(lambda: len(sink.taken) == 3)

        asyncio.run(serve())
        assert {taken.recipient for taken in sink.taken} == {
            "alice@example.org",
            "dana@nc.example",
            "carla@ct.example",
        }
        assert {taken.message_id for taken in sink.taken} == {
            mail.message_id for kind in ("notices", "digest") for mail in jobs.mails(kind)
        }


def test_a_tick_that_has_begun_is_finished_at_the_end(
    sqlite_jobs: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = threading.Event(), threading.Event()
    finished = []

    def slow(*_arguments: object) -> list[JobRun]:
        begun.set()
        may_end.wait(SECONDS)
        finished.append(True)
        return []

    monkeypatch.setattr(embedded, "run_due", slow)

    async def serve() -> None:
        server = parse_server("smtp://127.0.0.1:9?tls=none")
        async with running(sqlite_jobs.context, sqlite_jobs.engine, server, lambda: MORNING, {}):
            await until(begun.is_set)
            assert finished == []
            asyncio.get_running_loop().call_later(0.05, may_end.set)
        assert finished == [True]

    asyncio.run(serve())


def test_a_tick_that_fails_is_logged_and_tried_again(
    sqlite_jobs: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = sqlite_jobs.settings.schedule.model_copy(update={"tick_seconds": 0.05})
    settings = sqlite_jobs.settings.model_copy(update={"schedule": schedule})
    context = open_context(settings, sqlite_jobs.rulebooks, sqlite_jobs.engine)
    attempts = []

    def fail_once(
        context: JobContext, now: datetime, clock: Callable[[], datetime]
    ) -> list[JobRun]:
        attempts.append(now)
        if len(attempts) == 1:
            raise ZeroDivisionError
        return list(run_due(context, now, clock))

    monkeypatch.setattr(embedded, "run_due", fail_once)

    async def serve() -> None:
        server = parse_server("smtp://127.0.0.1:9?tls=none")
        async with running(context, sqlite_jobs.engine, server, lambda: MORNING, {}):
            await until(lambda: sqlite_jobs.runs("digest", "CT-AIMH") != [])

    with capture_logs() as logs:
        asyncio.run(serve())
    assert [log["work"] for log in logs if log["log_level"] == "error"] == ["jobs"]
    assert {log["job"] for log in logs if log["event"] == "job done"} == {
        "evaluate",
        "notices",
        "references",
        "digest",
    }


def test_a_job_gives_up_waiting_for_others_and_the_next_tick_goes_on(jobs: JobHarness) -> None:
    schedule = jobs.settings.schedule.model_copy(update={"tick_seconds": 0.05})
    settings = jobs.settings.model_copy(update={"schedule": schedule})
    context = open_context(settings, jobs.rulebooks, jobs.engine, 0.1)

    async def serve(logs: list[EventDict]) -> None:
        server = parse_server("smtp://127.0.0.1:9?tls=none")
        others = ExitStack()
        # PostgreSQL has no lock for all that is written: this is what each job begins with.
        connection = others.enter_context(writing(jobs.engine)).connection()
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("LOCK TABLE run_ledger")
        with others:
            async with running(context, jobs.engine, server, lambda: MORNING, {}):
                await until(lambda: any(log["log_level"] == "warning" for log in logs))
                others.close()
                await until(lambda: jobs.runs("digest", "CT-AIMH") != [])

    with capture_logs() as logs:
        asyncio.run(serve(logs))
    # Mail may have been due by then; nothing listens where it should go.
    said = [log for log in logs if log["log_level"] != "info" and "work" in log]
    assert {(log["log_level"], log["event"]) for log in said} == {
        ("warning", "others are writing, the next tick tries again")
    }
    assert {"jobs"} <= {log["work"] for log in said} <= {"jobs", "imports"}


@pytest.mark.usefixtures("quick_delivery")
def test_a_mail_server_that_does_not_answer_is_told_in_the_log(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)

    def is_told(logged: list[EventDict]) -> bool:
        return any(event["event"].startswith("the mail server has trouble") for event in logged)

    async def serve() -> None:
        # Nothing listens there.
        server = parse_server("smtp://127.0.0.1:9?tls=none")
        with capture_logs() as logged:
            async with running(jobs.context, jobs.engine, server, lambda: MORNING, {}):
                await until(lambda: is_told(logged))

    asyncio.run(serve())


@pytest.mark.usefixtures("quick_delivery")
def test_serve_does_the_desks_long_work(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    work = LongWork(fill_desk(database_url))
    monkeypatch.setattr(mailing_sending, "BATCH", 2)
    task_id = work.start(MAILING)

    async def serve() -> None:
        server = parse_server("smtp://127.0.0.1:9?tls=none")
        engine = work.cast.engine
        async with running(work.context, engine, server, lambda: work.now, BATCHES):
            await until(lambda: work.task(task_id).state == "done")

    asyncio.run(serve())
    assert work.mailed() == work.people
    work.cast.engine.dispose()


def test_maintenance_holds_up_the_desks_long_work(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = LongWork(fill_desk(sqlite_url))
    monkeypatch.setattr(mailing_sending, "BATCH", 2)
    task_id = work.start(MAILING)
    with writing(work.cast.engine) as session:
        session.add(Maintenance(since=work.now))
    run_waiting_tasks(work.context, work.cast.engine, BATCHES, lambda: work.now)
    assert work.task(task_id).done == 0
    work.cast.engine.dispose()
