"""Harnesses with a fresh database each."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from tests.jobs.harness import ONE, JobHarness
from tracker.rulebooks import Rulebooks


@pytest.fixture(autouse=True)
def quiet_logs() -> Iterator[None]:
    """Rendering the traceback of each failure would take longer than all the rest."""
    with capture_logs():
        yield


@pytest.fixture
def rulebooks() -> Rulebooks:
    """The association of most tests; a file about several has a fixture of its own."""
    return ONE


@pytest.fixture
def jobs(database_url: str, rulebooks: Rulebooks) -> Iterator[JobHarness]:
    """A harness on each engine."""
    jobs = JobHarness(database_url, rulebooks=rulebooks)
    yield jobs
    jobs.engine.dispose()


@pytest.fixture
def sqlite_jobs(sqlite_url: str, rulebooks: Rulebooks) -> Iterator[JobHarness]:
    """A harness on SQLite, for tests that do not depend on the engine."""
    jobs = JobHarness(sqlite_url, rulebooks=rulebooks)
    yield jobs
    jobs.engine.dispose()
