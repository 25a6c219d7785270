"""Evidence: the rows that say which file supports which entry, and who may see it.

The bytes are written before a transaction and deleted after it (evidence_storage.py), so that a
crash can leave a file without a row, but never a row without its file.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import product
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, String, bindparam, cast
from sqlmodel import Session, col, exists, or_, select

from tracker.db.audit import Change, record_changes
from tracker.db.audits import AuditCase
from tracker.db.desk import ChangedRow
from tracker.db.log import Entry, Evidence
from tracker.db.people import Endorsement
from tracker.rulebooks import Rulebooks
from tracker.services.context import Refusal, Refused, ServiceContext, lock_person
from tracker.services.coordinator_access import access_windows, sees_file
from tracker.services.endorsements import CycleLock, load_person_locks

FILES_PER_ENTRY = 10
_DRAFT_FOR = timedelta(days=1)
_SWEEPER = "tracker"
_AUDITED = {
    *("person_id", "entry_id", "name", "media_type", "size", "sha256", "stored_as"),
    *("audit_case_id", "requirement"),
}


class ReceivedFile(NamedTuple):
    """An uploaded file that is on the disk as ``stored_as``; ``size`` in bytes."""

    name: str
    media_type: str
    size: int
    sha256: str
    stored_as: str


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file and its entry; ``lock`` is what keeps it, None if it can be removed.

    ``title`` and ``held_on`` are None while its form is not saved.
    """

    file: Evidence
    title: str | None
    held_on: date | None
    lock: CycleLock | None

    @property
    def is_closed(self) -> bool:
        """Whether it stays: with a closed cycle, or with the audit that it was sent for."""
        return self.lock is not None or self.file.audit_case_id is not None


@dataclass(frozen=True, slots=True)
class FormFiles:
    """The files of one form: by its key, and those of the entry that it edits.

    ``removed`` are the ids of files that go when the form is saved. Without a key there are only
    those of the entry.
    """

    form_key: str | None = None
    entry_id: int | None = None
    removed: Collection[int] = ()


class AuditTargets(NamedTuple):
    """What documents for an audit are about: entries, and requirements beside the log."""

    case_id: int
    entries: Sequence[int]
    requirements: Sequence[str]


def list_form_files(session: Session, person_id: int, form: FormFiles) -> list[Evidence]:
    """The files that a form shows: its own unsaved ones, and those of the entry it edits."""
    is_draft = col(Evidence.entry_id).is_(None) & col(Evidence.audit_case_id).is_(None)
    belongs = (col(Evidence.form_key) == form.form_key) & is_draft
    if form.entry_id is not None:
        belongs |= col(Evidence.entry_id) == form.entry_id
    return _select_files(session, (col(Evidence.person_id) == person_id) & belongs)


class EntryFile(NamedTuple):
    """A file that proves an entry: its id, the name that it came with, and where its bytes are."""

    id: int
    name: str
    stored_as: str


# Built once, because building a statement takes as long as running it.
_FILES_OF_PERSON = (
    select(Evidence.entry_id, Evidence.id, Evidence.name, Evidence.stored_as)
    .where(Evidence.person_id == bindparam("person_id"), col(Evidence.entry_id).is_not(None))
    .order_by(col(Evidence.id))
)


def list_entry_files(
    session: Session, person_id: int, only: int | None = None
) -> dict[int, list[EntryFile]]:
    """The files of each of a person's entries, or of the ``only`` one."""
    query = _FILES_OF_PERSON
    if only is not None:
        query = query.where(Evidence.entry_id == only)
    session.flush()
    files: dict[int, list[EntryFile]] = {}
    for entry_id, *file in session.connection().execute(query, {"person_id": person_id}):
        files.setdefault(entry_id, []).append(EntryFile._make(file))
    return files


def find_own_file(session: Session, file_id: int, person_id: int) -> Evidence | None:
    """One of a person's own files, saved with an entry or not."""
    own = (col(Evidence.id) == file_id) & (col(Evidence.person_id) == person_id)
    return next(iter(_select_files(session, own)), None)


def find_file_for_coordinator(
    session: Session, rulebooks: Rulebooks, file_id: int, associations: Collection[str]
) -> Evidence | None:
    """A file that coordinators of these associations may see: if they may read its entry.

    Or if it came for one of their audits. Only the owner sees a file whose entry is not saved.
    """
    of_audit = (
        select(Evidence)
        .join(AuditCase)
        .join(Endorsement)
        .where(Evidence.id == file_id, col(Endorsement.association).in_(associations))
    )
    if (found := session.exec(of_audit).first()) is not None:
        return found
    query = select(Evidence, col(Entry.held_on)).join(Entry).where(Evidence.id == file_id)
    row = session.exec(query).first()
    if row is None:
        return None
    evidence, held_on = row
    windows = access_windows(session, evidence.person_id, associations)
    is_seen = sees_file(rulebooks, windows, held_on, evidence.added_at)
    return evidence if is_seen else None


def list_kept_files(
    session: Session, rulebooks: Rulebooks, person_id: int, now: datetime
) -> list[KeptFile]:
    """All files of a person: those of unsaved forms first, then by day, newest first."""
    locks = load_person_locks(session, rulebooks, person_id, now)
    query = (
        select(Evidence, col(Entry.title), col(Entry.held_on))
        .outerjoin(Entry)
        .where(Evidence.person_id == person_id)
        .order_by(col(Entry.held_on).is_(None).desc(), col(Entry.held_on).desc(), col(Evidence.id))
    )
    rows: Iterable[tuple[Evidence, str | None, date | None]] = session.exec(query)
    kept = []
    for evidence, title, held_on in rows:
        lock = locks.lock_of(evidence.entry_id or 0, held_on) if held_on else None
        kept.append(KeptFile(evidence, title, held_on, lock))
    return kept


def check_space(
    context: ServiceContext, received: Sequence[ReceivedFile], form: FormFiles, quota: int
) -> tuple[list[ReceivedFile], list[Refusal]]:
    """The received files that a form can still have, and why it can't have the others.

    An entry has at most ten files. A person's files share ``quota`` bytes; those of closed cycles
    don't count. Locks the person, so that two forms do not both take the last space.
    """
    person_id = context.person_id
    lock_person(context.session, person_id)
    held = list_form_files(context.session, person_id, form)
    staying = [file for file in held if file.id not in form.removed]
    kept = list_kept_files(context.session, context.rulebooks, person_id, context.now)
    used = sum_sizes(file for file in kept if not file.is_closed)
    left = quota - used + sum(file.size for file in held if file.id in form.removed)
    accepted: list[ReceivedFile] = []
    refusals: list[Refusal] = []
    for file in received:
        facts = {"name": file.name, "size": file.size, "quota": quota, "left": max(left, 0)}
        if len(staying) + len(accepted) >= FILES_PER_ENTRY:
            facts["limit"] = FILES_PER_ENTRY
            refusals.append(Refusal("files", "file-limit-reached", facts))
        elif file.size > left:
            refusals.append(Refusal("files", "file-quota-exceeded", facts))
        else:
            accepted.append(file)
            left -= file.size
    return accepted, refusals


def keep_files(
    context: ServiceContext,
    form_key: str,
    received: Sequence[ReceivedFile],
    entry_id: int | None,
) -> set[str]:
    """Give the received files and the form's unsaved ones to the entry (None: not saved yet).

    Files that the form or the entry already has are not stored twice: returns the stored names of
    the others.
    """
    session, person_id = context.session, context.person_id
    held = list_form_files(session, person_id, FormFiles(form_key, entry_id))
    known = {file.sha256 for file in held}
    new = {file.sha256: file for file in received if file.sha256 not in known}
    for file in new.values():
        row = Evidence(
            person_id=person_id,
            entry_id=entry_id,
            form_key=form_key,
            added_at=context.now,
            **file._asdict(),
        )
        context.create_row(row, _AUDITED)
    if entry_id is not None:
        for draft in held:
            if draft.entry_id is None:
                context.update_row(draft, _AUDITED, entry_id=entry_id)
    return {file.stored_as for file in new.values()}


def list_requirement_files(session: Session, case_id: int) -> dict[str, list[EntryFile]]:
    """The files for hours that are not logged as sessions of an audited renewal.

    They are by requirement, in the order in which they came.
    """
    files: dict[str, list[EntryFile]] = {}
    for file in _select_files(session, col(Evidence.audit_case_id) == case_id):
        entry_file = EntryFile(file.id, file.name, file.stored_as)
        files.setdefault(file.requirement or "", []).append(entry_file)
    return files


def add_audit_files(
    context: ServiceContext,
    audit: AuditTargets,
    received: Sequence[ReceivedFile],
    quota: int,
    copy: Callable[[str], str],
) -> set[str]:
    """Give each received file to each entry and requirement of an audited renewal.

    A file is not stored twice for one of them. The first gets the file itself, the others copies,
    which take no more of the person's space. Returns the stored names of the files that were kept,
    and of the copies. Raises Refused, with nothing kept, if there is no space for one of them.
    """
    if refusals := _check_audit_files(context, audit, received, quota):
        raise Refused(*refusals)
    targets: list[dict[str, Any]] = [{"entry_id": entry_id} for entry_id in audit.entries]
    targets += [
        {"audit_case_id": audit.case_id, "requirement": requirement}
        for requirement in audit.requirements
    ]
    kept: set[str] = set()
    for file, target in product({one.sha256: one for one in received}.values(), targets):
        same = [getattr(Evidence, name) == value for name, value in target.items()]
        is_there = select(Evidence.id).where(Evidence.sha256 == file.sha256, *same)
        if context.session.exec(is_there).first() is not None:
            continue
        stored_as = copy(file.stored_as) if file.stored_as in kept else file.stored_as
        values = {**file._asdict(), "stored_as": stored_as, **target}
        values["form_key"] = _audit_key(audit)
        row = Evidence(person_id=context.person_id, added_at=context.now, **values)
        context.create_row(row, _AUDITED)
        kept.add(stored_as)
    return kept


def _audit_key(audit: AuditTargets) -> str:
    """The key of a form for documents: all copies of a file have it, and count once."""
    return f"audit-{audit.case_id}"


def _check_audit_files(
    context: ServiceContext, audit: AuditTargets, received: Sequence[ReceivedFile], quota: int
) -> list[Refusal]:
    """Why files can't be given to everything that they are about, each reason once."""
    forms: Sequence[int | None] = audit.entries or [None]
    refusals: list[Refusal] = []
    for entry_id in forms:
        form = FormFiles(entry_id=entry_id)
        refusals += check_space(context, received, form, quota)[1]
    held = list_requirement_files(context.session, audit.case_id)
    for requirement in audit.requirements:
        for file in received[max(0, FILES_PER_ENTRY - len(held.get(requirement, ()))) :]:
            facts = {"name": file.name, "limit": FILES_PER_ENTRY}
            refusals.append(Refusal("files", "file-limit-reached", facts))
    return list({(one.code, str(one.facts["name"])): one for one in refusals}.values())


def share_files(
    context: ServiceContext, entry_id: int, others: Iterable[int], copy: Callable[[str], str]
) -> None:
    """Give copies of an entry's files to the person's ``others``, the other days of a course.

    ``copy`` makes a copy of a stored file, and returns its stored name.
    """
    person_id = context.person_id
    files = list_form_files(context.session, person_id, FormFiles(entry_id=entry_id))
    for other_id in others:
        held = list_form_files(context.session, person_id, FormFiles(entry_id=other_id))
        known = {file.sha256 for file in held}
        for file in files:
            if file.sha256 in known:
                continue
            values = file.model_dump(exclude={"id", "entry_id", "stored_as", "added_at"})
            stored_as = copy(file.stored_as)
            row = Evidence(**values, entry_id=other_id, stored_as=stored_as, added_at=context.now)
            context.create_row(row, _AUDITED)


def sum_sizes(kept: Iterable[KeptFile]) -> int:
    """The bytes that files take; copies for the days of a course take no more than one file."""
    return sum({(each.file.form_key, each.file.sha256): each.file.size for each in kept}.values())


def move_drafts(context: ServiceContext, old_key: str, new_key: str) -> None:
    """Let a form's unsaved files follow it to its new key."""
    for draft in list_form_files(context.session, context.person_id, FormFiles(old_key)):
        draft.form_key = new_key
        context.session.add(draft)
    context.session.flush()


def remove_file(
    context: ServiceContext, file_id: int, entry_id: int | None = None
) -> Evidence | None:
    """Delete the actor's own file of the entry or of an unsaved form; None for any other."""
    own = (col(Evidence.id) == file_id) & (col(Evidence.person_id) == context.person_id)
    own &= or_(col(Evidence.entry_id).is_(None), col(Evidence.entry_id) == entry_id)
    own &= col(Evidence.audit_case_id).is_(None)
    removed = _remove(context.session, context.actor.label, context.now, own)
    return next(iter(removed), None)


def release_files(context: ServiceContext, entry_id: int) -> None:
    """Let the files of an entry that is deleted go like those of a form that was not saved.

    They stay for a day, in which the deletion can be undone.
    """
    for file in _select_files(context.session, col(Evidence.entry_id) == entry_id):
        context.update_row(file, _AUDITED, entry_id=None, added_at=context.now)


def remove_old_drafts(session: Session, now: datetime) -> list[Evidence]:
    """Delete the files of forms that were not saved within a day."""
    # What a coordinator removed with its session comes back if that is undone.
    is_kept = exists().where(
        col(ChangedRow.row_key) == "evidence:" + cast(col(Evidence.id), String)
    )
    is_old = col(Evidence.added_at) < now - _DRAFT_FOR
    is_draft = col(Evidence.entry_id).is_(None) & col(Evidence.audit_case_id).is_(None)
    old = is_draft & is_old & ~is_kept
    return _remove(session, _SWEEPER, now, old)


def stored_names(session: Session) -> set[str]:
    """The names of all files that have a row."""
    return set(session.exec(select(Evidence.stored_as)))


def list_stored_names(session: Session, person_id: int) -> list[str]:
    """The names of a person's files as they are stored, also of those of unsaved forms."""
    return list(session.exec(select(Evidence.stored_as).where(Evidence.person_id == person_id)))


def _select_files(session: Session, where: ColumnElement[bool]) -> list[Evidence]:
    query = select(Evidence).where(where).order_by(col(Evidence.id))
    return list(session.exec(query.execution_options(populate_existing=True)))


def _remove(
    session: Session, actor: str, now: datetime, where: ColumnElement[bool]
) -> list[Evidence]:
    query = select(Evidence).where(where).order_by(col(Evidence.id)).with_for_update()
    # What somebody else saves with an entry, or removes, at this moment is left out.
    files = list(session.exec(query.execution_options(populate_existing=True)))
    changes = []
    for file in files:
        before = file.model_dump(include=_AUDITED)
        changes.append(Change(actor, now, "evidence", file.id, before, None))
        session.delete(file)
    session.flush()
    record_changes(session, changes)
    return files
