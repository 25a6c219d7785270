"""Stores what an import has planned: every kind of file, people first."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlmodel import Session, SQLModel, col, select

from tracker.db.audit import record_changes
from tracker.db.log import EntryTopic
from tracker.db.people import Endorsement, Person
from tracker.db.statements import refresh_statistics
from tracker.importer.application_items import (
    ApplicationItems,
)
from tracker.importer.applications import (
    Applications,
)
from tracker.importer.cells import ImportContext
from tracker.importer.csv_row import CsvRow
from tracker.importer.entry_plan import (
    EntryPlan,
)
from tracker.importer.entry_store import EntryWriter
from tracker.importer.known_records import (
    Held,
    KnownRecords,
    find_endorsement,
)
from tracker.importer.positions import PositionPlan, name_employers
from tracker.importer.schemas import (
    SCHEMAS,
    ApplicationRow,
    EndorsementRow,
    EntryRow,
    ExtensionRow,
    LeaveRow,
    OfApplication,
    OfEndorsement,
    PersonRow,
    PositionRow,
    ReferenceRow,
    WaiverRow,
)
from tracker.importer.table_rows import (
    Counts,
    RowOutcome,
    StoredRows,
    audit_events,
    chunked,
    store_rows,
    stored_rows,
)
from tracker.rules.absence_rules import read_kind
from tracker.rules.requirement import RSC_SERVICE
from tracker.services.application_decisions import Decided
from tracker.services.applications import begin_endorsement
from tracker.services.time_requests import Grant

# What the row names, where its table refers to an endorsement or an application.
_NAMES = {"email", "association", "category", "endorsed_on"}
# So many new rows that the database's idea of its tables' sizes no longer holds.
_MANY_ROWS = 1_000
_GRANTS = (WaiverRow, LeaveRow, ExtensionRow)


@dataclass
class ImportReport:
    """What an import did: counts by kind of file, and CSV files that it ignored.

    ``person_ids`` are the people of whom anything was added or changed. ``changed_emails`` are
    present addresses by former ones. ``linked_entry_ids`` are entries whose provider was only a
    name, and is known now. ``notes`` say what shared addresses mean. ``grants`` are the new or
    changed waivers, leave, and extensions of people who were here before. ``new_endorsement_ids``
    are endorsements that were not here before. ``decisions`` are those about applications of people
    who were here before. ``outcomes`` are what became of each row.
    """

    counts: dict[str, Counts] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    person_ids: set[int] = field(default_factory=set)
    grants: list[Grant] = field(default_factory=list)
    changed_emails: dict[str, str] = field(default_factory=dict)
    linked_entry_ids: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    new_endorsement_ids: list[int] = field(default_factory=list)
    decisions: list[Decided] = field(default_factory=list)
    outcomes: list[RowOutcome] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What is known of everything that the files refer to, and what to do with entries."""

    known: KnownRecords
    applications: Applications
    items: ApplicationItems
    entries: EntryPlan
    positions: PositionPlan
    notes: list[str]


def store_plan(session: Session, plan: ImportPlan, context: ImportContext) -> ImportReport:
    """Write what was planned."""
    return _Store(session, plan, context).run()


class _Store:
    """Writes what was checked, people first."""

    def __init__(self, session: Session, plan: ImportPlan, context: ImportContext) -> None:
        self._session = session
        self._files = plan.known.files
        self._plan = plan
        self._context = context
        self._person_ids = plan.known.person_ids
        self._known_before = frozenset(plan.known.person_ids.values())
        self._confirmed_emails = set[str]()
        self._endorsement_ids = dict[tuple[int, str, str, date], int]()
        self._application_ids = dict[tuple[Held, date], int]()
        self._report = ImportReport(
            ignored=self._files.ignored, changed_emails=self._files.changed_emails, notes=plan.notes
        )

    def run(self) -> ImportReport:
        """Store every kind of file."""
        for kind, schema in SCHEMAS.items():
            if schema is EntryRow:
                writer = EntryWriter(self._session, self._person_ids, self._context)
                stored = writer.store(self._plan.entries)
                linked = self._plan.entries.matches.linked
                self._report.linked_entry_ids = [entry.id for _, entry in linked]
            else:
                stored = self._store(schema)
                self._context.progress.step(len(self._files.rows_of(schema)))
            if kind in self._files.kinds:
                self._report.counts[kind] = stored.counts
            self._report.person_ids.update(self._person_ids[email] for email in stored.emails)
            self._report.outcomes += stored.outcomes
        # The session must not show rows as it loaded them before these statements.
        self._session.expire_all()
        if sum(counts.added for counts in self._report.counts.values()) >= _MANY_ROWS:
            tables: list[type[SQLModel]] = [schema.table for schema in SCHEMAS.values()]
            refresh_statistics(self._session, [*tables, EntryTopic])
        return self._report

    def _store(self, schema: type[CsvRow]) -> StoredRows:
        rows = self._files.rows_of(schema)
        if schema is PersonRow:
            self._load_confirmed_emails(rows)
        if issubclass(schema, OfEndorsement):
            self._load_endorsement_ids(rows)
        wanted = self._list_wanted(schema, rows)
        if schema is PositionRow:
            named = name_employers(self._session, self._plan.positions, self._context)
            record_changes(self._session, list(named))
        stored = store_rows(self._session, schema, wanted)
        if schema is PositionRow:
            self._count_employers(stored)
        stored.counts.unchanged += len(rows) - len(wanted)
        if schema is PersonRow:
            self._note_moved_people(stored)
        self._note_grants(schema, stored)
        if schema.audited or self._context.audits_all:
            record_changes(self._session, audit_events(schema, stored, self._context))
        self._note_ids(schema, stored)
        return stored

    def _note_moved_people(self, stored: StoredRows) -> None:
        """Note those as changed who have another address, which is stored by now."""
        former = {present: each for each, present in self._files.changed_emails.items()}
        for number, (row, _, changes) in enumerate(stored.outcomes):
            if row.email in former:
                moved = {"email": (former[row.email], row.email), **changes}
                stored.outcomes[number] = RowOutcome(row, "changed", moved)
                stored.emails.add(row.email)

    def _count_employers(self, stored: StoredRows) -> None:
        """Count positions as changed of which only the employer is new."""
        changed = {after["id"] for _, after in stored.changes}
        for row, position_id in self._plan.positions.named:
            if position_id not in changed:
                stored.counts.changed += 1
                stored.counts.unchanged -= 1
                stored.emails.add(row.email)
                stored.outcomes = [each for each in stored.outcomes if each.row is not row]
                named = RowOutcome(row, "changed", {"employer": ("", row.employer)})
                stored.outcomes.append(named)

    def _note_ids(self, schema: type[CsvRow], stored: StoredRows) -> None:
        """Note the ids of what other rows refer to, and of new endorsements."""
        if schema is PersonRow:
            self._person_ids.update((email, new) for (email,), new in stored.ids.items())
        if schema is EndorsementRow:
            added = [after["id"] for before, after in stored.changes if before is None]
            self._report.new_endorsement_ids += added
        if schema is ApplicationRow:
            self._note_applications(stored)

    def _list_wanted(
        self, schema: type[CsvRow], rows: Iterable[CsvRow]
    ) -> list[tuple[CsvRow, dict[str, Any]]]:
        """Each row to store, with the values of its columns."""
        # What a person entered becomes the association's once it is in a file of theirs.
        entered = {"recorded_by": None} if "recorded_by" in schema.table.model_fields else {}
        wanted = []
        for row in rows:
            if isinstance(row, ReferenceRow) and self._plan.items.is_settled(row):
                self._report.outcomes.append(RowOutcome(row, "unchanged"))
            else:
                wanted.append((row, {**self._table_values(row), **entered}))
        return wanted

    def _note_grants(self, schema: type[CsvRow], stored: StoredRows) -> None:
        """Note new and changed grants of people who were here before."""
        if schema not in _GRANTS:
            return
        known = set()
        for (person_id, *_), endorsement_id in self._endorsement_ids.items():
            if person_id in self._known_before:
                known.add(endorsement_id)
        for _, new in stored.changes:
            if new["endorsement_id"] in known:
                grant = Grant(
                    endorsement_id=new["endorsement_id"],
                    starts_on=new.get("cycle_starts_on") or new["starts_on"],
                    ends_on=new.get("extended_due_on") or new.get("ends_on"),
                    requirement=new.get("requirement", ""),
                    is_extension=schema is ExtensionRow,
                    kind=read_kind(new.get("kind")),
                )
                self._report.grants.append(grant)

    def _load_confirmed_emails(self, rows: list[CsvRow]) -> None:
        """Find who confirmed or removed their second address themselves: no file changes it."""
        for emails in chunked(row.email for row in rows):
            confirmed = col(Person.second_email_confirmed_at).is_not(None)
            query = select(Person.email).where(col(Person.email).in_(emails), confirmed)
            self._confirmed_emails.update(self._session.exec(query))

    def _load_endorsement_ids(self, rows: list[CsvRow]) -> None:
        """Find the ids of the rows' endorsements, now that those of the files are stored too."""
        people = {self._person_ids[row.email] for row in rows}
        for each in stored_rows(self._session, Endorsement, "person_id", people):
            names = (each["person_id"], each["association"], each["category"], each["starts_on"])
            self._endorsement_ids[names] = each["id"]

    def _table_values(self, row: CsvRow) -> dict[str, Any]:
        """The columns that a row gives its table; those that the file does not have are absent."""
        values = row.model_dump(exclude_unset=True)
        match row:
            case PersonRow():
                values.pop("previous_email", None)
                if row.email in self._confirmed_emails:
                    values.pop("second_email", None)
                return values
            case OfApplication():
                values = row.model_dump(exclude_unset=True, exclude=_NAMES)
                if isinstance(row, ReferenceRow):
                    values = self._plan.items.reference_values(row)
                return {"application_id": self._application_id(row), **values}
            case OfEndorsement():
                values = row.model_dump(exclude_unset=True, exclude=_NAMES)
                return {"endorsement_id": self._endorsement_id(row), **values}
            case ApplicationRow():
                after = self._plan.applications.result(row)
                values["submitted_on"] = after.submitted_on
                values["decided_on"], values["state"] = after.decided_on, after.state
                values["answer"] = after.answer
            case PositionRow():
                self._complete_position(row, values)
        return {"person_id": self._person_ids[values.pop("email")], **values}

    def _application_id(self, row: OfApplication) -> int:
        application = self._plan.items.application_of(row)
        if application is None:
            raise LookupError(f"{row.file_and_line} belongs to no application")
        return self._application_ids[row.held, application.opened_on]

    def _endorsement_id(self, row: OfEndorsement) -> int:
        starts_on = find_endorsement(row, self._plan.known)
        if starts_on is None:
            raise LookupError(f"{row.file_and_line} belongs to no endorsement")
        names = (self._person_ids[row.email], row.association, row.category, starts_on)
        return self._endorsement_ids[names]

    def _complete_position(self, row: PositionRow, values: dict[str, Any]) -> None:
        values["employer"] = self._plan.positions.employer_of(row)
        if RSC_SERVICE in row.services.split("; "):
            values["gives_rsc"] = True
        elif "gives_rsc" in values:
            values["gives_rsc"] = bool(row.gives_rsc)
        if "supervisor_email" in values:
            supervisor = values.pop("supervisor_email")
            values["supervisor_id"] = self._person_ids[supervisor] if supervisor else None

    def _note_applications(self, stored: StoredRows) -> None:
        """Note the ids of applications, and start the endorsements of those newly endorsed.

        None is started if the applicant has an endorsement that is valid on the day.
        """
        for held, applications in self._plan.applications.after.items():
            key = (self._person_ids[held[0]], *held[1:])
            for day, applied in applications.items():
                self._application_ids[held, day] = applied.id or stored.ids[*key, day]
        rows = self._files.rows_of(ApplicationRow)
        for row, decided_on in self._plan.applications.new_endorsements(rows):
            key = (self._person_ids[row.email], row.association, row.category)
            who, at = self._context.actor, self._context.now
            begun, is_new = begin_endorsement(self._session, key, decided_on, who=who, at=at)
            self._note_decision(row, begun.id)
            if is_new:
                self._report.new_endorsement_ids.append(begun.id)
                self._report.counts.setdefault("endorsements", Counts()).added += 1
        for row in self._plan.applications.newly_declined(rows):
            self._note_decision(row, None)

    def _note_decision(self, row: ApplicationRow, endorsement_id: int | None) -> None:
        """Note the decision about somebody who was here before."""
        if self._person_ids[row.email] in self._known_before:
            application_id = self._application_ids[row.held, row.opened_on]
            self._report.decisions.append(Decided(application_id, endorsement_id))
