"""The copy of procrastinate's schema is the installed package's own, and is migrated without it."""

import sys
from pathlib import Path

import pytest
from procrastinate.schema import SchemaManager
from sqlalchemy import create_engine, inspect

import tracker
from tests.support.databases import TASK_TABLES, postgres_database, sqlalchemy_url
from tracker.db.migrate import migrate

COPY = Path(tracker.__file__).parent / "db" / "migrations" / "sql" / "procrastinate_3_10_0.sql"


def test_the_copied_schema_is_that_of_the_package() -> None:
    text = COPY.read_text(encoding="utf-8")
    assert text[text.index("-- Procrastinate Schema") :] == SchemaManager.get_schema()


def test_a_database_migrates_without_the_package(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "procrastinate", None)
    with postgres_database(postgres_url) as name:
        url = sqlalchemy_url(postgres_url, name)
        migrate(url)
        engine = create_engine(url)
        assert set(TASK_TABLES) <= set(inspect(engine).get_table_names())
        engine.dispose()


def test_sqlite_has_no_tables_of_tasks(sqlite_url: str) -> None:
    engine = create_engine(sqlite_url)
    assert set(TASK_TABLES).isdisjoint(inspect(engine).get_table_names())
    engine.dispose()
