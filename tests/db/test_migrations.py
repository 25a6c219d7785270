"""The migrations end where the tables of the code stand."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    CheckConstraint,
    Engine,
    MetaData,
    RowMapping,
    create_engine,
    func,
    inspect,
    select,
)

import tracker
from tests.support.backups import empty_beside, rows_of
from tests.support.cast import BOOKS, NOW, Cast, fill
from tests.support.older import migrate_to
from tracker.db.engine import migrate, newest_version, open_engine, schema_version, writing
from tracker.db.tables import METADATA
from tracker.services.evaluation import evaluate_people
from tracker.services.standings import parse_results

# Before this version a stored result was a list of these.
NAMED_RESULTS = "0011"
OLD_RESULT = ("id", "label", "required", "counted", "short", "outcome", "counts")
FOLDER = Path(tracker.__file__).parent / "db" / "migrations"
OLDER = sorted(path.name[:4] for path in (FOLDER / "versions").glob("0*.py"))[:-1]


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


def as_older(table: str, version: str, row: RowMapping) -> dict[str, Any]:
    """A row as an older version stored it."""
    values = dict(row)
    if table == "standing" and version < NAMED_RESULTS:
        results = [r._asdict() for r in parse_results(values["requirements"])]
        values["requirements"] = json.dumps([[r[name] for name in OLD_RESULT] for r in results])
    return values


def leave_older(cast: Cast, url: str, version: str) -> None:
    """Make a database as an older version left it: what the cast has, as far as it knew it."""
    migrate_to(url, version)
    older, known, engine = create_engine(url), MetaData(), cast.engine
    known.reflect(older)
    with engine.connect() as read, older.begin() as write:
        for table in METADATA.sorted_tables:
            if table.name not in known.tables:
                continue
            there = known.tables[table.name]
            columns = [column.name for column in there.columns]
            for row in read.execute(select(*(table.c[name] for name in columns))).mappings():
                write.execute(there.insert().values(as_older(table.name, version, row)))
            if engine.dialect.name == "postgresql" and "id" in columns:
                last = select(func.max(there.c.id)).scalar_subquery()
                write.execute(select(func.setval(f"{table.name}_id_seq", last)))
    older.dispose()


def keeps_all(current: str, older: str, version: str) -> None:
    """Fill the current database, leave the older one of that version, and bring it up to date."""
    cast = fill(current)
    leave_older(cast, older, version)
    assert schema_version(older) == version
    migrate(older)
    assert schema_version(older) == newest_version()
    engine = open_engine(older)
    with writing(engine) as session:
        evaluate_people(session, BOOKS, cast.people.values(), NOW)
    engine.dispose()
    before, after = rows_of(current), rows_of(older)
    for table in ("person", "endorsement", "entry", "entry_topic", "membership", "standing"):
        assert after[table] == before[table], table
    cast.engine.dispose()


@pytest.mark.parametrize("version", OLDER)
def test_an_older_database_keeps_what_is_in_it_and_is_judged_as_before(
    sqlite_url: str, tmp_path: Path, version: str
) -> None:
    keeps_all(sqlite_url, f"sqlite:///{tmp_path / 'older.db'}", version)


def test_an_older_server_does_so_too(postgres_database_url: str, tmp_path: Path) -> None:
    with empty_beside(postgres_database_url, tmp_path) as older:
        keeps_all(postgres_database_url, older, OLDER[0])
