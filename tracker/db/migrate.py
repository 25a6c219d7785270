"""Bringing a database to this program's schema."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, func, select

from tracker.db.engine import is_postgresql, open_engine
from tracker.db.errors import SchemaError
from tracker.db.schema import CREATE_WITH_UTF8, find_other_encoding, read_version
from tracker.db.schema_versions import MIGRATIONS


def migrate(url: str) -> None:
    """Bring the database at ``url`` to this program's schema, from empty or any older one.

    All or nothing. Of several at once, one migrates, and the others find nothing to do. Raises
    SchemaError for an empty database that can't store every name.
    """
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            _require_unicode(connection)
        with engine.connect() as connection, upgrading(connection):
            pass
    finally:
        engine.dispose()


def _require_unicode(connection: Connection) -> None:
    encoding = find_other_encoding(connection)
    if encoding and read_version(connection) is None:
        raise SchemaError(
            f"its encoding is {encoding}, which can't store every name. {CREATE_WITH_UTF8}"
        )


@contextmanager
def upgrading(connection: Connection, version: str = "head") -> Iterator[None]:
    """Run the migrations up to ``version``, and the block after them, in one transaction.

    ``connection`` has none yet. If anything fails, or the process or the machine stops, the
    database is exactly as before: both engines undo changes of tables like those of rows.
    """
    is_sqlite = not is_postgresql(connection)
    if is_sqlite:
        # SQLite changes a table by making it anew; to drop the old one must not delete the rows
        # that refer to it (sqlite.org/lang_altertable.html). A transaction cannot set this.
        connection.connection.cursor().execute("PRAGMA foreign_keys = OFF")
    try:
        with connection.execution_options(writes=True).begin():
            if not is_sqlite:
                number = func.hashtextextended("tracker schema", 0)
                connection.execute(select(func.pg_advisory_xact_lock(number)))
            configuration = Config()
            configuration.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
            # Alembic begins no transaction of its own in ours.
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, version)
            yield
    finally:
        if is_sqlite:
            connection.connection.cursor().execute("PRAGMA foreign_keys = ON")
