"""Writing very many rows."""

import json
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cache
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from psycopg import Connection as PsycopgConnection
from psycopg import sql
from sqlalchemy import Table, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from tracker.db.tables import METADATA

# Large enough that a round trip costs nothing, small enough that a long import stays small.
_BATCH = 5_000
T = TypeVar("T")


def in_chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of ``size`` at most."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def insert_rows(session: Session, table: Table, rows: Iterable[Mapping[str, Any]]) -> int:
    """Insert rows, each with the same columns, and return how many.

    Values go in as Python's own dates, aware instants, numbers and texts; a column's Python
    default is not filled in. On PostgreSQL by COPY, which is four times as fast.
    """
    count = 0
    for batch in in_chunks(rows, _BATCH):
        driver = session.connection().connection.driver_connection
        if isinstance(driver, PsycopgConnection):
            _copy(driver, table, batch)
        else:
            session.connection().execute(insert(table), batch)
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


Row = Sequence[Any]


class Chosen(NamedTuple):
    """A condition to write behind a column, and its parameters."""

    sql: str
    parameters: tuple[Any, ...] = ()


def among(session: Session, ids: Collection[int]) -> Chosen:
    """That a column is one of ``ids``: the same words for any number of them."""
    if session.connection().dialect.name == "postgresql":
        return Chosen("= ANY(?::integer[])", (list(ids),))
    return Chosen("IN (SELECT value FROM json_each(?))", (json.dumps([*ids]),))


def in_table(name: str) -> Chosen:
    """That a column is an ``id`` of a temporary table."""
    return Chosen(f"IN (SELECT id FROM {name})")


def run(session: Session, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
    """Run one statement, written with ``?`` for each value; its rows, if it has any."""
    driver = _driver(session)
    if isinstance(driver, PsycopgConnection):
        cursor: Any = driver.execute(_percent(sql), parameters)
        # To ask for the description would make an object for each column.
        return cursor.fetchall() if cursor.pgresult.nfields else []
    cursor = driver.execute(sql, parameters)
    return cursor.fetchall() if cursor.description else []


def run_for_each(session: Session, sql: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run one statement once for each row of values."""
    driver = _driver(session)
    with_marks = _percent(sql) if isinstance(driver, PsycopgConnection) else sql
    if rows:
        driver.cursor().executemany(with_marks, rows)


def insert_one(session: Session, table: str, values: Mapping[str, Any]) -> int:
    """Insert a row of numbers, texts and days (no instants); its id."""
    sql = _insert_sql(table, tuple(values), " RETURNING id")
    return int(run(session, sql, _plain(values))[0][0])


def insert_few(session: Session, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert such rows, all with the same columns in the same order."""
    if rows:
        sql = _insert_sql(table, tuple(rows[0]), "")
        run_for_each(session, sql, [_plain(row) for row in rows])


def _driver(session: Session) -> Any:  # noqa: ANN401 - each driver's own
    if not session.in_transaction():
        session.begin()
    return session.connection().connection.driver_connection


def as_date(value: date | str) -> date:
    """A day as the driver gives it: SQLite's as text."""
    return date.fromisoformat(value) if isinstance(value, str) else value


def as_instant(value: datetime | str) -> datetime:
    """An instant as the driver gives it, aware and in UTC: SQLite's as text without a zone."""
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value.astimezone(UTC)


def instant_for(session: Session, instant: datetime) -> datetime | str:
    """An aware instant as it is compared: on SQLite as the text that is stored."""
    if session.connection().dialect.name == "postgresql":
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


def last_id(session: Session, table: str) -> int:
    """The largest id that a row of an audited table of SQLite ever had; 0 if there was none."""
    rows = run(session, _LAST.format(table=table), [table])
    return int(rows[0][0])


# The transaction holds SQLite's one write lock, so nobody takes the next one in between.
_LAST = """
    SELECT MAX(
        COALESCE((SELECT MAX(id) FROM {table}), 0),
        COALESCE((SELECT MAX(row_id) FROM audit_event WHERE table_name = ?), 0)
    )
"""


def with_own_id(session: Session, table: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a new row, with its id where the database would not give it one of its own."""
    if session.connection().dialect.name == "postgresql":
        return dict(values)
    return {"id": last_id(session, table) + 1, **values}


_SECRET = METADATA.tables["secret"]


def find_key(session: Session, name: str) -> str | None:
    """The key of that name; None before anybody needed it."""
    return session.scalar(select(_SECRET.c.value).where(_SECRET.c.name == name))


def make_key(session: Session, name: str) -> str:
    """The key of that name (64 hexadecimal digits), made on the first call: it writes."""
    dialect = {"sqlite": sqlite, "postgresql": postgresql}[session.connection().dialect.name]
    # Two that make it at once: the first stays, and both read that one.
    session.connection().execute(
        dialect.insert(_SECRET)
        .values(name=name, value=secrets.token_hex(32))
        .on_conflict_do_nothing()
    )
    return str(find_key(session, name))
