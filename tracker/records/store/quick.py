"""Short statements in the driver's own words, for what every request does.

To build a statement and to wrap its rows costs many times what a small database takes to run
it. So what is done again and again for one person goes past all that: values go in as plain
numbers and texts, days in ISO form, and come out as the driver gives them (SQLite's days as text).
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, NamedTuple

from psycopg import Connection as PsycopgConnection
from sqlalchemy import Connection

Row = Sequence[Any]


class Chosen(NamedTuple):
    """A condition to write behind a column, and its parameters."""

    sql: str
    parameters: tuple[Any, ...] = ()


def among(connection: Connection, ids: Collection[int]) -> Chosen:
    """That a column is one of ``ids``: the same words for any number of them."""
    if connection.dialect.name == "postgresql":
        return Chosen("= ANY(?::integer[])", (list(ids),))
    return Chosen("IN (SELECT value FROM json_each(?))", (json.dumps([*ids]),))


def in_table(name: str) -> Chosen:
    """That a column is an ``id`` of a temporary table."""
    return Chosen(f"IN (SELECT id FROM {name})")


def run(connection: Connection, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
    """Run one statement, written with ``?`` for each value; its rows, if it has any."""
    driver = _driver(connection)
    if isinstance(driver, PsycopgConnection):
        cursor: Any = driver.execute(_percent(sql), parameters)
        # To ask for the description would make an object for each column.
        return cursor.fetchall() if cursor.pgresult.nfields else []
    cursor = driver.execute(sql, parameters)
    return cursor.fetchall() if cursor.description else []


def run_for_each(connection: Connection, sql: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run one statement once for each row of values."""
    driver = _driver(connection)
    with_marks = _percent(sql) if isinstance(driver, PsycopgConnection) else sql
    if rows:
        driver.cursor().executemany(with_marks, rows)


def insert_one(connection: Connection, table: str, values: Mapping[str, Any]) -> int:
    """Insert a row of numbers, texts and days (no instants); its id."""
    sql = _insert_sql(table, tuple(values), " RETURNING id")
    return int(run(connection, sql, _plain(values))[0][0])


def insert_few(connection: Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert such rows, all with the same columns in the same order."""
    if rows:
        sql = _insert_sql(table, tuple(rows[0]), "")
        run_for_each(connection, sql, [_plain(row) for row in rows])


def _driver(connection: Connection) -> Any:  # noqa: ANN401 - each driver's own
    if not connection.in_transaction():
        connection.begin()
    return connection.connection.driver_connection


def as_date(value: date | str) -> date:
    """A day as the driver gives it: SQLite's as text."""
    return date.fromisoformat(value) if isinstance(value, str) else value


def as_instant(value: datetime | str) -> datetime:
    """An instant as the driver gives it, aware and in UTC: SQLite's as text without a zone."""
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value.astimezone(UTC)


def instant_for(connection: Connection, instant: datetime) -> datetime | str:
    """An aware instant as it is compared: on SQLite as the text that is stored."""
    if connection.dialect.name == "postgresql":
        return instant
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _plain(row: Mapping[str, Any]) -> list[Any]:
    return [v.isoformat() if type(v) is date else v for v in row.values()]


@cache
def _insert_sql(table: str, columns: tuple[str, ...], end: str) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}){end}"


@cache
def _percent(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")
