"""Stores what the plan for entries.csv says, many rows at once."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from sqlmodel import Session, col, delete, update

from tracker.db.audit import record_changes
from tracker.db.log import Entry, EntryTopic, ImportedRow
from tracker.db.statements import (
    in_chunks,
    insert_rows,
    refresh_statistics,
    reserve_ids,
    upsert,
)
from tracker.importer.cells import ImportContext
from tracker.importer.entry_plan import EntryChange, EntryPlan
from tracker.importer.entry_rows import ImportedEntry, entry_of
from tracker.importer.schemas import EntryRow
from tracker.importer.table_rows import RowOutcome, StoredRows, chunked, table_of
from tracker.rules.explain import LoggedEntry
from tracker.services.entries import entry_input_of
from tracker.services.entry_rules import EntryInput

_BATCH = 5_000
_COLUMNS = [field.name for field in fields(EntryInput) if field.name != "topics"]
# Whose entry, and what it says, by the entry's id.
_Entries = dict[int, tuple[int, EntryInput]]
_Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EntryWriter:
    """Carries out the plan for entries; ``person_ids`` has everyone whom its rows mention."""

    session: Session
    person_ids: Mapping[str, int]
    context: ImportContext

    def store(self, plan: EntryPlan) -> StoredRows:
        """Add and change entries, and remember which rows became which entries."""
        stored = StoredRows()
        stored.outcomes += [RowOutcome(each.row, "unchanged") for each in plan.unchanged]
        stored.counts.unchanged = len(stored.outcomes)
        self.context.progress.step(len(stored.outcomes))
        self._remember(plan.matches.recognized)
        self._link(plan.matches.linked, stored)
        for batch in in_chunks([*plan.added, *plan.restored], _BATCH):
            self._add(batch)
            stored.emails.update(imported.row.email for imported in batch)
            stored.outcomes += [RowOutcome(imported.row, "added") for imported in batch]
            if not stored.counts.added and len(batch) == _BATCH:
                # While a full table is believed to be empty, each foreign key is looked up slowly.
                refresh_statistics(self.session, [Entry, EntryTopic])
            stored.counts.added += len(batch)
            self.context.progress.step(len(batch))
        for changes in in_chunks(plan.changed, _BATCH):
            outcomes = self._change(changes)
            changed = [each.row.email for each in outcomes if each.changes]
            stored.emails.update(changed)
            stored.outcomes += outcomes
            stored.counts.changed += len(changed)
            stored.counts.unchanged += len(changes) - len(changed)
            self.context.progress.step(len(changes))
        return stored

    def _link(self, linked: list[tuple[ImportedEntry, LoggedEntry]], stored: StoredRows) -> None:
        """Give entries that have at most a provider's name the provider of the row."""
        rows, events = [], []
        for imported, entry in linked:
            before = entry_input_of(entry)
            provider_id = self.person_ids[imported.row.provider_email or ""]
            after = replace(before, provider_id=provider_id, provider_name=None)
            rows.append({"id": entry.id, "provider_id": provider_id, "provider_name": None})
            old, new = (_audit_values(entry.person_id, each) for each in (before, after))
            events.append(self.context.change("entry", entry.id, old, new))
            stored.emails.add(imported.row.email)
            stored.outcomes.append(_outcome(imported.row, before, after))
        if rows:
            self.session.exec(update(Entry), params=rows)
        stored.counts.changed += len(rows)
        self.context.progress.step(len(rows))
        record_changes(self.session, events)
        self._remember((imported, entry.id) for imported, entry in linked)

    def _add(self, batch: list[ImportedEntry]) -> None:
        ids = reserve_ids(self.session, table_of(Entry), len(batch))
        entries, rows, events = _Entries(), [], []
        for entry_id, imported in zip(ids, batch, strict=True):
            person_id = self.person_ids[imported.row.email]
            entry = entry_of(imported.row, self.person_ids)
            entries[entry_id] = (person_id, entry)
            rows.append({"id": entry_id, "person_id": person_id, **_columns(entry)})
            after = _audit_values(person_id, entry)
            events.append(self.context.change("entry", entry_id, None, after))
        insert_rows(self.session, Entry, rows)
        self._insert_topics(entries)
        self._remember(zip(batch, ids, strict=True))
        record_changes(self.session, events)

    def _change(self, changes: list[EntryChange]) -> list[RowOutcome]:
        """Update the entries. Returns what became of each row."""
        outcomes, entries, rows, events = [], _Entries(), [], []
        for change in changes:
            stored, before = change.stored, entry_input_of(change.stored)
            entry = change.result(self.person_ids)
            outcomes.append(_outcome(change.imported.row, before, entry))
            if entry != before:
                entries[stored.id] = (stored.person_id, entry)
                rows.append({"id": stored.id, **_columns(entry)})
                old, new = (_audit_values(stored.person_id, each) for each in (before, entry))
                events.append(self.context.change("entry", stored.id, old, new))
        if rows:
            for ids in chunked(entries):
                self.session.exec(delete(EntryTopic).where(col(EntryTopic.entry_id).in_(ids)))
            self.session.exec(update(Entry), params=rows)
        self._insert_topics(entries)
        self._remember((change.imported, change.stored.id) for change in changes)
        record_changes(self.session, events)
        return outcomes

    def _insert_topics(self, entries: _Entries) -> None:
        rows = []
        for entry_id, (person_id, entry) in entries.items():
            copied = {"entry_id": entry_id, "person_id": person_id, "held_on": entry.held_on}
            for topic, minutes in entry.topics.items():
                rows.append({**copied, "topic": topic, "minutes": minutes})
        insert_rows(self.session, EntryTopic, rows)

    def _remember(self, rows: Iterable[tuple[ImportedEntry, int]]) -> None:
        """Store which rows became which entries, so that they are never imported twice."""
        for batch in in_chunks(rows, _BATCH):
            stored = []
            for imported, entry_id in batch:
                names = {"person_id": self.person_ids[imported.row.email], "key": imported.key}
                names["former_email"] = imported.row.former_email
                stored.append({**names, "digest": imported.digest, "entry_id": entry_id})
            key, values = ["person_id", "key"], ["digest", "entry_id"]
            upsert(self.session, ImportedRow, stored, key=key, update=values)


def _outcome(row: EntryRow, before: EntryInput, after: EntryInput) -> RowOutcome:
    """What became of a row about a stored entry."""
    old, new = asdict(before), asdict(after)
    changes = {name: (old[name], new[name]) for name in old if old[name] != new[name]}
    return RowOutcome(row, "changed" if changes else "unchanged", changes)


def _columns(entry: EntryInput) -> _Values:
    return {name: getattr(entry, name) for name in _COLUMNS}


def _audit_values(person_id: int, entry: EntryInput) -> _Values:
    return {"person_id": person_id, **_columns(entry), "topics": dict(entry.topics)}
