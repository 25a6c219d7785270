"""The engine, transactions, and locks between those who write."""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, func
from sqlalchemy.engine import make_url
from sqlmodel import Session, select

from tracker.clock import stopwatch
from tracker.db.errors import Busy, SchemaError
from tracker.master_key import MasterKey

# The first releases of SQLite in which a WAL reset cannot corrupt the database
# (sqlite.org/wal.html, "the WAL-reset bug"): newer, or one of the two patched branches.
_WAL_FIXED = (3, 51, 3)
_WAL_PATCHED = {(3, 50): 7, (3, 44): 6}
_BUSY_TIMEOUT_MS = 30_000
# The journal of a long import shrinks to this after it.
_JOURNAL_BYTES = 4_000_000
_POOL_SIZE = 10
_CONNECT_SECONDS = 10
# How long a process and the server wait for each other when the other stops answering.
_LOST_SECONDS = 60
# Limits on PostgreSQL for pages: on one statement, waiting for locks included, and on a
# transaction that does nothing, which would hold its locks. Jobs, imports and reports have none.
_PAGE_LIMITS = {"statement_timeout": "30s", "idle_in_transaction_session_timeout": "120s"}
# Of a database URL: ``pooler=transaction`` says that each transaction may get another session.
_POOLER = "pooler"
_NOT_A_FILE = (None, "", ":memory:")
_RETRY_SECONDS = 0.0005


def is_postgresql(database: Session | Connection | Engine) -> bool:
    """Whether the database is PostgreSQL, not SQLite."""
    if isinstance(database, Session):
        database = database.connection()
    return database.dialect.name == "postgresql"


def is_sqlite_url(url: str | URL) -> bool:
    """Whether a database URL names an SQLite database."""
    return make_url(url).get_backend_name() == "sqlite"


def wal_is_safe(version: tuple[int, int, int]) -> bool:
    """Whether SQLite ``version`` has the WAL-reset fix."""
    patched = _WAL_PATCHED.get(version[:2])
    return version >= _WAL_FIXED or (patched is not None and version[2] >= patched)


def open_engine(
    url: str,
    *,
    for_pages: bool = False,
    idle_seconds: int | None = None,
    master_key: MasterKey | None = None,
) -> Engine:
    """Return an engine for ``url``.

    ``for_pages`` lets PostgreSQL cancel what takes longer than anybody waits for a page, and
    ``idle_seconds`` end a transaction whose process has done nothing for so long. Either side
    notices after about that time, or a minute, that the other is gone. Default
    for ``master_key``, from which keys are derived: the file beside an SQLite database.
    """
    # What people type, codes and tokens are in parameters, so no error may show them.
    options: dict[str, Any] = {
        "pool_size": _POOL_SIZE,
        "hide_parameters": True,
        "execution_options": {"master_key": master_key or MasterKey.beside(url)},
    }
    if is_sqlite_url(url):
        # Threads never wait for a connection: a file can have any number of them.
        arguments = {"factory": _PrivateConnection}
        engine = create_engine(url, max_overflow=-1, connect_args=arguments, **options)
        _prepare_sqlite(engine)
        return engine
    # Instants are UTC and days are legal days, so the server's own zone must not matter.
    # Compiling a statement costs more than running any of ours.
    parameters = {"timezone": "UTC", "jit": "off", **(_PAGE_LIMITS if for_pages else {})}
    if idle_seconds is not None:
        parameters["idle_in_transaction_session_timeout"] = f"{idle_seconds}s"
    address = make_url(url)
    connect_args = _connection_limits(address, idle_seconds or _LOST_SECONDS)
    # By this name, unless the URL has another, `tracker upgrade` finds who else is connected.
    connect_args["fallback_application_name"] = "tracker"
    # Otherwise a database of encoding SQL_ASCII would answer with bytes.
    connect_args["client_encoding"] = "utf8"
    if is_pooled(url):
        # Statements that were prepared in one session are unknown in the next.
        connect_args["prepare_threshold"] = None
        address = address.difference_update_query([_POOLER])
        engine = create_engine(address, connect_args=connect_args, **options)
        _set_in_each_transaction(engine, parameters)
        return engine
    parameters |= _notice_lost_client(idle_seconds or _LOST_SECONDS)
    connect_args["options"] = " ".join(f"-c {name}={value}" for name, value in parameters.items())
    return create_engine(address, connect_args=connect_args, **options)


def is_pooled(url: str) -> bool:
    """Whether a database URL names a pooler that gives a session for one transaction only."""
    value = make_url(url).query.get(_POOLER)
    if value not in (None, "transaction"):
        raise SchemaError(f"{_POOLER}={value} in the database URL: write {_POOLER}=transaction")
    return value is not None


def libpq_url(url: str) -> str:
    """A PostgreSQL URL, with its password, as libpq and its programs read it."""
    address = make_url(url).difference_update_query([_POOLER]).set(drivername="postgresql")
    return address.render_as_string(hide_password=False)


def notice_lost_server(seconds: int) -> dict[str, int]:
    """Parameters of libpq by which a connection ends that has been cut off for about ``seconds``.

    Otherwise a process could wait for hours for an answer that never comes.
    """
    quarter = max(seconds // 4, 1)
    return {
        "keepalives_idle": quarter,
        "keepalives_interval": quarter,
        "keepalives_count": 3,
        "tcp_user_timeout": seconds * 1000,
    }


def _connection_limits(address: URL, lost_seconds: int) -> dict[str, Any]:
    """How long connecting and a silent server are waited for, unless the URL says so itself."""
    limits = {"connect_timeout": _CONNECT_SECONDS, **notice_lost_server(lost_seconds)}
    return {name: value for name, value in limits.items() if name not in address.query}


def _notice_lost_client(seconds: int) -> dict[str, str]:
    """Parameters by which a server drops the session, and the locks, of a machine that is gone."""
    parameters = notice_lost_server(seconds).items()
    return {f"tcp_{name.removeprefix('tcp_')}": str(value) for name, value in parameters}


def _set_in_each_transaction(engine: Engine, parameters: Mapping[str, str]) -> None:
    """A pooler has sessions of its own, and takes no options for them."""
    set_all = ", ".join(
        f"set_config('{name}', '{value}', true)" for name, value in parameters.items()
    )

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"SELECT {set_all}")


class _PrivateConnection(sqlite3.Connection):
    """A connection that creates a missing database for its owner only.

    SQLite would create it as the umask allows, and it gives the journals the database's mode.
    """

    def __init__(self, database: str, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - the driver's
        is_file = database not in _NOT_A_FILE and not database.startswith("file:")
        if is_file and not os.path.lexists(database):
            # Where that is not possible, SQLite says so in its own way.
            with suppress(OSError):
                os.close(os.open(database, os.O_RDONLY | os.O_CREAT, 0o600))
        super().__init__(database, *arguments, **options)


def _prepare_sqlite(engine: Engine) -> None:
    # To empty a journal's header ends a transaction as surely as to delete the file, and is faster.
    journal = "WAL" if wal_is_safe(sqlite3.sqlite_version_info) else "PERSIST"

    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
        # SQLAlchemy, not the driver, begins transactions (see _on_begin).
        connection.isolation_level = None
        # The journal mode needs a read lock, which another program may hold off.
        connection.execute("PRAGMA busy_timeout = 5000")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
        # With FULL a power cut can bring back a deleted journal, and so undo the transaction.
        connection.execute("PRAGMA synchronous = EXTRA")
        # What was deleted, or emptied after it was sent, must not stay in the file's free pages.
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        # A writer takes the lock at once: to upgrade a read lock later can only fail.
        mode = "IMMEDIATE" if connection.get_execution_options().get("writes") else "DEFERRED"
        connection.exec_driver_sql(f"BEGIN {mode}")


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Open a session whose reads all see one state of the database (one transaction)."""
    with engine.connect() as connection:
        if is_postgresql(connection):
            connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin(), Session(connection) as session:
            yield session


@contextmanager
def writing(
    engine: Engine, timeout: float | None = None, *, empties_journal: bool = False
) -> Iterator[Session]:
    """Open a session that writes: committed at the end, rolled back whole on any error.

    ``timeout`` limits in seconds how long it waits for other writers (on PostgreSQL for each of
    their locks). After it Busy is raised, or an error for which `is_busy` is true. With
    ``empties_journal`` SQLite's journal keeps nothing of what was in the database before.
    """
    deadline = None if timeout is None else stopwatch() + timeout
    with (
        engine.connect() as connection,
        write_lock(engine.url, timeout),
        _emptied_journal(connection) if empties_journal else nullcontext(),
    ):
        _limit_waiting(connection, deadline)
        try:
            with connection.execution_options(writes=True).begin():
                if timeout is not None and is_postgresql(connection):
                    milliseconds = max(int(timeout * 1000), 1)
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {milliseconds}")
                with Session(connection, expire_on_commit=False) as session:
                    yield session
                    session.flush()
                # On SQLite the commit waits for readers.
                _limit_waiting(connection, deadline)
        finally:
            if deadline is not None and not is_postgresql(connection):
                driver = connection.connection.cursor()
                driver.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")


def _limit_waiting(connection: Connection, deadline: float | None) -> None:
    """Let SQLite wait for others until ``deadline`` by `stopwatch`, but at least a moment."""
    if deadline is not None and not is_postgresql(connection):
        milliseconds = max(int((deadline - stopwatch()) * 1000), 1)
        connection.connection.cursor().execute(f"PRAGMA busy_timeout = {milliseconds}")


@contextmanager
def _emptied_journal(connection: Connection) -> Iterator[None]:
    """Empty SQLite's journal at the end of the transaction in the block."""
    # Otherwise the pages as they were before it stay there until others overwrite them.
    if is_postgresql(connection):
        yield
        return
    driver = connection.connection.cursor()
    driver.execute("PRAGMA journal_size_limit = 0")
    try:
        yield
        # Does nothing in a journal mode other than WAL, which keeps pages until a checkpoint.
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        driver.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")


@contextmanager
def write_lock(url: URL, timeout: float | None = None) -> Iterator[None]:
    """Hold the lock file beside an SQLite database; do nothing on other databases.

    SQLite's own busy handler sleeps longer after each try, so under load one of many writers can
    wait for seconds. The file is empty and may be deleted while nothing runs; SQLite's lock is
    what keeps the database whole.

    Raises Busy after ``timeout`` seconds; None waits forever.
    """
    if url.get_backend_name() != "sqlite" or url.database in _NOT_A_FILE:
        yield
        return
    lock_file = open_lock_file(Path(str(url.database)), "turn")
    # flock() has no timeout, and a thread that waits in it cannot be interrupted.
    deadline = None if timeout is None else stopwatch() + timeout
    mode = fcntl.LOCK_EX if deadline is None else fcntl.LOCK_EX | fcntl.LOCK_NB
    is_locked = False
    try:
        while not is_locked:
            try:
                fcntl.flock(lock_file, mode)
                is_locked = True
            except BlockingIOError:
                if deadline is not None and stopwatch() >= deadline:
                    raise Busy from None
                time.sleep(_RETRY_SECONDS)
        yield
    finally:
        os.close(lock_file)


def open_lock_file(database: Path, name: str) -> int:
    """Open a lock file beside an SQLite file, which need not exist yet; returns its descriptor."""
    lock_file = os.open(f"{database}-{name}", os.O_RDONLY | os.O_CREAT, 0o600)
    if os.geteuid() == 0:
        # A command that root runs, after which the program of the database's owner needs the file.
        with suppress(OSError):
            owner = database.stat()
            os.fchown(lock_file, owner.st_uid, owner.st_gid)
    return lock_file


def lock_names(session: Session, names: Iterable[str]) -> None:
    """Make other transactions that lock one of these names wait until this one ends."""
    # SQLite has one writer anyway. In one order, so that no two transactions wait for each other.
    if is_postgresql(session):
        for name in sorted(names):
            number = func.hashtextextended(name, 0)
            session.exec(select(func.pg_advisory_xact_lock(number))).all()
