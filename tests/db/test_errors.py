"""What errors of the database mean: who is to blame, and whether they pass."""

import sqlite3

import pytest
from psycopg import Error, OperationalError, errors
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError as SqlError
from sqlalchemy.exc import PendingRollbackError

from tracker.db.engine import open_engine, writing
from tracker.db.errors import is_passing, is_unavailable
from tracker.db.statements import insert_rows
from tracker.db.tables import METADATA


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("the connection is closed"),
        errors.AdminShutdown(),
        errors.CannotConnectNow(),
        errors.ConnectionFailure(),
        errors.DiskFull(),
        errors.IdleInTransactionSessionTimeout(),
        errors.IoError(),
        errors.ReadOnlySqlTransaction(),
        errors.TooManyConnections(),
    ],
)
def test_what_anybody_would_meet_is_the_databases_trouble(error: Error) -> None:
    assert is_unavailable(error)
    assert is_passing(error)


@pytest.mark.parametrize(
    "error", [errors.ProgramLimitExceeded(), errors.UniqueViolation(), errors.DataException()]
)
def test_what_one_row_causes_is_not_the_databases_trouble(error: Error) -> None:
    assert not is_unavailable(error)
    assert not is_passing(error)


@pytest.mark.parametrize(
    "later",
    [
        sqlite3.OperationalError("cannot rollback - no transaction is active"),
        PendingRollbackError("this session's transaction has been rolled back"),
    ],
)
def test_what_follows_from_a_full_disk_is_the_databases_trouble(later: Exception) -> None:
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorname = "SQLITE_FULL"
    later.__context__ = full
    assert is_unavailable(later)


def test_a_bug_after_a_full_disk_stays_a_bug() -> None:
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorname = "SQLITE_FULL"
    bug = KeyError("name")
    bug.__context__ = full
    assert not is_unavailable(bug)


def fill_disk(engine: Engine) -> None:
    """Write more within a savepoint than there is room for."""
    people = [{"email": f"{n}@example.org", "name": "n" * 200} for n in range(2_000)]
    with writing(engine) as session:
        # No page more than the file has, and few of them in memory.
        session.connection().exec_driver_sql("PRAGMA max_page_count = 1")
        session.connection().exec_driver_sql("PRAGMA cache_size = 5")
        with session.begin_nested():
            insert_rows(session, METADATA.tables["person"], people)


def test_a_disk_that_fills_within_a_savepoint_is_the_databases_trouble(sqlite_url: str) -> None:
    engine = open_engine(sqlite_url)
    with pytest.raises(SqlError) as raised:
        fill_disk(engine)
    engine.dispose()
    assert is_unavailable(raised.value)
