"""The engine, transactions, and the schema's migrations."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.engine import make_url
from sqlmodel import Session

from tracker.clock import stopwatch
from tracker.db.write_lock import write_lock
from tracker.errors import UserError

# The first releases of SQLite in which a WAL reset cannot corrupt the database
# (sqlite.org/wal.html, "the WAL-reset bug"): newer, or one of the two patched branches.
_WAL_FIXED = (3, 51, 3)
_WAL_PATCHED = {(3, 50): 7, (3, 44): 6}
PATIENTLY = "PRAGMA busy_timeout = 30000"
_JOURNAL_BYTES = 4_000_000  # what stays of the journal of a long import
_KEPT = 10
_CONNECT_SECONDS = 10
# PostgreSQL, for pages: how long one statement may take, waits for locks included, and how long a
# transaction may be left alone in its midst; the server then ends it, and what it holds is free.
# Jobs, imports and reports take as long as they take.
_OF_PAGES = " -c statement_timeout=30s -c idle_in_transaction_session_timeout=120s"


class SchemaError(UserError):
    """The database's schema is not the one that this program works with."""

    heading = "The database can't be used:"


def wal_is_safe(version: tuple[int, int, int]) -> bool:
    """Whether SQLite ``version`` has the WAL-reset fix."""
    patched = _WAL_PATCHED.get(version[:2])
    return version >= _WAL_FIXED or (patched is not None and version[2] >= patched)


def open_engine(url: str, *, for_pages: bool = False) -> Engine:
    """An engine for ``url``; on SQLite with foreign keys, extra sync and one writer at a time.

    ``for_pages``: a server ends what takes longer than anybody waits for a page.
    """
    # Instants are UTC and days are legal days, so the server's own zone must not matter. Compiling
    # a statement costs more than running any of ours.
    options = "-c timezone=UTC -c jit=off" + (_OF_PAGES if for_pages else "")
    server: dict[str, Any] = {"options": options}
    if "connect_timeout" not in make_url(url).query:
        server["connect_timeout"] = _CONNECT_SECONDS
    # An event loop asks, too, which must not wait until a thread gives its connection back; of a
    # file there may be any number.
    arguments: dict[str, Any] = (
        {"max_overflow": -1} if _is_sqlite(url) else {"connect_args": server}
    )
    # Connections beyond these are closed after use, and to open one costs as much as a page.
    # What people typed, codes and tokens are in parameters: no error may show them.
    engine = create_engine(url, pool_size=_KEPT, hide_parameters=True, **arguments)
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    return engine


def _is_sqlite(url: str) -> bool:
    return make_url(url).get_backend_name() == "sqlite"


def _prepare_sqlite(engine: Engine) -> None:
    # A journal that stays, its head emptied and that on the disk, ends a transaction as surely as
    # one that is deleted, and spares the disk a file's making and deleting.
    journal = "WAL" if wal_is_safe(sqlite3.sqlite_version_info) else "PERSIST"

    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
        # SQLAlchemy, not the driver, says when a transaction begins (see _on_begin).
        connection.isolation_level = None
        # To be opened it has to be read, which a stranger who writes may keep one from.
        connection.execute("PRAGMA busy_timeout = 5000")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
        # FULL lets a power cut bring back a journal that was deleted, and undo the transaction.
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute(PATIENTLY)

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        # A writer takes the lock at once: upgrading a read lock later can only fail.
        mode = "IMMEDIATE" if connection.get_execution_options().get("writes") else "DEFERRED"
        connection.exec_driver_sql(f"BEGIN {mode}")


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A session whose reads all see one state of the database (one transaction)."""
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin(), Session(connection) as session:
            yield session


@contextmanager
def writing(engine: Engine, patience: float | None = None) -> Iterator[Session]:
    """A transaction that writes: committed at the end, rolled back whole on any error.

    It waits for others for so many seconds of ``patience`` if there is a limit (on PostgreSQL for
    each of their locks); then an error is raised that `is_busy` knows, or Busy.
    """
    until = None if patience is None else stopwatch() + patience
    with (
        engine.connect() as connection,
        write_lock(engine.url, patience),
        _waiting_until(connection, until),
        connection.execution_options(writes=True).begin(),
    ):
        if patience is not None and connection.dialect.name == "postgresql":
            milliseconds = max(int(patience * 1000), 1)
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {milliseconds}")
        with Session(connection, expire_on_commit=False) as session:
            yield session
            session.flush()
        # Its end waits for readers.
        _wait_until(connection, until)


@contextmanager
def _waiting_until(connection: Connection, until: float | None) -> Iterator[None]:
    """Have SQLite wait for others no longer than ``until``, by `stopwatch`."""
    _wait_until(connection, until)
    try:
        yield
    finally:
        if until is not None and connection.dialect.name == "sqlite":
            _driver_of(connection).execute(PATIENTLY)


def _wait_until(connection: Connection, until: float | None) -> None:
    if until is not None and connection.dialect.name == "sqlite":
        wait_until(_driver_of(connection), until)


def wait_until(driver: sqlite3.Connection, until: float) -> None:
    """Have SQLite wait for others until then, by `stopwatch`; for a moment where that is past."""
    milliseconds = max(int((until - stopwatch()) * 1000), 1)
    driver.execute(f"PRAGMA busy_timeout = {milliseconds}")


def _driver_of(connection: Connection) -> Any:  # noqa: ANN401 - each driver's own
    return connection.connection.driver_connection


def migrate(url: str) -> None:
    """Bring the database at ``url`` to this program's schema, from empty or any older one."""
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            upgrade(connection, "head")
    finally:
        engine.dispose()


def upgrade(connection: Connection, version: str) -> None:
    """Run the migrations up to ``version`` on a connection that has no transaction yet."""
    if is_sqlite := connection.dialect.name == "sqlite":
        # SQLite changes a table by making it anew; to drop the old one must not delete the rows
        # that refer to it (sqlite.org/lang_altertable.html). A transaction cannot set this.
        _driver_of(connection).execute("PRAGMA foreign_keys = OFF")
    configuration = _alembic()
    configuration.attributes["connection"] = connection.execution_options(writes=True)
    command.upgrade(configuration, version)
    if is_sqlite:
        _driver_of(connection).execute("PRAGMA foreign_keys = ON")


def ensure_schema(url: str) -> None:
    """Create the schema in an empty database; refuse one that is older or foreign.

    Raises SchemaError, saying what to do.
    """
    if not _is_sqlite(url) or (path := make_url(url).database) is None or path == ":memory:":
        found = schema_version(url)
    else:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        found = schema_version(url)
    if found == newest_version():
        return
    if found is not None:
        message = (
            f"the database has schema {found}, this program works with {newest_version()}: "
            "make a backup, then run `tracker migrate`"
        )
        raise SchemaError(message)
    migrate(url)


def schema_version(url: str) -> str | None:
    """The schema version found at ``url``; None for an empty database.

    Raises SchemaError where tables stand there that are not ours.
    """
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            version = MigrationContext.configure(connection).get_current_revision()
            if version is None and inspect(connection).get_table_names():
                message = "the database holds tables of another program: name an empty one"
                raise SchemaError(message)
            return version
    finally:
        engine.dispose()


def newest_version() -> str:
    """The schema version that this program works with."""
    return str(ScriptDirectory.from_config(_alembic()).get_current_head())


def knows_version(version: str) -> bool:
    """Whether a schema version is one of this program's: its own or an older one."""
    return version in {
        one.revision for one in ScriptDirectory.from_config(_alembic()).walk_revisions()
    }


def _alembic() -> Config:
    configuration = Config()
    configuration.set_main_option(
        "script_location", str(Path(__file__).parent / "migrations").replace("%", "%%")
    )
    return configuration
