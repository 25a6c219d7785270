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


class FilledSqlite:
    """A database of this process on SQLite that was filled once, to copy from then on."""

    def __init__(self) -> None:
        self._content: bytes | None = None
        self._ids: Any = None

    def keep(self, engine: Engine, ids: object) -> None:
        """Remember the database of ``engine``, and the ids in it; nothing on PostgreSQL."""
        if engine.dialect.name == "sqlite":
            engine.dispose()
            self._content = Path(str(engine.url.database)).read_bytes()
            self._ids = deepcopy(ids)

    def copy_to(self, engine: Engine) -> Any:  # noqa: ANN401 - as they were kept
        """Put what was kept in the place of the database of ``engine``; the ids, None if not."""
        if self._content is None or engine.dialect.name != "sqlite":
            return None
        engine.dispose()
        file = Path(str(engine.url.database))
        for side_file in file.parent.glob(f"{file.name}-*"):
            side_file.unlink()
        file.write_bytes(self._content)
        return deepcopy(self._ids)


def new_name() -> str:
    """Return a name that no other worker and no other run uses on the same server."""
    return f"tracker_test_{uuid.uuid4().hex[:12]}"


def sqlalchemy_url(server_url: str, name: str) -> str:
    """Return the SQLAlchemy URL (driver: psycopg) of database `name` on this server."""
    url = make_url(server_url).set(drivername="postgresql+psycopg", database=name)
    return url.render_as_string(hide_password=False)


@contextmanager
def postgres_database(server_url: str, template: str | None = None) -> Iterator[str]:
    """Create a database, give its name, and drop it in the end."""
    name = new_name()
    copying = sql.SQL("TEMPLATE {}").format(sql.Identifier(template or "template0"))
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
    """The tables that hold rows."""
    one = sql.SQL("SELECT {} WHERE EXISTS (SELECT FROM {})")
    asked = [one.format(sql.Literal(name), sql.Identifier(name)) for name in METADATA.tables]
    return [name for (name,) in connection.execute(sql.SQL(" UNION ALL ").join(asked))]
