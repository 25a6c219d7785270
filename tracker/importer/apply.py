"""Taking files in: all of them or nothing, in one transaction."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from sqlalchemy import Engine
from sqlmodel import Session

from tracker.db.audit import Stamp, record_changes
from tracker.db.engine import writing
from tracker.importer.applications import (
    application_ids,
    begin_what_is_endorsed,
    look_up_applications,
    look_up_belongings,
)
from tracker.importer.checks import (
    add_terms,
    check_applications,
    check_belonging,
    check_extensions,
    check_held,
    check_people,
    check_terms,
)
from tracker.importer.csv_schemas import AUDITED, LAYOUTS, OF_ENDORSEMENT
from tracker.importer.entries import (
    EntryPlan,
    check_changes,
    check_days,
    plan_entries,
    write_entries,
)
from tracker.importer.files import ImportRefused, Progress, ProgressCallback
from tracker.importer.lookups import (
    endorsement_ids,
    look_up,
    one_import_at_a_time,
    refresh_statistics,
)
from tracker.importer.reader import Reading, read_files
from tracker.importer.references import check_references
from tracker.importer.row_mapping import Shapes
from tracker.importer.rows import Row
from tracker.importer.upserts import (
    TARGETS,
    Counts,
    Stored,
    audit_events,
    keep_own_addresses,
    upsert,
)
from tracker.importer.vocabulary import Vocabulary

# So many new rows that what the database knows of its tables' sizes no longer holds.
_MANY_ROWS = 1_000
_TABLES = (*(target.table for target in TARGETS.values()), "entry", "entry_topic")
AfterImport = Callable[[Session, set[int]], None]


@dataclass
class ImportReport:
    """What an import did: counts by kind of file read, and CSV files that it left aside.

    ``person_ids`` are the people of whom anything was added or changed.
    """

    counts: dict[str, Counts] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    person_ids: set[int] = field(default_factory=set)


def import_paths(  # noqa: PLR0913 - each is a fact of its own, and named where it is called
    engine: Engine,
    paths: Iterable[Path],
    vocabulary: Vocabulary,
    *,
    as_of: date,
    now: datetime,
    who: str,
    progress: ProgressCallback | None = None,
    after: AfterImport | None = None,
) -> ImportReport:
    """Import files and folders; the same content twice changes nothing.

    ``as_of`` is the last day on which an entry may lie (inclusive). ``now`` (aware) and
    ``who`` go into the audit. ``after`` is called in the transaction, before it is committed,
    with the ids of the people of whom anything was added or changed, if there are any.
    Raises ImportRefused with every problem found; then nothing is stored.
    """
    telling = Progress(progress)
    reading = read_files(paths, vocabulary, as_of, telling)
    if not reading.whole:
        raise ImportRefused(reading.problems)
    with writing(engine) as session:
        one_import_at_a_time(session)
        known = look_up(session, reading)
        applications = look_up_applications(session, reading, known)
        belongings = look_up_belongings(session, reading, applications, vocabulary)
        shapes = Shapes(vocabulary, known, applications, belongings)
        plan = _checked_plan(session, reading, shapes)
        report = _Store(session, reading, shapes).run(plan, Stamp(who, now), telling)
        if after and report.person_ids:
            after(session, report.person_ids)
    telling.finish()
    return report


def _checked_plan(session: Session, reading: Reading, shapes: Shapes) -> EntryPlan:
    known, applications, vocabulary = shapes.known, shapes.applications, shapes.vocabulary
    belongings = shapes.belongings
    add_terms(reading, known)
    plan = plan_entries(session, reading, known)
    problems = [
        *reading.problems,
        *check_people(reading, known),
        *check_terms(reading, known),
        # Before what belongs to endorsements is looked at: they come of applications.
        *check_applications(reading, known, applications),
        *check_belonging(reading, known, belongings),
        *check_references(session, reading, belongings, vocabulary),
        *check_held(reading, known),
        *check_extensions(session, reading, known),
        *check_changes(plan, vocabulary),
        *check_days(session, plan, known),
    ]
    if problems:
        raise ImportRefused(problems)
    return plan


class _Store:
    """Writes what was checked, people first."""

    def __init__(self, session: Session, reading: Reading, shapes: Shapes) -> None:
        self._connection = session
        self._reading = reading
        self._shapes = shapes
        self._known = shapes.known
        self._report = ImportReport(ignored=reading.ignored)

    def run(self, plan: EntryPlan, stamp: Stamp, progress: Progress) -> ImportReport:
        people = self._known.person_ids
        for kind in LAYOUTS:
            if kind == "entries":
                stored = write_entries(self._connection, plan, people, stamp, progress)
            else:
                stored = self._upsert(kind, stamp)
                progress.step(len(self._reading.rows.get(kind, ())))
            self._note(kind, stored)
        if sum(counts.added for counts in self._report.counts.values()) >= _MANY_ROWS:
            refresh_statistics(self._connection, _TABLES)
        return self._report

    def _upsert(self, kind: str, stamp: Stamp) -> Stored:
        rows = self._reading.rows.get(kind, [])
        if kind in OF_ENDORSEMENT and rows:
            self._look_up_terms(rows)
        fresh = [row for row in rows if not self._shapes.belongings.is_settled(kind, row)]
        wanted = [(row, self._shapes.values(kind, row)) for row in fresh]
        if kind == "people":
            wanted = keep_own_addresses(self._connection, wanted)
        stored = upsert(self._connection, TARGETS[kind], wanted)
        stored.counts.unchanged += len(rows) - len(fresh)
        if kind in AUDITED:
            record_changes(self._connection, audit_events(TARGETS[kind], stored, stamp))
        if kind == "people":
            self._known.person_ids.update({key[0]: new for key, new in stored.ids.items()})
        if kind == "applications":
            self._follow_up(stored, stamp)
        return stored

    def _follow_up(self, stored: Stored, stamp: Stamp) -> None:
        """Note the applications' ids, and let endorsements begin."""
        applications = self._shapes.applications
        self._shapes.application_ids = application_ids(applications, self._known, stored)
        if begun := begin_what_is_endorsed(self._connection, applications, stored, stamp):
            self._report.counts.setdefault("endorsements", Counts()).added += begun

    def _look_up_terms(self, rows: Iterable[Row]) -> None:
        """Find the ids of the rows' endorsements, now that those of the files are stored too."""
        emails = {row.email for row in rows}
        self._shapes.terms = endorsement_ids(
            self._connection, {self._known.person_ids[email] for email in emails}
        )

    def _note(self, kind: str, stored: Stored) -> None:
        if kind in self._reading.kinds:
            self._report.counts[kind] = stored.counts
        ids = (self._known.person_ids[email] for email in stored.touched)
        self._report.person_ids.update(ids)
