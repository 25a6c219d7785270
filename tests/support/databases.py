"""Fresh databases for tests, as copies of one that was migrated once."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from sqlalchemy import make_url


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
    address = make_url(server_url).set(drivername="postgresql")
    with psycopg.connect(address.render_as_string(hide_password=False), autocommit=True) as server:
        server.execute(creating)
        try:
            yield name
        finally:
            server.execute(dropping)
