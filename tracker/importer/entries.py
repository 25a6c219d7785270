"""Which rows of entries.csv say just what is stored already, though no import remembers them.

Such are the rows of all my data where the entries were logged on the pages, or taken in with the
provider's address, which a person's own files do not tell.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import RowMapping, delete, func, select
from sqlmodel import Session

from tracker.db.audit import Change, Stamp, record_changes
from tracker.db.statements import in_chunks, insert_rows, reserve_ids
from tracker.db.tables import METADATA
from tracker.formatting import MINUTES_IN_DAY, format_hours
from tracker.importer.cells import Topics
from tracker.importer.files import Problem, Progress
from tracker.importer.lookups import (
    CHUNK,
    KnownRecords,
    Values,
    refresh_statistics,
    rows_where,
    update_rows,
)
from tracker.importer.reader import Reading
from tracker.importer.rows import EntryRow, slips_of_entry
from tracker.importer.upserts import Counts, Stored
from tracker.importer.vocabulary import Vocabulary

_ENTRY = METADATA.tables["entry"]
_TOPIC = METADATA.tables["entry_topic"]
_PERSON = METADATA.tables["person"]
_SAME = ("person_id", "activity", "held_on", "minutes", "title", "format", "reference")
# All but the topics: the columns, and the provider's id, name, or None.
Content = tuple[Any, ...]


def recognize(
    session: Session, rows: Sequence[EntryRow], known: KnownRecords, taken: Collection[int]
) -> dict[int, int]:
    """The ids of the stored entries that rows (by their position) speak of.

    Each entry is found for one row at most, and none that is ``taken`` by another row of the
    import: of two equal rows where one session is stored, the second is a second session.
    """
    by_content = defaultdict[Content, list[int]](list)
    for position, row in enumerate(rows):
        if row.email in known.person_ids:
            by_content[_content(row, known)].append(position)
    if not by_content:
        return {}
    alike = {
        each["id"]: [position for way in _ways(each) for position in by_content.get(way, ())]
        for each in _stored(session, by_content)
        if each["id"] not in taken and not by_content.keys().isdisjoint(_ways(each))
    }
    topics = topics_of(session, alike)
    found = dict[int, int]()
    for entry_id, positions in alike.items():
        about = topics.get(entry_id, ())
        for position in positions:
            if position not in found and rows[position].topics == about:
                found[position] = entry_id
                break
    return found


def topics_of(session: Session, entry_ids: Collection[int]) -> dict[int, Topics]:
    """Each entry's topics with their minutes, in the order of the names."""
    topics = defaultdict[int, list[tuple[str, int]]](list)
    for row in rows_where(session, _TOPIC, "entry_id", entry_ids):
        topics[row["entry_id"]].append((row["topic"], row["minutes"]))
    return {entry_id: tuple(sorted(found)) for entry_id, found in topics.items()}


def _content(row: EntryRow, known: KnownRecords) -> Content:
    ids = known.person_ids
    # Nobody has the id 0: a provider whom the files bring along has no sessions yet.
    provider = ids.get(row.provider_email, 0) if row.provider_email else row.provider_name
    about = (getattr(row, name) for name in _SAME[1:])
    return (ids[row.email], *about, provider)


def _ways(stored: RowMapping) -> Iterator[Content]:
    """How a row can tell of a stored entry: its provider by address, or by name."""
    same = tuple(stored[name] for name in _SAME)
    if stored["provider_id"] is None:
        yield (*same, stored["provider_name"])
    else:
        yield (*same, stored["provider_id"])
        yield (*same, stored["provider"])


def _stored(session: Session, wanted: Collection[Content]) -> Iterator[RowMapping]:
    """The people's entries of the days in question and between, oldest entry first."""
    days = [content[_SAME.index("held_on")] for content in wanted]
    first, last = min(days), max(days)
    for chunk in in_chunks(sorted({content[0] for content in wanted}), CHUNK):
        query = (
            select(_ENTRY, _PERSON.c.name.label("provider"))
            .outerjoin_from(_ENTRY, _PERSON, _PERSON.c.id == _ENTRY.c.provider_id)
            .where(_ENTRY.c.person_id.in_(chunk))
            .where(_ENTRY.c.held_on.between(first, last))
            .order_by(_ENTRY.c.id)
        )
        yield from session.connection().execute(query).mappings()


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


def plan_entries(session: Session, reading: Reading, known: KnownRecords) -> EntryPlan:
    """Compare the rows with what earlier imports remembered.

    A row that was taken in before is left alone, whatever became of its entry since. A row
    with a known reference and another content changes its entry; where that was deleted, the
    new content is added as a new entry, because losing hours silently is the worse mistake.
    A row that no import remembers and that says just what is stored is known by that.
    """
    plan = EntryPlan()
    remembered = _remembered(session, reading, known)
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
    plan.changed = _with_stored(session, changed)
    taken = {entry_id for _, entry_id in remembered.values() if entry_id is not None}
    found = recognize(session, unknown, known, taken)
    plan.recognised = [(unknown[position], entry_id) for position, entry_id in found.items()]
    plan.added = [row for position, row in enumerate(unknown) if position not in found]
    plan.unchanged += len(found)
    return plan


def _remembered(
    session: Session, reading: Reading, known: KnownRecords
) -> dict[tuple[int, str], tuple[str, int | None]]:
    """Digest and entry of the rows that were taken in before, by person and key."""
    ids = known.person_ids
    wanted = {(ids[row.email], row.key) for row in reading.entries if row.email in ids}
    found = {}
    for chunk in in_chunks({person_id for person_id, _ in wanted}, CHUNK):
        query = select(
            _IMPORTED.c.person_id, _IMPORTED.c.key, _IMPORTED.c.digest, _IMPORTED.c.entry_id
        ).where(_IMPORTED.c.person_id.in_(chunk))
        for person_id, key, digest, entry_id in session.connection().execute(query):
            if (person_id, key) in wanted:
                found[person_id, key] = (digest, entry_id)
    return found


def _with_stored(session: Session, changed: list[tuple[EntryRow, int]]) -> list[ChangedEntry]:
    ids = [entry_id for _, entry_id in changed]
    entries = {row["id"]: row for row in rows_where(session, _ENTRY, "id", ids)}
    topics = topics_of(session, ids)
    providers = {entry["provider_id"] for entry in entries.values()} - {None}
    names = {row["id"]: row["name"] for row in rows_where(session, _PERSON, "id", providers)}
    return [
        ChangedEntry(
            row,
            entries[entry_id],
            topics.get(entry_id, ()),
            names.get(entries[entry_id]["provider_id"]),
        )
        for row, entry_id in changed
    ]


def check_changes(plan: EntryPlan, vocabulary: Vocabulary) -> Iterator[Problem]:
    """What a file leaves out must still fit the entry that the row changes."""
    for each in plan.changed:
        row = each.row
        if row.omitted & {"topics", "provider_email"}:
            slips = slips_of_entry(
                row.activity, row.minutes, each.topics_after, each.provider_after, vocabulary
            )
            for column, value, what in slips:
                yield row.problem(column, value, f"as stored, for the file leaves it out: {what}")


def check_days(session: Session, plan: EntryPlan, known: KnownRecords) -> Iterator[Problem]:
    """Nobody has more than 24 hours on one day, stored and new together."""
    rows = [*plan.added, *plan.again, *(each.row for each in plan.changed)]
    totals = defaultdict[tuple[str, date], int](int)
    over = set[tuple[str, date]]()
    stored = _stored_minutes(session, plan, rows, known)
    for row in sorted(rows, key=lambda each: (each.file, each.line)):
        day = (row.email, row.held_on)
        totals[day] += row.minutes
        before = stored.get((known.person_ids.get(row.email, 0), row.held_on), 0)
        if totals[day] + before > MINUTES_IN_DAY and day not in over:
            over.add(day)
            what = f"makes {format_hours(totals[day] + before)} hours on {row.held_on}"
            of_which = f" ({format_hours(before)} of them stored already)" if before else ""
            what = f"{what}{of_which}; a day has 24"
            yield row.problem("hours", format_hours(row.minutes), what)


def _stored_minutes(
    session: Session, plan: EntryPlan, rows: list[EntryRow], known: KnownRecords
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
        for person_id, held_on, total in session.connection().execute(query):
            minutes[person_id, held_on] = int(total)
    for each in plan.changed:
        minutes[each.stored["person_id"], each.stored["held_on"]] -= each.stored["minutes"]
    return minutes


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
    session: Session,
    plan: EntryPlan,
    people: Mapping[str, int],
    stamp: Stamp,
    progress: Progress,
) -> Stored:
    """Carry out a plan; ``people`` gives the id of everyone whom its rows name."""
    stored = Stored(Counts(unchanged=plan.unchanged))
    progress.step(plan.unchanged)
    same = (_memory(row, people, entry_id) for row, entry_id in plan.recognised)
    insert_rows(session, _IMPORTED, same)
    for rows, known in ((plan.added, False), (plan.again, True)):
        for batch in in_chunks(rows, _BATCH):
            _add(session, batch, people, stamp, known=known)
            stored.touched.update(row.email for row in batch)
            # While a full table is thought to be empty, each foreign key is looked up slowly.
            if not stored.counts.added and len(batch) == _BATCH:
                refresh_statistics(session, (_ENTRY.name, _TOPIC.name))
            stored.counts.added += len(batch)
            progress.step(len(batch))
    for changes in in_chunks(plan.changed, _BATCH):
        different = _change(session, changes, people, stamp)
        stored.touched.update(each.row.email for each in different)
        stored.counts.changed += len(different)
        stored.counts.unchanged += len(changes) - len(different)
        progress.step(len(changes))
    return stored


def _add(
    session: Session,
    rows: list[EntryRow],
    people: Mapping[str, int],
    stamp: Stamp,
    *,
    known: bool,
) -> None:
    ids = reserve_ids(session, _ENTRY, len(rows))
    shapes = [_shape(row, people) for row in rows]
    numbered = list(zip(ids, rows, shapes, strict=True))
    insert_rows(session, _ENTRY, ({"id": new, **_columns(s)} for new, _, s in numbered))
    _insert_topics(session, ((new, shape, row.topics) for new, row, shape in numbered))
    memory = (_memory(row, people, new) for new, row, _ in numbered)
    if known:
        _update_memory(session, memory)
    else:
        insert_rows(session, _IMPORTED, memory)
    record_changes(
        session, (Change(stamp.who, stamp.at, "entry", new, None, s) for new, _, s in numbered)
    )


def _change(
    session: Session, changes: list[ChangedEntry], people: Mapping[str, int], stamp: Stamp
) -> list[ChangedEntry]:
    """Update the entries; return those that the rows made different from what is stored."""
    shapes = [(each, _stored_shape(each), _merged(each, people)) for each in changes]
    different = [shape for shape in shapes if shape[1] != shape[2]]
    ids = [each.stored["id"] for each, _, _ in different]
    session.connection().execute(delete(_TOPIC).where(_TOPIC.c.entry_id.in_(ids)))
    rows = ({"id": each.stored["id"], **after} for each, _, after in different)
    update_rows(session, _ENTRY, ("id",), _COLUMNS, rows)
    _insert_topics(
        session, ((each.stored["id"], after, each.topics_after) for each, _, after in different)
    )
    _update_memory(session, (_memory(c.row, people, c.stored["id"]) for c in changes))
    record_changes(
        session,
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


def _insert_topics(session: Session, entries: Iterable[tuple[int, Values, Topics]]) -> None:
    insert_rows(session, _TOPIC, _topic_rows(entries))


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


def _update_memory(session: Session, rows: Iterable[Values]) -> None:
    update_rows(session, _IMPORTED, ("person_id", "key"), ("digest", "entry_id"), rows)
