"""What a coordinator does about audited renewals: asks, allows more time, and decides.

What is decided moves the standing: sessions without support don't count, and a renewal that did
not pass is returned. An appeal opens the decision again, once.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from tracker.db.audits import AuditItem
from tracker.rules.explain import LoggedEntry
from tracker.rules.stages import AuditVerdict, Stage
from tracker.rules.transitions import Act, may, may_decide
from tracker.services.audit_draws import get_draw
from tracker.services.audits import (
    AUDITED,
    AuditedEntry,
    AuditedRenewal,
    get_case,
    list_audited_entries,
    list_cases,
    lock_audit,
)
from tracker.services.context import (
    Refusal,
    Refused,
    ServiceContext,
    check_text,
    require_other_person,
)
from tracker.services.entry_reviews import count_entry_again, exclude_entry
from tracker.services.evaluation import days_at, immediate_evaluation
from tracker.services.reopening import find_settled_cycle, reopen_cycle
from tracker.services.submissions import restore_renewal, return_renewal

_ITEM = {"case_id", "entry_id", "verdict", "reason"}


class ItemVerdict(NamedTuple):
    """What a coordinator finds about an entry; ``reason`` is empty if it is supported."""

    verdict: AuditVerdict
    reason: str = ""


def ask_for_documents(context: ServiceContext, draw_id: int, due_on: date) -> list[AuditedRenewal]:
    """Ask everyone whom a draw has drawn, and whom nobody asked, for documents by a day."""
    asked = []
    association = get_draw(context.session, draw_id, context.associations).association
    _check_due(context, association, due_on)
    for drawn in list_cases(context.session, draw_id):
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
    values = {"due_on": due_on, "extended_because": reason, "reminded_at": None}
    context.update_row(audited.case, AUDITED, **values)


def record_verdicts(
    context: ServiceContext, case_id: int, verdicts: Mapping[int, ItemVerdict]
) -> None:
    """Note what a coordinator found about entries, by entry; the standing does not move yet."""
    audited = _lock(context, case_id)
    if refusals := _check_state(context, audited, "verdict"):
        raise Refused(*refusals)
    entries = list_audited_entries(context.session, audited)
    for entry, _ in entries:
        found = verdicts.get(entry.id)
        if found is None or found.verdict is AuditVerdict.SUPPORTED:
            continue
        if not found.reason:
            facts = {"title": entry.title}
            refusals.append(Refusal(f"reason-{entry.id}", "audit-reason-missing", facts))
        refusals += check_text(f"reason-{entry.id}", found.reason, required=False)
    if refusals:
        raise Refused(*refusals)
    for entry, item in entries:
        if entry.id in verdicts:
            _record(context, audited, entry, item, verdicts[entry.id])


def decide_audit(context: ServiceContext, case_id: int, *, passed: bool, reason: str) -> None:
    """Decide about an audited renewal by the verdicts about its entries.

    Entries without support stop counting. A renewal that did not pass is returned; one that passes
    is judged anew, also after an appeal. Raises Refused with every reason.
    """
    audited = _lock(context, case_id)
    entries = list_audited_entries(context.session, audited)
    if refusals := _check_decision(context, audited, entries, passed=passed, reason=reason):
        raise Refused(*refusals)
    because = reason or "Every session is supported."
    with immediate_evaluation(context.session):
        moved = _apply_verdicts(context, audited, entries)
        if passed:
            _confirm_renewal(context, audited, because, moved=moved)
        elif audited.submission.returned_at is None:
            return_renewal(context, audited.submission.id, because)
            # The email about the audit says it.
            context.session.refresh(audited.submission)
            audited.submission.announced_at = context.now
    values = {
        "decided_at": context.now,
        "decided_by": context.actor.label,
        "decided_because": reason or None,
    }
    state = Stage.PASSED if passed else Stage.NOT_PASSED
    context.update_row(audited.case, AUDITED, state=state.value, **values)


def _check_decision(
    context: ServiceContext,
    audited: AuditedRenewal,
    entries: Sequence[AuditedEntry],
    *,
    passed: bool,
    reason: str,
) -> list[Refusal]:
    refusals = check_text("reason", reason, required=not passed)
    refusals += _check_state(context, audited, "reason")
    is_waiting = audited.case.state == Stage.ASKED
    # Someone who sent nothing does not pass, whatever the log says.
    if not is_waiting or passed:
        missing = [entry.title for entry, item in entries if item is None]
        refusals += [
            Refusal("reason", "audit-verdict-missing", {"title": title}) for title in missing[:1]
        ]
    # What the audit itself returned comes back if an appeal succeeds; what a coordinator returned
    # for another reason does not.
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
        if item is None:
            continue
        is_excluded = association in entry.exclusions
        if item.verdict == AuditVerdict.NOT_SUPPORTED and not is_excluded:
            exclude_entry(context, entry.id, association, item.reason)
            moved = True
        elif item.verdict == AuditVerdict.SUPPORTED and is_excluded:
            count_entry_again(context, entry.id, association)
            moved = True
    return moved


def _confirm_renewal(
    context: ServiceContext, audited: AuditedRenewal, reason: str, *, moved: bool
) -> None:
    """Judge a renewal that passes anew if something moved; refuse if it lacks something now."""
    submission, session = audited.submission, context.session
    key = (submission.endorsement_id, submission.cycle_starts_on)
    if submission.returned_at is not None:
        restore_renewal(context, submission.id)
    elif moved and find_settled_cycle(session, *key) is not None:
        reopen_cycle(context, *key, reason)
    settled = find_settled_cycle(session, *key)
    if settled is not None:
        session.refresh(settled)
    if settled is None or settled.reopened_at is not None:
        raise Refused(Refusal("reason", "audit-short"))


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
