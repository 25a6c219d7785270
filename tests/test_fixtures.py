"""The databases that every other test relies on."""

import pytest
from sqlalchemy import create_engine, inspect, select, text

from tests.support.cast import fill
from tests.support.databases import DatabasePool
from tracker.db.engine import open_engine
from tracker.db.tables import METADATA


def test_a_migrated_database_has_tables(database_url: str) -> None:
    engine = create_engine(database_url)
    assert "alembic_version" in inspect(engine).get_table_names()
    engine.dispose()


def test_an_empty_database_has_no_tables(empty_database_url: str) -> None:
    engine = create_engine(empty_database_url)
    assert inspect(engine).get_table_names() == []
    engine.dispose()


def test_tests_do_not_share_rows(database_url: str) -> None:
    """Both halves are here: the table can only be made again if each copy is fresh."""
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE left_behind (id INTEGER)"))
    engine.dispose()


def test_databases_do_not_share_statistics(database_url: str) -> None:
    engine = create_engine(database_url)
    assert "left_behind" not in inspect(engine).get_table_names()
    engine.dispose()


def names_of_rows(database_url: str) -> list[str]:
    engine = open_engine(database_url)
    with engine.begin() as connection:
        found = [
            name
            for name, table in METADATA.tables.items()
            if connection.execute(select(table).limit(1)).first()
        ]
    engine.dispose()
    return found


def test_a_returned_database_is_emptied(
    database_pool: DatabasePool,
) -> None:
    with database_pool.borrowed() as url:
        first = fill(url)
        left_open = first.engine.connect()
        left_open.execute(text("UPDATE person SET name = 'x'"))
    with database_pool.borrowed() as again:
        assert again == url
        assert names_of_rows(again) == []
        second = fill(again)
        assert min(second.people.values()) == 1
        second.engine.dispose()
    left_open.invalidate()
    left_open.close()
    first.engine.dispose()


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE left_behind (id INTEGER)",
        "ALTER TABLE person ADD COLUMN left_behind INTEGER",
        "ALTER TABLE person ALTER COLUMN name DROP NOT NULL",
        "CREATE INDEX left_behind ON person (name)",
        "ALTER TABLE person ADD CONSTRAINT left_behind CHECK (id > 0)",
        "DROP TABLE standing CASCADE",
        "UPDATE alembic_version SET version_num = '0000'",
        "ALTER DATABASE {name} SET default_transaction_read_only = on",
    ],
)
def test_a_changed_database_is_not_reused(database_pool: DatabasePool, change: str) -> None:
    with database_pool.borrowed() as url:
        engine = open_engine(url)
        with engine.begin() as connection:
            connection.execute(text(change.format(name=engine.url.database)))
        engine.dispose()
    with database_pool.borrowed() as another:
        assert another != url


def test_two_who_borrow_at_a_time_get_two(database_pool: DatabasePool) -> None:
    with database_pool.borrowed() as one, database_pool.borrowed() as another:
        assert one != another
