"""A fresh database for each test, on both engines; what it writes is rolled back."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine

from tracker.records.store.engine import open_engine


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection
        connection.rollback()
