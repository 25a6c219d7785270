"""Imports by coordinators: uploading lists, saying what they mean, and having them applied."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlmodel import Session, select

from tracker.db.errors import is_passing, name_error
from tracker.db.imports import ImportPlanRecord
from tracker.db.people import Person
from tracker.importer.file_text import UnreadableFile
from tracker.importer.mapping import ImportMapping, list_questions
from tracker.importer.plan_records import (
    describe_files,
    get_import,
    load_memory,
    mapping_of,
    pack_sheets,
    summary_of,
    unpack_sheets,
)
from tracker.importer.plan_states import (
    APPLIED,
    APPLYING,
    DISCARDED,
    MAPPING,
    PLANNED,
    PLANNING,
    UNDOING,
    WORKING,
    list_working,
)
from tracker.importer.plan_work import ImportWork
from tracker.importer.problems import ImportRefused, Progress
from tracker.importer.proposals import propose_mapping
from tracker.importer.same_address import SameAddress, check_own_addresses
from tracker.importer.targets import choices_of
from tracker.importer.workbooks import MAX_FILES, Sheet, read_upload
from tracker.notifications.context import MailContext
from tracker.refusal_text import format_refusal
from tracker.rulebooks import Rulebooks
from tracker.services.context import Actor, Refusal, Refused, ServiceContext
from tracker.services.desk_access import check_association

_LOG = structlog.get_logger(__name__)
_FIELD = "files"
# Where an import goes back to if its work can't be done.
_BEFORE = {PLANNING: MAPPING, APPLYING: PLANNED, UNDOING: APPLIED}
_FAILED = "Something went wrong on our side. Nothing was changed. Please try again."
_LONGEST_PROBLEM = 500


def create_import(
    context: ServiceContext, association: str, uploads: Sequence[tuple[str, bytes]]
) -> ImportPlanRecord:
    """Store uploaded files with a proposal of what their columns mean.

    If lists with these columns were imported before, a plan is made at once. Raises NotFound for
    another association than the actor's, and Refused with everything that is wrong with the files.
    """
    check_association(context.actor, association)
    sheets = _read_uploads(uploads)
    session = context.session
    choices = choices_of(context.rulebooks, association)
    memory = load_memory(session, association)
    mapping = propose_mapping(sheets, choices, memory)
    is_known = memory.knows(sheets) and not list_questions(sheets, mapping, choices)
    record = ImportPlanRecord(
        association=association,
        state=PLANNING if is_known else MAPPING,
        created_at=context.now,
        created_by=context.actor.label,
        changed_at=context.now,
        changed_by=context.actor.label,
        files=describe_files(uploads, sheets),
        mapping=mapping.to_json(),
        sheets=pack_sheets(sheets),
    )
    session.add(record)
    session.flush()
    return record


def _read_uploads(uploads: Sequence[tuple[str, bytes]]) -> list[Sheet]:
    if not uploads:
        raise Refused(Refusal(_FIELD, "import-no-file"))
    if len(uploads) > MAX_FILES:
        raise Refused(Refusal(_FIELD, "import-too-many-files", {"limit": MAX_FILES}))
    sheets, refusals = list[Sheet](), list[Refusal]()
    for name, data in uploads:
        try:
            sheets += read_upload(name, data)
        except UnreadableFile as error:
            place = f"{name}, row {error.line}" if error.line else name
            facts = {"file": place, "message": str(error)}
            refusals.append(Refusal(_FIELD, "import-file-unreadable", facts))
    if refusals:
        raise Refused(*refusals)
    return sheets


def save_mapping(context: ServiceContext, plan_id: int, mapping: ImportMapping) -> bool:
    """Store what an import's columns and values mean; whether a plan is made of it now.

    None is made while there are questions. Raises Refused once the import is applied.
    """
    record = _open_import(context, plan_id, MAPPING, PLANNED)
    sheets = unpack_sheets(record)
    choices = choices_of(context.rulebooks, str(record.association))
    is_answered = not list_questions(sheets, mapping, choices)
    _change(context, record, PLANNING if is_answered else MAPPING, mapping=mapping.to_json())
    return is_answered


def decide_people(context: ServiceContext, plan_id: int, decisions: Mapping[str, str]) -> None:
    """Store who people of an import are, and plan it again."""
    record = _open_import(context, plan_id, PLANNED)
    mapping = mapping_of(record)
    mapping.people |= decisions
    _change(context, record, PLANNING, mapping=mapping.to_json())


def decide_addresses(
    context: ServiceContext, plan_id: int, choices: Mapping[str, str], own: Mapping[str, str]
) -> None:
    """Store what rows of an import with the same address are, and plan it again.

    ``own`` are the own addresses of people who share one (empty: none), as `SameAddress.field_of`
    names them. What is about other rows than the plan shows is ignored. Raises Refused for what is
    no address.
    """
    record = _open_import(context, plan_id, PLANNED)
    mapping, refusals = mapping_of(record), list[Refusal]()
    for stored in summary_of(record).same_addresses:
        same = SameAddress.from_stored(stored)
        refusals += check_own_addresses(same, own)
        if same.key in choices:
            mapping.addresses[same.key] = choices[same.key]
        fields = map(same.field_of, range(len(same.versions)))
        mapping.own_addresses |= {field: own[field] for field in fields if field in own}
    if refusals:
        raise Refused(*refusals)
    _change(context, record, PLANNING, mapping=mapping.to_json())


def decide_similar(context: ServiceContext, plan_id: int, decision: str) -> None:
    """Store whether rows that look like stored sessions are those, and plan the import again."""
    record = _open_import(context, plan_id, PLANNED)
    mapping = mapping_of(record)
    mapping.similar = "same" if decision == "same" else "new" if decision == "new" else ""
    _change(context, record, PLANNING, mapping=mapping.to_json())


def plan_again(context: ServiceContext, plan_id: int) -> None:
    """Plan an import again, on what is stored now."""
    record = _open_import(context, plan_id, PLANNED)
    _change(context, record, PLANNING)


def start_applying(context: ServiceContext, plan_id: int) -> None:
    """Have a plan applied. Twice is once."""
    record = get_import(context.session, context.actor, plan_id)
    if record.state in {APPLYING, APPLIED}:
        return
    # It may have been applied by somebody else while we waited for the lock.
    record = _open_import(context, plan_id, PLANNED, APPLYING, APPLIED)
    if record.state == PLANNED:
        _change(context, record, APPLYING)


def start_undoing(context: ServiceContext, plan_id: int) -> None:
    """Have an applied import undone."""
    _change(context, _open_import(context, plan_id, APPLIED), UNDOING)


def discard_import(context: ServiceContext, plan_id: int) -> None:
    """Forget an import that was not applied, with the cells of its files."""
    record = _open_import(context, plan_id, MAPPING, PLANNED)
    _change(context, record, DISCARDED, sheets=None, summary="")


def _open_import(context: ServiceContext, plan_id: int, *states: str) -> ImportPlanRecord:
    """An import in one of these states, locked. Raises Refused if it is in another one by now."""
    session = context.session
    record = get_import(session, context.actor, plan_id)
    if record.state in states:
        # So that of two coordinators the second one sees what the first one did.
        query = select(ImportPlanRecord).where(ImportPlanRecord.id == plan_id).with_for_update()
        record = session.exec(query.execution_options(populate_existing=True)).one()
    if record.state not in states:
        raise Refused(Refusal("", "import-state"))
    return record


def _change(
    context: ServiceContext,
    record: ImportPlanRecord,
    state: str,
    **values: Any,  # noqa: ANN401 - of any column
) -> None:
    changed = {"changed_at": context.now, "changed_by": context.actor.label, "problem": ""}
    record.sqlmodel_update({"state": state, **changed, **values})
    context.session.add(record)
    context.session.flush()


@dataclass(frozen=True, slots=True)
class ImportRunner:
    """Does the work that imports wait for, each in a transaction of its own."""

    mail: MailContext
    rulebooks: Rulebooks
    transaction: Callable[[], AbstractContextManager[Session]]

    def run_waiting(self, now: datetime) -> int:
        """Work on every import that waits, such as after a restart; return how many there were."""
        with self.transaction() as session:
            waiting = list_working(session)
        for plan_id in waiting:
            self.run(plan_id, now)
        return len(waiting)

    def run(self, plan_id: int, now: datetime, progress: Progress | None = None) -> None:
        """Work on one import, if it still waits. What goes wrong is stored with it."""
        try:
            self._run(plan_id, now, progress or Progress())
        except Refused as refused:
            sentences = [format_refusal(each.code, each.facts) for each in refused.refusals]
            self._return(plan_id, " ".join(sentences))
        except ImportRefused as refused:
            self._return(plan_id, refused.problems[0].sentence)
        except Exception as error:  # noqa: BLE001 - logged with its traceback
            if is_passing(error):
                _LOG.warning(
                    "an import waits, the next tick tries again",
                    import_id=plan_id,
                    error=name_error(error),
                )
                return
            _LOG.exception("an import failed", import_id=plan_id)
            self._return(plan_id, _FAILED)

    def _run(self, plan_id: int, now: datetime, progress: Progress) -> None:
        with self.transaction() as session:
            record = _lock_import(session, plan_id)
            if record is not None and record.state in WORKING:
                actor = _find_actor(session, record)
                context = ServiceContext(session, self.rulebooks, actor, now)
                ImportWork(self.mail, context, record, progress).run()

    def _return(self, plan_id: int, problem: str) -> None:
        """Bring an import back to where it was, with the reason."""
        with self.transaction() as session:
            record = _lock_import(session, plan_id)
            if record is not None and record.state in WORKING:
                record.problem = problem[:_LONGEST_PROBLEM]
                record.state = _BEFORE[record.state]
                session.add(record)


def _lock_import(session: Session, plan_id: int) -> ImportPlanRecord | None:
    """An import that no other process works on until the transaction ends; None if one does."""
    query = select(ImportPlanRecord).where(ImportPlanRecord.id == plan_id)
    query = query.with_for_update(skip_locked=True)
    return session.exec(query.execution_options(populate_existing=True)).first()


def _find_actor(session: Session, record: ImportPlanRecord) -> Actor:
    """Who asked for the work."""
    email = record.changed_by
    person_id = session.exec(select(Person.id).where(Person.email == email)).first()
    associations = (record.association,) if record.association else ()
    return Actor(email, person_id, associations)
