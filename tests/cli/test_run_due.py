"""`tracker run-due`, as it is called."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.jobs.harness import CONFIG, JobHarness, at
from tests.rules.case_data import REAL
from tracker.cli import run_due as command
from tracker.cli.main import app
from tracker.db.engine import reading, writing
from tracker.db.errors import SchemaError
from tracker.db.run_state import RunState
from tracker.errors import UserError
from tracker.rulebooks import RulebookError
from tracker.services.run_ledger import (
    Failure,
    RunKey,
    list_failures,
    list_last_run_dates,
    record_failure,
)

AUTUMN, MORNING = at("2024-09-15"), at("2024-12-02 09:00")
AT_NINE = ("--as-of", "2024-12-02T09:00-05:00")
# What takes long to import, or much memory, and none of it is needed to find nothing to do.
HEAVY = ("sqlalchemy", "sqlmodel", "alembic", "jinja2", "structlog", "rich", "uvicorn", "fastapi")
LIST_MODULES = """
import sys
sys.argv = ["tracker", "run-due", "--as-of", "2024-12-02T09:05-05:00"]
from tracker.cli.main import main
try:
    main()
except SystemExit:
    print(*sys.modules, file=sys.stderr)
"""


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


def test_jobs_of_later_days_explain_what_waits(jobs: JobHarness) -> None:
    jobs.run(at("2025-01-05 15:00"))
    called = call(*AT_NINE)
    assert called.exit_code == 0
    assert called.stdout == (
        "Nothing is due.\nJobs are recorded for later days, up to 2025-01-05, and do not run "
        "before: see `tracker check`.\n"
    )


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


def test_nothing_due_imports_neither_jobs_nor_tables(jobs: JobHarness) -> None:
    jobs.run(MORNING)
    done = subprocess.run(
        [sys.executable, "-c", LIST_MODULES], check=True, capture_output=True, text=True
    )
    assert done.stdout == "Nothing is due.\n"
    loaded = set(done.stderr.split())
    unused = "sqlite3" if jobs.url.startswith("postgresql") else "psycopg"
    assert not loaded & {*HEAVY, unused}
    ours = {name for name in loaded if name.startswith("tracker.")}
    assert not [name for name in ours if name.startswith(("tracker.services", "tracker.mail"))]
    assert "tracker.jobs.schedule" in ours


def test_the_quick_question_reads_what_the_ledger_says(jobs: JobHarness) -> None:
    jobs.run(MORNING)
    key = RunKey("digest", "NCIMHA", date(2024, 12, 2))
    with writing(jobs.engine) as session:
        record_failure(session, key, Failure("", "RuntimeError: x"), MORNING)
    with reading(jobs.engine) as session:
        expected = RunState(
            list_last_run_dates(session),
            {(failure.job, failure.association) for failure in list_failures(session)},
        )
    assert command._read_state(jobs.url) == expected
    assert len(expected.last_dates) == 4 * len(REAL.associations)
    assert expected.failed == {("digest", "NCIMHA")}


def test_what_failed_is_tried_again_by_the_next_call(jobs: JobHarness) -> None:
    jobs.run(MORNING)
    key = RunKey("digest", "NCIMHA", date(2024, 12, 2))
    with writing(jobs.engine) as session:
        record_failure(session, key, Failure("", "RuntimeError: x"), MORNING)
    again = call(*AT_NINE)
    assert again.stdout.startswith("NCIMHA digest for 2024-12-02: messages 0")
    assert call(*AT_NINE).stdout == "Nothing is due.\n"


@pytest.mark.parametrize(
    ("file", "text", "error", "place"),
    [
        ("rulebooks/mi-aimh.toml", "nmae = 'x'\n", RulebookError, "mi-aimh.toml"),
        ("notices.toml", "lapses = 1\n", RulebookError, "notices.toml"),
        ("tracker.toml", "[associations.XX.mail]\n", UserError, "XX"),
    ],
)
def test_wrong_configuration_is_found_though_nothing_is_due(
    jobs: JobHarness,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    text: str,
    error: type[UserError],
    place: str,
) -> None:
    jobs.run(MORNING)
    copy = tmp_path / "config"
    for original in CONFIG.rglob("*.toml"):
        target = copy / original.relative_to(CONFIG)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(original.read_text("utf-8"), "utf-8")
    changed = copy / file
    changed.write_text(text + changed.read_text("utf-8"), "utf-8")
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(copy))
    refused = call(*AT_NINE)
    assert isinstance(refused.exception, error)
    assert place in str(refused.exception)


def test_another_schema_is_refused_though_nothing_is_due(jobs: JobHarness) -> None:
    jobs.run(MORNING)
    jobs.execute("UPDATE alembic_version SET version_num = '0000'")
    assert isinstance(call(*AT_NINE).exception, SchemaError)
