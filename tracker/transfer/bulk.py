"""Many rows at once: looking them up, giving them ids, updating them."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    RowMapping,
    Table,
    and_,
    bindparam,
    func,
    select,
    text,
    update,
)

from tracker.records.store.bulk import in_chunks
from tracker.records.store.own_ids import last_id

# Far below the number of parameters that either database allows in one statement.
CHUNK = 1_000
_BATCH = 5_000
Values = Mapping[str, Any]


def rows_where(
    connection: Connection, table: Table, column: str, values: Collection[Any]
) -> Iterator[RowMapping]:
    """The table's rows whose ``column`` is among ``values``."""
    for chunk in in_chunks(values, CHUNK):
        yield from connection.execute(select(table).where(table.c[column].in_(chunk))).mappings()


def new_ids(connection: Connection, table: Table, count: int) -> Sequence[int]:
    """Ids for ``count`` new rows of a table, in ascending order."""
    if connection.dialect.name == "postgresql":
        series = func.generate_series(1, count).alias("series")
        sequence = func.pg_get_serial_sequence(table.name, "id")
        taken = select(func.nextval(sequence)).select_from(series)
        return sorted(connection.execute(taken).scalars())
    last = last_id(connection, table.name)
    return range(last + 1, last + count + 1)


def update_rows(
    connection: Connection,
    table: Table,
    keys: Sequence[str],
    columns: Sequence[str],
    rows: Iterable[Values],
) -> None:
    """Set ``columns`` in the rows that the columns ``keys`` name; the others stay."""
    same = and_(*(table.c[key] == bindparam(f"old_{key}") for key in keys))
    statement = update(table).where(same).values({each: bindparam(each) for each in columns})
    for batch in in_chunks(rows, _BATCH):
        named = [
            {**{f"old_{key}": row[key] for key in keys}, **{each: row[each] for each in columns}}
            for row in batch
        ]
        connection.execute(statement, named)


def refresh_statistics(connection: Connection, tables: Iterable[str]) -> None:
    """Tell PostgreSQL's planner of the rows that this transaction has added.

    What it learnt of empty tables (say, after an import that failed) makes it go through full
    ones row by row: the evaluation of a hundred thousand new entries then takes minutes.
    SQLite's planner keeps no such count.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"ANALYZE {', '.join(tables)}"))


def one_import_at_a_time(connection: Connection) -> None:
    """Wait until no other import is under way, until this transaction ends.

    Two imports of one file at once would both find that its rows are new. On SQLite the
    transaction's own lock does this already.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('tracker import'))"))
