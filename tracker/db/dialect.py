"""Which database it is, SQLite or PostgreSQL, and the statement that each has of its own."""

from typing import Any

from sqlalchemy import URL, Connection, Engine, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlmodel import Session


def is_postgresql(database: Session | Connection | Engine) -> bool:
    """Whether the database is PostgreSQL, not SQLite."""
    if isinstance(database, Session):
        database = database.connection()
    return database.dialect.name == "postgresql"


def is_sqlite_url(url: str | URL) -> bool:
    """Whether a database URL names an SQLite database."""
    return make_url(url).get_backend_name() == "sqlite"


def dialect_insert(session: Session, table: Table) -> Any:  # noqa: ANN401 - each has its own class
    """Return an INSERT that has ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    dialect = postgresql if is_postgresql(session) else sqlite
    return dialect.insert(table)
