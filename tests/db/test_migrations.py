"""Migrations end with the tables of the code, and keep what a database holds."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
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
    text,
)

import tracker
from tests.support.backups import empty_beside, rows_of
from tests.support.cast import BOOKS, NOW, Cast, fill
from tests.support.databases import TASK_TABLES
from tests.support.nights import evaluate_due
from tests.support.old_schema import WHEN_FILLED, fill_older, load_filled, migrate_to, read_rows
from tracker.checks.copies import list_problems
from tracker.db.engine import open_engine, writing
from tracker.db.log import Entry
from tracker.db.migrate import migrate
from tracker.db.schema import schema_version
from tracker.db.schema_versions import newest_version
from tracker.db.tables import METADATA
from tracker.master_key import MasterKey
from tracker.services.evaluation import evaluate_people, parse_results
from tracker.services.upgrade import Installation, upgrade_database

# Before this version a stored result was a list of these.
NAMED_RESULTS = "0011"
OLD_RESULT = ("id", "label", "required", "counted", "short", "outcome", "counts")
FOLDER = Path(tracker.__file__).parent / "db" / "migrations"
OLDER = sorted(path.name[:4] for path in (FOLDER / "versions").glob("0*.py"))[:-1]
# In the short form the newest, and every third before; TRACKER_TEST_EXAMPLES tries each.
TRIED = OLDER if "TRACKER_TEST_EXAMPLES" in os.environ else [*OLDER[:-6:3], *OLDER[-6:]]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


def is_of_the_code(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or name not in TASK_TABLES


def test_the_migrated_database_has_the_tables_of_the_code(engine: Engine) -> None:
    options = {"compare_server_default": True, "include_name": is_of_the_code}
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
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


def keeps_all(current: str, older: str, version: str, backups: Path) -> None:
    """Fill the current database, leave the older one of that version, and upgrade it."""
    cast = fill(current)
    leave_older(cast, older, version)
    assert schema_version(older) == version
    installation = Installation(older, None, MasterKey.beside(older))
    check = partial(list_problems, rulebooks=BOOKS, settings=cast.settings, now=NOW)
    upgraded = upgrade_database(installation, backups, NOW, check)
    assert (upgraded.before, upgraded.after) == (version, newest_version())
    assert upgraded.backup is not None
    assert upgraded.backup.schema == version
    assert schema_version(older) == newest_version()
    engine = open_engine(older)
    with writing(engine) as session:
        evaluate_people(session, BOOKS, cast.people.values(), NOW)
    engine.dispose()
    before, after = rows_of(current), rows_of(older)
    for table in ("person", "endorsement", "entry", "entry_topic", "membership", "standing"):
        assert after[table] == before[table], table
    cast.engine.dispose()


@pytest.mark.parametrize("version", TRIED)
def test_an_older_database_keeps_what_is_in_it_and_is_judged_as_before(
    sqlite_url: str, tmp_path: Path, version: str
) -> None:
    keeps_all(sqlite_url, f"sqlite:///{tmp_path / 'older.db'}", version, tmp_path / "backups")


@pytest.mark.usefixtures("programs")
def test_an_older_server_does_so_too(postgres_database_url: str, tmp_path: Path) -> None:
    with empty_beside(postgres_database_url, tmp_path) as older:
        keeps_all(postgres_database_url, older, OLDER[0], tmp_path / "backups")


# What a migration changes on purpose.
# Sent messages are emptied.
CHANGED = {"standing": {"requirements", "rules_digest"}, "outbox": {"body"}}


@pytest.fixture
def filled_url(empty_database_url: str, tmp_path: Path) -> str:
    """A database filled by the older program, on each engine."""
    return fill_older(empty_database_url, tmp_path)


def test_a_filled_database_keeps_every_row(filled_url: str) -> None:
    before = read_rows(filled_url)
    assert all(before.values())
    migrate(filled_url)
    after = read_rows(filled_url)
    for table, rows in before.items():
        changed = CHANGED.get(table, set())
        for old, new in zip(rows, after[table], strict=True):
            assert {name: new[name] for name in old if name not in changed} == {
                name: value for name, value in old.items() if name not in changed
            }, table


def test_a_filled_database_is_evaluated_as_before(filled_url: str) -> None:
    before = read_rows(filled_url)["standing"]
    migrate(filled_url)
    engine = open_engine(filled_url)
    with writing(engine) as session:
        evaluated = evaluate_due(
            session, BOOKS, "NCIMHA", WHEN_FILLED, since=WHEN_FILLED.date() - timedelta(days=1)
        )
    engine.dispose()
    assert evaluated == 2
    after = read_rows(filled_url)["standing"]
    for old, new in zip(before, after, strict=True):
        assert {**old, **dict.fromkeys(CHANGED["standing"])} == {
            **new,
            **dict.fromkeys(CHANGED["standing"]),
        }
        # The labels have been rewritten since.
        unchanged = [name for name in OLD_RESULT if name != "label"]
        results = [dict(zip(OLD_RESULT, r, strict=True)) for r in json.loads(old["requirements"])]
        assert [
            {name: getattr(result, name) for name in unchanged}
            for result in parse_results(new["requirements"])
        ] == [{name: result[name] for name in unchanged} for result in results]


def test_columns_are_filled_from_the_audit_log(filled_url: str) -> None:
    migrate(filled_url)
    rows = read_rows(filled_url)
    logged = {row["form_key"]: as_utc(row["logged_at"]) for row in rows["entry"]}
    assert logged == {None: None, "first": WHEN_FILLED}
    references = {
        row["email"]: (as_utc(row["named_at"]), bool(row["answered_by_link"]))
        for row in rows["reference"]
    }
    assert references == {
        "pat@example.org": (WHEN_FILLED, True),
        "quinn@example.org": (WHEN_FILLED - timedelta(days=1), False),
        "filed@example.org": (None, False),
    }
    (withdrawn,) = rows["withdrawn_reference"]
    assert (withdrawn["email"], withdrawn["name"], withdrawn["role"]) == (
        "rae@example.org",
        "Rae",
        "supervisor",
    )
    assert as_utc(withdrawn["named_at"]) == WHEN_FILLED - timedelta(days=2)
    assert as_utc(withdrawn["withdrawn_at"]) == WHEN_FILLED


def as_utc(value: datetime | None) -> datetime | None:
    """An instant as the driver gives it; SQLite's has no zone."""
    if value is None or value.tzinfo is not None:
        return value
    return value.replace(tzinfo=UTC)


def test_a_new_row_never_gets_a_deleted_rows_id(tmp_path: Path) -> None:
    filled_url = load_filled(tmp_path / "filled.db")
    before = read_rows(filled_url)
    deleted = [r["row_id"] for r in before["audit_event"] if r["table_name"] == "entry"]
    assert max(deleted) > max(row["id"] for row in before["entry"])
    migrate(filled_url)
    engine = open_engine(filled_url)
    with writing(engine) as session:
        session.connection().execute(text("DELETE FROM audit_event"))
        entry = Entry(person_id=1, activity="training", held_on=NOW.date(), minutes=60, title="x")
        session.add(entry)
        session.flush()
        new_id = entry.id
    engine.dispose()
    assert new_id == max(deleted) + 1


def test_sqlite_keeps_the_last_id_of_each_audited_table(sqlite_url: str) -> None:
    engine = open_engine(sqlite_url)
    with engine.connect() as connection:
        query = text("SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'")
        found = set(connection.scalars(query))
    engine.dispose()
    wanted = {
        name
        for name, table in METADATA.tables.items()
        if table.dialect_options["sqlite"]["autoincrement"]
    }
    assert found == wanted


def test_associations_before_first_days_keep_all_records(empty_database_url: str) -> None:
    migrate_to(empty_database_url, "0016")
    engine = open_engine(empty_database_url)
    with writing(engine) as session:
        connection = session.connection()
        connection.exec_driver_sql(
            "INSERT INTO person (email, name, highest_degree, provides_rsc) "
            "VALUES ('a@example.org', 'A', 'none', false)"
        )
        connection.exec_driver_sql(
            "INSERT INTO endorsement (person_id, association, category, starts_on) "
            "VALUES (1, 'NCIMHA', 'IFS', '2021-01-01')"
        )
    migrate(empty_database_url)
    with engine.connect() as connection:
        table = METADATA.tables["association_start"]
        [start] = connection.execute(select(table)).mappings()
    engine.dispose()
    assert (start["association"], start["first_day"], start["is_chosen"]) == ("NCIMHA", None, False)


def test_waiting_messages_name_their_rows(empty_database_url: str) -> None:
    migrate_to(empty_database_url, "0019")
    engine = open_engine(empty_database_url)
    with writing(engine) as session:
        connection = session.connection()
        connection.execute(
            text(
                "INSERT INTO person (id, email, name, highest_degree, provides_rsc)"
                " VALUES (1, 'a@x.org', 'A', 'none', false)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO endorsement (id, person_id, association, category, starts_on)"
                " VALUES (2, 1, 'NCIMHA', 'IFS', '2024-01-01')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO waiver (id, endorsement_id, cycle_starts_on, requirement, reason)"
                " VALUES (5, 2, '2024-01-01', 'rsc', 'Ill')"
            )
        )
        keys = (
            "granted:2:rsc:2024-01-01:None",
            "submitted:7:2024-02-01:c@x.org",
            "application:8:endorsed:2024-02-01",
            "new-request:9:c@x.org",
            "reference:10:0:abc",
            "day:1:2024-02-01",
        )
        for number, key in enumerate(keys):
            connection.execute(
                text(
                    "INSERT INTO outbox (dedupe_key, message_id, kind, recipient, subject, body,"
                    " state, attempts, created_at, next_attempt_at, fence) VALUES (:key, :id,"
                    " 'request', 'a@x.org', 'x', :body, 'waiting', 0, :now, :now, 0)"
                ),
                {"key": key, "id": str(number), "body": b"x", "now": NOW},
            )
    migrate(empty_database_url)
    with engine.connect() as connection:
        query = "SELECT about_kind, about_id, about_state FROM outbox ORDER BY id"
        rows = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    assert rows == [
        ("waiver", 5, None),
        ("application", 7, "submitted"),
        ("application", 8, "endorsed"),
        ("time_request", 9, "asked"),
        ("reference", 10, None),
        (None, None, None),
    ]
