"""The engine on both databases: schema, foreign keys, and one writer at a time."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.exc import IntegrityError, OperationalError

from tests.support.databases import postgres_database, sqlalchemy_url
from tracker.cli.context import ensure_schema
from tracker.db import engine as database_engine
from tracker.db.engine import open_engine, reading, wal_is_safe, writing
from tracker.db.errors import SchemaError, is_busy
from tracker.db.migrate import migrate
from tracker.db.schema import schema_version
from tracker.db.schema_versions import newest_version

ALICE = text(
    "INSERT INTO person (email, name, highest_degree, provides_rsc) "
    "VALUES ('alice@example.org', 'Alice', 'none', :no)"
)
NAME = text("SELECT name FROM person")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


def test_database_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        url = f"sqlite:///{tmp_path / 'tracker.db'}"
        migrate(url)
        engine = open_engine(url)
        with writing(engine) as session:
            session.connection().execute(ALICE, {"no": False})
            found = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
        engine.dispose()
    finally:
        os.umask(before)
    assert len(found) > 2
    assert {"tracker.db", "tracker.db-turn"} < found.keys()
    assert set(found.values()) == {0o600}, found


def test_an_existing_database_keeps_its_mode(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tracker.db'}"
    migrate(url)
    (tmp_path / "tracker.db").chmod(0o640)
    schema_version(url)
    assert (tmp_path / "tracker.db").stat().st_mode & 0o777 == 0o640


def test_a_missing_folder_is_still_an_error(tmp_path: Path) -> None:
    with pytest.raises(OperationalError):
        migrate(f"sqlite:///{tmp_path / 'none' / 'tracker.db'}")


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 44, 7), True),
        ((3, 45, 0), False),
        ((3, 49, 9), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 0), False),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 52, 0), True),
        ((4, 0, 0), True),
        ((3, 40, 1), False),
    ],
)
def test_wal_is_used_only_where_its_reset_is_mended(
    version: tuple[int, int, int], *, safe: bool
) -> None:
    assert wal_is_safe(version) is safe


@pytest.mark.usefixtures("durable_sqlite")
def test_sqlite_is_opened_with_full_sync_foreign_keys_and_timeout(sqlite_url: str) -> None:
    engine = open_engine(sqlite_url)
    with reading(engine) as session:
        settings = {
            name: session.connection().exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("foreign_keys", "synchronous", "busy_timeout")
        }
    engine.dispose()
    assert settings == {"foreign_keys": 1, "synchronous": 3, "busy_timeout": 30_000}


def test_a_server_ends_what_takes_longer_than_anybody_waits_for_a_page(
    postgres_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = {}
    for for_pages in (False, True):
        engine = open_engine(postgres_database_url, for_pages=for_pages)
        with reading(engine) as session:
            shown[for_pages] = [
                session.connection().exec_driver_sql(f"SHOW {name}").scalar()
                for name in ("statement_timeout", "idle_in_transaction_session_timeout")
            ]
        engine.dispose()
    # Jobs, imports and reports may take as long as they take.
    assert shown == {False: ["0", "0"], True: ["30s", "2min"]}
    monkeypatch.setattr(database_engine, "_PAGE_LIMITS", {"statement_timeout": "50ms"})
    engine = open_engine(postgres_database_url, for_pages=True)
    with pytest.raises(OperationalError) as ended, reading(engine) as session:
        session.connection().exec_driver_sql("SELECT pg_sleep(30)")
    engine.dispose()
    assert is_busy(ended.value)


def test_client_and_server_notice_in_a_minute_that_the_other_is_gone(
    postgres_database_url: str,
) -> None:
    engine = open_engine(f"{postgres_database_url}&keepalives_count=5")
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        given = driver.info.get_parameters()
    engine.dispose()
    assert (given["keepalives_idle"], given["tcp_user_timeout"]) == ("15", "60000")
    assert "-c tcp_keepalives_idle=15" in given["options"]
    assert "-c tcp_user_timeout=60000" in given["options"]
    # What the URL says counts.
    assert given["keepalives_count"] == "5"


def test_a_row_cannot_point_to_nobody(engine: Engine) -> None:
    membership = text(
        "INSERT INTO membership (person_id, organization, starts_on, ends_on) "
        "VALUES (7, 'WAIMH', '2024-01-01', '2024-12-31')"
    )
    with pytest.raises(IntegrityError), writing(engine) as session:
        session.connection().execute(membership)


def test_a_transaction_that_fails_leaves_nothing(engine: Engine) -> None:
    def write_and_fail() -> None:
        with writing(engine) as session:
            session.connection().execute(ALICE, {"no": False})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    with reading(engine) as session:
        assert session.connection().execute(NAME).all() == []


def test_a_transaction_that_ends_well_is_stored(engine: Engine) -> None:
    with writing(engine) as session:
        session.connection().execute(ALICE, {"no": False})
    with reading(engine) as session:
        assert session.scalar(NAME) == "Alice"


@pytest.mark.parametrize("is_wal", [False, True])
def test_an_emptied_journal_is_kept_again_afterward(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, *, is_wal: bool
) -> None:
    monkeypatch.setattr(database_engine, "wal_is_safe", lambda _version: is_wal)
    engine = open_engine(sqlite_url)
    journal = Path(f"{engine.url.database}-{'wal' if is_wal else 'journal'}")
    with writing(engine, empties_journal=True) as session:
        session.connection().execute(ALICE, {"no": False})
    assert journal.stat().st_size == 0
    with writing(engine) as session:
        session.connection().execute(text("UPDATE person SET name = 'Ali'"))
    assert journal.stat().st_size > 0
    engine.dispose()


def test_a_reader_sees_one_state_though_somebody_writes_meanwhile(engine: Engine) -> None:
    if engine.dialect.name == "sqlite" and not wal_is_safe(_sqlite_version(engine)):
        pytest.skip("without WAL a writer waits for the readers")
    with reading(engine) as session:
        assert session.connection().execute(NAME).all() == []
        with writing(engine) as other:
            other.execute(ALICE, {"no": False})
        assert session.connection().execute(NAME).all() == []


def _sqlite_version(engine: Engine) -> tuple[int, int, int]:
    with engine.connect() as connection:
        version = str(connection.exec_driver_sql("SELECT sqlite_version()").scalar())
    first, second, third = version.split(".")
    return int(first), int(second), int(third)


def test_a_second_writer_waits_for_the_first(sqlite_url: str) -> None:
    engine = open_engine(sqlite_url)
    begun, seen = threading.Event(), []

    def write_second() -> None:
        begun.set()
        with writing(engine) as session:
            seen.append(session.scalar(NAME))

    second = threading.Thread(target=write_second)
    with writing(engine) as session:
        second.start()
        assert begun.wait(10)
        session.connection().execute(ALICE, {"no": False})
    second.join(30)
    engine.dispose()
    assert seen == ["Alice"]


def test_an_empty_database_gets_the_schema(empty_database_url: str) -> None:
    assert schema_version(empty_database_url) is None
    ensure_schema(empty_database_url)
    assert schema_version(empty_database_url) == newest_version()


def test_a_database_that_cannot_store_every_name_is_refused(postgres_url: str) -> None:
    ascii_only = "ENCODING 'SQL_ASCII' LOCALE 'C'"
    with postgres_database(postgres_url, options=ascii_only) as name:
        url = sqlalchemy_url(postgres_url, name)
        with pytest.raises(SchemaError, match="encoding is SQL_ASCII, which can't store every"):
            ensure_schema(url)
        assert schema_version(url) is None


def test_a_database_with_the_schema_is_left_alone(database_url: str) -> None:
    engine = open_engine(database_url)
    with writing(engine) as session:
        session.connection().execute(ALICE, {"no": False})
    ensure_schema(database_url)
    with reading(engine) as session:
        assert session.scalar(NAME) == "Alice"
    engine.dispose()


def test_the_folder_of_a_sqlite_file_is_made(tmp_path: Path) -> None:
    file = tmp_path / "data" / "deep" / "tracker.db"
    ensure_schema(f"sqlite:///{file}")
    assert file.exists()


def test_an_older_schema_is_refused_with_what_to_do(database_url: str) -> None:
    engine = open_engine(database_url)
    with writing(engine) as session:
        session.connection().execute(text("UPDATE alembic_version SET version_num = '0009'"))
    engine.dispose()
    with pytest.raises(SchemaError, match=r"has schema 0009.*tracker upgrade"):
        ensure_schema(database_url)


def test_the_tables_of_another_program_are_refused(empty_database_url: str) -> None:
    engine = create_engine(empty_database_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE invoices (id INTEGER)"))
    with pytest.raises(SchemaError, match="tables of another program: name an empty one"):
        ensure_schema(empty_database_url)
    assert inspect(engine).get_table_names() == ["invoices"]
    engine.dispose()


def test_migrating_twice_changes_nothing(empty_database_url: str) -> None:
    migrate(empty_database_url)
    migrate(empty_database_url)
    assert schema_version(empty_database_url) == newest_version()


def test_postgresql_speaks_utc_whatever_its_server_does(postgres_database_url: str) -> None:
    engine = open_engine(postgres_database_url)
    with reading(engine) as session:
        assert session.connection().exec_driver_sql("SHOW timezone").scalar() == "UTC"
    engine.dispose()
