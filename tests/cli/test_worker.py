"""`tracker worker` says what it needs, and serving pages alone leaves the jobs to it."""

from importlib import util
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.jobs.harness import JobHarness
from tests.rules.case_data import TESTS
from tracker.cli import serve, worker
from tracker.cli.worker import WorkerError


@pytest.fixture(autouse=True)
def installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(TESTS.parent / "config"))
    for command in (serve, worker):
        monkeypatch.setattr(command, "configure_logs", lambda: None)


def test_a_worker_refuses_sqlite_and_creates_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_DATABASE_URL", f"sqlite:///{tmp_path}/tracker.db")
    with pytest.raises(WorkerError, match="the database is SQLite"):
        worker.run()
    assert list(tmp_path.iterdir()) == []


def test_a_worker_names_the_extra_that_is_missing(
    postgres_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(name: str) -> ModuleSpec | None:
        return None if name == "procrastinate" else util.find_spec(name)

    monkeypatch.setenv("TRACKER_DATABASE_URL", postgres_database_url)
    monkeypatch.setattr(worker, "find_spec", find)
    with pytest.raises(WorkerError, match="its extra `distributed`"):
        worker.run()


@pytest.mark.parametrize("runs_jobs", [True, False])
def test_serving_pages_alone_runs_no_job(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, *, runs_jobs: bool
) -> None:
    monkeypatch.setenv("TRACKER_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("TRACKER_WEB__JOBS", str(runs_jobs))
    monkeypatch.setattr(serve, "collect_garbage_rarely", lambda: None)
    # Closing the app waits for the first tick, which runs all that is due.
    with TestClient(serve.create_app()) as client:
        assert client.get("/healthz").status_code == 200
    jobs = JobHarness(sqlite_url)
    assert (jobs.runs("evaluate", "NCIMHA") != []) is runs_jobs
    jobs.engine.dispose()
