"""Which rows of entries.csv are new, changed or known, and whether they can be."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import Connection, RowMapping, func, select

from tracker.hours import MINUTES_IN_DAY, say_hours
from tracker.records.schema.tables import METADATA
from tracker.records.store.bulk import in_chunks
from tracker.transfer.bulk import CHUNK, rows_where
from tracker.transfer.catalogue import Catalogue
from tracker.transfer.cells import Topics
from tracker.transfer.known import Known
from tracker.transfer.problems import Problem
from tracker.transfer.reading import Reading
from tracker.transfer.recognising import recognise, topics_of
from tracker.transfer.rows import EntryRow, slips_of_entry

_ENTRY = METADATA.tables["entry"]
_PERSON = METADATA.tables["person"]
_IMPORTED = METADATA.tables["imported_row"]
PersonDay = tuple[int, date]


@dataclass(frozen=True, slots=True)
class ChangedEntry:
    """A row whose reference is known and whose content is another, with the stored entry.

    ``provider`` is the name of the entry's provider, if that is somebody who is known.
    """

    row: EntryRow
    stored: RowMapping
    topics: Topics
    provider: str | None

    @property
    def kept(self) -> frozenset[str]:
        """The columns that leave what is stored: a name does not take back who that is."""
        same = self.provider is not None and self.provider == self.row.provider_name
        return self.row.omitted | {"provider_email"} if same else self.row.omitted

    @property
    def topics_after(self) -> Topics:
        """The topics that the entry will have: a file without that column leaves them."""
        return self.topics if "topics" in self.row.omitted else self.row.topics

    @property
    def provider_after(self) -> object:
        """Who or what will be the provider: a file without that column leaves it."""
        if "provider_email" in self.row.omitted:
            return self.stored["provider_id"] or self.stored["provider_name"]
        return self.row.provider_email or self.row.provider_name


@dataclass
class EntryPlan:
    """What is to be done. ``again`` are added rows whose earlier entry was deleted since.

    ``recognised`` say what the entry with that id says, which no import remembers by them yet;
    they are ``unchanged``, too.
    """

    added: list[EntryRow] = field(default_factory=list)
    recognised: list[tuple[EntryRow, int]] = field(default_factory=list)
    again: list[EntryRow] = field(default_factory=list)
    changed: list[ChangedEntry] = field(default_factory=list)
    unchanged: int = 0


def plan_entries(connection: Connection, reading: Reading, known: Known) -> EntryPlan:
    """Compare the rows with what earlier imports remembered.

    A row that was taken in before is left alone, whatever became of its entry since. A row
    with a known reference and another content changes its entry; where that was deleted, the
    new content is added as a new entry, because losing hours silently is the worse mistake.
    A row that no import remembers and that says just what is stored is known by that.
    """
    plan = EntryPlan()
    remembered = _remembered(connection, reading, known)
    changed = list[tuple[EntryRow, int]]()
    unknown = list[EntryRow]()
    for row in reading.entries:
        before = remembered.get((known.person_ids.get(row.email, 0), row.key))
        if before is None:
            unknown.append(row)
        elif before[0] == row.digest:
            plan.unchanged += 1
        elif before[1] is None:
            plan.again.append(row)
        else:
            changed.append((row, before[1]))
    plan.changed = _with_stored(connection, changed)
    taken = {entry_id for _, entry_id in remembered.values() if entry_id is not None}
    found = recognise(connection, unknown, known, taken)
    plan.recognised = [(unknown[position], entry_id) for position, entry_id in found.items()]
    plan.added = [row for position, row in enumerate(unknown) if position not in found]
    plan.unchanged += len(found)
    return plan


def _remembered(
    connection: Connection, reading: Reading, known: Known
) -> dict[tuple[int, str], tuple[str, int | None]]:
    """Digest and entry of the rows that were taken in before, by person and key."""
    ids = known.person_ids
    wanted = {(ids[row.email], row.key) for row in reading.entries if row.email in ids}
    found = {}
    for chunk in in_chunks({person_id for person_id, _ in wanted}, CHUNK):
        query = select(
            _IMPORTED.c.person_id, _IMPORTED.c.key, _IMPORTED.c.digest, _IMPORTED.c.entry_id
        ).where(_IMPORTED.c.person_id.in_(chunk))
        for person_id, key, digest, entry_id in connection.execute(query):
            if (person_id, key) in wanted:
                found[person_id, key] = (digest, entry_id)
    return found


def _with_stored(connection: Connection, changed: list[tuple[EntryRow, int]]) -> list[ChangedEntry]:
    ids = [entry_id for _, entry_id in changed]
    entries = {row["id"]: row for row in rows_where(connection, _ENTRY, "id", ids)}
    topics = topics_of(connection, ids)
    providers = {entry["provider_id"] for entry in entries.values()} - {None}
    names = {row["id"]: row["name"] for row in rows_where(connection, _PERSON, "id", providers)}
    return [
        ChangedEntry(
            row,
            entries[entry_id],
            topics.get(entry_id, ()),
            names.get(entries[entry_id]["provider_id"]),
        )
        for row, entry_id in changed
    ]


def check_changes(plan: EntryPlan, catalogue: Catalogue) -> Iterator[Problem]:
    """What a file leaves out must still fit the entry that the row changes."""
    for each in plan.changed:
        row = each.row
        if row.omitted & {"topics", "provider_email"}:
            slips = slips_of_entry(
                row.activity, row.minutes, each.topics_after, each.provider_after, catalogue
            )
            for column, value, what in slips:
                yield row.problem(column, value, f"as stored, for the file leaves it out: {what}")


def check_days(connection: Connection, plan: EntryPlan, known: Known) -> Iterator[Problem]:
    """Nobody has more than 24 hours on one day, stored and new together."""
    rows = [*plan.added, *plan.again, *(each.row for each in plan.changed)]
    totals = defaultdict[tuple[str, date], int](int)
    over = set[tuple[str, date]]()
    stored = _stored_minutes(connection, plan, rows, known)
    for row in sorted(rows, key=lambda each: (each.file, each.line)):
        day = (row.email, row.held_on)
        totals[day] += row.minutes
        before = stored.get((known.person_ids.get(row.email, 0), row.held_on), 0)
        if totals[day] + before > MINUTES_IN_DAY and day not in over:
            over.add(day)
            what = f"makes {say_hours(totals[day] + before)} hours on {row.held_on}"
            of_which = f" ({say_hours(before)} of them stored already)" if before else ""
            what = f"{what}{of_which}; a day has 24"
            yield row.problem("hours", say_hours(row.minutes), what)


def _stored_minutes(
    connection: Connection, plan: EntryPlan, rows: list[EntryRow], known: Known
) -> dict[PersonDay, int]:
    """The minutes that each person has on each day without the entries that will change."""
    minutes = defaultdict[PersonDay, int](int)
    if not rows:
        return minutes
    days = [row.held_on for row in rows]
    people = {known.person_ids[row.email] for row in rows if row.email in known.person_ids}
    for chunk in in_chunks(people, CHUNK):
        query = (
            select(_ENTRY.c.person_id, _ENTRY.c.held_on, func.sum(_ENTRY.c.minutes))
            .where(_ENTRY.c.person_id.in_(chunk))
            .where(_ENTRY.c.held_on.between(min(days), max(days)))
            .group_by(_ENTRY.c.person_id, _ENTRY.c.held_on)
        )
        for person_id, held_on, total in connection.execute(query):
            minutes[person_id, held_on] = int(total)
    for each in plan.changed:
        minutes[each.stored["person_id"], each.stored["held_on"]] -= each.stored["minutes"]
    return minutes
