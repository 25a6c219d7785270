"""Promise 18: one failure stays one failure; it is shown, and it is tried again."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlmodel import Session
from structlog.testing import capture_logs
from typer.testing import CliRunner

from tests.jobs.harness import ALICE, DANA, TWO, JobHarness, at
from tracker.cli.main import app
from tracker.db.engine import reading
from tracker.db.errors import Busy
from tracker.jobs import digest, runner
from tracker.jobs.health_metrics import read_health_metrics
from tracker.jobs.schedule import Job
from tracker.notifications.context import open_context
from tracker.rulebooks import Rulebooks
from tracker.services.run_health import list_job_problems
from tracker.services.run_ledger import list_failures
from tracker.settings import Coordinator, Settings

AUTUMN, MORNING = at("2024-09-15"), at("2024-12-02")
NEXT_TICK, NEXT_DAY = at("2024-12-02 09:01"), at("2024-12-03")
CROWD = [f"Alice{number}" for number in range(6)]
UNUSABLE = "not an address"


@pytest.fixture
def rulebooks() -> Rulebooks:
    """One association more than in most tests."""
    return TWO


def add_crowd(jobs: JobHarness) -> None:
    with jobs.storing(AUTUMN) as people:
        for name in CROWD:
            people.add(name, [ALICE])
    jobs.run(AUTUMN)


def set_email(jobs: JobHarness, name: str, email: str) -> None:
    jobs.execute("UPDATE person SET email = :email WHERE name = :name", email=email, name=name)


def names_mailed(jobs: JobHarness) -> set[str]:
    return {str(mail.message["To"]).partition(" <")[0] for mail in jobs.mails()}


def failures(jobs: JobHarness) -> list[tuple[str, str, str, int]]:
    with reading(jobs.engine) as session:
        return [(f.job, f.association, f.subject, f.attempts) for f in list_failures(session)]


def problems(jobs: JobHarness, association: str = "NCIMHA") -> list[tuple[str, str]]:
    with reading(jobs.engine) as session:
        return [(p.job, p.about) for p in list_job_problems(session, association)]


@pytest.mark.parametrize("name", CROWD)
def test_one_persons_failure_stays_theirs(sqlite_jobs: JobHarness, name: str) -> None:
    add_crowd(sqlite_jobs)
    set_email(sqlite_jobs, name, UNUSABLE)
    runs = sqlite_jobs.run(MORNING)
    assert names_mailed(sqlite_jobs) == set(CROWD) - {name}
    [failed] = [run for run in runs if run.failures]
    assert (failed.job, failed.association) == (Job.NOTICES, "NCIMHA")
    subject = str(sqlite_jobs.ids[name])
    assert failures(sqlite_jobs) == [("notices", "NCIMHA", subject, 1)]
    assert problems(sqlite_jobs) == [("notices", name)]
    # The next tick tries again, and nobody else gets a second mail.
    sqlite_jobs.run(NEXT_TICK)
    assert failures(sqlite_jobs) == [("notices", "NCIMHA", subject, 2)]
    set_email(sqlite_jobs, name, "mended@example.org")
    sqlite_jobs.run(NEXT_TICK)
    assert names_mailed(sqlite_jobs) == set(CROWD)
    assert len(sqlite_jobs.mails()) == len(CROWD)
    assert failures(sqlite_jobs) == []


def test_a_full_disk_is_nobodys_failure(sqlite_jobs: JobHarness) -> None:
    add_crowd(sqlite_jobs)

    def fill_disk(connection: Any, *_: object) -> None:  # noqa: ANN401 - the driver's
        # As on a disk with as much room as a failure takes, and a message does not.
        [pages] = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")

    event.listen(sqlite_jobs.engine, "checkout", fill_disk)
    with pytest.raises(OperationalError, match="disk is full"), capture_logs() as logs:
        sqlite_jobs.run(MORNING)
    assert (failures(sqlite_jobs), logs) == ([], [])
    event.remove(sqlite_jobs.engine, "checkout", fill_disk)
    sqlite_jobs.engine.dispose()
    sqlite_jobs.run(NEXT_TICK)
    assert names_mailed(sqlite_jobs) == set(CROWD)


def test_a_person_who_keeps_failing_is_tried_the_next_day(jobs: JobHarness) -> None:
    add_crowd(jobs)
    set_email(jobs, CROWD[0], UNUSABLE)
    jobs.run(MORNING, NEXT_DAY)
    assert jobs.runs("notices", "NCIMHA")[-1] == date(2024, 12, 3)
    set_email(jobs, CROWD[0], "mended@example.org")
    jobs.run(at("2024-12-04"))
    assert names_mailed(jobs) == set(CROWD)


@pytest.mark.parametrize("association", ["NCIMHA", "CT-AIMH"])
@pytest.mark.parametrize(
    ("job", "function"),
    [
        (Job.EVALUATE, "run_evaluation"),
        (Job.NOTICES, "run_notices"),
        (Job.REFERENCES, "run_references"),
        (Job.REFERENCES, "run_session_reminders"),
        (Job.DIGEST, "run_digest"),
    ],
)
def test_one_associations_failure_stays_its_own(
    jobs: JobHarness,
    monkeypatch: pytest.MonkeyPatch,
    job: Job,
    function: str,
    association: str,
) -> None:
    jobs.add_alice(AUTUMN)
    jobs.run(AUTUMN)
    original = getattr(runner, function)

    def fail_for_one(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - any job's
        if association in arguments:
            raise ZeroDivisionError
        return original(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(runner, function, fail_for_one)
        runs = jobs.run(MORNING)
        assert [(r.job, r.association) for r in runs if r.failures] == [(job, association)]
        ran = {(r.job, r.association) for r in runs if not r.failures}
        assert len(ran) == len(Job) * 2 - 1
        assert failures(jobs) == [(job, association, "", 1)]
        assert [name for name, _ in problems(jobs, association)] == [job]
        with reading(jobs.engine) as session:
            assert read_health_metrics(session).failures[job, association] == 1
    again = jobs.run(NEXT_TICK)
    assert [(r.job, r.association, [*r.failures]) for r in again] == [(job, association, [])]
    assert failures(jobs) == []


def test_one_coordinators_failure_stays_theirs(sqlite_url: str) -> None:
    broken = Coordinator.model_construct(email=UNUSABLE, name="Erin", association="NCIMHA")
    jobs = JobHarness(sqlite_url, coordinators=(DANA,))
    jobs.context = _with_coordinators(jobs, (broken, DANA))
    jobs.run(MORNING, NEXT_TICK)
    assert [mail.recipient for mail in jobs.mails("digest")] == [DANA.email]
    assert failures(jobs) == [("digest", "NCIMHA", UNUSABLE, 2)]
    jobs.context = _with_coordinators(jobs, (DANA,))
    jobs.run(NEXT_TICK)
    assert failures(jobs) == []
    assert len(jobs.mails("digest")) == 1
    jobs.engine.dispose()


def _with_coordinators(jobs: JobHarness, coordinators: tuple[Coordinator, ...]) -> Any:  # noqa: ANN401
    settings: Settings = jobs.settings.model_copy(update={"coordinators": coordinators})
    return open_context(settings, jobs.rulebooks, jobs.engine)


def test_a_savepoint_that_fails_undoes_only_itself(
    jobs: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that fails within the digest leaves its transaction usable (PostgreSQL too)."""

    def fail(session: Session, *_arguments: object) -> None:
        session.connection().exec_driver_sql("SELECT * FROM nowhere")

    with monkeypatch.context() as patched:
        patched.setattr(digest, "enqueue", fail)
        jobs.run(MORNING)
    assert [(job, subject) for job, _, subject, _ in failures(jobs)] == [
        ("digest", "carla@ct.example"),
        ("digest", "dana@nc.example"),
    ]
    jobs.run(NEXT_TICK)
    assert len(jobs.mails("digest")) == 2


def test_run_due_goes_on_and_exits_non_zero(
    sqlite_jobs: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_crowd(sqlite_jobs)
    set_email(sqlite_jobs, CROWD[2], UNUSABLE)
    monkeypatch.setenv("TRACKER_DATABASE_URL", sqlite_jobs.url)

    def call(*arguments: str) -> tuple[int, str]:
        called = CliRunner().invoke(
            app, ["run-due", "--as-of", "2024-12-02T09:00-05:00", *arguments]
        )
        return called.exit_code, called.stdout

    code, printed = call("--dry-run")
    assert code == 1
    assert failures(sqlite_jobs) == []
    code, printed = call()
    assert code == 1
    assert "caught up): messages 5, sent 5" in printed
    assert "FAILED, will be tried again" in printed
    assert "CT-AIMH digest for 2024-12-02" in printed
    checked = CliRunner().invoke(app, ["check"])
    assert "T504 NCIMHA: notices" in checked.stdout
    set_email(sqlite_jobs, CROWD[2], "mended@example.org")
    code, _ = call()
    assert code == 0


def test_others_writing_is_nobodys_failure(
    sqlite_jobs: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_arguments: object, **_named: object) -> None:
        raise Busy

    monkeypatch.setattr(runner, "run_evaluation", busy)
    with pytest.raises(Busy):
        sqlite_jobs.run(MORNING)
    assert failures(sqlite_jobs) == []
