"""Settling a cycle once it has closed, and what today's records would change about it."""

from datetime import date

from tracker.formatting import (
    format_measure,
)
from tracker.rules.plan import RenewalPlan
from tracker.rules.reasons import Reason, because
from tracker.rules.standing import (
    CycleSettlement,
    Facts,
    Outcome,
    Result,
    SettledResult,
    Standing,
    Status,
)

# A cycle can be settled with one of these; the others end with the grace period.
_FINAL = {Status.MET, Status.LAPSED, Status.EXCUSED}


def settle(standing: Standing, today: date, rules_digest: str) -> CycleSettlement | None:
    """The settlement of a cycle as it stands ``today``; None if it has not closed yet."""
    cycle, due_on = standing.plan.cycle, standing.due_on
    if cycle is None or due_on is None or standing.status not in _FINAL:
        return None
    if cycle.grace_ends_on(due_on) >= today:
        return None
    return record_outcome(standing, today, rules_digest)


def record_outcome(standing: Standing, today: date, rules_digest: str) -> CycleSettlement:
    """What a renewal comes to as it stands ``today``, with the facts behind it.

    Raises ValueError for a standing without rules, which comes to nothing.
    """
    due_on = standing.due_on
    if due_on is None:
        message = "a renewal without rules has no outcome"
        raise ValueError(message)
    results = []
    for result in standing.results:
        requirement = result.requirement
        amounts = (result.required, result.counted, result.short)
        results.append(SettledResult(requirement.id, requirement.label, *amounts, result.outcome))
    facts = standing.facts
    return CycleSettlement(
        settled_on=today,
        rules_digest=rules_digest,
        status=standing.status,
        due_on=due_on,
        covered_until=standing.covered_until,
        results=tuple(results),
        minutes=facts.minutes,
        memberships=facts.memberships,
        leaves=facts.leaves,
        waived=facts.waived,
    )


def settled_standing(plan: RenewalPlan, facts: Facts, settlement: CycleSettlement) -> Standing:
    """The standing that a settlement keeps.

    A requirement that the rulebook no longer has is left out.
    """
    planned = {requirement.id: requirement for requirement in plan.requirements}
    results = []
    for kept in settlement.results:
        requirement = planned.get(kept.requirement_id)
        if requirement is not None:
            amounts = (kept.required, kept.counted, kept.short)
            closes_on = requirement.year.ends_on if requirement.year else None
            results.append(Result(requirement, *amounts, kept.outcome, closes_on=closes_on))
    status, due_on = settlement.status, settlement.due_on
    return Standing(facts, plan, status, due_on, tuple(results), None, settlement.covered_until)


def list_differences(
    settlement: CycleSettlement, standing: Standing | None, rules_digest: str
) -> list[Reason]:
    """What would differ if the cycle were judged by today's records, and why; empty if nothing.

    ``standing`` is by today's records; None if there would be nothing to renew.
    """
    if standing is None:
        return [because("settled_without_renewal", before=settlement.status.value)]
    differences = []
    if standing.status is not settlement.status:
        before, after = settlement.status.value, standing.status.value
        differences.append(because("settled_status", before=before, after=after))
    now = {result.requirement.id: result for result in standing.results}
    for kept in settlement.results:
        result = now.pop(kept.requirement_id, None)
        if result is None:
            differences.append(because("settled_requirement_gone", label=kept.label))
        elif (result.short, result.outcome) != (kept.short, kept.outcome):
            differences.append(_describe_result(kept, result))
    differences += [
        because("settled_requirement_new", label=r.requirement.label) for r in now.values()
    ]
    if differences and settlement.rules_digest != rules_digest:
        differences.append(because("settled_rules"))
    return differences


def _describe_result(kept: SettledResult, result: Result) -> Reason:
    label = kept.label
    if Outcome.WAIVED in (kept.outcome, result.outcome):
        is_waived = result.outcome is Outcome.WAIVED
        return because("settled_waived" if is_waived else "settled_not_waived", label=label)
    if result.requirement.counts == "membership":
        is_short = bool(result.short)
        code = "settled_membership_short" if is_short else "settled_membership_covered"
        return because(code, label=label)
    if not result.requirement.is_of_sessions:
        code = "settled_now_missing" if result.short else "settled_now_there"
        return because(code, label=label)
    unit = result.requirement.unit
    before, after = format_measure(kept.counted, unit), format_measure(result.counted, unit)
    return because("settled_hours", label=label, before=before, after=after)
