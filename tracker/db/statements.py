"""Set-based statements that both databases run: bulk inserts, upserts, ids, and keys."""

import json
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cache
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from psycopg import Connection as PsycopgConnection
from psycopg import sql
from sqlalchemy import Table, func, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel

from tracker.db.tables import METADATA, Secret

# Large enough that a round trip costs nothing, small enough that a long import stays small.
_BATCH = 5_000
T = TypeVar("T")


def in_chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Split items into lists of at most ``size``."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def insert_rows(
    session: Session, table: Table | type[SQLModel], rows: Iterable[Mapping[str, Any]]
) -> int:
    """Insert rows, each with the same columns, and return how many.

    Defaults are not filled in. PostgreSQL gets them by COPY, which is four times as fast.
    """
    if not isinstance(table, Table):
        table = METADATA.tables[str(table.__tablename__)]
    session.flush()  # rows that these refer to may be pending
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


def run(session: Session, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
    """Run one statement, written with ``?`` for each value; its rows, if it has any."""
    driver = _driver(session)
    if isinstance(driver, PsycopgConnection):
        cursor: Any = driver.execute(_percent(sql), parameters)
        # To ask for the description would make an object for each column.
        return cursor.fetchall() if cursor.pgresult.nfields else []
    cursor = driver.execute(sql, parameters)
    return cursor.fetchall() if cursor.description else []


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


@cache
def _percent(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")


def reserve_ids(session: Session, table: Table, count: int) -> Sequence[int]:
    """Ids for ``count`` new rows of a table, in rising order; they are never given again."""
    if session.connection().dialect.name == "postgresql":
        series = func.generate_series(1, count).alias("series")
        sequence = func.pg_get_serial_sequence(table.name, "id")
        taken = select(func.nextval(sequence)).select_from(series)
        return sorted(session.connection().execute(taken).scalars())
    # The transaction holds SQLite's one write lock, so nobody else takes them.
    last = session.scalar(_LAST_ID, {"table": table.name}) or 0
    return range(last + 1, last + count + 1)


_LAST_ID = text("SELECT seq FROM sqlite_sequence WHERE name = :table")


def upsert(
    session: Session,
    model: type[SQLModel],
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str],
    update: Collection[str] = (),
) -> int:
    """Insert rows; where a row with the same ``key`` columns exists, set its ``update`` columns.

    Without ``update`` an existing row stays as it is. Returns how many rows were written.
    """
    if not rows:
        return 0
    session.flush()  # rows that these refer to may be pending
    dialect = {"sqlite": sqlite, "postgresql": postgresql}[session.connection().dialect.name]
    table = METADATA.tables[str(model.__tablename__)]
    statement: Any = dialect.insert(table)
    if update:
        new_values = {name: statement.excluded[name] for name in update}
        statement = statement.on_conflict_do_update(index_elements=key, set_=new_values)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=key)
    # The rows are asked back because psycopg does not count them.
    statement = statement.returning(*(table.c[name] for name in key))
    return len(session.connection().execute(statement, list(rows)).all())


def refresh_statistics(session: Session, models: Iterable[type[SQLModel]]) -> None:
    """Tell PostgreSQL's planner about the rows that this transaction has added.

    If it believes that tables are empty (as after an import that failed), it goes through full
    ones row by row: the evaluation of a hundred thousand new entries then takes minutes.
    SQLite's planner keeps no such count.
    """
    if session.connection().dialect.name == "postgresql":
        names = ", ".join(sorted({str(model.__tablename__) for model in models}))
        session.connection().execute(text(f"ANALYZE {names}"))


def lock_for_import(session: Session) -> None:
    """Wait until no other import is under way; hold the lock until this transaction ends.

    Two imports of one file at once would both find that its rows are new. On SQLite the
    transaction's own lock does this already.
    """
    if session.connection().dialect.name == "postgresql":
        session.connection().execute(
            text("SELECT pg_advisory_xact_lock(hashtext('tracker import'))")
        )


def with_values(
    session: Session, name: str, columns: Mapping[str, str], rows: Sequence[Sequence[Any]]
) -> tuple[str, tuple[Any, ...]]:
    """Return a WITH clause that makes a table ``name`` of ``rows``, and its parameters.

    ``columns`` gives each column's PostgreSQL type. Days are ISO texts. For hand-written queries.
    """
    names = ", ".join(columns)
    if session.connection().dialect.name == "postgresql":
        arrays = ", ".join(f"%s::{kind}[]" for kind in columns.values())
        clause = f"WITH {name} ({names}) AS (SELECT * FROM unnest({arrays}))"
        return clause, tuple(list(values) for values in zip(*rows, strict=True))
    marks = f"({', '.join('?' * len(columns))})"
    clause = f"WITH {name} ({names}) AS (VALUES {', '.join([marks] * len(rows))})"
    return clause, tuple(value for row in rows for value in row)


def make_id_table(session: Session, name: str, ids: Iterable[int]) -> None:
    """Make the temporary table ``name`` anew, with one ``id`` a row. For jobs, not for pages."""
    session.connection().execute(text(f"DROP TABLE IF EXISTS {name}"))
    session.connection().execute(text(f"CREATE TEMPORARY TABLE {name} (id INTEGER PRIMARY KEY)"))
    rows = [{"id": number} for number in ids]
    if rows:
        session.connection().execute(text(f"INSERT INTO {name} VALUES (:id)"), rows)
    if session.connection().dialect.name == "postgresql":
        session.connection().execute(text(f"ANALYZE {name}"))


def with_own_id(_session: Session, _table: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values; to be removed with its last caller."""
    return dict(values)


_SECRET = METADATA.tables["secret"]


def find_key(session: Session, name: str) -> str | None:
    """The key of that name; None before anybody needed it."""
    return session.scalar(select(_SECRET.c.value).where(_SECRET.c.name == name))


def make_key(session: Session, name: str) -> str:
    """The key of that name (64 hexadecimal digits), made on the first call: it writes."""
    # Two that make it at once: the first stays, and both read that one.
    upsert(session, Secret, [{"name": name, "value": secrets.token_hex(32)}], key=["name"])
    return str(find_key(session, name))
