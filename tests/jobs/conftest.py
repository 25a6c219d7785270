"""Desks on a fresh database each."""

from collections.abc import Iterator

import pytest

from tests.jobs.desk import JobHarness


@pytest.fixture
def desk(database_url: str) -> Iterator[JobHarness]:
    """A desk on each engine."""
    desk = JobHarness(database_url)
    yield desk
    desk.engine.dispose()


@pytest.fixture
def sqlite_desk(sqlite_url: str) -> Iterator[JobHarness]:
    """A desk on SQLite, for what does not touch the database's ways."""
    desk = JobHarness(sqlite_url)
    yield desk
    desk.engine.dispose()
