"""The work on a stored import: planning it, applying it, and undoing it.

Each is one transaction, begun by a state that is stored before it and ended by one that is stored
with it. A process that dies loses nothing: the next one finds the state and begins again.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from sqlmodel import Session

from tracker.db.imports import ImportPlanRecord
from tracker.db.statements import lock_for_import
from tracker.formatting import use_locale
from tracker.importer.plan_records import (
    format_changes,
    list_rows,
    pack_summary,
    remember,
    store_rows_of_plan,
    summary_of,
    title_of,
)
from tracker.importer.plan_run import PlannedRun
from tracker.importer.plan_states import APPLIED, APPLYING, PLANNED, PLANNING, UNDOING, UNDONE
from tracker.importer.plan_undo import (
    Remembered,
    compare_taken_rows,
    forget_first_day,
    forget_own_emails,
    forget_taken_rows,
    keep_taken_rows,
    list_changed_emails,
    list_stored,
    note_undone_rows,
    read_taken_rows,
)
from tracker.importer.problems import Progress
from tracker.importer.row_plan import PlannedRow
from tracker.notifications.context import MailContext
from tracker.notifications.undo_mail import undo_change_with_letters
from tracker.services.context import Refusal, Refused, ServiceContext
from tracker.services.desk_changes import REVERSED, ChangePlan, apply_change, are_all_kept
from tracker.services.first_days import list_starts

_ALL_KEPT = (
    "Nothing was undone, because every record has changed since. If you undo the later changes, "
    "you can undo this import, too."
)
# What an import may change, referred tables first.
CHANGED_TABLES = (
    "person",
    "endorsement",
    "vetting",
    "membership",
    "application",
    "leave",
    "waiver",
    "renewal",
    "degree",
    "position",
    "reference",
    "attestation",
    "exam_result",
    "entry",
    "entry_topic",
)
LONGEST_TITLE = 300


@dataclass(frozen=True, slots=True)
class ImportWork:
    """The work on one import, in a transaction of ``context``; ``mail`` is for its letters."""

    mail: MailContext
    context: ServiceContext
    record: ImportPlanRecord
    progress: Progress

    def run(self) -> None:
        """Do what the import's state calls for. Raises Refused or ImportRefused if it can't."""
        rulebook = self.context.rulebooks.associations.get(str(self.record.association))
        lock_for_import(self.context.session)
        work: Mapping[str, Callable[[], None]] = {
            PLANNING: self._plan,
            APPLYING: self._apply,
            UNDOING: self._undo,
        }
        with use_locale(rulebook.locale) if rulebook else nullcontext():
            work[self.record.state]()
        self.progress.finish()

    def _plan(self) -> None:
        """Find out what the import would do, and store that."""
        session = self.context.session
        run = PlannedRun(self.mail, self.context, self.record, self.progress)
        savepoint = session.begin_nested()
        try:
            done = run.carry_out()
        finally:
            savepoint.rollback()
            session.expire_all()
        cells = run.list_cells(done.rows)
        store_rows_of_plan(session, self.record.id, zip(done.rows, cells, strict=True))
        done.summary.person_ids = sorted(list_stored(session, done.summary.person_ids))
        self._set_state(PLANNED, summary=pack_summary(done.summary))

    def _apply(self) -> None:
        """Do what was planned. Raises Refused if that is something else by now."""
        record, context, session = self.record, self.context, self.context.session
        known = frozenset(summary_of(record).person_ids)
        run = PlannedRun(self.mail, context, record, self.progress)
        created = set[int]()

        def work(_context: ServiceContext) -> set[int]:
            done = run.carry_out()
            _check_same(session, record.id, done.rows)
            created.update(set(done.summary.person_ids) - known)
            return created

        title = f"Import {title_of(record)}"[:LONGEST_TITLE]
        plan = ChangePlan(run.association, title, known, CHANGED_TABLES, work)
        before = read_taken_rows(session, known)
        days = {each.id for each in list_starts(session)}
        change = apply_change(context, plan)
        taken = compare_taken_rows(before, read_taken_rows(session, known | created))
        first_days = [each.association for each in list_starts(session) if each.id not in days]
        remembered = Remembered(taken, first_days)
        remember(context, run.association, run.sheets, run.mapping)
        # Columns that were not imported are forgotten with the cells of the files.
        summary = pack_summary(replace(summary_of(record), same_addresses=[]))
        kept = {"summary": summary, "remembered": remembered.pack()}
        self._set_state(APPLIED, change_id=change.id, sheets=None, **kept)

    def _undo(self) -> None:
        """Undo what was applied, and note with each row what became of it."""
        record, session = self.record, self.context.session
        change_id = int(record.change_id or 0)
        emails = list_changed_emails(session, change_id)
        remembered = Remembered.unpack(record.remembered)
        forgotten = forget_taken_rows(session, remembered)
        undone = undo_change_with_letters(self.mail, self.context, change_id)
        kept_ids = {each.person_id for each in undone if each.outcome != REVERSED}
        keep_taken_rows(session, forgotten, kept_ids)
        forget_own_emails(session)
        for association in remembered.first_days if not kept_ids else ():
            forget_first_day(self.context, association)
        note_undone_rows(session, record.id, emails)
        if are_all_kept(undone):
            self._set_state(APPLIED, problem=_ALL_KEPT)
        else:
            self._set_state(UNDONE, remembered=None)

    def _set_state(self, state: str, **values: Any) -> None:  # noqa: ANN401 - of any column
        self.record.sqlmodel_update({"state": state, "problem": "", **values})
        self.context.session.add(self.record)
        self.context.session.flush()


def _check_same(session: Session, plan_id: int, rows: Collection[PlannedRow]) -> None:
    """Raise Refused if a row's outcome is another one than was planned."""
    now = [(*row.place, row.outcome, format_changes(row)) for row in rows]
    then = [
        (row.kind, row.file, row.line, row.outcome, row.changes)
        for row in list_rows(session, plan_id)
    ]
    if now != then:
        raise Refused(Refusal("", "import-outdated"))
