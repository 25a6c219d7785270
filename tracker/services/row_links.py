"""Which rows are referred to by others, found for many rows in a few queries."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Table, select
from sqlmodel import Session

from tracker.db.statements import in_chunks
from tracker.db.tables import METADATA

_IDS_PER_QUERY = 1_000
_EMPTIED = "SET NULL"


class LinksInUse:
    """The foreign keys by which other rows refer to some rows."""

    def __init__(self, session: Session, rows: Iterable[tuple[Table, Mapping[str, Any]]]) -> None:
        self._used: set[tuple[ForeignKeyConstraint, Any]] = set()
        by_table = defaultdict[Table, list[Mapping[str, Any]]](list)
        for table, values in rows:
            by_table[table].append(values)
        for table, group in by_table.items():
            for link in _links_to(table):
                # Of a key of several columns the first one, an id, tells nearly as much.
                first = link.elements[0]
                ids = {values[first.column.name] for values in group}
                for some in in_chunks(sorted(ids), _IDS_PER_QUERY):
                    query = select(first.parent).where(first.parent.in_(some)).distinct()
                    found = session.connection().scalars(query)
                    self._used.update((link, number) for number in found)

    def list_links(self, table: Table, values: Mapping[str, Any]) -> list[ForeignKeyConstraint]:
        """The links by which something may refer to a row; no others are used."""
        return [
            link
            for link in _links_to(table)
            if (link, values[link.elements[0].column.name]) in self._used
        ]


@cache
def _links_to(table: Table) -> tuple[ForeignKeyConstraint, ...]:
    """The foreign keys to a table that keep its rows from being deleted."""
    return tuple(
        link
        for other in METADATA.sorted_tables
        for link in other.foreign_key_constraints
        if link.referred_table is table and link.ondelete != _EMPTIED
    )
