"""The cast on PostgreSQL, where several transactions write at once."""

from collections.abc import Iterator

import pytest

from tests.support.cast import Cast, fill


@pytest.fixture
def cast(postgres_database_url: str) -> Iterator[Cast]:
    filled = fill(postgres_database_url)
    yield filled
    filled.engine.dispose()
