"""Waivers, later due dates, and leave that coordinators record for an endorsement.

Each function returns the `Grant` for its letter (`notifications/grant_mail.py: notify_grants`).
Settled cycles keep what they came to, so nothing can be granted in them until they are reopened.
What was granted is removed by `services/removals.py`. Requests of endorsees are decided in
`services/time_requests.py`.
"""

from datetime import date
from typing import Any, NamedTuple

from dateutil.relativedelta import relativedelta
from sqlmodel import select

from tracker.db.ledgers import SettledCycle
from tracker.db.people import Leave, Renewal, Waiver
from tracker.rules.absence_rules import AbsenceKind
from tracker.rules.application.work import PLAUSIBLE_YEARS
from tracker.rules.plan import RenewalPlan
from tracker.rules.standing import Absence
from tracker.services.absence_limits import check_limits, list_absences, read_absence
from tracker.services.context import (
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    check_text,
    lock_person,
    require_other_person,
)
from tracker.services.endorsements import Endorsed, endorsement_within, load_person_locks
from tracker.services.evaluation import days_at, evaluate_people
from tracker.services.time_requests import Grant, RequestedDays

# Reasons are personal, so the audit log does not repeat them.
_WAIVER_AUDITED = {"endorsement_id", "cycle_starts_on", "requirement"}
_EXTENSION_AUDITED = {"endorsement_id", "cycle_starts_on", "extended_due_on"}
_LEAVE_AUDITED = {"endorsement_id", "kind", "starts_on", "ends_on"}


class HeldRenewal(NamedTuple):
    """An endorsement in one of its cycles, which can still be changed."""

    endorsed: Endorsed
    plan: RenewalPlan
    extension: Renewal | None
    due_on: date


def grant_waiver(
    context: ServiceContext,
    endorsement_id: int,
    cycle_starts_on: date,
    requirement: str,
    reason: str,
    *,
    after_end: bool = False,
) -> Grant:
    """Waive one requirement of a renewal; ``after_end``: also of an endorsement that has ended.

    Raises NotFound for an endorsement that is not the actor's to change. Raises Refused for an
    unknown cycle or requirement, a settled cycle, an endorsement that has ended, and what is
    waived already.
    """
    renewal = _get_renewal(context, endorsement_id, cycle_starts_on, after_end=after_end)
    refusals = check_text("reason", reason)
    if requirement not in {planned.id for planned in renewal.plan.requirements}:
        refusals.append(Refusal("requirement", "requirement-not-offered"))
    key: dict[str, Any] = {
        "endorsement_id": endorsement_id,
        "cycle_starts_on": cycle_starts_on,
        "requirement": requirement,
    }
    if context.session.exec(select(Waiver).filter_by(**key)).first() is not None:
        refusals.append(Refusal("requirement", "already-waived"))
    if refusals:
        raise Refused(*refusals)
    context.create_row(Waiver(**key, reason=reason), _WAIVER_AUDITED)
    _evaluate(context, renewal.endorsed)
    return Grant(
        endorsement_id, cycle_starts_on, requirement=requirement, occasion=_occasion(context)
    )


def grant_extension(
    context: ServiceContext, endorsement_id: int, cycle_starts_on: date, due_on: date, reason: str
) -> Grant:
    """Set a later due date of a renewal; the whole day ``due_on`` is included.

    It replaces an earlier extension. Raises NotFound as `grant_waiver`, and Refused for a settled
    cycle, an endorsement that has ended, and a day that is not later than the due date in force.
    """
    renewal = _get_renewal(context, endorsement_id, cycle_starts_on)
    refusals = check_text("reason", reason)
    today = days_at(context.rulebooks, context.now)(renewal.endorsed.association)
    last = today + relativedelta(years=PLAUSIBLE_YEARS)
    if due_on <= renewal.due_on:
        refusals.append(Refusal("due_on", "due-date-not-later", {"due_on": renewal.due_on}))
    elif due_on > last:
        refusals.append(Refusal("due_on", "due-date-too-late", {"last": last}))
    if refusals:
        raise Refused(*refusals)
    if renewal.extension is None:
        row = Renewal(
            endorsement_id=endorsement_id,
            cycle_starts_on=cycle_starts_on,
            extended_due_on=due_on,
            reason=reason,
        )
        context.create_row(row, _EXTENSION_AUDITED)
    else:
        context.update_row(
            renewal.extension, _EXTENSION_AUDITED, extended_due_on=due_on, reason=reason
        )
    _evaluate(context, renewal.endorsed)
    return Grant(
        endorsement_id,
        cycle_starts_on,
        ends_on=due_on,
        is_extension=True,
        occasion=_occasion(context),
    )


def add_leave(
    context: ServiceContext,
    endorsement_id: int,
    days: RequestedDays,
    reason: str,
    kind: AbsenceKind = "leave",
) -> Grant:
    """Record leave, or inactive status; without a last day it lasts until one is set.

    Raises NotFound as `grant_waiver`. Raises Refused for one that overlaps another one, ends
    before the endorsement began or in a closed cycle, or that the rulebook does not allow.
    """
    endorsed = _get_endorsed(context, endorsement_id)
    refusals = check_text("reason", reason)
    refusals += _check_leave(context, endorsed, days, kind)
    if refusals:
        raise Refused(*refusals)
    leave = Leave(
        endorsement_id=endorsement_id,
        kind=kind,
        starts_on=days.starts_on,
        ends_on=days.ends_on,
        reason=reason,
    )
    context.create_row(leave, _LEAVE_AUDITED)
    _evaluate(context, endorsed)
    return Grant(endorsement_id, *days, occasion=_occasion(context), kind=kind)


def change_leave(context: ServiceContext, leave_id: int, days: RequestedDays, reason: str) -> Grant:
    """Change the days of a leave. Raises NotFound and Refused as `add_leave`."""
    endorsed = _get_endorsed(context, _get_leave(context, leave_id).endorsement_id)
    # Somebody else may have changed or removed it while we waited for the lock.
    leave = _get_leave(context, leave_id)
    refusals = check_text("reason", reason)
    kind = read_absence(leave).kind
    refusals += _check_leave(context, endorsed, days, kind, other_than=leave_id)
    if refusals:
        raise Refused(*refusals)
    context.update_row(
        leave, _LEAVE_AUDITED, starts_on=days.starts_on, ends_on=days.ends_on, reason=reason
    )
    _evaluate(context, endorsed)
    return Grant(leave.endorsement_id, *days, occasion=_occasion(context), kind=kind)


def _occasion(context: ServiceContext) -> str:
    """What is granted, removed, and granted again has a letter each time."""
    return context.now.isoformat()


def _evaluate(context: ServiceContext, endorsed: Endorsed) -> None:
    evaluate_people(context.session, context.rulebooks, {endorsed.person_id}, context.now)


def _get_endorsed(context: ServiceContext, endorsement_id: int) -> Endorsed:
    """An endorsement that the actor may change; its person stays locked."""
    endorsed = endorsement_within(context.session, endorsement_id, context.associations)
    if endorsed is None or endorsed.association not in context.rulebooks.associations:
        raise NotFound
    require_other_person(context, endorsed.person_id)
    lock_person(context.session, endorsed.person_id)
    return endorsed


def _get_leave(context: ServiceContext, leave_id: int) -> Leave:
    """A leave as it is stored now, of any endorsement. Raises NotFound."""
    leave = context.session.get(Leave, leave_id, populate_existing=True)
    if leave is None:
        raise NotFound
    return leave


def _get_renewal(
    context: ServiceContext,
    endorsement_id: int,
    cycle_starts_on: date,
    *,
    after_end: bool = False,
) -> HeldRenewal:
    endorsed = _get_endorsed(context, endorsement_id)
    plan = context.rulebooks.plan(*endorsed.triple, cycle_starts_on)
    if plan is None or plan.cycle is None or plan.cycle.starts_on != cycle_starts_on:
        raise Refused(Refusal("cycle_starts_on", "renewal-not-yours"))
    key: dict[str, Any] = {"endorsement_id": endorsement_id, "cycle_starts_on": cycle_starts_on}
    settled = context.session.exec(select(SettledCycle).filter_by(**key)).first()
    if settled is not None and settled.reopened_at is None:
        facts = {
            "starts_on": plan.cycle.starts_on,
            "ends_on": plan.cycle.ends_on,
            "settled_on": settled.settled_on,
        }
        raise Refused(Refusal("cycle_starts_on", "cycle-settled", facts))
    # A lapse that was reopened is corrected also after the endorsement.
    if settled is None and not after_end:
        _check_end(context, endorsed)
    extension = context.session.exec(select(Renewal).filter_by(**key)).first()
    due_on = extension.extended_due_on if extension else plan.cycle.due_on
    return HeldRenewal(endorsed, plan, extension, due_on)


def _check_end(context: ServiceContext, endorsed: Endorsed) -> None:
    """Raise Refused if an endorsement has ended: nothing of it is renewed."""
    today = days_at(context.rulebooks, context.now)(endorsed.association)
    if endorsed.ends_on is not None and endorsed.ends_on < today:
        facts = {"ends_on": endorsed.ends_on}
        raise Refused(Refusal("cycle_starts_on", "endorsement-has-ended", facts))


def _check_leave(
    context: ServiceContext,
    endorsed: Endorsed,
    days: RequestedDays,
    kind: AbsenceKind,
    *,
    other_than: int = 0,
) -> list[Refusal]:
    """Why leave on these days can't be recorded beside the others (than the one that changes)."""
    starts_on, ends_on = days
    if refusals := _check_leave_days(endorsed, starts_on, ends_on):
        return refusals
    absence = Absence(starts_on, ends_on or date.max, kind)
    recorded = list_absences(context.session, endorsed.id, other_than)
    overlapping = [
        each.starts_on
        for each in recorded
        if each.starts_on <= absence.ends_on and absence.starts_on <= each.ends_on
    ]
    if overlapping:
        return [Refusal("starts_on", "leave-overlaps", {"starts_on": min(overlapping)})]
    rulebook = context.rulebooks.associations[endorsed.association]
    if refusals := check_limits(rulebook, endorsed, absence, recorded):
        return refusals
    return _check_leave_counts(context, endorsed, ends_on) if ends_on else []


def _check_leave_days(endorsed: Endorsed, starts_on: date, ends_on: date | None) -> list[Refusal]:
    """Why days can't be those of leave: out of order, or not within the endorsement."""
    if ends_on is not None and ends_on < starts_on:
        return [Refusal("ends_on", "ends-before-start", {"starts_on": starts_on})]
    if ends_on is not None and ends_on < endorsed.starts_on:
        facts = {"starts_on": endorsed.starts_on}
        return [Refusal("ends_on", "granted-leave-before-endorsement", facts)]
    if endorsed.ends_on is not None and endorsed.ends_on < starts_on:
        return [Refusal("starts_on", "endorsement-has-ended", {"ends_on": endorsed.ends_on})]
    return []


def _check_leave_counts(
    context: ServiceContext, endorsed: Endorsed, ends_on: date
) -> list[Refusal]:
    """Why leave that ends on a day has no effect: the cycle that contains it is closed."""
    locks = load_person_locks(context.session, context.rulebooks, endorsed.person_id, context.now)
    lock = locks.cycle_of(endorsed, ends_on)
    if lock is None or lock.grace_ends_on >= locks.day_of(endorsed.association):
        return []
    facts = {
        "starts_on": lock.cycle.starts_on,
        "ends_on": lock.cycle.ends_on,
        "grace_ends_on": lock.grace_ends_on,
    }
    return [Refusal("ends_on", "granted-leave-in-closed-cycle", facts)]
