"""Storing every kind of row but entries: new rows added, changed ones updated, others left."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, RowMapping

from tracker.records.bulk import insert_rows
from tracker.records.tables import METADATA
from tracker.transfer.bulk import Values, new_ids, rows_where, update_rows
from tracker.transfer.rows import Row

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Target:
    """A table; the columns that name a row in it; and the others, as they are when left out.

    A column without which no row can be new stands in ``empty`` with None.
    """

    table: str
    keys: tuple[str, ...]
    empty: dict[str, Any]


TARGETS = {
    "people": Target(
        "person",
        ("email",),
        {"name": None, "second_email": None, "highest_degree": "none", "provides_rsc": False},
    ),
    "endorsements": Target(
        "endorsement", ("person_id", "association", "category", "starts_on"), {"ends_on": None}
    ),
    "vetting": Target("vetting", ("person_id", "association", "starts_on"), {"ends_on": None}),
    "memberships": Target(
        "membership", ("person_id", "organization", "starts_on"), {"ends_on": None}
    ),
    "leave": Target("leave", ("endorsement_id", "starts_on"), {"ends_on": None, "reason": None}),
}


@dataclass
class Counts:
    """How many rows of one kind were new, were different, or were there already."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0


@dataclass
class Stored:
    """What became of the rows: counts, whom they changed, and each row's id by its key."""

    counts: Counts = field(default_factory=Counts)
    touched: set[str] = field(default_factory=set)
    ids: dict[Key, int] = field(default_factory=dict)


def upsert(connection: Connection, target: Target, wanted: Sequence[tuple[Row, Values]]) -> Stored:
    """Store rows, given with their values by column; what a row leaves out stays as it is."""
    table = METADATA.tables[target.table]
    anchors = {values[target.keys[0]] for _, values in wanted}
    before = {
        _key(target, row): row for row in rows_where(connection, table, target.keys[0], anchors)
    }
    stored = Stored(ids={key: row["id"] for key, row in before.items()})
    added, changed = list[Values](), list[Values]()
    for row, values in wanted:
        old = before.get(_key(target, values))
        if old is None:
            added.append({**target.empty, **values})
        elif any(old[column] != values[column] for column in values):
            changed.append({**old, **values})
        else:
            stored.counts.unchanged += 1
            continue
        stored.touched.add(row.email)
    stored.counts.added, stored.counts.changed = len(added), len(changed)
    ids = new_ids(connection, table, len(added))
    new = [{"id": each, **values} for each, values in zip(ids, added, strict=True)]
    insert_rows(connection, table, new)
    stored.ids.update((_key(target, values), values["id"]) for values in new)
    update_rows(connection, table, ("id",), tuple(target.empty), changed)
    return stored


def _key(target: Target, values: Values | RowMapping) -> Key:
    return tuple(values[each] for each in target.keys)
