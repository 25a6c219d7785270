"""Logged sessions: which rows of entries.csv are new, known, or changed; and their storage."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from hashlib import sha256
from typing import Any

from sqlalchemy import RowMapping, select
from sqlmodel import Session, col, delete, func, update

from tracker.db.audit import Change, record_changes
from tracker.db.log import Entry, EntryTopic, ImportedRow
from tracker.db.people import Person
from tracker.db.statements import (
    in_chunks,
    insert_rows,
    refresh_statistics,
    reserve_ids,
    upsert,
)
from tracker.formatting import MINUTES_IN_DAY, format_hours
from tracker.importer.cells import ImportContext, Topics
from tracker.importer.known_records import KnownRecords, chunked
from tracker.importer.problems import ImportProblem, Progress
from tracker.importer.schemas import EntryRow, find_entry_problems, format_cell
from tracker.importer.table_rows import StoredRows, stored_rows, table_of

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
# Optional columns of the file, and what stays as it is stored where the file has no such column.
_STORED_COLUMNS = {
    "topics": ("topics",),
    "provider_email": ("provider_id", "provider_name"),
    "format": ("format",),
    "reference": ("reference",),
}
# What identifies equal sessions, apart from provider and topics.
_CONTENT = ("person_id", "activity", "held_on", "minutes", "title", "format", "reference")
# No cell can contain it, so it cannot make two different rows look the same.
_BETWEEN_CELLS = "\x1f"


@dataclass(frozen=True, slots=True)
class ImportedEntry:
    """A row with what later imports recognize it by, as `ImportedRow` stores it.

    ``key`` is the row's own reference. A row without one has the digest of its content and its
    number among equal rows of the person.
    """

    row: EntryRow
    key: str
    digest: str


def reference_key(reference: str | None) -> str:
    """The key of a row that has a reference of its own."""
    return f"ref:{reference}"


def identify_rows(rows: Iterable[EntryRow]) -> Iterator[ImportedEntry]:
    """Give each row its key and digest."""
    equal_rows = Counter[tuple[str, str]]()
    for row in rows:
        digest = _digest(row)
        key = reference_key(row.reference)
        if not row.reference:
            equal_rows[row.email, digest] += 1
            key = f"{digest}:{equal_rows[row.email, digest]}"
        yield ImportedEntry(row, key, digest)


def _digest(row: EntryRow) -> str:
    topics = ";".join(f"{topic}:{minutes}" for topic, minutes in row.topics)
    provider = row.provider_email or row.provider_name or ""
    cells = [row.activity, row.date.isoformat(), str(row.hours), row.title, topics, provider]
    cells.append(row.format or "")
    # Only a row with a reference can change an entry, so only there do missing columns matter.
    cells.append(",".join(_missing_columns(row)) if row.reference else "")
    if row.shared_reference:
        cells.append(row.shared_reference)
    return sha256(_BETWEEN_CELLS.join(cells).encode()).hexdigest()


def _missing_columns(row: EntryRow) -> list[str]:
    """The optional columns that the row's file does not have; either provider column is enough."""
    given = row.model_fields_set
    if "provider_name" in given:
        given = given | {"provider_email"}
    return sorted(_STORED_COLUMNS.keys() - given)


@dataclass(frozen=True, slots=True)
class EntryChange:
    """A row whose reference is known and whose content is new, with the stored entry.

    ``provider`` is the name of the entry's provider, if that is a known person.
    """

    imported: ImportedEntry
    stored: RowMapping
    topics: Topics
    provider: str | None

    def values_before(self) -> dict[str, Any]:
        """The entry as it is stored."""
        return {
            "person_id": self.stored["person_id"],
            **{column: self.stored[column] for column in _COLUMNS},
            "topics": dict(self.topics),
        }

    def values_after(self, person_ids: Mapping[str, int]) -> dict[str, Any]:
        """The entry as the row changes it; what the file has no column for stays."""
        row, before = self.imported.row, self.values_before()
        missing = _missing_columns(row)
        if self.provider is not None and self.provider == row.provider_name:
            # The name of the known provider is no news.
            missing.append("provider_email")
        after = row.entry_values(person_ids)
        for column in missing:
            for name in _STORED_COLUMNS[column]:
                after[name] = before[name]
        return after


@dataclass
class EntryPlan:
    """What to do. ``restored`` are rows whose earlier entry was deleted, with new content since.

    ``recognized`` rows say what a stored entry says that no import brought; they are in
    ``unchanged`` too.
    """

    added: list[ImportedEntry] = field(default_factory=list)
    restored: list[ImportedEntry] = field(default_factory=list)
    recognized: list[tuple[ImportedEntry, int]] = field(default_factory=list)
    changed: list[EntryChange] = field(default_factory=list)
    unchanged: int = 0


def plan_entries(session: Session, rows: Sequence[EntryRow], known: KnownRecords) -> EntryPlan:
    """Compare the rows with what earlier imports stored, and with other entries.

    A row that was imported before is left alone, whatever happened to its entry since. A row with
    a known reference and new content changes its entry. If that was deleted, it becomes a new
    entry, because losing hours silently is the worse mistake.
    """
    plan = EntryPlan()
    imported_rows = list(identify_rows(rows))
    earlier = _load_imported_rows(session, imported_rows, known)
    changed, unknown = list[tuple[ImportedEntry, int]](), list[ImportedEntry]()
    for imported in imported_rows:
        place = (known.person_ids.get(imported.row.email, 0), imported.key)
        digest, entry_id = earlier.get(place, ("", None))
        if not digest:
            unknown.append(imported)
        elif digest == imported.digest:
            plan.unchanged += 1
        elif entry_id is None:
            plan.restored.append(imported)
        else:
            changed.append((imported, entry_id))
    plan.changed = _load_changed_entries(session, changed)
    taken = {entry_id for _, entry_id in earlier.values() if entry_id is not None}
    found = _recognize(session, [each.row for each in unknown], known, taken)
    for position, imported in enumerate(unknown):
        if position in found:
            plan.recognized.append((imported, found[position]))
        else:
            plan.added.append(imported)
    plan.unchanged += len(found)
    return plan


def _load_imported_rows(
    session: Session, rows: Iterable[ImportedEntry], known: KnownRecords
) -> dict[tuple[int, str], tuple[str, int | None]]:
    """Digest and entry of the rows that were imported before, by person and key."""
    wanted = {(known.person_ids.get(each.row.email, 0), each.key) for each in rows}
    earlier = {}
    people = {person_id for person_id, _ in wanted}
    for stored in stored_rows(session, ImportedRow, "person_id", people):
        place = (stored["person_id"], stored["key"])
        if place in wanted:
            earlier[place] = (stored["digest"], stored["entry_id"])
    return earlier


def _load_changed_entries(
    session: Session, changed: list[tuple[ImportedEntry, int]]
) -> list[EntryChange]:
    ids = [entry_id for _, entry_id in changed]
    entries = {row["id"]: row for row in stored_rows(session, Entry, "id", ids)}
    topics = load_topics(session, ids)
    provider_ids = {entry["provider_id"] for entry in entries.values()} - {None}
    names = {row["id"]: row["name"] for row in stored_rows(session, Person, "id", provider_ids)}
    changes = []
    for imported, entry_id in changed:
        entry = entries[entry_id]
        name = names.get(entry["provider_id"])
        changes.append(EntryChange(imported, entry, topics.get(entry_id, ()), name))
    return changes


def load_topics(session: Session, entry_ids: Collection[int]) -> dict[int, Topics]:
    """Each entry's topics with their minutes, in the order of the names."""
    topics = defaultdict[int, list[tuple[str, int]]](list)
    for row in stored_rows(session, EntryTopic, "entry_id", entry_ids):
        topics[row["entry_id"]].append((row["topic"], row["minutes"]))
    return {entry_id: tuple(sorted(found)) for entry_id, found in topics.items()}


def _recognize(
    session: Session, rows: Sequence[EntryRow], known: KnownRecords, taken: Collection[int]
) -> dict[int, int]:
    """The ids of the stored entries that say exactly what rows (by their position) say.

    They were logged in the browser, or imported with the provider's address, which the file of a
    person's own data does not contain. Each entry is found for one row at most: the second of two
    equal rows is a second session. Entries in ``taken`` belong to other rows of the import.
    """
    by_content = defaultdict[tuple[Any, ...], list[int]](list)
    for position, row in enumerate(rows):
        if row.email in known.person_ids:
            values = row.entry_values(known.person_ids)
            provider = values["provider_name"]
            if provider is None:
                provider = values["provider_id"]
            by_content[(*(values[name] for name in _CONTENT), provider)].append(position)
    candidates = dict[int, list[int]]()
    for entry in _load_entries_of_days(session, rows, known):
        positions = list[int]()
        for content in _contents_of(entry):
            positions += by_content.get(content, ())
        if positions and entry["id"] not in taken:
            candidates[entry["id"]] = positions
    topics = load_topics(session, candidates)
    found = dict[int, int]()
    for entry_id, positions in candidates.items():
        for position in positions:
            if position not in found and rows[position].topics == topics.get(entry_id, ()):
                found[position] = entry_id
                break
    return found


def _contents_of(entry: RowMapping) -> Iterator[tuple[Any, ...]]:
    """What rows for a stored entry can say: its known provider by address or by name."""
    same = tuple(entry[name] for name in _CONTENT)
    if entry["provider_id"] is None:
        yield (*same, entry["provider_name"])
    else:
        yield (*same, entry["provider_id"])
        yield (*same, entry["known_provider"])


def _load_entries_of_days(
    session: Session, rows: Sequence[EntryRow], known: KnownRecords
) -> Iterator[RowMapping]:
    """The entries of the rows' people from the first to the last day of the rows, oldest first."""
    if not rows:
        return
    first, last = min(row.date for row in rows), max(row.date for row in rows)
    for ids in chunked(known.ids_of(row.email for row in rows)):
        query = (
            select(*table_of(Entry).c, col(Person.name).label("known_provider"))
            .outerjoin_from(Entry, Person, col(Person.id) == col(Entry.provider_id))
            .where(col(Entry.person_id).in_(ids), col(Entry.held_on).between(first, last))
            .order_by(col(Entry.id))
        )
        yield from session.connection().execute(query).mappings()


def check_changed_entries(plan: EntryPlan, context: ImportContext) -> Iterator[ImportProblem]:
    """What a file has no column for must still fit the changed entry."""
    for change in plan.changed:
        row = change.imported.row
        if not _missing_columns(row):
            continue
        after = change.values_after({})
        for column, message in find_entry_problems(after, context):
            problem = row.problem(column, f"{message} (as stored: the file has no such column)")
            if column == "topics":
                topics = tuple(sorted(after["topics"].items()))
                problem = replace(problem, value=format_cell("topics", topics))
            yield problem


def check_hours_of_days(
    session: Session, plan: EntryPlan, known: KnownRecords
) -> Iterator[ImportProblem]:
    """A person has at most 24 hours on one day, stored and new together."""
    rows = [each.row for each in (*plan.added, *plan.restored)]
    rows += [change.imported.row for change in plan.changed]
    stored = _load_minutes_of_days(session, plan, rows, known)
    totals = defaultdict[tuple[str, date], int](int)
    reported = set[tuple[str, date]]()
    for row in sorted(rows, key=lambda each: each.sort_key):
        day = (row.email, row.date)
        totals[day] += row.hours
        before = stored.get((known.person_ids.get(row.email, 0), row.date), 0)
        total = totals[day] + before
        if total > MINUTES_IN_DAY and day not in reported:
            reported.add(day)
            which = f" ({format_hours(before)} of them already stored)" if before else ""
            message = f"makes {format_hours(total)} hours on {row.date}{which}; a day has 24"
            yield row.problem("hours", message)


def _load_minutes_of_days(
    session: Session, plan: EntryPlan, rows: Sequence[EntryRow], known: KnownRecords
) -> dict[tuple[int, date], int]:
    """The minutes that people have on each day, without the entries that will change."""
    minutes = defaultdict[tuple[int, date], int](int)
    if not rows:
        return minutes
    first, last = min(row.date for row in rows), max(row.date for row in rows)
    for ids in chunked(known.ids_of(row.email for row in rows)):
        query = (
            select(col(Entry.person_id), col(Entry.held_on), func.sum(Entry.minutes))
            .where(col(Entry.person_id).in_(ids), col(Entry.held_on).between(first, last))
            .group_by(col(Entry.person_id), col(Entry.held_on))
        )
        for person_id, held_on, total in session.connection().execute(query):
            minutes[person_id, held_on] = int(total)
    for change in plan.changed:
        entry = change.stored
        minutes[entry["person_id"], entry["held_on"]] -= entry["minutes"]
    return minutes


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
        different = _change_entries(session, changes, person_ids, context)
        stored.emails.update(change.imported.row.email for change in different)
        stored.counts.changed += len(different)
        stored.counts.unchanged += len(changes) - len(different)
        progress.step(len(changes))
    return stored


def _add_entries(
    session: Session,
    batch: list[ImportedEntry],
    person_ids: Mapping[str, int],
    context: ImportContext,
) -> None:
    ids = reserve_ids(session, table_of(Entry), len(batch))
    entries = {}
    for entry_id, imported in zip(ids, batch, strict=True):
        entries[entry_id] = imported.row.entry_values(person_ids)
    rows = ({"id": entry_id, **_without_topics(values)} for entry_id, values in entries.items())
    insert_rows(session, table_of(Entry), rows)
    _insert_topics(session, entries)
    _remember(session, zip(batch, ids, strict=True), person_ids)
    changes = (_audit(context, entry_id, None, values) for entry_id, values in entries.items())
    record_changes(session, changes)


def _change_entries(
    session: Session,
    changes: list[EntryChange],
    person_ids: Mapping[str, int],
    context: ImportContext,
) -> list[EntryChange]:
    """Update the entries. Returns the changes that make a difference to what is stored."""
    different, entries, events = [], {}, []
    for change in changes:
        entry_id = change.stored["id"]
        before, after = change.values_before(), change.values_after(person_ids)
        if before != after:
            different.append(change)
            entries[entry_id] = after
            events.append(_audit(context, entry_id, before, after))
    for ids in chunked(entries):
        session.exec(delete(EntryTopic).where(col(EntryTopic.entry_id).in_(ids)))
    if entries:
        rows = [{"id": each, **_without_topics(values)} for each, values in entries.items()]
        session.exec(update(Entry), params=rows)
    _insert_topics(session, entries)
    _remember(session, ((change.imported, change.stored["id"]) for change in changes), person_ids)
    record_changes(session, events)
    return different


def _audit(
    context: ImportContext,
    entry_id: int,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any],
) -> Change:
    return Change(context.actor, context.now, "entry", entry_id, before, after)


def _without_topics(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != "topics"}


def _insert_topics(session: Session, entries: Mapping[int, Mapping[str, Any]]) -> None:
    rows = []
    for entry_id, values in entries.items():
        copied = {"person_id": values["person_id"], "held_on": values["held_on"]}
        for topic, minutes in values["topics"].items():
            rows.append({"entry_id": entry_id, "topic": topic, "minutes": minutes, **copied})
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
        upsert(
            session, ImportedRow, stored, key=["person_id", "key"], update=["digest", "entry_id"]
        )
