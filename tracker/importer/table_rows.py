"""Stores rows of files in their tables: many at once, and only what differs."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeVar

from sqlalchemy import RowMapping, Table, select
from sqlmodel import Session, SQLModel, update

from tracker.db.audit import Change
from tracker.db.statements import in_chunks, insert_rows, reserve_ids
from tracker.db.tables import METADATA
from tracker.importer.cells import ImportContext
from tracker.importer.csv_row import CsvRow
from tracker.plain_text import normalize_text

T = TypeVar("T")
Values = Mapping[str, Any]
# Far below the number of parameters that either database allows in one statement.
_CHUNK = 1_000


def chunked(values: Iterable[T]) -> Iterator[list[T]]:
    """Distinct values in lists that fit into one statement."""
    return in_chunks(dict.fromkeys(values), _CHUNK)


@dataclass
class Counts:
    """How many rows of one kind were new, different, or there already."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0


Outcome = Literal["added", "changed", "unchanged"]


class RowOutcome(NamedTuple):
    """What became of a row of a file.

    ``changes`` are a changed row's values before and after, by column of the table.
    """

    row: CsvRow
    outcome: Outcome
    changes: Mapping[str, tuple[Any, Any]] = MappingProxyType({})


@dataclass
class StoredRows:
    """What became of the rows: counts, the people concerned, and each row's id by its key.

    ``changes`` are the rows that were added (None before) or changed, before and after.
    ``outcomes`` are the same by rows of the files.
    """

    counts: Counts = field(default_factory=Counts)
    emails: set[str] = field(default_factory=set)
    ids: dict[tuple[Any, ...], int] = field(default_factory=dict)
    changes: list[tuple[Values | RowMapping | None, Values]] = field(default_factory=list)
    outcomes: list[RowOutcome] = field(default_factory=list)


def table_of(model: type[SQLModel]) -> Table:
    """The table of a model."""
    return METADATA.tables[str(model.__tablename__)]


def stored_rows(
    session: Session,
    model: type[SQLModel],
    column: str,
    values: Collection[Any],
    *,
    for_update: bool = False,
) -> Iterator[RowMapping]:
    """The table's rows whose ``column`` is among ``values``."""
    table = table_of(model)
    for chunk in chunked(values):
        query = select(table).where(table.c[column].in_(chunk))
        if for_update:
            query = query.with_for_update()
        yield from session.connection().execute(query).mappings()


def store_rows(
    session: Session, schema: type[CsvRow], rows: Sequence[tuple[CsvRow, Values]]
) -> StoredRows:
    """Store rows, each with the values of its table's columns.

    Columns that are not given stay as they are, or get the model's default in a new row. Raises
    LookupError for a value that has no column: the model would drop it silently.
    """
    table = table_of(schema.table)
    before = _load_before(session, schema, [values for _, values in rows])
    result = StoredRows(ids={key: stored["id"] for key, stored in before.items()})
    added, changed = list[dict[str, Any]](), list[dict[str, Any]]()
    # Instances would take a third of the time of an import.
    defaults = _list_defaults(schema.table)
    for row, values in rows:
        old = before.get(_key(schema, values))
        if old is None:
            added.append({**defaults, **values})
            result.outcomes.append(RowOutcome(row, "added"))
        elif changes := _list_changes(old, values):
            changed.append({"id": old["id"], **values})
            result.changes.append((old, {**old, **values}))
            result.outcomes.append(RowOutcome(row, "changed", changes))
        else:
            result.counts.unchanged += 1
            result.outcomes.append(RowOutcome(row, "unchanged"))
            continue
        result.emails.add(row.email)
    result.counts.added, result.counts.changed = len(added), len(changed)
    for new_id, new in zip(reserve_ids(session, table, len(added)), added, strict=True):
        new["id"] = new_id
        result.ids[_key(schema, new)] = new_id
        result.changes.append((None, new))
    insert_rows(session, table, added)
    if changed:
        session.exec(update(schema.table), params=changed)
    return result


def _list_defaults(model: type[SQLModel]) -> dict[str, Any]:
    """The values of columns that a new row does not give."""
    return {
        name: each.get_default(call_default_factory=True)
        for name, each in model.model_fields.items()
        if not each.is_required()
    }


def _list_changes(old: RowMapping, values: Values) -> dict[str, tuple[Any, Any]]:
    """The columns whose values differ, with both."""
    return {name: (old[name], new) for name, new in values.items() if old[name] != new}


def _load_before(
    session: Session, schema: type[CsvRow], rows: Sequence[Values]
) -> dict[tuple[Any, ...], RowMapping]:
    """The stored rows that ``rows`` may change, by key. Raises LookupError as of `store_rows`."""
    table, anchor = table_of(schema.table), schema.table_key[0]
    for name in set().union(*rows):
        if name not in table.c:
            raise LookupError(f"the table {table.name} has no column {name}")
    before = {}
    for stored in stored_rows(session, schema.table, anchor, {row[anchor] for row in rows}):
        key = _key(schema, stored)
        is_literal = all(stored[column] == key[i] for i, column in enumerate(schema.table_key))
        if is_literal or key not in before:
            before[key] = stored
    return before


def _key(schema: type[CsvRow], values: Values | RowMapping) -> tuple[Any, ...]:
    """What identifies a row; texts normalized, because older rows are stored as they were sent."""
    cells = (values[column] for column in schema.table_key)
    return tuple(normalize_text(cell) if isinstance(cell, str) else cell for cell in cells)


# A reason stays where it was written, as on the pages. Files don't contain the rest.
_NOT_AUDITED = {
    "id",
    "reason",
    "answer",
    "asked_at",
    "reminded_at",
    "reminders",
    "token_hash",
    "named_at",
    "answered_by_link",
}


def audit_events(
    schema: type[CsvRow], stored: StoredRows, context: ImportContext
) -> Iterator[Change]:
    """The audit events of added and changed rows."""
    name = str(schema.table.__tablename__)
    columns = [c.name for c in table_of(schema.table).c if c.name not in _NOT_AUDITED]
    for before, after in stored.changes:
        old = None if before is None else {column: before[column] for column in columns}
        new = {column: after[column] for column in columns}
        yield context.change(name, after["id"], old, new)
