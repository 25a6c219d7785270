"""Which rows of entries.csv are new, known, or changed, and whether they can be saved."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Mapped
from sqlmodel import Session, and_, col, select

from tracker.db.log import Entry, ImportedRow
from tracker.db.people import Person
from tracker.formatting import MINUTES_IN_DAY, format_cycle_span, format_hours
from tracker.importer.cells import LOG_EACH_DAY, ImportContext
from tracker.importer.csv_row import format_cell
from tracker.importer.entry_matching import (
    EntryMatcher,
    EntryMatches,
    StoredEntry,
    check_similar_rows,
)
from tracker.importer.entry_rows import (
    STORED_FIELDS,
    ImportedEntry,
    entry_of,
    identify_rows,
    missing_columns,
    reference_key,
)
from tracker.importer.known_records import KnownRecords
from tracker.importer.problems import ImportProblem
from tracker.importer.schemas import EntryRow
from tracker.importer.table_rows import chunked, stored_rows
from tracker.refusal_text import format_refusal
from tracker.rules.explain import LoggedEntry
from tracker.services.entries import entry_input_of, select_entries
from tracker.services.entry_rules import EntryInput, validate_entry
from tracker.services.submitted_sessions import SubmittedCycle, SubmittedSessions, read_submitted

# Digest and entry of an imported row, by person and key.
_EarlierRows = dict[tuple[int, str], tuple[str, int | None]]
# The columns of the fields that a refusal names, if they have other names.
_COLUMN_OF_FIELD = {"held_on": "date", "minutes": "hours", "provider": "provider_email"}


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
        missing = missing_columns(row)
        if self.provider is not None and self.provider == row.provider_name:
            # The name of the known provider is not news.
            missing.append("provider_email")
        kept = [name for column in missing for name in STORED_FIELDS[column]]
        values = {name: getattr(self.stored, name) for name in kept}
        return replace(entry_of(row, person_ids), **values)


@dataclass
class EntryPlan:
    """What to do with the rows.

    ``known`` rows are as they were imported before. ``restored`` rows have new content and an
    earlier entry that was deleted. ``matches`` are the
    rows that describe a stored entry that no import brought. ``minutes_of_days`` are those of the
    people's entries that stay as they are.
    """

    added: list[ImportedEntry] = field(default_factory=list)
    restored: list[ImportedEntry] = field(default_factory=list)
    matches: EntryMatches = field(default_factory=EntryMatches)
    changed: list[EntryChange] = field(default_factory=list)
    known: list[ImportedEntry] = field(default_factory=list)
    minutes_of_days: Counter[tuple[int, date]] = field(default_factory=Counter)

    @property
    def unchanged(self) -> list[ImportedEntry]:
        """The rows that change nothing."""
        return [*self.known, *(imported for imported, _ in self.matches.recognized)]


def plan_entries(session: Session, known: KnownRecords, decision: str | None = None) -> EntryPlan:
    """Compare the rows with what earlier imports stored, and with other entries.

    A row that was imported before is left alone, whatever happened to its entry since. A row with
    a known reference and new content changes its entry. If that was deleted, it becomes a new
    entry, because losing hours silently is the worse mistake. Any other row may be about a stored
    entry that was logged in the browser or came in another file (`EntryMatcher`); ``decision`` is
    for rows for which that is unclear.
    """
    imported_rows = list(identify_rows(known.files.rows_of(EntryRow)))
    earlier = _load_imported_rows(session, imported_rows, known)
    plan, compared = EntryPlan(), _ComparedRows()
    for imported in imported_rows:
        compared.add(imported, plan, known.id_of(imported.row.email), earlier)
    unknown, changed = compared.unknown, compared.changed
    for stored in _load_entries(session, col(Entry.id), changed):
        plan.changed.append(EntryChange(changed[stored.entry.id], stored.entry, stored.provider))
    new_rows = [each.row for each in [*unknown, *plan.restored, *changed.values()]]
    entries = {each.entry.id: each for each in _load_entries_of_days(session, new_rows, known)}
    for entry_id, stored in entries.items():
        if entry_id not in changed:
            day = (stored.entry.person_id, stored.entry.held_on)
            plan.minutes_of_days[day] += stored.entry.minutes
    numbered = _entries_with_numbers(unknown, earlier, known) - entries.keys()
    entries |= {each.entry.id: each for each in _load_entries(session, col(Entry.id), numbered)}
    free = [stored for entry_id, stored in entries.items() if entry_id not in compared.taken]
    plan.matches = EntryMatcher(free, known.person_ids, known.names, decision).match(unknown)
    plan.added = plan.matches.others
    return plan


@dataclass
class _ComparedRows:
    """The rows that no import brought before, and those that are ``changed`` by their entry.

    ``taken`` are the entries of all rows that were imported before.
    """

    unknown: list[ImportedEntry] = field(default_factory=list)
    changed: dict[int, ImportedEntry] = field(default_factory=dict)
    taken: set[int | None] = field(default_factory=set)

    def add(
        self, imported: ImportedEntry, plan: EntryPlan, person_id: int, earlier: _EarlierRows
    ) -> None:
        """Compare a row with what its person had imported before."""
        found = _find_earlier(imported, person_id, earlier)
        if found is None:
            self.unknown.append(imported)
            return
        is_unchanged, entry_id = found
        self.taken.add(entry_id)
        if is_unchanged:
            plan.known.append(imported)
        elif entry_id is None:
            plan.restored.append(imported)
        else:
            self.changed[entry_id] = imported


def _find_earlier(
    imported: ImportedEntry, person_id: int, earlier: _EarlierRows
) -> tuple[bool, int | None] | None:
    """Whether a row is as it was imported before, and its entry; None for a new row.

    What earlier versions may have stored has precedence: it is the row to the letter.
    """
    identities = (*imported.earlier, (imported.key, imported.digest))
    digests = {digest for _, digest in identities}
    for key, _ in identities:
        stored = earlier.get((person_id, key))
        if stored is not None:
            return stored[0] in digests, stored[1]
    return None


def _entries_with_numbers(
    rows: Iterable[ImportedEntry], earlier: _EarlierRows, known: KnownRecords
) -> set[int]:
    """The entries whose references are those of the rows, but for leading zeros."""
    ids = defaultdict[tuple[int, str], set[int]](set)
    for (person_id, key), (_, entry_id) in earlier.items():
        reference = key.removeprefix(reference_key(""))
        if reference != key and entry_id is not None:
            ids[person_id, reference.lstrip("0")].add(entry_id)
    found = set[int]()
    for imported in rows:
        reference = imported.row.reference or ""
        if reference.isdigit():
            found |= ids.get((known.id_of(imported.row.email), reference.lstrip("0")), set())
    return found


def _load_imported_rows(
    session: Session, rows: Iterable[ImportedEntry], known: KnownRecords
) -> _EarlierRows:
    """Digest and entry of what the rows' people had imported before, by person and key."""
    people = {known.id_of(each.row.email) for each in rows}
    earlier = {}
    for stored in stored_rows(session, ImportedRow, "person_id", people):
        place = (stored["person_id"], stored["key"])
        earlier[place] = (stored["digest"], stored["entry_id"])
    return earlier


def _load_entries_of_days(
    session: Session, rows: Sequence[EntryRow], known: KnownRecords
) -> Iterator[StoredEntry]:
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
) -> Iterator[StoredEntry]:
    """The entries whose ``column`` is among ``values``, with the names of providers."""
    for chunk in chunked(values):
        entries = list(select_entries(session, and_(column.in_(chunk), *where)))
        names = dict[int, str]()
        for ids in chunked(entry.provider_id for entry in entries if entry.provider_id):
            query = select(Person.id, Person.name).where(col(Person.id).in_(ids))
            names.update(session.exec(query).all())
        for entry in entries:
            yield StoredEntry(entry, names.get(entry.provider_id or 0))


def check_entries(
    known: KnownRecords, plan: EntryPlan, context: ImportContext
) -> Iterator[ImportProblem]:
    """Every entry must satisfy the rules of entries, also with what a file has no column for."""
    for row in known.files.rows_of(EntryRow):
        for column, message in _find_errors(entry_of(row, {}), context):
            yield row.problem(column, message)
    yield from check_similar_rows(plan.matches)
    for change in plan.changed:
        row, after = change.imported.row, change.result({})
        for column, message in _find_errors(after, context):
            if column in missing_columns(row):
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


def check_submitted(
    session: Session, known: KnownRecords, plan: EntryPlan
) -> Iterator[ImportProblem]:
    """Sessions of a cycle whose renewal is submitted stay as they are, and none is added."""
    added = [each.row for each in (*plan.added, *plan.restored)]
    rows = [*added, *(change.imported.row for change in plan.changed)]
    locks = read_submitted(session, known.ids_of(row.email for row in rows))
    for row in added:
        lock = locks.find_lock(known.id_of(row.email), row.date)
        if lock is not None and not _is_for_new_endorsement(known, row):
            yield _refuse_submitted(row, lock)
    for change in plan.changed:
        lock = _find_lock_of_change(change, change.result(known.person_ids), locks)
        if lock is not None:
            yield _refuse_submitted(change.imported.row, lock)


def _find_lock_of_change(
    change: EntryChange, after: EntryInput, locks: SubmittedSessions
) -> SubmittedCycle | None:
    stored = change.stored
    if after == entry_input_of(stored):
        return None
    if stored.id in locks.frozen or after.held_on == stored.held_on:
        return locks.frozen.get(stored.id)
    return locks.find_lock(stored.person_id, after.held_on)


def _is_for_new_endorsement(known: KnownRecords, row: EntryRow) -> bool:
    """Whether the files add an endorsement for which a session may count."""
    return any(
        each.email == row.email and (each.ends_on is None or each.ends_on >= row.date)
        for each in known.new_endorsements
    )


def _refuse_submitted(row: EntryRow, lock: SubmittedCycle) -> ImportProblem:
    cycle = format_cycle_span(lock.starts_on, lock.ends_on)
    message = (
        f"the renewal for {cycle} is submitted at {lock.association}, so its sessions can't be "
        "added or changed; return the renewal first, or leave this row out"
    )
    return row.problem("date", message)


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
            message = f"{message}; {LOG_EACH_DAY}"
            yield row.problem("hours", message)
