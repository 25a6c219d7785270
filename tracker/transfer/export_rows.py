"""A person's own rows in the layouts that an import reads, so that they can be taken in elsewhere.

No cell holds an address of somebody else, but for those that the person typed: a provider is told
by name, and of a reference only whom the person asked.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, select

from tracker.hours import say_hours
from tracker.records.entries.entries import entries_of
from tracker.records.judging.providers import load_providers
from tracker.records.schema.tables import METADATA
from tracker.rules.explain import LoggedEntry
from tracker.transfer.layouts import LAYOUTS, OF_ENDORSEMENT
from tracker.transfer.rows import reference_key
from tracker.transfer.safe_csv import csv_lines
from tracker.transfer.upserts import TARGETS

_T = METADATA.tables
_PERSON, _ENDORSEMENT, _APPLICATION = _T["person"], _T["endorsement"], _T["application"]
_IMPORTED = _T["imported_row"]
# What only the referee says, or another's address: not told here.
_UNTOLD = {
    "references": {
        "received_on",
        "relationship",
        "signed_as",
        "role_confirmed",
        "endorsed_by",
        "endorsed_as",
        "vetted",
    },
    "positions": {"supervisor_email"},
    "entries": {"provider_email"},
}
_NAMES = {"referee_email": "email", "referee_name": "name"}
Row = Mapping[str, Any]
Of = Callable[[Connection, int], Iterator[Row]]


def export_csv(connection: Connection, kind: str, person_id: int, email: str) -> Iterator[bytes]:
    """One file, line by line; the columns that are not told are left out."""
    columns = [c for c in LAYOUTS[kind].columns if c not in _UNTOLD.get(kind, ())]
    rows = (
        _entries(connection, person_id) if kind == "entries" else _rows(connection, kind, person_id)
    )
    told = ([_cell({**row, "email": email}.get(c)) for c in columns] for row in rows)
    return csv_lines(columns, told)


def _rows(connection: Connection, kind: str, person_id: int) -> Iterator[Row]:
    for row in connection.execute(_query(kind, person_id)).mappings():
        yield {**row, **_renamed(kind, row)}


def _renamed(kind: str, row: RowMapping) -> Row:
    if kind != "references":
        return {}
    return {column: row[f"reference_{name}"] for column, name in _NAMES.items()}


def _query(kind: str, person_id: int) -> Select[Any]:
    if kind == "people":
        return select(_PERSON).where(_PERSON.c.id == person_id)
    if kind in OF_ENDORSEMENT:
        since = _ENDORSEMENT.c.starts_on.label("endorsed_on")
        return _of(_T[TARGETS[kind].table], _ENDORSEMENT, person_id).add_columns(since)
    if kind in ("attestations", "exams"):
        table = _T["attestation" if kind == "attestations" else "exam_result"]
        return _of(table, _APPLICATION, person_id)
    if kind == "references":
        return _references(person_id)
    table = _T[kind.removesuffix("s") if kind != "vetting" else kind]
    return select(table).where(table.c.person_id == person_id).order_by(table.c.id)


def _of(table: Any, whole: Any, person_id: int) -> Select[Any]:  # noqa: ANN401 - two tables
    """The rows of a table that belongs to an endorsement or application, with its names."""
    own: ColumnElement[bool] = whole.c.person_id == person_id
    columns = [whole.c.association, whole.c.category, *table.c]
    return select(*columns).join_from(table, whole).where(own).order_by(table.c.id)


def _references(person_id: int) -> Select[Any]:
    table = _T["reference"]
    return (
        select(
            _APPLICATION.c.association,
            _APPLICATION.c.category,
            table.c.role,
            table.c.email.label("reference_email"),
            table.c.name.label("reference_name"),
        )
        .join_from(table, _APPLICATION)
        .where(_APPLICATION.c.person_id == person_id)
        .order_by(table.c.id)
    )


def _entries(connection: Connection, person_id: int) -> Iterator[Row]:
    entries = sorted(
        entries_of(connection, person_id, date.min, date.max), key=lambda e: (e.held_on, e.id)
    )
    known = load_providers(connection, {e.provider_id for e in entries if e.provider_id})
    unique = _known_by_reference(connection, person_id, entries)
    for entry in entries:
        provider = known[entry.provider_id].name if entry.provider_id else entry.provider_name
        column = "reference" if entry.id in unique else "shared_reference"
        yield {**_entry(entry, provider), column: entry.reference}


def _known_by_reference(
    connection: Connection, person_id: int, entries: Collection[LoggedEntry]
) -> set[int]:
    """The ids of the entries that an import may know by their reference.

    Not where several have the same, as people may type it; nor where an import has taken that
    reference for another entry, which a row with it would change, or for one that was deleted.
    """
    query = select(_IMPORTED.c.key, _IMPORTED.c.entry_id).where(_IMPORTED.c.person_id == person_id)
    remembered = {row.key: row.entry_id for row in connection.execute(query)}
    times = Counter(entry.reference for entry in entries)
    return {
        entry.id
        for entry in entries
        if times[entry.reference] == 1
        and remembered.get(reference_key(entry.reference), entry.id) == entry.id
    }


def _entry(entry: LoggedEntry, provider: str | None) -> Row:
    return {
        "activity": entry.activity,
        "date": entry.held_on,
        "hours": say_hours(entry.minutes),
        "title": entry.title,
        "topics": "; ".join(f"{t}:{say_hours(m)}" for t, m in sorted(entry.topics.items())),
        "provider_name": provider,
        "format": entry.format,
    }


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.isoformat() if isinstance(value, date) else str(value)
