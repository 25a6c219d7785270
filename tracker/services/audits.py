"""Audited renewals: who is asked for documents, and what the endorsee sends and says."""

from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import update
from sqlalchemy.orm import aliased
from sqlmodel import Session, and_, col, exists, or_, select

from tracker.db.audits import AuditCase, AuditHours, AuditItem
from tracker.db.people import Endorsement, Person
from tracker.db.submissions import Submission
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import LoggedEntry
from tracker.rules.plan import PlannedRequirement
from tracker.rules.renewal import judge_renewal
from tracker.rules.stages import Stage
from tracker.rules.standing import Outcome
from tracker.rules.transitions import Act, Limit, list_sources, list_transitions, may
from tracker.services.context import (
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    check_text,
    lock_person,
)
from tracker.services.endorsements import standing_in
from tracker.services.entries import list_entries
from tracker.services.evaluation import days_at
from tracker.services.evidence import (
    AuditTargets,
    ReceivedFile,
    add_audit_files,
    list_entry_files,
    list_requirement_files,
)
from tracker.services.submission_facts import parse_statements

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


class AttestedHours(NamedTuple):
    """A requirement of sessions to which the endorsee attested when they submitted.

    ``logged`` is what the sessions that count now show of ``required``, both in the measure of the
    requirement. ``found`` is the verdict about the rest (None: not decided yet).
    """

    requirement: PlannedRequirement
    required: int
    logged: int
    found: AuditHours | None

    @property
    def unlogged(self) -> int:
        """How much no session shows, at least 0."""
        return max(0, self.required - self.logged)


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


def list_cases_by_id(session: Session, ids: Collection[int]) -> list[AuditedRenewal]:
    """The audits with these ids that are still on record, in the order of their draw."""
    rows = session.exec(_CASES.where(col(AuditCase.id).in_(ids)))
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


def list_attested(
    session: Session, rulebooks: Rulebooks, audited: AuditedRenewal, now: datetime
) -> list[AttestedHours]:
    """The requirements of sessions for which a statement stands, in the rulebook's order.

    Not those that are waived or excused. Once the audit is decided, the statement stands no more
    for those with a verdict.
    """
    held, submission = audited.endorsement, audited.submission
    triple = (held.association, held.category, held.starts_on)
    plan = rulebooks.plan(*triple, submission.cycle_starts_on)
    if plan is None or plan.cycle is None:
        return []
    day_of = days_at(rulebooks, now)
    standing = standing_in(session, rulebooks, day_of, held.id, plan.cycle.starts_on)
    if standing is None:
        return []
    # What the records show by themselves, whatever was settled or found.
    facts = standing.facts._replace(settlement=None, audit=None)
    judged = judge_renewal(standing.plan, facts, day_of(held.association))
    query = select(AuditHours).where(AuditHours.case_id == audited.case.id)
    found = {row.requirement: row for row in session.exec(query)}
    signed = parse_statements(submission.statements)
    return [
        AttestedHours(
            result.requirement, result.required, result.counted, found.get(result.requirement.id)
        )
        for result in (judged.results if judged else ())
        if result.requirement.is_of_sessions
        and result.requirement.rule.attested_by in signed
        and result.outcome not in (Outcome.WAIVED, Outcome.EXCUSED)
    ]


def list_deleted_items(session: Session, audited: AuditedRenewal) -> Sequence[AuditItem]:
    """The verdicts about entries that their person deleted since, oldest first."""
    query = select(AuditItem).where(
        AuditItem.case_id == audited.case.id, col(AuditItem.entry_id).is_(None)
    )
    return session.exec(query.order_by(col(AuditItem.id))).all()


def add_documents(
    context: ServiceContext,
    targets: AuditTargets,
    received: Sequence[ReceivedFile],
    quota: int,
    copy: Callable[[str], str],
) -> set[str]:
    """Add each file to sessions and requirements of the actor's own audited renewal.

    ``copy`` makes a copy of a stored file, and returns its stored name. Returns the stored names
    of what was kept. Raises NotFound for what is not in the audit, and Refused, with nothing kept,
    if something is missing or a file can't be kept.
    """
    session = context.session
    audited = _lock_own(context, targets.case_id)
    if not may(Act.ADD_DOCUMENTS, audited.case.state):
        raise Refused(Refusal("files", "audit-state"))
    refusals = []
    if not targets.entries and not targets.requirements:
        refusals.append(Refusal("about", "audit-about-nothing"))
    if not received:
        refusals.append(Refusal("files", "audit-no-file"))
    if refusals:
        raise Refused(*refusals)
    entries = {each.entry.id for each in list_audited_entries(session, audited)}
    attested = list_attested(session, context.rulebooks, audited, context.now)
    requirements = {each.requirement.id for each in attested}
    if not (entries.issuperset(targets.entries) and requirements.issuperset(targets.requirements)):
        raise NotFound
    return add_audit_files(context, targets, received, quota, copy)


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
    elif is_submitted_again(context.session, audited):
        refusals.append(Refusal("appeal", "audit-submitted-again"))
    if refusals:
        raise Refused(*refusals)
    values = {"appealed_at": context.now, "appeal": text}
    context.update_row(audited.case, AUDITED, state=Stage.APPEALED.value, **values)


def is_submitted_again(session: Session, audited: AuditedRenewal) -> bool:
    """Whether the renewal was submitted once more after the audit was decided."""
    query = select(Submission.id).where(Submission.id == audited.submission.id, _SUBMITTED_AGAIN)
    return session.exec(query).first() is not None


def claim_reminder(session: Session, audited: AuditedRenewal, now: datetime) -> bool:
    """Note that a reminder is queued; False if somebody has moved the due date meanwhile.

    False, too, if the documents have come, or if another process has noted it.
    """
    claimed = (
        update(AuditCase)
        .where(
            col(AuditCase.id) == audited.case.id,
            col(AuditCase.state) == Stage.ASKED.value,
            col(AuditCase.due_on) == audited.case.due_on,
            col(AuditCase.reminded_at).is_(None),
        )
        .values(reminded_at=now)
    )
    return session.exec(claimed).rowcount == 1


def lock_audit(session: Session, audited: AuditedRenewal) -> AuditedRenewal:
    """An audit as it is now; its person stays locked."""
    lock_person(session, audited.person.id)
    session.refresh(audited.case)
    session.refresh(audited.submission)
    return audited


def _has_documents(session: Session, audited: AuditedRenewal) -> bool:
    if list_requirement_files(session, audited.case.id):
        return True
    files = list_entry_files(session, audited.person.id)
    return any(entry.id in files for entry, _ in list_audited_entries(session, audited))


def _lock_own(context: ServiceContext, case_id: int) -> AuditedRenewal:
    """An audit of the actor's own renewal; they stay locked."""
    return lock_audit(context.session, get_own_case(context.session, context.person_id, case_id))
