"""Set-based statements that run on both databases: bulk inserts, upserts, and ids of new rows."""

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cache
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Table, func, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel

from tracker.db.engine import is_postgresql
from tracker.db.tables import METADATA

# Large enough that a round trip costs nothing, small enough that a long import stays small.
_BATCH = 5_000
# So few rows of a stream that they are used while they are still in the processor's cache.
_FETCH = 200
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
    count, connection = 0, session.connection()
    for batch in in_chunks(rows, _BATCH):
        if is_postgresql(connection):
            columns = list(batch[0])
            values = ([row[column] for column in columns] for row in batch)
            _copy(connection, table.name, columns, values)
        else:
            connection.execute(_insert_into(table), batch)
        count += len(batch)
    return count


# Building a statement takes as long as running it.
_insert_into = cache(insert)


def _copy(
    connection: Connection, table: str, columns: Iterable[str], rows: Iterable[Sequence[Any]]
) -> None:
    quote = connection.dialect.identifier_preparer.quote
    statement = f"COPY {quote(table)} ({', '.join(map(quote, columns))}) FROM STDIN"
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def dialect_insert(session: Session, table: Table) -> Any:  # noqa: ANN401 - each has its own class
    """Return an INSERT that has ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    dialect = postgresql if is_postgresql(session) else sqlite
    return dialect.insert(table)


def upsert(
    session: Session,
    model: type[SQLModel],
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str],
    update: Collection[str] = (),
    where: ColumnElement[bool] | None = None,
) -> int:
    """Insert rows; where a row with the same ``key`` columns exists, set its ``update`` columns.

    Without ``update``, and if it does not fulfill ``where``, an existing row stays as it is.
    Returns how many rows were written.
    """
    if not rows:
        return 0
    session.flush()  # rows that these refer to may be pending
    table = METADATA.tables[str(model.__tablename__)]
    statement = dialect_insert(session, table)
    if update:
        new_values = {name: statement.excluded[name] for name in update}
        statement = statement.on_conflict_do_update(
            index_elements=key, set_=new_values, where=where
        )
    else:
        statement = statement.on_conflict_do_nothing(index_elements=key)
    # The rows are asked back because psycopg does not count them.
    statement = statement.returning(*(table.c[name] for name in key))
    return len(session.connection().execute(statement, list(rows)).all())


def reserve_ids(session: Session, table: Table, count: int) -> Sequence[int]:
    """Return ids for ``count`` new rows of a table, in rising order; they are never given again."""
    if is_postgresql(session):
        series = func.generate_series(1, count).alias("series")
        sequence = func.pg_get_serial_sequence(table.name, "id")
        taken = select(func.nextval(sequence)).select_from(series)
        return sorted(session.connection().execute(taken).scalars())
    # The transaction holds SQLite's one write lock, so nobody else takes them.
    query = text("SELECT seq FROM sqlite_sequence WHERE name = :table")
    last = session.scalar(query, {"table": table.name}) or 0
    return range(last + 1, last + count + 1)


def refresh_statistics(session: Session, models: Iterable[type[SQLModel]]) -> None:
    """Tell PostgreSQL's planner about the rows that this transaction has added.

    If it believes that tables are empty (as after an import that failed), it goes through full
    ones row by row: the evaluation of a hundred thousand new entries then takes minutes.
    SQLite's planner keeps no such count.
    """
    if is_postgresql(session):
        names = ", ".join(sorted({str(model.__tablename__) for model in models}))
        session.connection().execute(text(f"ANALYZE {names}"))


def lock_for_import(session: Session) -> None:
    """Wait until no other import is under way; hold the lock until this transaction ends.

    Two imports of one file at once would both find that its rows are new. On SQLite the
    transaction's own lock does this already.
    """
    if is_postgresql(session):
        session.connection().execute(
            text("SELECT pg_advisory_xact_lock(hashtext('tracker import'))")
        )


def with_values(
    session: Session, name: str, columns: Mapping[str, str], rows: Sequence[Sequence[Any]]
) -> tuple[str, tuple[Any, ...]]:
    """Return the part of a WITH clause that makes a table ``name`` of ``rows``, and its parameters.

    ``columns`` gives each column's PostgreSQL type. Days are ISO texts. For hand-written queries.
    PostgreSQL's planner counts the rows of arrays, but not those of JSON.
    """
    names = ", ".join(columns)
    if is_postgresql(session):
        arrays = ", ".join(f"%s::{kind}[]" for kind in columns.values())
        clause = f"{name} ({names}) AS (SELECT * FROM unnest({arrays}))"
        return clause, tuple(list(values) for values in zip(*rows, strict=True))
    marks = f"({', '.join('?' * len(columns))})"
    clause = f"{name} ({names}) AS (VALUES {', '.join([marks] * len(rows))})"
    return clause, tuple(value for row in rows for value in row)


def make_temporary_table(
    session: Session,
    name: str,
    columns: Mapping[str, str],
    index: Sequence[str],
    rows: Sequence[Sequence[Any]],
) -> None:
    """Make the temporary table ``name`` anew; ``columns`` are as in `with_values`, the first a key.

    For the reads of jobs: the database then knows how many rows there are, and finds them by
    ``index``.
    """
    session.connection().exec_driver_sql(f"DROP TABLE IF EXISTS {name}")
    _make_temporary_table(session, name, columns, index, rows)


def make_hiding_table(
    session: Session,
    name: str,
    columns: Mapping[str, str],
    index: Sequence[str],
    rows: Sequence[Sequence[Any]],
) -> None:
    """Hide a table from this session behind a temporary one of its name; see `drop_hiding_table`.

    The other arguments are as in `make_temporary_table`.
    """
    _make_temporary_table(session, name, columns, index, rows)
    _forget_plans(session)


def drop_hiding_table(session: Session, name: str) -> None:
    """Let this session see the table again that `make_hiding_table` hid."""
    schema = "pg_temp" if is_postgresql(session) else "temp"
    session.connection().exec_driver_sql(f"DROP TABLE {schema}.{name}")
    _forget_plans(session)


def _forget_plans(session: Session) -> None:
    """PostgreSQL's prepared statements would go on reading the table that they were made for."""
    if is_postgresql(session):
        session.connection().exec_driver_sql("DISCARD PLANS")


def _make_temporary_table(
    session: Session,
    name: str,
    columns: Mapping[str, str],
    index: Sequence[str],
    rows: Sequence[Sequence[Any]],
) -> None:
    connection = session.connection()
    types = [f"{column} {kind}" for column, kind in columns.items()]
    types[0] += " PRIMARY KEY"
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {name} ({', '.join(types)})")
    connection.exec_driver_sql(f"CREATE INDEX {name}_index ON {name} ({', '.join(index)})")
    if is_postgresql(connection):
        _copy(connection, name, columns, rows)
        connection.exec_driver_sql(f"ANALYZE {name}")
    else:
        driver: Any = connection.connection.driver_connection
        marks = ", ".join("?" * len(columns))
        driver.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)


def stream_rows(session: Session, sql: str, parameters: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a hand-written query as the driver's tuples, for large results.

    PostgreSQL plans it anew for these parameters, as a plan for any number of rows is far slower,
    and goes on finding rows while the first ones are used.
    """
    driver: Any = session.connection().connection.driver_connection
    if not is_postgresql(session):
        with closing(driver.execute(sql, parameters)) as cursor:
            while batch := cursor.fetchmany(_FETCH):
                yield from batch
        return
    with driver.cursor() as cursor:
        rows = cursor.stream(sql.encode(), parameters or None, size=_FETCH)
        try:
            yield from rows
        finally:
            # If nobody wants the rest: to cancel the query would abort the whole transaction.
            deque(rows, maxlen=0)


def read_together(
    session: Session, queries: Sequence[str], parameters: Sequence[Any], *, prepare: bool
) -> list[list[tuple[Any, ...]]]:
    """Return the rows of hand-written queries with the same parameters, as the driver's tuples.

    Parameters are those of `with_values`.
    PostgreSQL gets them all at once, so that there is one wait and not one for each. To ``prepare``
    them spares it the planning, but is only for queries that always find a few rows.
    """
    driver: Any = session.connection().connection.driver_connection
    if not is_postgresql(session):
        return [driver.execute(query, parameters).fetchall() for query in queries]
    # SQLAlchemy has imported psycopg, which costs time and memory on SQLite, where nobody needs it.
    adapt: Any = session.connection().dialect.dbapi.adapt  # type: ignore[union-attr]
    # Written once for all queries: it takes the driver longer than to send them.
    transformer = adapt.Transformer(driver)
    written = []
    for value in parameters:
        literal = transformer.get_dumper(value, adapt.PyFormat.TEXT).dump(value)
        written.append(bytes(literal or b"").decode())
    with driver.pipeline():
        cursors = [
            driver.execute(query.encode(), written, prepare=None if prepare else False)
            for query in queries
        ]
        return [cursor.fetchall() for cursor in cursors]
