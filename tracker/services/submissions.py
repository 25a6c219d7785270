"""Renewals that endorsees submit: submitting, accepting what meets every rule, and returning.

A renewal that meets every requirement is accepted by itself, in the transaction that stores its
standing (`services/settlements.py`). What does not meet them waits for a coordinator, who accepts
it with a reason, or returns it so that the endorsee can correct it.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import func, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from tracker.db.audits import AuditCase
from tracker.db.ledgers import StandingRow
from tracker.db.people import Endorsement, Person
from tracker.db.submissions import Submission
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle
from tracker.rules.plan import RenewalPlan
from tracker.rules.settlement import record_outcome
from tracker.rules.stages import OPEN_AUDIT, Stage, find_stage, find_window
from tracker.rules.standing import Outcome, Result, Standing
from tracker.rules.transitions import Act, may
from tracker.services.audit_facts import FAILED
from tracker.services.certificates import find_renewed_cycle
from tracker.services.context import (
    MAX_NAME_LENGTH,
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    check_text,
    lock_person,
    require_other_person,
)
from tracker.services.endorsements import Endorsed, endorsements_of, standing_in
from tracker.services.evaluation import (
    days_at,
    evaluate_people,
    immediate_evaluation,
    parse_results,
)
from tracker.services.facts import Triple, format_settlement
from tracker.services.grants import grant_waiver
from tracker.services.reopening import find_settled_cycle, reopen_settled
from tracker.services.submission_facts import is_signed_by_another, parse_statements

_AUDITED = {
    *("endorsement_id", "cycle_starts_on", "cycle_ends_on", "signed_name", "state"),
    *("accepted_by", "accepted_because", "returned_by", "returned_because"),
}


@dataclass(frozen=True, slots=True)
class SubmissionInput:
    """What an endorsee submits; a form that is sent twice has the same ``form_key``.

    ``signed`` are the keys of the statements that they sign under ``signed_name``, which may be
    empty if there is nothing to sign. ``is_confirmed``: they know what is missing.
    """

    endorsement_id: int
    cycle_starts_on: date
    signed_name: str
    signed: frozenset[str]
    form_key: str
    is_confirmed: bool = True


class SubmissionNeedsConfirmation(Exception):  # noqa: N818 - reads as the sentence it is
    """Nothing was saved yet: the endorsee is asked whether to submit although this is missing."""

    def __init__(self, missing: Sequence[Result]) -> None:
        super().__init__(" ".join(result.requirement.id for result in missing))
        self.missing = missing


class SubmittedRenewal(NamedTuple):
    """A submission, whose it is, and what the renewal comes to by now.

    ``requirements`` is that of the renewal's `StandingRow`. ``failed_case_id`` is the audit of an
    earlier submission of the same renewal that did not pass, None if there is none.
    """

    submission: Submission
    person: Person
    endorsement: Endorsement
    requirements: str
    failed_case_id: int | None = None

    @property
    def statements(self) -> Mapping[str, str]:
        """The words that were signed, by key."""
        return parse_statements(self.submission.statements)

    @property
    def lacks_only_fee(self) -> bool:
        """Whether a payment completes it, and nobody has to decide."""
        if self.other_name or self.failed_case_id is not None:
            return False
        short = [each for each in parse_results(self.requirements) if each.outcome == "short"]
        return {each.counts for each in short} == {"paid"}

    @property
    def other_name(self) -> str:
        """The name under which it is signed, if that is not the one on record; else empty."""
        submission = self.submission
        name = submission.signed_name
        is_other = is_signed_by_another(submission.statements, name, self.person.name)
        return name if is_other else ""


_EARLIER = aliased(Submission)
_FAILED_CASE = (
    select(func.max(AuditCase.id))
    .join(_EARLIER, col(_EARLIER.id) == AuditCase.submission_id)
    .where(
        _EARLIER.endorsement_id == Submission.endorsement_id,
        _EARLIER.cycle_starts_on == Submission.cycle_starts_on,
        _EARLIER.id < Submission.id,
        col(AuditCase.state).in_(FAILED),
    )
    .correlate(Submission)
    .scalar_subquery()
)
_SUBMITTED = (
    select(  # type: ignore[call-overload]
        Submission,
        Person,
        Endorsement,
        func.coalesce(col(StandingRow.requirements), "[]"),
        _FAILED_CASE,
    )
    .join(Endorsement, col(Endorsement.id) == Submission.endorsement_id)
    .join(Person, col(Person.id) == Endorsement.person_id)
    .outerjoin(
        StandingRow,
        (col(StandingRow.endorsement_id) == Submission.endorsement_id)
        & (col(StandingRow.cycle_starts_on) == Submission.cycle_starts_on),
    )
    .order_by(col(Submission.id))
)


def list_last_submissions(
    session: Session, endorsement_ids: Collection[int]
) -> dict[tuple[int, date], Submission]:
    """The last submission of each renewal, in force or returned, by endorsement and cycle."""
    query = select(Submission).where(col(Submission.endorsement_id).in_(endorsement_ids))
    in_order = session.exec(query.order_by(col(Submission.id)))
    return {(one.endorsement_id, one.cycle_starts_on): one for one in in_order}


def list_unannounced(session: Session, association: str) -> Sequence[SubmittedRenewal]:
    """The decided renewals about which no email was queued, the oldest submission first."""
    query = _SUBMITTED.where(
        Endorsement.association == association,
        Submission.state != Stage.SUBMITTED.value,
        col(Submission.announced_at).is_(None),
    )
    return [SubmittedRenewal._make(row) for row in session.exec(query)]


def claim_decision_mail(session: Session, submission: Submission, now: datetime) -> bool:
    """Note that an email about a decision is queued; False if another process has noted that."""
    session.flush()
    claimed = (
        update(Submission)
        .where(
            col(Submission.id) == submission.id,
            col(Submission.state) == submission.state,
            col(Submission.announced_at).is_(None),
        )
        .values(announced_at=now)
    )
    return session.exec(claimed).rowcount == 1


def list_unaccepted(session: Session, association: str) -> Sequence[SubmittedRenewal]:
    """The submitted renewals that wait for a coordinator, the oldest first."""
    query = _SUBMITTED.where(
        Endorsement.association == association, Submission.state == Stage.SUBMITTED.value
    )
    return [SubmittedRenewal._make(row) for row in session.exec(query)]


def get_submission(
    session: Session, submission_id: int, associations: Collection[str]
) -> SubmittedRenewal:
    """A submission of one of ``associations``. Raises NotFound for any other."""
    query = _SUBMITTED.where(
        Submission.id == submission_id, col(Endorsement.association).in_(associations)
    )
    row = session.exec(query).first()
    if row is None:
        raise NotFound
    return SubmittedRenewal._make(row)


def submit_renewal(context: ServiceContext, renewal: SubmissionInput) -> Submission:
    """Submit a renewal of the actor's own, with a snapshot of what the records show.

    A renewal that lacks something can be submitted, too: a coordinator decides. An audit that is
    under way goes on with what is submitted now. Raises NotFound for a renewal that is not the
    actor's or is not submitted, Refused with every reason why it can't be submitted now, and
    SubmissionNeedsConfirmation if it lacks something and is not confirmed.
    """
    session = context.session
    lock_person(session, context.person_id)
    endorsed, standing = _get_own_renewal(context, renewal)
    if (saved := _find_saved(session, renewal)) is not None:
        return saved
    refusals = _check_moment(context, endorsed, standing)
    refusals += _check_signatures(standing.plan, renewal)
    if refusals:
        raise Refused(*refusals)
    if not renewal.is_confirmed and (missing := _list_missing(standing, renewal.signed)):
        raise SubmissionNeedsConfirmation(missing)
    words = standing.plan.rulebook.attestations
    signed = {key: words[key] for key in standing.plan.statements if key in renewal.signed}
    today = days_at(context.rulebooks, context.now)(endorsed.association)
    outcome = record_outcome(
        standing, today, context.rulebooks.digest_of(standing.plan.association)
    )
    submission = Submission(
        endorsement_id=endorsed.id,
        cycle_starts_on=renewal.cycle_starts_on,
        cycle_ends_on=_cycle_of(standing).ends_on,
        form_key=renewal.form_key,
        submitted_at=context.now,
        signed_name=renewal.signed_name,
        statements=json.dumps(signed),
        content=format_settlement(outcome),
    )
    context.create_row(submission, _AUDITED)
    _keep_audit(context, submission)
    with immediate_evaluation(session):
        evaluate_people(session, context.rulebooks, {endorsed.person_id}, context.now)
    session.refresh(submission)
    return submission


def accept_renewal(context: ServiceContext, submission_id: int, reason: str) -> None:
    """Accept a renewal that lacks something: waive that, on behalf of its association.

    Raises NotFound, and Refused without a reason or if it is decided already.
    """
    submitted = _lock_undecided(context, submission_id, reason)
    submission = submitted.submission
    standing = _judge(context, submitted)
    # Before the waivers: with nothing short any more, the evaluation would accept it by itself.
    acceptance = _describe_acceptance(context, reason)
    context.update_row(submission, _AUDITED, state=Stage.ACCEPTED.value, **acceptance)
    with immediate_evaluation(context.session):
        for result in standing.results:
            if result.short:
                key = (submission.endorsement_id, submission.cycle_starts_on)
                grant_waiver(context, *key, result.requirement.id, reason, after_end=True)
        # Also if nothing is short: after an audit that did not pass, only this settles the cycle.
        people = {submitted.person.id}
        evaluate_people(context.session, context.rulebooks, people, context.now)


def return_renewal(context: ServiceContext, submission_id: int, reason: str) -> None:
    """Return a renewal to its endorsee, so that its sessions can be corrected.

    If it was accepted, its settled cycle is reopened. Raises NotFound, and Refused without a reason
    or if it was returned already.
    """
    session = context.session
    submitted = _lock(context, submission_id)
    submission = submitted.submission
    refusals = check_text("reason", reason)
    if not may(Act.RETURN, submission.state):
        refusals.append(Refusal("reason", "renewal-returned-already"))
    if refusals:
        raise Refused(*refusals)
    context.update_row(
        submission,
        _AUDITED,
        state=Stage.RETURNED.value,
        returned_at=context.now,
        returned_by=context.actor.label,
        returned_because=reason,
        announced_at=None,
    )
    key = (submission.endorsement_id, submission.cycle_starts_on)
    settled = find_settled_cycle(session, *key)
    if settled is not None and settled.reopened_at is None:
        reopen_settled(context, settled, reason)
    else:
        evaluate_people(session, context.rulebooks, {submitted.person.id}, context.now)


def restore_renewal(context: ServiceContext, submission_id: int, reason: str) -> None:
    """Put a returned renewal in force again, as accepted: for the reason, if it never was before.

    Its cycle settles again if it meets every requirement. Raises NotFound.
    """
    submitted = _lock(context, submission_id)
    submission = submitted.submission
    values: dict[str, Any] = {"returned_at": None, "returned_by": None, "returned_because": None}
    if submission.accepted_at is None:
        values |= _describe_acceptance(context, reason)
    context.update_row(submission, _AUDITED, state=Stage.ACCEPTED.value, **values)
    evaluate_people(context.session, context.rulebooks, {submitted.person.id}, context.now)


def _describe_acceptance(context: ServiceContext, reason: str) -> dict[str, Any]:
    """The columns of a renewal that the actor accepts."""
    label = context.actor.label
    return {"accepted_at": context.now, "accepted_by": label, "accepted_because": reason}


def find_renewed_through(
    rulebooks: Rulebooks, endorsement: Endorsement, cycle_starts_on: date
) -> date | None:
    """Through which day an endorsement is renewed: the last one of the next cycle.

    None if the rulebook has no cycles that follow.
    """
    name = (endorsement.association, endorsement.starts_on)
    renewed = find_renewed_cycle(rulebooks, *name, cycle_starts_on)
    return renewed.ends_on if renewed else None


def _get_own_renewal(
    context: ServiceContext, renewal: SubmissionInput
) -> tuple[Endorsed, Standing]:
    """The renewal that the actor submits. Raises NotFound if it is not theirs to submit."""
    own = {each.id: each for each in endorsements_of(context.session, context.person_id)}
    endorsed = own.get(renewal.endorsement_id)
    if endorsed is None:
        raise NotFound
    standing = _judge_cycle(context, endorsed.id, endorsed.triple, renewal.cycle_starts_on)
    if standing is None or not standing.plan.is_submitted:
        raise NotFound
    return endorsed, standing


def _find_saved(session: Session, renewal: SubmissionInput) -> Submission | None:
    """What the same form was saved as the first time."""
    query = select(Submission).where(
        Submission.endorsement_id == renewal.endorsement_id,
        Submission.form_key == renewal.form_key,
    )
    return session.exec(query).first()


def _check_moment(context: ServiceContext, endorsed: Endorsed, standing: Standing) -> list[Refusal]:
    """Why a renewal can't be submitted today."""
    cycle, submitted = _cycle_of(standing), standing.facts.submitted
    case = _find_open_case(context.session, endorsed.id, cycle.starts_on)
    if case is not None and case.state == Stage.APPEALED:
        return [Refusal("", "renewal-appealed")]
    if submitted is not None:
        return [Refusal("", "renewal-submitted-already", {"day": submitted.on})]
    if standing.settled_on is not None:
        return [Refusal("", "renewal-settled", {"settled_on": standing.settled_on})]
    today = days_at(context.rulebooks, context.now)(endorsed.association)
    window = find_window(cycle, standing.due_on or cycle.due_on)
    stage = find_stage(window, None, today)
    if may(Act.SUBMIT, stage):
        return []
    if stage is Stage.EARLY:
        return [Refusal("", "renewal-not-open", {"day": window.opens_on})]
    return [Refusal("", "renewal-closed", {"day": window.closes_on})]


def _find_open_case(
    session: Session, endorsement_id: int, cycle_starts_on: date
) -> AuditCase | None:
    """The audit of a renewal that is not decided, whichever submission of it was drawn."""
    query = (
        select(AuditCase)
        .join(Submission)
        .where(
            Submission.endorsement_id == endorsement_id,
            Submission.cycle_starts_on == cycle_starts_on,
            col(AuditCase.state).in_(OPEN_AUDIT),
        )
    )
    return session.exec(query).first()


def _keep_audit(context: ServiceContext, submission: Submission) -> None:
    """Let the audit of a returned renewal go on with what is submitted instead."""
    key = (submission.endorsement_id, submission.cycle_starts_on)
    case = _find_open_case(context.session, *key)
    if case is not None:
        context.update_row(case, {"endorsement_id", "submission_id"}, submission_id=submission.id)


def _check_signatures(plan: RenewalPlan, renewal: SubmissionInput) -> list[Refusal]:
    required = {key for each in plan.requirements for key in each.rule.signed}
    words = plan.rulebook.attestations
    refusals = [
        Refusal("signed", "statement-not-signed", {"statement": words[key]})
        for key in plan.statements
        if key in required - renewal.signed
    ]
    if not renewal.signed_name and plan.statements:
        refusals.append(Refusal("signed_name", "signature-missing"))
    elif len(renewal.signed_name) > MAX_NAME_LENGTH:
        limit = {"limit": MAX_NAME_LENGTH}
        refusals.append(Refusal("signed_name", "text-too-long", limit))
    return refusals


def _list_missing(standing: Standing, signed: Collection[str]) -> list[Result]:
    """What a renewal will lack once it is submitted with these statements."""
    return [
        result
        for result in standing.results
        if result.outcome is Outcome.SHORT
        and result.requirement.counts not in ("submitted", "signed")
        and not (result.can_attest and result.requirement.rule.attested_by in signed)
    ]


def _cycle_of(standing: Standing) -> Cycle:
    if standing.plan.cycle is None:
        raise NotFound
    return standing.plan.cycle


def _judge(context: ServiceContext, submitted: SubmittedRenewal) -> Standing:
    """A submitted renewal by today's records."""
    held = submitted.endorsement
    triple = (held.association, held.category, held.starts_on)
    standing = _judge_cycle(context, held.id, triple, submitted.submission.cycle_starts_on)
    if standing is None:
        raise NotFound
    return standing


def _judge_cycle(
    context: ServiceContext, endorsement_id: int, triple: Triple, cycle_starts_on: date
) -> Standing | None:
    """A renewal by today's records; None if there is no such cycle, or nothing to renew."""
    if triple[0] not in context.rulebooks.associations:
        return None
    plan = context.rulebooks.plan(*triple, cycle_starts_on)
    if plan is None or plan.cycle is None or plan.cycle.starts_on != cycle_starts_on:
        return None
    day_of = days_at(context.rulebooks, context.now)
    return standing_in(
        context.session, context.rulebooks, day_of, endorsement_id, plan.cycle.starts_on
    )


def _lock(context: ServiceContext, submission_id: int) -> SubmittedRenewal:
    """A submission that the actor may decide about; its person stays locked."""
    submitted = get_submission(context.session, submission_id, context.associations)
    require_other_person(context, submitted.person.id)
    lock_person(context.session, submitted.person.id)
    context.session.refresh(submitted.submission)
    return submitted


def _lock_undecided(context: ServiceContext, submission_id: int, reason: str) -> SubmittedRenewal:
    submitted = _lock(context, submission_id)
    refusals = check_text("reason", reason)
    state = submitted.submission.state
    if not may(Act.ACCEPT, state):
        refusals.append(Refusal("reason", f"renewal-{state}-already"))
    if refusals:
        raise Refused(*refusals)
    return submitted
