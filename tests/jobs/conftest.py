"""Desks on a fresh database each."""

from collections.abc import Iterator

import pytest

from tests.jobs.desk import Desk


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    """A desk on each engine."""
    desk = Desk(database_url)
    yield desk
    desk.engine.dispose()


@pytest.fixture
def sqlite_desk(sqlite_url: str) -> Iterator[Desk]:
    """A desk on SQLite, for what does not touch the database's ways."""
    desk = Desk(sqlite_url)
    yield desk
    desk.engine.dispose()
