"""What is made of an import's sheets: the same each time while the database is the same."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import NamedTuple

from sqlmodel import col, select

from tracker.clock import local_day
from tracker.db.imports import ImportPlanRecord
from tracker.db.people import Person
from tracker.db.statements import in_chunks
from tracker.importer.cells import ImportContext
from tracker.importer.entry_matching import SIMILAR_ENTRY
from tracker.importer.finish import FinishedImport, FinishOptions, finish_import
from tracker.importer.first_days import describe_taken_day
from tracker.importer.look_alikes import (
    LookAlike,
    apply_decisions,
    find_look_alikes,
    list_own_names,
    note_other_people,
    note_undecided,
)
from tracker.importer.mapping import column_title, map_sheets
from tracker.importer.plan_records import ImportSummary, mapping_of, unpack_sheets
from tracker.importer.problems import Progress
from tracker.importer.reader import ImportedFiles, read_tables
from tracker.importer.row_plan import (
    REFUSED,
    CarriedOut,
    PlannedRow,
    carry_out,
    count_outcomes,
)
from tracker.importer.same_address import SameAddress, apply_choices, find_same_addresses
from tracker.importer.schemas import PersonRow
from tracker.importer.scope import ImportScope
from tracker.importer.targets import KIND_NAMES, choices_of
from tracker.importer.vocabulary import vocabulary_of
from tracker.notifications.context import MailContext
from tracker.services.context import ServiceContext

_BATCH = 500
_KINDS = list(KIND_NAMES)


class DoneImport(NamedTuple):
    """What an import did, by row (in the order of the files) and in all."""

    rows: list[PlannedRow]
    summary: ImportSummary


class PlannedRun:
    """One run over an import's sheets, in the transaction of ``context``."""

    def __init__(
        self,
        mail: MailContext,
        context: ServiceContext,
        record: ImportPlanRecord,
        progress: Progress,
    ) -> None:
        self._mail = mail
        self._context = context
        self._progress = progress
        self.association = str(record.association)
        self.sheets = unpack_sheets(record)
        self.mapping = mapping_of(record)
        self.choices = choices_of(context.rulebooks, self.association)
        zone = context.rulebooks.associations[self.association].time_zone
        self._today = local_day(context.now, zone)
        mapped = map_sheets(self.sheets, self.mapping, self.choices, self._today)
        self._sheet_of, self._left_out = mapped.sheet_of, len(mapped.left_out)
        self._tables = list(apply_decisions(mapped.tables, self.mapping.people))
        self._chosen_tables = self._tables

    def carry_out(self) -> DoneImport:
        """Store every row that can be stored, and what follows from it."""
        context, session = self._context, self._context.session
        importing = ImportContext(
            vocabulary_of(context.rulebooks),
            self._today,
            context.actor.label,
            context.now,
            self._progress,
            self.mapping.similar or None,
            month_first=True,
            audits_all=True,
        )
        files, same_addresses, not_chosen = self._read(importing)
        look_alikes = find_look_alikes(session, self.association, files.rows_of(PersonRow))
        note_undecided(files, look_alikes, self.mapping.people)
        note_other_people(session, files, self.association, self._sheet_of)
        accepted = context.rulebooks.accepted_by(self.association)
        scope = ImportScope(self.association, accepted, context.actor.person_id)
        done = carry_out(session, files, importing, scope.check)
        done.rows.extend(not_chosen)
        finished = FinishedImport([], [], [], [])
        if done.report.person_ids:
            finished = finish_import(self._mail, context, done.report, FinishOptions())
        summary = self._summarize(done, finished, look_alikes)
        summary.same_addresses = [asdict(each) for each in same_addresses]
        return DoneImport(sorted(done.rows, key=self._order), summary)

    def _read(
        self, context: ImportContext
    ) -> tuple[ImportedFiles, list[SameAddress], list[PlannedRow]]:
        """The rows, those with one address, and the rows that were not chosen of these."""
        files = read_tables(self._tables, context)
        found = self._describe(find_same_addresses(files, self._sheet_of))
        chosen = apply_choices(self._tables, files, found, self.mapping, self._sheet_of)
        if chosen is None:
            return files, found, []
        self._chosen_tables = chosen.tables
        return read_tables(chosen.tables, context), found, chosen.rows

    def _describe(self, found: Sequence[SameAddress]) -> list[SameAddress]:
        """Rows with one address as they are in the sheets, beside who has it on record."""
        if not found:
            return []
        names = list_own_names(self._context.session, self.association)
        written = self._list_written()
        described = []
        for same in found:
            sheets = {sheet for version in same.versions for sheet, _ in version.places}
            versions = []
            for version in same.versions:
                sheet, line = version.places[0]
                label = f"row {line}"
                if len(sheets) > 1:
                    label = f"{label} of {self.sheets[sheet].label}"
                versions.append(replace(version, label=label, cells=written[sheet, line]))
            is_said = len(sheets) == 1 and len(self.sheets) > 1
            only = self.sheets[min(sheets)].label if is_said else ""
            on_record = names.get(same.email, "")
            described.append(replace(same, versions=versions, on_record=on_record, sheet=only))
        return described

    def _order(self, row: PlannedRow) -> tuple[int, int, int]:
        return self._sheet_of[row.file], row.line, _KINDS.index(row.kind)

    def _summarize(
        self, done: CarriedOut, finished: FinishedImport, look_alikes: list[LookAlike]
    ) -> ImportSummary:
        report = done.report
        letters = {*finished.granted}
        letters |= {each.email for each in finished.decisions if each.is_recent}
        letters |= self._list_emails({e.person_id for e in finished.linked if e.is_logged})
        linked = {each.person_id for each in finished.linked}
        undecided = [
            each
            for each in look_alikes
            if self.mapping.people.get(each.email) not in each.decisions
        ]
        return ImportSummary(
            counts=count_outcomes(done.rows),
            look_alikes=[each._asdict() for each in look_alikes],
            undecided=len(undecided),
            letters=sorted(letters),
            notes=[*report.notes, *map(describe_taken_day, finished.provisional)],
            left_out=self._left_out,
            similar=sum(row.code == SIMILAR_ENTRY for row in done.rows),
            person_ids=sorted({*report.person_ids, *linked}),
        )

    def _list_emails(self, person_ids: set[int]) -> set[str]:
        emails = set[str]()
        for ids in in_chunks(sorted(person_ids), _BATCH):
            query = select(Person.email).where(col(Person.id).in_(ids))
            emails.update(self._context.session.exec(query))
        return emails

    def list_cells(self, rows: list[PlannedRow]) -> list[dict[str, str]]:
        """The cells of each row by column: of refused rows as in the sheet, of others as read."""
        read = dict[tuple[str, int], dict[str, str]]()
        for table in (*self._tables, *self._chosen_tables):
            (_, heading), *lines = table.lines
            for line, cells in lines:
                pairs = zip(heading, cells, strict=True)
                read[table.file, line] = {name: cell for name, cell in pairs if cell}
        written = self._list_written()
        return [
            written[self._sheet_of[row.file], row.line]
            if row.outcome == REFUSED
            else read[row.file, row.line]
            for row in rows
        ]

    def _list_written(self) -> dict[tuple[int, int], dict[str, str]]:
        """The cells of every row as they are in the sheets."""
        written = {}
        for number, sheet in enumerate(self.sheets):
            titles = [column_title(sheet, column) for column in range(len(sheet.heading))]
            for line, cells in sheet.rows:
                written[number, line] = dict(zip(titles, cells, strict=True))
        return written
