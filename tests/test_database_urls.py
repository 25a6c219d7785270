"""The file of an SQLite database, as SQLAlchemy reads it from the same URL."""

from pathlib import Path

import pytest
from sqlalchemy import make_url

from tracker.database_urls import find_sqlite_file, is_database_url


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///tracker.db",
        "sqlite:////var/lib/tracker/tracker.db",
        "sqlite+pysqlite:////var/lib/tracker.db?timeout=5",
        "sqlite:///a folder/%41.db",
    ],
)
def test_the_file_is_the_one_that_sqlalchemy_opens(url: str) -> None:
    assert find_sqlite_file(url) == Path(str(make_url(url).database))


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///:memory:", "postgresql+psycopg://u:p@host/tracker", "", "nonsense"],
)
def test_other_databases_have_no_file(url: str) -> None:
    assert find_sqlite_file(url) is None


def test_a_database_in_memory_is_none_to_work_with() -> None:
    assert is_database_url("sqlite:///tracker.db")
    assert not is_database_url("sqlite:///:memory:")
