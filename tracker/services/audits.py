"""Audited renewals: who is asked for documents, and what the endorsee sends and says."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy.orm import aliased
from sqlmodel import Session, and_, col, exists, or_, select

from tracker.db.audits import AuditCase, AuditItem
from tracker.db.people import Endorsement, Person
from tracker.db.submissions import Submission
from tracker.rules.explain import LoggedEntry
from tracker.rules.stages import Stage
from tracker.rules.transitions import Act, Limit, list_sources, list_transitions, may
from tracker.services.context import (
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    check_text,
    lock_person,
)
from tracker.services.entries import list_entries
from tracker.services.evidence import (
    FormFiles,
    ReceivedFile,
    check_space,
    keep_files,
    list_entry_files,
)

AUDITED = {
    *("draw_id", "endorsement_id", "submission_id", "state", "due_on", "extended_because"),
    *("note", "decided_by", "decided_because", "appeal"),
}
# What waits for the coordinator, whatever day it is.
_ANSWERED = [
    stage.value
    for each in list_transitions(Act.FAIL)
    for stage in each.sources
    if each.limit is not Limit.OVERDUE
]


class AuditedRenewal(NamedTuple):
    """An audited renewal, what was submitted, and whose it is."""

    case: AuditCase
    submission: Submission
    person: Person
    endorsement: Endorsement

    @property
    def may_appeal(self) -> bool:
        """Whether the endorsee can appeal; once."""
        return may(Act.APPEAL, self.case.state) and self.case.appealed_at is None


class AuditedEntry(NamedTuple):
    """An entry of an audited renewal, and the verdict about it (None: not decided yet)."""

    entry: LoggedEntry
    item: AuditItem | None


_CASES = (
    select(AuditCase, Submission, Person, Endorsement)
    .join(Submission, col(Submission.id) == AuditCase.submission_id)
    .join(Endorsement, col(Endorsement.id) == AuditCase.endorsement_id)
    .join(Person, col(Person.id) == Endorsement.person_id)
    .order_by(col(AuditCase.draw_id), col(AuditCase.position))
)


_LATER = aliased(Submission)
_SUBMITTED_AGAIN = exists().where(
    col(_LATER.endorsement_id) == Submission.endorsement_id,
    col(_LATER.cycle_starts_on) == Submission.cycle_starts_on,
    col(_LATER.id) > Submission.id,
)


def list_cases(session: Session, draw_id: int) -> list[AuditedRenewal]:
    """The renewals that a draw has drawn, in order."""
    rows = session.exec(_CASES.where(AuditCase.draw_id == draw_id))
    return [AuditedRenewal._make(row) for row in rows]


def list_own_cases(session: Session, person_id: int) -> list[AuditedRenewal]:
    """The audits of a person's renewals of which they know: documents were asked for."""
    query = _CASES.where(Endorsement.person_id == person_id, AuditCase.state != Stage.DRAWN.value)
    return [AuditedRenewal._make(row) for row in session.exec(query)]


def list_open_audits(session: Session, person_id: int) -> list[AuditedRenewal]:
    """The audits that a person can still do something about, or that wait for a coordinator.

    One that did not pass is over once it was appealed, or the renewal was submitted again.
    """
    may_appeal = and_(
        AuditCase.state == Stage.NOT_PASSED.value,
        col(AuditCase.appealed_at).is_(None),
        ~_SUBMITTED_AGAIN,
    )
    waiting = [stage.value for stage in list_sources(Act.FAIL)]
    query = _CASES.where(
        Endorsement.person_id == person_id, or_(col(AuditCase.state).in_(waiting), may_appeal)
    )
    return [AuditedRenewal._make(row) for row in session.exec(query)]


def list_waiting(session: Session, association: str, today: date) -> list[AuditedRenewal]:
    """The audits that wait for a coordinator: documents or an appeal came, or nothing by the day.

    ``today`` is the legal day at the association.
    """
    is_overdue = and_(AuditCase.state == Stage.ASKED.value, col(AuditCase.due_on) < today)
    query = _CASES.where(
        Endorsement.association == association,
        or_(col(AuditCase.state).in_(_ANSWERED), is_overdue),
    )
    return [AuditedRenewal._make(row) for row in session.exec(query)]


def list_to_remind(
    session: Session, association: str, today: date, last: date
) -> list[AuditedRenewal]:
    """The audits due from ``today`` through ``last`` of whose due date no reminder was queued."""
    query = _CASES.where(
        Endorsement.association == association,
        AuditCase.state == Stage.ASKED.value,
        col(AuditCase.due_on).between(today, last),
        col(AuditCase.reminded_at).is_(None),
    )
    return [AuditedRenewal._make(row) for row in session.exec(query)]


def get_case(session: Session, case_id: int, associations: Collection[str]) -> AuditedRenewal:
    """An audit of one of ``associations``. Raises NotFound for any other."""
    query = _CASES.where(AuditCase.id == case_id, col(Endorsement.association).in_(associations))
    row = session.exec(query).first()
    if row is None:
        raise NotFound
    return AuditedRenewal._make(row)


def get_own_case(session: Session, person_id: int, case_id: int) -> AuditedRenewal:
    """An audit of a person's own renewal, of which they know. Raises NotFound for any other."""
    own = {one.case.id: one for one in list_own_cases(session, person_id)}
    if case_id not in own:
        raise NotFound
    return own[case_id]


def list_audited_entries(session: Session, audited: AuditedRenewal) -> list[AuditedEntry]:
    """The entries of an audited renewal that count, or that have a verdict, newest first."""
    submission = audited.submission
    query = select(AuditItem).where(AuditItem.case_id == audited.case.id)
    items = {item.entry_id: item for item in session.exec(query)}
    days = (submission.cycle_starts_on, submission.cycle_ends_on)
    return [
        AuditedEntry(entry, items.get(entry.id))
        for entry in list_entries(session, audited.person.id, *days)
        if entry.id in items or audited.endorsement.association not in entry.exclusions
    ]


def list_deleted_items(session: Session, audited: AuditedRenewal) -> Sequence[AuditItem]:
    """The verdicts about entries that their person deleted since, oldest first."""
    query = select(AuditItem).where(
        AuditItem.case_id == audited.case.id, col(AuditItem.entry_id).is_(None)
    )
    return session.exec(query.order_by(col(AuditItem.id))).all()


def add_documents(
    context: ServiceContext,
    case_id: int,
    entry_id: int,
    received: Sequence[ReceivedFile],
    quota: int,
) -> set[str]:
    """Add files to an entry of the actor's own audited renewal.

    Returns the stored names of the files that were kept; raises Refused if one was not.
    """
    audited = _lock_own(context, case_id)
    if not may(Act.ADD_DOCUMENTS, audited.case.state):
        raise Refused(Refusal("files", "audit-state"))
    known = {each.entry.id for each in list_audited_entries(context.session, audited)}
    if entry_id not in known:
        raise NotFound
    form_key = f"audit-{case_id}-{entry_id}"
    accepted, refusals = check_space(context, received, FormFiles(form_key, entry_id), quota)
    if refusals:
        raise Refused(*refusals)
    return keep_files(context, form_key, accepted, entry_id)


def send_documents(context: ServiceContext, case_id: int, note: str) -> None:
    """Send what is there to the association; it waits for a coordinator now."""
    audited = _lock_own(context, case_id)
    refusals = check_text("note", note, required=False)
    if not may(Act.SEND_DOCUMENTS, audited.case.state):
        refusals.append(Refusal("note", "audit-state"))
    if not note and not _has_documents(context.session, audited):
        refusals.append(Refusal("note", "audit-nothing-sent"))
    if refusals:
        raise Refused(*refusals)
    values = {"sent_at": context.now, "note": note or None}
    context.update_row(audited.case, AUDITED, state=Stage.SENT.value, **values)


def appeal(context: ServiceContext, case_id: int, text: str) -> None:
    """Say why the actor disagrees with a decision; a coordinator decides again."""
    audited = _lock_own(context, case_id)
    refusals = check_text("appeal", text)
    if not audited.may_appeal:
        refusals.append(Refusal("appeal", "audit-appealed"))
    elif _is_submitted_again(context.session, audited):
        refusals.append(Refusal("appeal", "audit-submitted-again"))
    if refusals:
        raise Refused(*refusals)
    values = {"appealed_at": context.now, "appeal": text}
    context.update_row(audited.case, AUDITED, state=Stage.APPEALED.value, **values)


def _is_submitted_again(session: Session, audited: AuditedRenewal) -> bool:
    """Whether the renewal was submitted once more after the audit was decided."""
    query = select(Submission.id).where(Submission.id == audited.submission.id, _SUBMITTED_AGAIN)
    return session.exec(query).first() is not None


def mark_reminded(session: Session, audited: AuditedRenewal, now: datetime) -> None:
    """Note that a reminder of the due date in force was queued."""
    audited.case.reminded_at = now
    session.add(audited.case)
    session.flush()


def lock_audit(session: Session, audited: AuditedRenewal) -> AuditedRenewal:
    """An audit as it is now; its person stays locked."""
    lock_person(session, audited.person.id)
    session.refresh(audited.case)
    session.refresh(audited.submission)
    return audited


def _has_documents(session: Session, audited: AuditedRenewal) -> bool:
    files = list_entry_files(session, audited.person.id)
    return any(entry.id in files for entry, _ in list_audited_entries(session, audited))


def _lock_own(context: ServiceContext, case_id: int) -> AuditedRenewal:
    """An audit of the actor's own renewal; they stay locked."""
    return lock_audit(context.session, get_own_case(context.session, context.person_id, case_id))
