"""Harnesses with a fresh database each."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from tests.jobs.harness import JobHarness


@pytest.fixture(autouse=True)
def quiet_logs() -> Iterator[None]:
    """Rendering the traceback of each failure would take longer than all the rest."""
    with capture_logs():
        yield


@pytest.fixture
def jobs(database_url: str) -> Iterator[JobHarness]:
    """A harness on each engine."""
    jobs = JobHarness(database_url)
    yield jobs
    jobs.engine.dispose()


@pytest.fixture
def sqlite_jobs(sqlite_url: str) -> Iterator[JobHarness]:
    """A harness on SQLite, for tests that do not depend on the engine."""
    jobs = JobHarness(sqlite_url)
    yield jobs
    jobs.engine.dispose()
