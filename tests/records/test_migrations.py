"""The migrations end where the tables of the code stand."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, Engine, inspect

import tracker
from tracker.records.engine import open_engine
from tracker.records.tables import METADATA

FOLDER = Path(tracker.__file__).parent / "records" / "migrations"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


def test_the_migrated_database_has_the_tables_of_the_code(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, METADATA) == []


@pytest.mark.parametrize("table", sorted(METADATA.tables))
def test_a_migrated_table_has_the_checks_of_the_code(engine: Engine, table: str) -> None:
    """Alembic compares no CHECK constraints, and they are what guards the tables."""
    constraints = METADATA.tables[table].constraints
    wanted = {str(c.name) for c in constraints if isinstance(c, CheckConstraint) and c.name}
    found = {str(c["name"]) for c in inspect(engine).get_check_constraints(table)}
    assert found >= wanted


def test_each_revision_follows_the_one_before() -> None:
    configuration = Config()
    configuration.set_main_option("script_location", str(FOLDER))
    scripts = ScriptDirectory.from_config(configuration)
    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1
