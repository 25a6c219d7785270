"""Writing planned entries: the entries, their topics, what is remembered, and the audit."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, delete

from tracker.records.schema.tables import METADATA
from tracker.records.store.audit import Change, Stamp, record_changes
from tracker.records.store.bulk import in_chunks, insert_rows
from tracker.transfer.bulk import Values, new_ids, refresh_statistics, update_rows
from tracker.transfer.cells import Topics
from tracker.transfer.entries import ChangedEntry, EntryPlan
from tracker.transfer.progress import Progress
from tracker.transfer.rows import EntryRow
from tracker.transfer.upserts import Counts, Stored

_ENTRY = METADATA.tables["entry"]
_TOPIC = METADATA.tables["entry_topic"]
_IMPORTED = METADATA.tables["imported_row"]
_BATCH = 5_000
_COLUMNS = (
    "activity",
    "held_on",
    "minutes",
    "title",
    "provider_id",
    "provider_name",
    "format",
    "reference",
)
# What a column of the file that is left out leaves as it is stored.
_KEPT = {
    "topics": ("topics",),
    "provider_email": ("provider_id", "provider_name"),
    "format": ("format",),
    "reference": ("reference",),
}


def write_entries(
    connection: Connection,
    plan: EntryPlan,
    people: Mapping[str, int],
    stamp: Stamp,
    progress: Progress,
) -> Stored:
    """Carry out a plan; ``people`` gives the id of everyone whom its rows name."""
    stored = Stored(Counts(unchanged=plan.unchanged))
    progress.step(plan.unchanged)
    same = (_memory(row, people, entry_id) for row, entry_id in plan.recognised)
    insert_rows(connection, _IMPORTED, same)
    for rows, known in ((plan.added, False), (plan.again, True)):
        for batch in in_chunks(rows, _BATCH):
            _add(connection, batch, people, stamp, known=known)
            stored.touched.update(row.email for row in batch)
            # While a full table is thought to be empty, each foreign key is looked up slowly.
            if not stored.counts.added and len(batch) == _BATCH:
                refresh_statistics(connection, (_ENTRY.name, _TOPIC.name))
            stored.counts.added += len(batch)
            progress.step(len(batch))
    for changes in in_chunks(plan.changed, _BATCH):
        different = _change(connection, changes, people, stamp)
        stored.touched.update(each.row.email for each in different)
        stored.counts.changed += len(different)
        stored.counts.unchanged += len(changes) - len(different)
        progress.step(len(changes))
    return stored


def _add(
    connection: Connection,
    rows: list[EntryRow],
    people: Mapping[str, int],
    stamp: Stamp,
    *,
    known: bool,
) -> None:
    ids = new_ids(connection, _ENTRY, len(rows))
    shapes = [_shape(row, people) for row in rows]
    numbered = list(zip(ids, rows, shapes, strict=True))
    insert_rows(connection, _ENTRY, ({"id": new, **_columns(s)} for new, _, s in numbered))
    _insert_topics(connection, ((new, shape, row.topics) for new, row, shape in numbered))
    memory = (_memory(row, people, new) for new, row, _ in numbered)
    if known:
        _update_memory(connection, memory)
    else:
        insert_rows(connection, _IMPORTED, memory)
    record_changes(
        connection, (Change(stamp.who, stamp.at, "entry", new, None, s) for new, _, s in numbered)
    )


def _change(
    connection: Connection, changes: list[ChangedEntry], people: Mapping[str, int], stamp: Stamp
) -> list[ChangedEntry]:
    """Update the entries; return those that the rows made different from what is stored."""
    shapes = [(each, _stored_shape(each), _merged(each, people)) for each in changes]
    different = [shape for shape in shapes if shape[1] != shape[2]]
    ids = [each.stored["id"] for each, _, _ in different]
    connection.execute(delete(_TOPIC).where(_TOPIC.c.entry_id.in_(ids)))
    rows = ({"id": each.stored["id"], **after} for each, _, after in different)
    update_rows(connection, _ENTRY, ("id",), _COLUMNS, rows)
    _insert_topics(
        connection, ((each.stored["id"], after, each.topics_after) for each, _, after in different)
    )
    _update_memory(connection, (_memory(c.row, people, c.stored["id"]) for c in changes))
    record_changes(
        connection,
        (
            Change(stamp.who, stamp.at, "entry", each.stored["id"], before, after)
            for each, before, after in different
        ),
    )
    return [each for each, _, _ in different]


def _shape(row: EntryRow, people: Mapping[str, int]) -> dict[str, Any]:
    """An entry as the audit tells of it: its columns, and its topics with their minutes."""
    return {
        "person_id": people[row.email],
        "activity": row.activity,
        "held_on": row.held_on,
        "minutes": row.minutes,
        "title": row.title,
        "provider_id": people[row.provider_email] if row.provider_email else None,
        "provider_name": row.provider_name,
        "format": row.format,
        "reference": row.reference,
        "topics": dict(row.topics),
    }


def _stored_shape(change: ChangedEntry) -> dict[str, Any]:
    columns = {column: change.stored[column] for column in ("person_id", *_COLUMNS)}
    return {**columns, "topics": dict(change.topics)}


def _merged(change: ChangedEntry, people: Mapping[str, int]) -> dict[str, Any]:
    stored = _stored_shape(change)
    kept = {name: stored[name] for column in change.kept for name in _KEPT[column]}
    return {**_shape(change.row, people), **kept}


def _columns(shape: Values) -> Values:
    return {name: value for name, value in shape.items() if name != "topics"}


def _insert_topics(connection: Connection, entries: Iterable[tuple[int, Values, Topics]]) -> None:
    insert_rows(connection, _TOPIC, _topic_rows(entries))


def _topic_rows(entries: Iterable[tuple[int, Values, Topics]]) -> Iterator[Values]:
    for entry_id, shape, topics in entries:
        for topic, minutes in topics:
            yield {
                "entry_id": entry_id,
                "topic": topic,
                "person_id": shape["person_id"],
                "held_on": shape["held_on"],
                "minutes": minutes,
            }


def _memory(row: EntryRow, people: Mapping[str, int], entry_id: int) -> Values:
    return {
        "person_id": people[row.email],
        "key": row.key,
        "digest": row.digest,
        "entry_id": entry_id,
    }


def _update_memory(connection: Connection, rows: Iterable[Values]) -> None:
    update_rows(connection, _IMPORTED, ("person_id", "key"), ("digest", "entry_id"), rows)
