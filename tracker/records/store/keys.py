"""Random keys of this installation, each made once, for links that nobody can make up."""

import secrets

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from tracker.records.schema.tables import METADATA

_SECRET = METADATA.tables["secret"]


def find_key(connection: Connection, name: str) -> str | None:
    """The key of that name; None before anybody needed it."""
    return connection.scalar(select(_SECRET.c.value).where(_SECRET.c.name == name))


def make_key(connection: Connection, name: str) -> str:
    """The key of that name (64 hexadecimal digits), made on the first call: it writes."""
    dialect = {"sqlite": sqlite, "postgresql": postgresql}[connection.dialect.name]
    # Two that make it at once: the first stays, and both read that one.
    connection.execute(
        dialect.insert(_SECRET)
        .values(name=name, value=secrets.token_hex(32))
        .on_conflict_do_nothing()
    )
    return str(find_key(connection, name))
