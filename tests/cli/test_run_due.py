"""`tracker run-due`, as it is called."""

from collections.abc import Iterator

import pytest
from typer.testing import CliRunner, Result

from tests.jobs.harness import JobHarness, at
from tests.rules.case_data import REAL
from tracker.cli.main import app

AUTUMN = at("2024-09-15")


@pytest.fixture
def jobs(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobHarness]:
    """Alice's jobs, with the command's settings and all four associations."""
    monkeypatch.setenv("TRACKER_DATABASE_URL", database_url)
    jobs = JobHarness(database_url, rulebooks=REAL, coordinators=())
    yield jobs
    jobs.engine.dispose()


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["run-due", *arguments])


def test_each_finished_job_prints_a_line(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    called = call("--as-of", "2024-12-02T09:00-05:00")
    assert called.exit_code == 0
    lines = called.stdout.splitlines()
    assert "NCIMHA evaluate for 2024-12-02: judged 2" in lines
    [digest] = [line for line in lines if line.startswith("NCIMHA digest for 2024-12-02: ")]
    assert "messages 0, met 0, " in digest
    [notices] = [line for line in lines if line.startswith("NCIMHA notices for 2024-12-02: ")]
    assert "messages 1, sent 1" in notices
    assert (
        lines[-1] == "`tracker deliver` sends the messages. `tracker serve` sends them by itself."
    )
    assert len(lines) == 4 * len(REAL.associations) + 1


def test_a_second_call_finds_nothing(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    call("--as-of", "2024-12-02T09:00-05:00")
    before = jobs.everything()
    called = call("--as-of", "2024-12-02T09:05-05:00")
    assert (called.exit_code, called.stdout) == (0, "Nothing is due.\n")
    assert jobs.everything() == before


def test_what_an_outage_missed_is_told(jobs: JobHarness) -> None:
    jobs.run(at("2024-11-28"))
    called = call("--as-of", "2024-12-01T09:00-05:00")
    assert "NCIMHA evaluate for 2024-12-01 (2 missed before it, caught up): judged 0" in (
        called.stdout.splitlines()
    )


def test_a_dry_run_changes_nothing(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    before = jobs.everything()
    rehearsed = call("--dry-run", "--as-of", "2024-12-02T09:00-05:00")
    assert rehearsed.exit_code == 0
    assert jobs.everything() == before
    done = call("--as-of", "2024-12-02T09:00-05:00")
    assert rehearsed.stdout.splitlines()[:-1] == done.stdout.splitlines()[:-1]
    assert rehearsed.stdout.splitlines()[-1] == (
        "This was a dry run. Nothing was written, and nothing will be sent."
    )


def test_a_bare_day_includes_its_morning_jobs(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    called = call("--as-of", "2024-12-02")
    assert "NCIMHA notices for 2024-12-02" in called.stdout


def test_an_early_instant_is_the_previous_day(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    called = call("--as-of", "2024-12-02T06:59-05:00")
    assert "NCIMHA notices for 2024-12-01" in called.stdout


def test_garbage_for_an_instant_is_a_usage_error() -> None:
    called = call("--as-of", "soon")
    assert called.exit_code == 2
    assert "'soon' is not an instant. Write it as YYYY-MM-DDTHH:MM-05:00" in " ".join(
        called.stderr.split()
    )


@pytest.mark.usefixtures("jobs")
def test_an_empty_database_has_its_jobs_done() -> None:
    called = call("--as-of", "2024-12-02T09:00-05:00")
    assert called.exit_code == 0
    assert "NCIMHA evaluate for 2024-12-02: judged 0" in called.stdout
