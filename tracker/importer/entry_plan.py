"""Which rows of entries.csv are new, known, or changed, and whether they can be saved."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Mapped
from sqlmodel import Session, and_, col, select

from tracker.db.log import Entry, ImportedRow
from tracker.db.people import Person
from tracker.formatting import MINUTES_IN_DAY, format_hours
from tracker.importer.cells import ImportContext
from tracker.importer.csv_row import format_cell
from tracker.importer.known_records import KnownRecords
from tracker.importer.problems import ImportProblem
from tracker.importer.schemas import EntryRow
from tracker.importer.table_rows import chunked, stored_rows
from tracker.refusal_text import format_refusal
from tracker.rules.explain import LoggedEntry
from tracker.services.entries import select_entries
from tracker.services.entry_rules import EntryInput, validate_entry

# Optional columns of the file, and what stays as it is stored if the file has no such column.
_STORED_FIELDS = {
    "topics": ("topics",),
    "provider_email": ("provider_id", "provider_name"),
    "format": ("format",),
    "reference": ("reference",),
}
# Those that a digest names if the file lacks them. A column that comes later stays out of it, as
# otherwise every row imported before would look changed, and undo what people changed since.
_DIGESTED_IF_MISSING = {"topics", "provider_email", "format", "reference"}
# The columns of the fields that a refusal names, if they have other names.
_COLUMN_OF_FIELD = {"held_on": "date", "minutes": "hours", "provider": "provider_email"}
# No cell can contain it, so it cannot make two different rows look the same.
_BETWEEN_CELLS = "\x1f"


def entry_of(row: EntryRow, person_ids: Mapping[str, int]) -> EntryInput:
    """The entry that a row describes.

    A provider whom the files add has the id 0 until people are stored.
    """
    return EntryInput(
        activity=row.activity,
        held_on=row.date,
        minutes=row.hours,
        title=row.title,
        provider_id=person_ids.get(row.provider_email, 0) if row.provider_email else None,
        provider_name=row.provider_name,
        format=row.format,
        reference=row.reference or row.shared_reference,
        topics=dict(row.topics),
    )


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


# A new optional column is added to the digest only if it is filled, with its name. Otherwise every
# row imported before would look new.
def _digest(row: EntryRow) -> str:
    topics = ";".join(f"{topic}:{minutes}" for topic, minutes in row.topics)
    provider = row.provider_email or row.provider_name or ""
    cells = [row.activity, row.date.isoformat(), str(row.hours), row.title, topics, provider]
    cells.append(row.format or "")
    # Only a row with a reference can change an entry, so only there do missing columns matter.
    missing = [column for column in _missing_columns(row) if column in _DIGESTED_IF_MISSING]
    cells.append(",".join(missing) if row.reference else "")
    if row.shared_reference:
        cells.append(row.shared_reference)
    return sha256(_BETWEEN_CELLS.join(cells).encode()).hexdigest()


def _missing_columns(row: EntryRow) -> list[str]:
    """The optional columns that the row's file does not have; either provider column is enough."""
    given = row.model_fields_set
    if "provider_name" in given:
        given = given | {"provider_email"}
    return sorted(_STORED_FIELDS.keys() - given)


def _content(
    person_id: int, entry: EntryInput | LoggedEntry, provider: int | str | None
) -> tuple[Any, ...]:
    """What two entries have in common if they are about the same session."""
    session = (person_id, entry.activity, entry.held_on, entry.minutes, entry.title)
    topics = tuple(sorted(entry.topics.items()))
    return (*session, entry.format, entry.reference, topics, provider)


@dataclass(frozen=True, slots=True)
class EntryChange:
    """A row whose reference is known and whose content is new, with the stored entry.

    ``provider`` is the name of the stored entry's provider if that is a person.
    """

    imported: ImportedEntry
    stored: LoggedEntry
    provider: str | None

    def result(self, person_ids: Mapping[str, int]) -> EntryInput:
        """The changed entry; what the file has no column for stays."""
        row = self.imported.row
        missing = _missing_columns(row)
        if self.provider is not None and self.provider == row.provider_name:
            # The name of the known provider is not news.
            missing.append("provider_email")
        kept = [name for column in missing for name in _STORED_FIELDS[column]]
        values = {name: getattr(self.stored, name) for name in kept}
        return replace(entry_of(row, person_ids), **values)


@dataclass
class EntryPlan:
    """What to do with the rows.

    ``restored`` rows have new content and an earlier entry that was deleted. ``recognized`` rows
    describe a stored entry that no import brought; they are in ``unchanged`` too.
    ``minutes_of_days`` are those of the people's entries that stay as they are.
    """

    added: list[ImportedEntry] = field(default_factory=list)
    restored: list[ImportedEntry] = field(default_factory=list)
    recognized: list[tuple[ImportedEntry, int]] = field(default_factory=list)
    changed: list[EntryChange] = field(default_factory=list)
    unchanged: int = 0
    minutes_of_days: Counter[tuple[int, date]] = field(default_factory=Counter)


def plan_entries(session: Session, known: KnownRecords) -> EntryPlan:
    """Compare the rows with what earlier imports stored, and with other entries.

    A row that was imported before is left alone, whatever happened to its entry since. A row with
    a known reference and new content changes its entry. If that was deleted, it becomes a new
    entry, because losing hours silently is the worse mistake. Any other row that says exactly what
    a stored entry says is that entry: it was logged in the browser, or imported with the provider's
    address, which the files of a person's own data do not contain.
    """
    plan = EntryPlan()
    imported_rows = list(identify_rows(known.files.rows_of(EntryRow)))
    earlier = _load_imported_rows(session, imported_rows, known)
    changed, unknown = dict[int, ImportedEntry](), list[ImportedEntry]()
    taken = set[int | None]()
    for imported in imported_rows:
        place = (known.id_of(imported.row.email), imported.key)
        digest, entry_id = earlier.get(place, ("", None))
        taken.add(entry_id)
        if not digest:
            unknown.append(imported)
        elif digest == imported.digest:
            plan.unchanged += 1
        elif entry_id is None:
            plan.restored.append(imported)
        else:
            changed[entry_id] = imported
    for stored, provider in _load_entries(session, col(Entry.id), changed):
        plan.changed.append(EntryChange(changed[stored.id], stored, provider))
    new_rows = [each.row for each in [*unknown, *plan.restored, *changed.values()]]
    free = list[tuple[LoggedEntry, str | None]]()
    for stored, provider in _load_entries_of_days(session, new_rows, known):
        if stored.id not in changed:
            plan.minutes_of_days[stored.person_id, stored.held_on] += stored.minutes
        if stored.id not in taken:
            free.append((stored, provider))
    plan.recognized, plan.added = _recognize(unknown, free, known)
    plan.unchanged += len(plan.recognized)
    return plan


def _recognize(
    rows: Iterable[ImportedEntry],
    entries: Iterable[tuple[LoggedEntry, str | None]],
    known: KnownRecords,
) -> tuple[list[tuple[ImportedEntry, int]], list[ImportedEntry]]:
    """The rows that say exactly what a stored entry says, with its id; and the other rows.

    Each entry is that of one row: the second of two equal rows is a second session.
    """
    by_content = defaultdict[tuple[Any, ...], list[int]](list)
    for stored, provider in entries:
        # A row can name the provider, or have the address.
        named = _content(stored.person_id, stored, provider or stored.provider_name)
        by_content[named].append(stored.id)
        if stored.provider_id is not None:
            known_one = _content(stored.person_id, stored, stored.provider_id)
            by_content[known_one].append(stored.id)
    recognized, others, used = [], [], set[int]()
    for imported in rows:
        entry = entry_of(imported.row, known.person_ids)
        provider_key = entry.provider_name if entry.provider_id is None else entry.provider_id
        content = _content(known.id_of(imported.row.email), entry, provider_key)
        ids = set(by_content.get(content, ())) - used
        if ids:
            recognized.append((imported, min(ids)))
            used.add(min(ids))
        else:
            others.append(imported)
    return recognized, others


def _load_imported_rows(
    session: Session, rows: Iterable[ImportedEntry], known: KnownRecords
) -> dict[tuple[int, str], tuple[str, int | None]]:
    """Digest and entry of the rows that were imported before, by person and key."""
    wanted = {(known.id_of(each.row.email), each.key) for each in rows}
    earlier = {}
    people = {person_id for person_id, _ in wanted}
    for stored in stored_rows(session, ImportedRow, "person_id", people):
        place = (stored["person_id"], stored["key"])
        if place in wanted:
            earlier[place] = (stored["digest"], stored["entry_id"])
    return earlier


def _load_entries_of_days(
    session: Session, rows: Sequence[EntryRow], known: KnownRecords
) -> Iterator[tuple[LoggedEntry, str | None]]:
    """The entries of the rows' people from the first to the last day of the rows."""
    if rows:
        days = [row.date for row in rows]
        between = col(Entry.held_on).between(min(days), max(days))
        people = known.ids_of(row.email for row in rows)
        yield from _load_entries(session, col(Entry.person_id), people, between)


def _load_entries(
    session: Session,
    column: Mapped[int],
    values: Collection[int],
    *where: ColumnElement[bool],
) -> Iterator[tuple[LoggedEntry, str | None]]:
    """The entries whose ``column`` is among ``values``, with the names of providers."""
    for chunk in chunked(values):
        entries = list(select_entries(session, and_(column.in_(chunk), *where)))
        names = dict[int, str]()
        for ids in chunked(entry.provider_id for entry in entries if entry.provider_id):
            query = select(Person.id, Person.name).where(col(Person.id).in_(ids))
            names.update(session.exec(query).all())
        for entry in entries:
            yield entry, names.get(entry.provider_id or 0)


def check_entries(
    known: KnownRecords, plan: EntryPlan, context: ImportContext
) -> Iterator[ImportProblem]:
    """Every entry must satisfy the rules of entries, also with what a file has no column for."""
    for row in known.files.rows_of(EntryRow):
        for column, message in _find_errors(entry_of(row, {}), context):
            yield row.problem(column, message)
    for change in plan.changed:
        row, after = change.imported.row, change.result({})
        for column, message in _find_errors(after, context):
            if column in _missing_columns(row):
                note = f"{message} (as stored: the file has no such column)"
                topics = tuple(sorted(after.topics.items()))
                value = format_cell("topics", topics) if column == "topics" else None
                yield replace(row.problem(column, note), value=value)


def _find_errors(entry: EntryInput, context: ImportContext) -> Iterator[tuple[str, str]]:
    """Why an entry can't be saved: the column and the message."""
    for refusal in validate_entry(entry, context.entry_rules):
        # Topics are refused one by one, such as topics.DEIA.
        name = refusal.field.partition(".")[0]
        column = _COLUMN_OF_FIELD.get(name, name)
        if column == "provider_email" and entry.provider_name:
            column = "provider_name"
        yield column, format_refusal(refusal.code, refusal.facts)


def check_hours_of_days(known: KnownRecords, plan: EntryPlan) -> Iterator[ImportProblem]:
    """A person has at most 24 hours on one day, stored and new together."""
    rows = [each.row for each in (*plan.added, *plan.restored)]
    rows += [change.imported.row for change in plan.changed]
    totals = Counter[tuple[str, date]]()
    reported = set[tuple[str, date]]()
    for row in sorted(rows, key=lambda each: each.sort_key):
        day = (row.email, row.date)
        totals[day] += row.hours
        stored = plan.minutes_of_days[known.id_of(row.email), row.date]
        total = totals[day] + stored
        if total > MINUTES_IN_DAY and day not in reported:
            reported.add(day)
            which = f" ({format_hours(stored)} of them already stored)" if stored else ""
            message = f"makes {format_hours(total)} hours on {row.date}{which}; a day has 24"
            yield row.problem("hours", message)
