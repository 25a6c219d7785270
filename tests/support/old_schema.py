"""Databases as older versions of the program left them."""

import gzip
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, create_engine, func, select

from tracker.db.engine import open_engine
from tracker.db.migrate import upgrading
from tracker.db.tables import METADATA

# A database with rows in every table, filled by the program when its schema was this one.
FILLED_VERSION = "0009"
FILLED = Path(__file__).parents[1] / "db" / "filled_0009.sql.gz"
WHEN_FILLED = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)


def migrate_to(url: str, version: str) -> None:
    """Bring an empty or older database to the schema of one version."""
    engine = open_engine(url)
    with engine.connect() as connection, upgrading(connection, version):
        pass
    engine.dispose()


def load_filled(file: Path) -> str:
    """Make an SQLite file as the older program left it; return its URL."""
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(gzip.decompress(FILLED.read_bytes()).decode())
    return f"sqlite:///{file}"


def copy_rows(source_url: str, target_url: str) -> None:
    """Copy all rows of one database of schema 0009 to an empty one on another engine."""
    source, target, metadata = create_engine(source_url), create_engine(target_url), MetaData()
    metadata.reflect(target)
    with source.connect() as read, target.begin() as write:
        for table in metadata.sorted_tables:
            if table.name == "alembic_version":
                continue
            columns = [METADATA.tables[table.name].c[name] for name in table.c.keys()]  # noqa: SIM118
            rows = read.execute(select(*columns)).mappings()
            values = [dict(row) for row in rows]
            if values:
                write.execute(table.insert(), values)
            if "id" in table.c:
                last = select(func.max(table.c.id)).scalar_subquery()
                write.execute(select(func.setval(f"{table.name}_id_seq", last)))
    source.dispose()
    target.dispose()


def fill_older(empty_url: str, folder: Path) -> str:
    """The URL of a database that the older program filled, on the engine of ``empty_url``."""
    url = load_filled(folder / "filled.db")
    if empty_url.startswith("sqlite"):
        return url
    migrate_to(empty_url, FILLED_VERSION)
    copy_rows(url, empty_url)
    return empty_url


def read_rows(url: str) -> dict[str, list[dict[str, Any]]]:
    engine, metadata = create_engine(url), MetaData()
    metadata.reflect(engine)
    rows = {}
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            query = select(table).order_by(*table.primary_key)
            rows[table.name] = [dict(row) for row in connection.execute(query).mappings()]
    engine.dispose()
    del rows["alembic_version"]
    return rows
