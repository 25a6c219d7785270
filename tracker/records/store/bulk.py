"""Writing very many rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from psycopg import Connection as PsycopgConnection
from psycopg import sql
from sqlalchemy import Connection, Table, insert

# Large enough that a round trip costs nothing, small enough that a long import stays small.
_BATCH = 5_000
T = TypeVar("T")


def in_chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of ``size`` at most."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def insert_rows(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]]) -> int:
    """Insert rows, each with the same columns, and return how many.

    Values go in as Python's own dates, aware instants, numbers and texts; a column's Python
    default is not filled in. On PostgreSQL by COPY, which is four times as fast.
    """
    count = 0
    for batch in in_chunks(rows, _BATCH):
        driver = connection.connection.driver_connection
        if isinstance(driver, PsycopgConnection):
            _copy(driver, table, batch)
        else:
            connection.execute(insert(table), batch)
        count += len(batch)
    return count


def _copy(
    driver: "PsycopgConnection[Any]", table: Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    columns = list(rows[0])
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row([row[column] for column in columns])
