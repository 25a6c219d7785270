"""Fixtures for every test: fresh databases on both engines, and a notice about skipped browsers.

SQLite does not wait for the disk in tests (`synchronous = OFF`), which makes them several times
faster and loses nothing short of a power cut. Tests of durability use `durable_sqlite` and run as
production does: those of the writer, of backups, and of kills. Servers and commands that tests
start as processes of their own always do.
"""

import gc
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import crc32

import hypothesis
import pytest
from anyio.from_thread import start_blocking_portal
from fastapi.testclient import TestClient
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import Pool
from starlette import testclient

import tracker.cli.context  # while time is frozen, pydantic could not make its models
import tracker.db.engine
from tests.support.app_calls import answer_at_once
from tests.support.databases import DatabasePool, copy_sqlite, postgres_database, sqlalchemy_url
from tests.support.postgres import client_programs, running_server
from tracker.db.migrate import migrate

POSTGRES_VARIABLE = "TRACKER_TEST_POSTGRES_URL"
# Nobody may write to it: mutation testing sets it, so that not each mutant makes one.
SQLITE_VARIABLE = "TRACKER_TEST_MIGRATED_SQLITE"
BACKENDS = ["sqlite", "postgresql"]
ENGINES_VARIABLE = "TRACKER_TEST_ENGINES"
HERE = Path(__file__).parent
ON_ONE_ENGINE = ("importer", "jobs", "services", "web")

# Databases make the first example slow; a time limit an example would only make tests flaky.
# The same for its warning that data comes slowly, which a busy machine sets off.
SLOW = [hypothesis.HealthCheck.too_slow]
EXAMPLES = int(os.environ.get("TRACKER_TEST_EXAMPLES", "60"))
hypothesis.settings.register_profile(
    "local", deadline=None, suppress_health_check=SLOW, max_examples=EXAMPLES
)
# On CI a red run must be red again when it is repeated.
hypothesis.settings.register_profile(
    "ci", deadline=None, derandomize=True, suppress_health_check=SLOW, max_examples=EXAMPLES
)
# Mutants: a failure needs no smallest example.
hypothesis.settings.register_profile(
    "mutants",
    deadline=None,
    derandomize=True,
    suppress_health_check=SLOW,
    max_examples=50,
    phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") == "true" else "local")


def _turn_off_sync(connection: object, _record: object, _proxy: object) -> None:
    # At checkout: `open_engine` sets up a connection after listeners of all pools have run.
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture(scope="session", autouse=True)
def fast_sqlite() -> Iterator[None]:
    """Let no SQLite database of this process wait for the disk."""
    event.listen(Pool, "checkout", _turn_off_sync)
    yield
    event.remove(Pool, "checkout", _turn_off_sync)


@pytest.fixture(scope="session", autouse=True)
def shared_statements() -> Iterator[None]:
    """Compile each statement once a process, not anew for each test's engine.

    The cache belongs to an engine, and its keys hold the engine's dialect.
    """
    first: dict[str, Engine] = {}

    def create_shared(url: str, **options: object) -> Engine:
        engine = create_engine(url, **options)
        kept = first.get(engine.dialect.name)
        # One that never connected, as to a broken file, does not know the database's version.
        if kept is None or kept.dialect.server_version_info is None:
            first[engine.dialect.name] = kept = engine
        engine.dialect = engine.pool._dialect = kept.dialect
        engine._compiled_cache = kept._compiled_cache
        return engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracker.db.engine, "create_engine", create_shared)
        yield


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_for_commands() -> None:
    """Let the commands that tests start obey Ctrl-C, which background jobs of a shell ignore."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def one_event_loop() -> Iterator[None]:
    """Answer the requests of all tests in one event loop: starting one takes as long as a page."""
    with start_blocking_portal() as portal, pytest.MonkeyPatch.context() as patch:
        patch.setattr(TestClient, "portal", portal)
        patch.setattr(testclient._TestClientTransport, "handle_request", answer_at_once)
        yield


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run each test of a page, a job, an import, or a service on one engine, half of them on each.

    What is about a database itself, mail, and commands runs on both, and so does what is marked
    with `both_engines`, such as what happens at once. `TRACKER_TEST_ENGINES=both` runs everything
    on both, and so does naming one test.
    """
    if os.environ.get(ENGINES_VARIABLE) == "both" or any("::" in each for each in config.args):
        return
    left_out = [item for item in items if _is_left_out(item)]
    items[:] = [item for item in items if not _is_left_out(item)]
    config.hook.pytest_deselected(items=left_out)


def _is_left_out(item: pytest.Item) -> bool:
    is_on_one = item.path.relative_to(HERE).parts[0] in ON_ONE_ENGINE
    if not is_on_one or item.get_closest_marker("both_engines"):
        return False
    callspec = (
        item.callspec if isinstance(item, pytest.Function) and hasattr(item, "callspec") else None
    )
    engine = callspec.params.get("database_url") if callspec else None
    if engine not in BACKENDS:
        return False
    # The same in every process, and whatever else runs.
    name = item.nodeid.replace(engine, "")
    return BACKENDS[crc32(name.encode()) % len(BACKENDS)] != engine


def pytest_collection() -> None:
    """Look for no garbage among the tests: they all stay, and looking takes as long as reading."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Let Python look for garbage less often, and not among what it has loaded until now."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    gc.enable()


@pytest.fixture
def durable_sqlite() -> Iterator[None]:
    """Let SQLite databases that the test opens wait for the disk, as in production."""
    event.remove(Pool, "checkout", _turn_off_sync)
    yield
    event.listen(Pool, "checkout", _turn_off_sync)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a PostgreSQL server: the one in the environment, or one started for this worker."""
    if given := os.environ.get(POSTGRES_VARIABLE):
        yield given
    else:
        with running_server() as url:
            yield url


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the client programs of the tests' own server found first."""
    monkeypatch.setenv("PATH", f"{client_programs()}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture(scope="session")
def migrated_postgres(postgres_url: str) -> Iterator[str]:
    """Name of a migrated database; nobody may connect to it, so that it can be copied."""
    with postgres_database(postgres_url) as name:
        migrate(sqlalchemy_url(postgres_url, name))
        yield name


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy: the one in the environment, or one made for this worker."""
    if given := os.environ.get(SQLITE_VARIABLE):
        return Path(given)
    path = tmp_path_factory.mktemp("migrated") / "tracker.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """URL of a fresh, migrated SQLite database."""
    return copy_sqlite(migrated_sqlite, tmp_path)


@pytest.fixture(scope="session")
def database_pool(postgres_url: str, migrated_postgres: str) -> Iterator[DatabasePool]:
    """Migrated databases on PostgreSQL to borrow."""
    with DatabasePool(postgres_url, migrated_postgres) as pool:
        yield pool


@pytest.fixture
def postgres_database_url(database_pool: DatabasePool) -> Iterator[str]:
    """URL of a migrated PostgreSQL database without a row."""
    with database_pool.borrowed() as url:
        yield url


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of a fresh, migrated database: the test runs once on each engine."""
    fixture = {"sqlite": "sqlite_url", "postgresql": "postgres_database_url"}[request.param]
    return str(request.getfixturevalue(fixture))


@pytest.fixture(params=BACKENDS)
def borrow_database(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[[], AbstractContextManager[str]]:
    """Opens fresh, migrated databases, for a test that needs one for each of its examples."""
    if request.param == "postgresql":
        pool: DatabasePool = request.getfixturevalue("database_pool")
        return pool.borrowed
    migrated: Path = request.getfixturevalue("migrated_sqlite")

    @contextmanager
    def copied() -> Iterator[str]:
        with TemporaryDirectory(dir=tmp_path) as folder:
            yield copy_sqlite(migrated, Path(folder))

    return copied


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
    path = find_chromium()
    assert path, "a test that uses `chromium_path` is marked `@pytest.mark.browser`"
    return path


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests that need a browser if there is none; the end of the run reports it."""
    if item.get_closest_marker("browser") and not find_chromium():
        pytest.skip("no Chromium on this machine")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> Generator[None, None, None]:
    """Report at the very end that no browser tests ran: a green run must not hide it."""
    yield
    skipped = terminalreporter.getreports("skipped")
    count = sum("browser" in report.keywords for report in skipped)
    if count:
        terminalreporter.section("BROWSER TESTS DID NOT RUN", sep="!", red=True, bold=True)
        terminalreporter.line(
            f"{count} tests were SKIPPED because there is no Chromium. Run `make browser` as root, "
            "or install Chromium, and try again.",
            red=True,
            bold=True,
        )


def find_chromium() -> str | None:
    """Path of Chromium; first of the one without windows, which needs a third less time."""
    names = ("chromium-headless-shell", "chromium", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)
