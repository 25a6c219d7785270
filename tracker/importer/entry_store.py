"""Stores what the plan for entries.csv says, many rows at once."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlmodel import Session, col, delete, update

from tracker.db.audit import Change, record_changes
from tracker.db.log import Entry, EntryTopic, ImportedRow
from tracker.db.statements import (
    in_chunks,
    insert_rows,
    refresh_statistics,
    reserve_ids,
    upsert,
)
from tracker.importer.cells import ImportContext
from tracker.importer.entry_plan import (
    ENTRY_COLUMNS,
    EntryChange,
    EntryPlan,
    ImportedEntry,
    entry_of,
)
from tracker.importer.problems import Progress
from tracker.importer.table_rows import StoredRows, chunked, table_of
from tracker.services.entry_rules import EntryInput

_BATCH = 5_000
# Whose entry, and what it says, by the entry's id.
_Entries = dict[int, tuple[int, EntryInput]]


def store_entries(
    session: Session,
    plan: EntryPlan,
    person_ids: Mapping[str, int],
    context: ImportContext,
    progress: Progress,
) -> StoredRows:
    """Carry out a plan; ``person_ids`` has everyone whom its rows mention."""
    stored = StoredRows()
    stored.counts.unchanged = plan.unchanged
    progress.step(plan.unchanged)
    _remember(session, plan.recognized, person_ids)
    for batch in in_chunks([*plan.added, *plan.restored], _BATCH):
        _add_entries(session, batch, person_ids, context)
        stored.emails.update(imported.row.email for imported in batch)
        if not stored.counts.added and len(batch) == _BATCH:
            # While a full table is believed to be empty, each foreign key is looked up slowly.
            refresh_statistics(session, [Entry, EntryTopic])
        stored.counts.added += len(batch)
        progress.step(len(batch))
    for changes in in_chunks(plan.changed, _BATCH):
        emails = _change_entries(session, changes, person_ids, context)
        stored.emails.update(emails)
        stored.counts.changed += len(emails)
        stored.counts.unchanged += len(changes) - len(emails)
        progress.step(len(changes))
    return stored


def _add_entries(
    session: Session,
    batch: list[ImportedEntry],
    person_ids: Mapping[str, int],
    context: ImportContext,
) -> None:
    ids = reserve_ids(session, table_of(Entry), len(batch))
    entries, rows, events = _Entries(), [], []
    for entry_id, imported in zip(ids, batch, strict=True):
        person_id, entry = person_ids[imported.row.email], entry_of(imported.row, person_ids)
        entries[entry_id] = (person_id, entry)
        rows.append({"id": entry_id, "person_id": person_id, **_columns(entry)})
        after = _audit_values(person_id, entry)
        events.append(Change(context.actor, context.now, "entry", entry_id, None, after))
    insert_rows(session, table_of(Entry), rows)
    _insert_topics(session, entries)
    _remember(session, zip(batch, ids, strict=True), person_ids)
    record_changes(session, events)


def _change_entries(
    session: Session,
    changes: list[EntryChange],
    person_ids: Mapping[str, int],
    context: ImportContext,
) -> list[str]:
    """Update the entries. Returns whose entries are different now, once for each entry."""
    emails, entries, rows, events = [], _Entries(), [], []
    for change in changes:
        stored, entry = change.stored, change.result(person_ids)
        if entry != stored.entry:
            emails.append(change.imported.row.email)
            entries[stored.id] = (stored.person_id, entry)
            rows.append({"id": stored.id, **_columns(entry)})
            before = _audit_values(stored.person_id, stored.entry)
            after = _audit_values(stored.person_id, entry)
            events.append(Change(context.actor, context.now, "entry", stored.id, before, after))
    if rows:
        for ids in chunked(entries):
            session.exec(delete(EntryTopic).where(col(EntryTopic.entry_id).in_(ids)))
        session.exec(update(Entry), params=rows)
    _insert_topics(session, entries)
    _remember(session, ((change.imported, change.stored.id) for change in changes), person_ids)
    record_changes(session, events)
    return emails


def _columns(entry: EntryInput) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in ENTRY_COLUMNS}


def _audit_values(person_id: int, entry: EntryInput) -> dict[str, Any]:
    return {"person_id": person_id, **_columns(entry), "topics": dict(entry.topics)}


def _insert_topics(session: Session, entries: _Entries) -> None:
    rows = []
    for entry_id, (person_id, entry) in entries.items():
        copied = {"entry_id": entry_id, "person_id": person_id, "held_on": entry.held_on}
        for topic, minutes in entry.topics.items():
            rows.append({**copied, "topic": topic, "minutes": minutes})
    insert_rows(session, table_of(EntryTopic), rows)


def _remember(
    session: Session,
    rows: Iterable[tuple[ImportedEntry, int]],
    person_ids: Mapping[str, int],
) -> None:
    """Store which rows became which entries, so that they are never imported twice."""
    for batch in in_chunks(rows, _BATCH):
        stored = []
        for imported, entry_id in batch:
            names = {"person_id": person_ids[imported.row.email], "key": imported.key}
            stored.append({**names, "digest": imported.digest, "entry_id": entry_id})
        key, values = ["person_id", "key"], ["digest", "entry_id"]
        upsert(session, ImportedRow, stored, key=key, update=values)
