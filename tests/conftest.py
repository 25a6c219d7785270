"""Fixtures for every test: fresh databases on both engines, and a loud word on skipped browsers."""

import os
import shutil
import sqlite3
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest
from sqlalchemy import Engine, event

from tests.support.databases import DatabasePool, copy_sqlite, postgres_database, sqlalchemy_url
from tests.support.postgres import running_server
from tracker.db import engine
from tracker.db.engine import migrate

_PREPARE_SQLITE = engine._prepare_sqlite
POSTGRES_VARIABLE = "TRACKER_TEST_POSTGRES_URL"
BACKENDS = ["sqlite", "postgresql"]

# Databases make the first example slow; a time limit an example would only make tests flaky.
# The same for its warning that data comes slowly, which a busy machine sets off.
SLOW = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile("local", deadline=None, suppress_health_check=SLOW)
# On CI a red run must be red again when it is repeated.
hypothesis.settings.register_profile(
    "ci", deadline=None, derandomize=True, suppress_health_check=SLOW
)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") == "true" else "local")


def _prepare_hastily(opened: Engine) -> None:
    _PREPARE_SQLITE(opened)

    @event.listens_for(opened, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture(scope="session", autouse=True)
def _haste() -> Iterator[None]:
    """No database of this process waits for the disk: none has to survive a power cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "_prepare_sqlite", _prepare_hastily)
        yield


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases that wait for the disk, as those of servers do."""
    monkeypatch.setattr(engine, "_prepare_sqlite", _PREPARE_SQLITE)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a PostgreSQL server: the one in the environment, or one started for this worker."""
    if given := os.environ.get(POSTGRES_VARIABLE):
        yield given
    else:
        with running_server() as url:
            yield url


@pytest.fixture(scope="session")
def migrated_postgres(postgres_url: str) -> Iterator[str]:
    """Name of a migrated database; nobody may connect to it, so that it can be copied."""
    with postgres_database(postgres_url) as name:
        migrate(sqlalchemy_url(postgres_url, name))
        yield name


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy."""
    path = tmp_path_factory.mktemp("migrated") / "tracker.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """URL of a fresh, migrated SQLite database."""
    return copy_sqlite(migrated_sqlite, tmp_path)


@pytest.fixture(scope="session")
def shelf(postgres_url: str, migrated_postgres: str) -> Iterator[DatabasePool]:
    """Migrated databases on PostgreSQL, to borrow."""
    with DatabasePool(postgres_url, migrated_postgres) as found:
        yield found


@pytest.fixture
def postgres_database_url(shelf: DatabasePool) -> Iterator[str]:
    """URL of a migrated PostgreSQL database without a row."""
    with shelf.borrowed() as url:
        yield url


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of a fresh, migrated database: the test runs once on each engine."""
    fixture = {"sqlite": "sqlite_url", "postgresql": "postgres_database_url"}[request.param]
    return str(request.getfixturevalue(fixture))


@pytest.fixture(params=BACKENDS)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a database without any table: the test runs once on each engine."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server = str(request.getfixturevalue("postgres_url"))
    with postgres_database(server) as name:
        yield sqlalchemy_url(server, name)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Path of the browser. Mark the test `browser`: without one it is skipped, loudly."""
    path = _chromium()
    assert path, "a test that uses `chromium_path` is marked `@pytest.mark.browser`"
    return path


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a browser where there is none; the end of the run says so."""
    if item.get_closest_marker("browser") and not _chromium():
        pytest.skip("no Chromium on this machine")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> Generator[None, None, None]:
    """Say at the very end that pages were not tried in a browser: a green run must not hide it."""
    yield
    skipped = terminalreporter.getreports("skipped")
    count = sum("browser" in report.keywords for report in skipped)
    if count:
        terminalreporter.section("BROWSER TESTS DID NOT RUN", sep="!", red=True, bold=True)
        terminalreporter.line(
            f"{count} tests were SKIPPED for want of Chromium. Run `make browser` as root, "
            "or install Chromium, and try again.",
            red=True,
            bold=True,
        )


def _chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("google-chrome")
