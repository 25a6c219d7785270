"""Fresh databases for tests: copies of one that was migrated once, emptied after each test."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import sql
from sqlalchemy import Engine, make_url

from tracker.db.tables import METADATA

# The tables of `tracker worker`, which are procrastinate's own.
TASK_TABLES = tuple(
    f"procrastinate_{name}" for name in ("jobs", "events", "periodic_defers", "workers")
)

# What a copy is like, apart from its rows: to lend on one that a test has built on, or has told
# that it is of another version, would let that test meddle with the next.
_SHAPE = """
    SELECT (SELECT (count(*), max(xmin::text::bigint))::text FROM pg_attribute),
           (SELECT (count(*), max(xmin::text::bigint))::text FROM pg_constraint),
           (SELECT (count(*), max(xmin::text::bigint))::text FROM pg_trigger),
           (SELECT (count(*), max(xmin::text::bigint))::text FROM pg_proc),
           (SELECT string_agg(version_num, ' ') FROM alembic_version),
           (SELECT string_agg(setconfig::text, ' ') FROM pg_db_role_setting JOIN pg_database d
            ON d.oid = setdatabase WHERE datname = current_database())
"""
_HANG_UP = """
    SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_NUMBER_ANEW = """
    SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence
    JOIN pg_class ON pg_class.oid = seqrelid WHERE relnamespace = 'public'::regnamespace
"""
# By the size of their files, which takes a tenth of the time of looking into each.
_FILLED = """
    SELECT name FROM unnest(%s::text[]) WITH ORDINALITY AS t (name, place)
    WHERE pg_relation_size(name::regclass) > 0 ORDER BY place
"""
_NUMBERS = "SELECT sequencename, last_value FROM pg_sequences WHERE last_value IS NOT NULL"
_NUMBER_ON = (
    "SELECT setval(name::regclass, last) FROM unnest(%s::text[], %s::bigint[]) AS n (name, last)"
)
# TRUNCATE makes new files, which takes ten times as long; before this version nothing else would
# let the planner forget what it knows of a table.
_FORGETS = 180000
_FORGET = "SELECT pg_clear_relation_stats('public', name) FROM unnest(%s::text[]) AS name"


def copy_sqlite(migrated: Path, folder: Path) -> str:
    """Copy a database that nobody has open into ``folder``; the copy's SQLAlchemy URL."""
    # The side files too: in WAL mode the newest pages may still be in there.
    for file in migrated.parent.glob(f"{migrated.name}*"):
        shutil.copy(file, folder / file.name)
    return f"sqlite:///{folder / migrated.name}"


class FilledDatabase:
    """A database of this process that was filled once on each engine, to copy from then on."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Any, Any]] = {}

    def keep(self, engine: Engine, ids: object) -> None:
        """Remember the database of ``engine``, and the ids in it."""
        if engine.dialect.name == "sqlite":
            engine.dispose()
            content: Any = Path(str(engine.url.database)).read_bytes()
        else:
            with _driver(engine) as connection:
                content = _read_rows(connection)
        self._kept[engine.dialect.name] = (content, deepcopy(ids))

    def copy_to(self, engine: Engine) -> Any:  # noqa: ANN401 - as they were kept
        """Put what was kept in the place of the database of ``engine``; the ids in it.

        None if nothing has been kept on this engine.
        """
        content, ids = self._kept.get(engine.dialect.name, (None, None))
        if content is None:
            return None
        if engine.dialect.name == "sqlite":
            engine.dispose()
            file = Path(str(engine.url.database))
            for side_file in file.parent.glob(f"{file.name}-*"):
                side_file.unlink()
            file.write_bytes(content)
        else:
            with _driver(engine) as connection:
                _write_rows(connection, *content)
        return deepcopy(ids)


@contextmanager
def _driver(engine: Engine) -> Iterator[psycopg.Connection]:
    """A connection of the engine's pool, without SQLAlchemy's part of it; committed in the end."""
    with engine.connect() as connection:
        found = connection.connection.driver_connection
        assert isinstance(found, psycopg.Connection)
        yield found
        found.commit()


def _read_rows(connection: psycopg.Connection) -> tuple[dict[str, bytes], list[tuple[Any, ...]]]:
    """The rows of each table that has some, in PostgreSQL's own form, and the numbers given out."""
    rows = {}
    for name in _filled(connection):
        copying = sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(sql.Identifier(name))
        with connection.cursor().copy(copying) as copy:
            rows[name] = b"".join(bytes(block) for block in copy)
    return rows, connection.execute(_NUMBERS).fetchall()


def _write_rows(
    connection: psycopg.Connection, rows: dict[str, bytes], numbers: list[tuple[Any, ...]]
) -> None:
    # In any order: no foreign key is looked at, as all of them are right.
    connection.execute("SET LOCAL session_replication_role = replica")
    for name in _filled(connection):
        connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
    for name, content in rows.items():
        copying = sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(sql.Identifier(name))
        with connection.cursor().copy(copying) as copy:
            copy.write(content)
    names, last = [name for name, _ in numbers], [number for _, number in numbers]
    connection.execute(_NUMBER_ON, [names, last])


def new_name() -> str:
    """Return a name that no other worker and no other run uses on the same server."""
    return f"tracker_test_{uuid.uuid4().hex[:12]}"


def sqlalchemy_url(server_url: str, name: str) -> str:
    """Return the SQLAlchemy URL (driver: psycopg) of database `name` on this server."""
    url = make_url(server_url).set(drivername="postgresql+psycopg", database=name)
    return url.render_as_string(hide_password=False)


@contextmanager
def postgres_database(
    server_url: str, template: str | None = None, options: str = ""
) -> Iterator[str]:
    """Create a database, give its name, and drop it in the end."""
    name = new_name()
    copying = sql.SQL("TEMPLATE {} {}").format(
        sql.Identifier(template or "template0"), sql.SQL(options)
    )
    creating = sql.SQL("CREATE DATABASE {} {}").format(sql.Identifier(name), copying)
    dropping = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
    with _connected(server_url) as server:
        server.execute(creating)
        try:
            yield name
        finally:
            server.execute(dropping)


class DatabasePool:
    """Migrated databases to borrow, one borrower at a time; there are as many as are needed.

    To empty one takes a tenth of the time of making and dropping one.
    """

    def __init__(self, server_url: str, template: str) -> None:
        self._server_url = server_url
        self._template = template
        self._stack = ExitStack()
        self._idle: list[tuple[str, tuple[Any, ...]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextmanager
    def borrowed(self) -> Iterator[str]:
        """A database without a row: its SQLAlchemy URL."""
        name, shape = self._idle.pop() if self._idle else self._new()
        yield sqlalchemy_url(self._server_url, name)
        if self._empty(name, shape):
            self._idle.append((name, shape))

    def _new(self) -> tuple[str, tuple[Any, ...]]:
        name = self._stack.enter_context(postgres_database(self._server_url, self._template))
        with _connected(self._server_url, name) as connection:
            return name, _shape(connection)

    def _empty(self, name: str, shape: tuple[Any, ...]) -> bool:
        """Take all rows away; whether the database is now as it was when it was new."""
        with _connected(self._server_url, name) as connection:
            connection.execute(_HANG_UP)
            if _shape(connection) != shape:
                return False
            _take_rows_away(connection)
            return True


@contextmanager
def _connected(server_url: str, name: str | None = None) -> Iterator[psycopg.Connection]:
    address = make_url(server_url).set(drivername="postgresql")
    if name:
        address = address.set(database=name)
    with psycopg.connect(address.render_as_string(hide_password=False), autocommit=True) as found:
        yield found


def _shape(connection: psycopg.Connection) -> tuple[Any, ...]:
    found = connection.execute(_SHAPE).fetchone()
    assert found is not None
    return found


def _take_rows_away(connection: psycopg.Connection) -> None:
    filled = _filled(connection)
    if not filled:
        connection.execute(_NUMBER_ANEW)
        return
    names = sql.SQL(", ").join(map(sql.Identifier, filled))
    if connection.info.server_version < _FORGETS:
        connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(names))
        return
    with connection.transaction():
        # In any order: no foreign key is looked at, as all of them go.
        connection.execute("SET LOCAL session_replication_role = replica")
        for name in filled:
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
        connection.execute(_NUMBER_ANEW)
    # Rows then come in the order, and by the plan, in which they come from a new database.
    connection.execute(sql.SQL("VACUUM (INDEX_CLEANUP ON) {}").format(names))
    connection.execute(_FORGET, [filled])


def _filled(connection: psycopg.Connection) -> list[str]:
    """The tables that hold rows, or held some until they were last cleaned up."""
    return [name for (name,) in connection.execute(_FILLED, [[*METADATA.tables, *TASK_TABLES]])]
