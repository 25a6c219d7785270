"""Ids that no other row of a table ever had, also of those that are deleted by now.

Links, other programs and the audit know rows by their ids. PostgreSQL counts on by itself; SQLite
gives the id of a deleted row to the next one if it was the newest, unless it is told another.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from tracker.records.store.quick import run


def last_id(connection: Connection, table: str) -> int:
    """The largest id that a row of an audited table of SQLite ever had; 0 if there was none."""
    rows = run(connection, _LAST.format(table=table), [table])
    return int(rows[0][0])


# The transaction holds SQLite's one write lock, so nobody takes the next one in between.
_LAST = """
    SELECT MAX(
        COALESCE((SELECT MAX(id) FROM {table}), 0),
        COALESCE((SELECT MAX(row_id) FROM audit_event WHERE table_name = ?), 0)
    )
"""


def with_own_id(connection: Connection, table: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a new row, with its id where the database would not give it one of its own."""
    if connection.dialect.name == "postgresql":
        return dict(values)
    return {"id": last_id(connection, table) + 1, **values}
