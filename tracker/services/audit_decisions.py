"""What a coordinator does about audited renewals: asks, allows more time, and decides.

What is decided moves the standing: sessions without support don't count, and a renewal that did
not pass is returned. An appeal opens the decision again, once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import NamedTuple

from tracker.db.audits import AuditHours, AuditItem
from tracker.formatting import format_list, format_measure, format_measure_number
from tracker.rules.explain import LoggedEntry
from tracker.rules.stages import AuditVerdict, Stage
from tracker.rules.standing import Result
from tracker.rules.transitions import Act, may, may_decide
from tracker.services.audit_draws import get_draw
from tracker.services.audits import (
    AUDITED,
    AttestedHours,
    AuditedEntry,
    AuditedRenewal,
    get_case,
    list_attested,
    list_audited_entries,
    list_cases,
    lock_audit,
)
from tracker.services.context import (
    Refusal,
    Refused,
    ServiceContext,
    check_text,
    lock_records,
    require_other_person,
)
from tracker.services.entry_reviews import count_entry_again, exclude_entry
from tracker.services.evaluation import days_at, evaluate_people, immediate_evaluation, judge_all
from tracker.services.grants import grant_waiver
from tracker.services.reopening import find_settled_cycle, reopen_cycle
from tracker.services.submissions import restore_renewal, return_renewal

_ITEM = {"case_id", "entry_id", "verdict", "reason"}
_HOURS = {"case_id", "endorsement_id", "requirement", "supported"}
NO_HOURS: Mapping[str, int] = MappingProxyType({})


class ItemVerdict(NamedTuple):
    """What a coordinator finds about an entry; ``reason`` is empty if it is supported."""

    verdict: AuditVerdict
    reason: str = ""


def ask_for_documents(context: ServiceContext, draw_id: int, due_on: date) -> list[AuditedRenewal]:
    """Ask everyone whom a draw has drawn, and whom nobody asked, for documents by a day."""
    asked = []
    association = get_draw(context.session, draw_id, context.associations).association
    _check_due(context, association, due_on)
    cases = list_cases(context.session, draw_id)
    lock_records(context.session, {drawn.person.id for drawn in cases})
    for drawn in cases:
        audited = lock_audit(context.session, drawn)
        if may(Act.ASK, audited.case.state):
            values = {"due_on": due_on, "asked_at": context.now, "asked_by": context.actor.label}
            context.update_row(audited.case, AUDITED, state=Stage.ASKED.value, **values)
            asked.append(audited)
    if not asked:
        raise Refused(Refusal("due_on", "audit-state"))
    return asked


def extend_audit(context: ServiceContext, case_id: int, due_on: date, reason: str) -> None:
    """Allow an endorsee more time to send documents."""
    audited = _lock(context, case_id)
    refusals = check_text("reason", reason)
    if not may(Act.EXTEND_AUDIT, audited.case.state):
        refusals.append(Refusal("reason", "audit-state"))
    if refusals:
        raise Refused(*refusals)
    _check_due(context, audited.endorsement.association, due_on)
    if audited.case.due_on is not None and due_on <= audited.case.due_on:
        raise Refused(Refusal("due_on", "audit-due-earlier", {"due_on": audited.case.due_on}))
    values = {"due_on": due_on, "extended_because": reason, "reminded_at": None}
    context.update_row(audited.case, AUDITED, **values)


def record_verdicts(
    context: ServiceContext,
    case_id: int,
    verdicts: Mapping[int, ItemVerdict],
    hours: Mapping[str, int] = NO_HOURS,
) -> None:
    """Note what a coordinator found about entries, by entry; the standing does not move yet.

    ``hours`` has how much documents support beside the logged sessions, by attested requirement,
    in its measure. Raises Refused with every reason.
    """
    audited = _lock(context, case_id)
    if refusals := _check_state(context, audited, "verdict"):
        raise Refused(*refusals)
    entries = list_audited_entries(context.session, audited)
    attested = list_attested(context.session, context.rulebooks, audited, context.now)
    refusals = [*_check_verdicts(entries, verdicts), *_check_hours(attested, hours)]
    if refusals:
        raise Refused(*refusals)
    for entry, item in entries:
        if entry.id in verdicts:
            _record(context, audited, entry, item, verdicts[entry.id])
    for each in attested:
        if each.requirement.id in hours:
            _record_hours(context, audited, each, hours[each.requirement.id])


def _check_verdicts(
    entries: Iterable[AuditedEntry], verdicts: Mapping[int, ItemVerdict]
) -> Iterator[Refusal]:
    """Why verdicts about entries can't be stored: one without support needs a reason."""
    for entry, _ in entries:
        found = verdicts.get(entry.id)
        if found is None or found.verdict is AuditVerdict.SUPPORTED:
            continue
        field = f"reason-{entry.id}"
        if not found.reason:
            yield refuse_about(entry, field, "audit-reason-missing")
        yield from check_text(field, found.reason, required=False)


def refuse_about(entry: LoggedEntry, field: str, code: str) -> Refusal:
    """A refusal that names the session it is about: several can have one title."""
    return Refusal(field, code, {"title": entry.title or "RSC session", "held_on": entry.held_on})


def _check_hours(attested: Iterable[AttestedHours], hours: Mapping[str, int]) -> Iterator[Refusal]:
    """Why amounts can't be stored: none is more than what is required."""
    for each in attested:
        requirement = each.requirement
        supported = hours.get(requirement.id)
        if supported is not None and not 0 <= supported <= each.required:
            most = format_measure(each.required, requirement.unit)
            facts = {"label": requirement.label, "most": most}
            yield Refusal(f"hours-{requirement.id}", "audit-hours-too-many", facts)


def decide_audit(
    context: ServiceContext, case_id: int, *, passed: bool, reason: str, waives: bool = False
) -> None:
    """Decide about an audited renewal by the verdicts.

    Entries without support stop counting, and no statement stands any more for a requirement that
    the sessions alone do not meet: what documents support counts instead. A renewal that did not
    pass is returned, and comes back if it passes after an appeal; what one that passes lacks is
    waived for the reason if the decision ``waives`` that. Raises Refused with every reason, also
    if a renewal that passes would lack something.
    """
    audited = _lock(context, case_id)
    entries = list_audited_entries(context.session, audited)
    refusals = check_text("reason", reason, required=waives or not passed)
    refusals += _check_decision(context, audited, entries, passed=passed)
    if refusals:
        raise Refused(*refusals)
    because = reason or "Every session is supported."
    values = {
        "state": (Stage.PASSED if passed else Stage.NOT_PASSED).value,
        "decided_at": context.now,
        "decided_by": context.actor.label,
        "decided_because": reason or None,
    }
    # Before the evaluation, for which what was found counts from now on.
    context.update_row(audited.case, AUDITED, **values)
    with immediate_evaluation(context.session):
        moved = _apply_verdicts(context, audited, entries)
        moved = _settle_hours(context, audited, decides_all=waives or not passed) or moved
        if passed:
            _confirm_renewal(context, audited, because, moved=moved, waives=waives)
        else:
            _return(context, audited, because)


def _return(context: ServiceContext, audited: AuditedRenewal, reason: str) -> None:
    """Return a renewal that did not pass, unless it is returned already."""
    if audited.submission.returned_at is not None:
        evaluate_people(context.session, context.rulebooks, {audited.person.id}, context.now)
        return
    return_renewal(context, audited.submission.id, reason)
    # The email about the audit says it.
    context.session.refresh(audited.submission)
    audited.submission.announced_at = context.now
    context.session.flush()


def _settle_hours(context: ServiceContext, audited: AuditedRenewal, *, decides_all: bool) -> bool:
    """Let what was found about attested hours count; whether there is anything of it.

    ``decides_all``: what nobody decided about is not supported.
    """
    attested = list_attested(context.session, context.rulebooks, audited, context.now)
    for each in attested:
        if decides_all and each.unlogged and each.found is None:
            _record_hours(context, audited, each, 0)
    return any(each.unlogged or each.found for each in attested)


def _check_decision(
    context: ServiceContext,
    audited: AuditedRenewal,
    entries: Sequence[AuditedEntry],
    *,
    passed: bool,
) -> list[Refusal]:
    refusals = _check_state(context, audited, "reason")
    is_waiting = audited.case.state == Stage.ASKED
    # Someone who sent nothing does not pass, whatever the log says.
    if not is_waiting or passed:
        refusals += [
            refuse_about(entry, f"verdict-{entry.id}", "audit-verdict-missing")
            for entry, item in entries
            if item is None
        ]
    # Nothing can be submitted while an appeal waits, so one that succeeds brings the renewal back.
    is_returned = audited.submission.returned_at is not None
    if passed and is_returned and audited.case.state != Stage.APPEALED:
        refusals.append(Refusal("reason", "audit-returned"))
    return refusals


def _check_state(context: ServiceContext, audited: AuditedRenewal, field: str) -> list[Refusal]:
    """Why it can't be decided now: it was, or documents can still be sent."""
    case = audited.case
    today = days_at(context.rulebooks, context.now)(audited.endorsement.association)
    if may_decide(case.state, case.due_on, today):
        return []
    if case.state == Stage.ASKED:
        return [Refusal(field, "audit-not-sent", {"due_on": case.due_on})]
    return [Refusal(field, "audit-state")]


def _apply_verdicts(
    context: ServiceContext, audited: AuditedRenewal, entries: Sequence[AuditedEntry]
) -> bool:
    """Let entries without support not count, and those with it count again; whether any moved."""
    association, moved = audited.endorsement.association, False
    for entry, item in entries:
        is_excluded = association in entry.exclusions
        if item is None or is_excluded == (item.verdict == AuditVerdict.NOT_SUPPORTED):
            continue
        if is_excluded:
            count_entry_again(context, entry.id, association)
        else:
            exclude_entry(context, entry.id, association, item.reason)
        moved = True
    return moved


def _confirm_renewal(
    context: ServiceContext, audited: AuditedRenewal, reason: str, *, moved: bool, waives: bool
) -> None:
    """Judge a renewal that passes anew if something moved; refuse if it lacks something now."""
    _check_hours_decided(context, audited)
    session = context.session
    submission = audited.submission
    key = (submission.endorsement_id, submission.cycle_starts_on)
    if submission.returned_at is not None:
        restore_renewal(context, submission.id, reason)
    elif moved and find_settled_cycle(session, *key) is not None:
        reopen_cycle(context, *key, reason)
    else:
        evaluate_people(session, context.rulebooks, {audited.person.id}, context.now)
    if waives:
        for result in _list_short(context, audited):
            grant_waiver(context, *key, result.requirement.id, reason)
    if short := _list_short(context, audited):
        missing = format_list([*map(_format_short, short)])
        raise Refused(Refusal("outcome", "audit-short", {"missing": missing}))
    if submission.state == Stage.SUBMITTED:
        # It was submitted anew, under another name: accepting it is another decision.
        raise Refused(Refusal("outcome", "audit-not-accepted"))


def _check_hours_decided(context: ServiceContext, audited: AuditedRenewal) -> None:
    """Raise Refused if nobody said how much documents support of what no session shows."""
    refusals = []
    for each in list_attested(context.session, context.rulebooks, audited, context.now):
        requirement = each.requirement
        if each.unlogged and each.found is None:
            facts = {
                "label": requirement.label,
                "logged": format_measure_number(each.logged, requirement.unit),
                "required": format_measure(each.required, requirement.unit),
            }
            refusals.append(Refusal(f"hours-{requirement.id}", "audit-hours-missing", facts))
    if refusals:
        raise Refused(*refusals)


def _list_short(context: ServiceContext, audited: AuditedRenewal) -> list[Result]:
    """What an audited renewal lacks by now; nothing if the endorsement has ended."""
    judged = judge_all(
        context.session,
        context.rulebooks,
        days_at(context.rulebooks, context.now),
        cycle_day=audited.submission.cycle_starts_on,
        endorsement_ids=[audited.endorsement.id],
    )
    return [result for standing in judged for result in standing.results if result.short]


def _format_short(result: Result) -> str:
    """A requirement that is short: "Training (24 hours short)"."""
    requirement = result.requirement
    if not requirement.is_of_sessions:
        return requirement.label
    return f"{requirement.label} ({format_measure(result.short, requirement.unit)} short)"


def _record_hours(
    context: ServiceContext, audited: AuditedRenewal, attested: AttestedHours, supported: int
) -> None:
    """Store how much documents support beside the log; the same as before stays as it was."""
    found = attested.found
    if found is None:
        new = AuditHours(
            case_id=audited.case.id,
            endorsement_id=audited.endorsement.id,
            requirement=attested.requirement.id,
            supported=supported,
            decided_at=context.now,
            decided_by=context.actor.label,
        )
        context.create_row(new, _HOURS)
    elif found.supported != supported:
        values = {"decided_at": context.now, "decided_by": context.actor.label}
        context.update_row(found, _HOURS, supported=supported, **values)


def _record(
    context: ServiceContext,
    audited: AuditedRenewal,
    entry: LoggedEntry,
    item: AuditItem | None,
    found: ItemVerdict,
) -> None:
    """Store a verdict; one that says the same as before stays as it was."""
    reason = found.reason if found.verdict is AuditVerdict.NOT_SUPPORTED else ""
    new = AuditItem(
        case_id=audited.case.id,
        endorsement_id=audited.endorsement.id,
        entry_id=entry.id,
        title=entry.title,
        held_on=entry.held_on,
        minutes=entry.minutes,
        verdict=found.verdict.value,
        reason=reason,
        decided_at=context.now,
        decided_by=context.actor.label,
    )
    if item is None:
        context.create_row(new, _ITEM)
    elif (item.verdict, item.reason) != (new.verdict, reason):
        values = {"verdict": new.verdict, "reason": reason, "decided_at": new.decided_at}
        context.update_row(item, _ITEM, **values, decided_by=new.decided_by)


def _check_due(context: ServiceContext, association: str, due_on: date) -> None:
    """Raise Refused for a day that is not after today."""
    today = days_at(context.rulebooks, context.now)(association)
    if due_on <= today:
        raise Refused(Refusal("due_on", "audit-due", {"today": today}))


def _lock(context: ServiceContext, case_id: int) -> AuditedRenewal:
    """An audit that the actor may decide about; its person stays locked."""
    audited = get_case(context.session, case_id, context.associations)
    require_other_person(context, audited.person.id)
    return lock_audit(context.session, audited)
