"""Which schema a database has, and whether this program works with it."""

from sqlalchemy import Connection, column, inspect, select, table

from tracker.database_urls import find_sqlite_file
from tracker.db.engine import is_postgresql, open_engine
from tracker.db.errors import SchemaError
from tracker.db.schema_versions import knows_version, newest_version

CREATE_WITH_UTF8 = "Create it again with ENCODING 'UTF8' TEMPLATE template0"
# Where alembic notes the version.
_VERSION = table("alembic_version", column("version_num"))


def require_schema(url: str) -> None:
    """Refuse a database that is not there, or empty, older, or another program's.

    Raises SchemaError, saying what to do. Nothing is created.
    """
    file = find_sqlite_file(url)
    version = None if file and not file.is_file() else schema_version(url)
    if version is None:
        missing = f"there is no database at {file}" if file else "the database is empty"
        raise SchemaError(
            f"{missing}. If TRACKER_DATABASE_URL names the right one, `tracker migrate` makes its "
            "tables, as do `tracker serve` and `tracker import`"
        )
    refuse_newer_schema(version)
    if version != newest_version():
        raise SchemaError(
            f"the database has schema {version}, this program works with {newest_version()}: "
            "run `tracker upgrade`, which makes a backup first"
        )


def refuse_newer_schema(version: str) -> None:
    """Raise SchemaError for a schema that only a later version of this program knows."""
    if not knows_version(version):
        raise SchemaError(
            f"the database has schema {version}, which only a newer version of this program knows. "
            "Install that version"
        )


def schema_version(url: str) -> str | None:
    """Return the schema version of the database at ``url``; None if it is empty.

    Raises SchemaError if it holds another program's tables.
    """
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            version = read_version(connection)
            if version is None and inspect(connection).get_table_names():
                raise SchemaError("the database holds tables of another program: name an empty one")
            return version
    finally:
        engine.dispose()


def find_other_encoding(connection: Connection) -> str | None:
    """The encoding of a PostgreSQL database that can't store every name; None for UTF-8."""
    if not is_postgresql(connection):
        return None
    encoding: str = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    return None if encoding == "UTF8" else encoding


def read_version(connection: Connection) -> str | None:
    """The schema version of a database; None if no tables of this program are in it."""
    if not inspect(connection).has_table(_VERSION.name):
        return None
    return connection.execute(select(_VERSION.c.version_num)).scalar_one_or_none()
