"""The judgment: facts and a plan in, a standing out. Pure; called once an endorsement."""

from datetime import date, timedelta
from functools import lru_cache

from tracker.rules.application.readiness import judge_application
from tracker.rules.cycles import Cycle
from tracker.rules.plan import Plan, PlannedRequirement
from tracker.rules.standing import Facts, Outcome, Result, Span, Standing, Status

_DAY = timedelta(days=1)


def judge(plan: Plan, facts: Facts, as_of: date) -> Standing | None:
    """Judge one renewal, or one application, as of a day (whose entries and memberships count).

    None where there is nothing to meet: the endorsement had not begun by ``as_of``, or it
    ended before the due date; the application was opened later.
    """
    if facts.starts_on > as_of:
        return None
    cycle = plan.cycle
    if cycle is None:
        ended = facts.ends_on is not None and facts.ends_on < as_of
        return None if ended else Standing(facts, plan, Status.NO_RULES, None, (), _after(facts))
    due_on = facts.extended_due_on or cycle.due_on
    if facts.ends_on is not None and facts.ends_on < due_on:
        return None
    checked_on = min(as_of, cycle.ends_on)
    covered_until = _covered_until(facts.memberships, checked_on)
    if facts.candidate is not None:
        return judge_application(plan, facts, facts.candidate, as_of, covered_until)
    results = _results(plan, facts, checked_on, covered_until)
    status = _status(results, cycle, due_on, as_of)
    if facts.leaves and status is not Status.MET and _covers(facts.leaves, due_on):
        status, results = Status.EXCUSED, tuple(_excuse(r) for r in results)
    change = _next_change(
        status, plan, due_on, as_of, facts.next_entry_on, facts.memberships, covered_until
    )
    # The tuple's own constructor: the named one takes three times as long.
    return tuple.__new__(Standing, (facts, plan, status, due_on, results, change, covered_until))


def _status(results: tuple[Result, ...], cycle: Cycle, due_on: date, as_of: date) -> Status:
    for result in results:
        if result.outcome is Outcome.SHORT:
            break
    else:
        return Status.MET
    if as_of <= due_on:
        return Status.OPEN
    return Status.OVERDUE if as_of <= cycle.grace_ends_on(due_on) else Status.LAPSED


def _results(
    plan: Plan, facts: Facts, checked_on: date, covered_until: date | None
) -> tuple[Result, ...]:
    minutes, waived, found = facts.minutes, facts.waived, []
    for requirement in plan.requirements:
        if requirement.only_rsc_providers and not facts.provides_rsc:
            continue
        required, counted = requirement.amount, minutes.get(requirement.sum_key, 0)
        if requirement.counts == "membership":
            required, counted = 1, int(covered_until is not None)
            if requirement.each_year:
                required, counted = _years_covered(plan, facts, checked_on, required, counted)
        found.append(_compared(requirement, required, counted, requirement.id in waived))
    return tuple(found)


# Sums of quarter hours: few, and the same ones again and again.
@lru_cache(maxsize=8_192)
def _compared(requirement: PlannedRequirement, required: int, counted: int, waived: bool) -> Result:  # noqa: FBT001
    if waived:
        return Result(requirement, required, counted, 0, Outcome.WAIVED)
    if requirement.exemptions is not None:
        return Result(requirement, required, counted, 0, Outcome.EXCUSED)
    if counted >= required:
        return Result(requirement, required, counted, 0, Outcome.MET)
    return Result(requirement, required, counted, required - counted, Outcome.SHORT)


def _years_covered(
    plan: Plan, facts: Facts, checked_on: date, required: int, counted: int
) -> tuple[int, int]:
    """Add each year's last day before the day checked: how many must be, and are, covered."""
    days = [end for end in plan.year_ends if facts.starts_on <= end < checked_on]
    return required + len(days), counted + sum(_covers(facts.memberships, day) for day in days)


def _excuse(result: Result) -> Result:
    if result.outcome is Outcome.SHORT:
        return result._replace(short=0, outcome=Outcome.EXCUSED)
    return result


def _covers(spans: tuple[Span, ...], day: date) -> bool:
    return any(starts_on <= day <= ends_on for starts_on, ends_on in spans)


# Most people's memberships run the same days.
@lru_cache(maxsize=4_096)
def _covered_until(spans: tuple[Span, ...], day: date) -> date | None:
    """The last day of the unbroken cover that includes ``day``; None when it is not covered."""
    until = None
    for starts_on, ends_on in sorted(spans) if len(spans) > 1 else spans:
        if until is None:
            until = ends_on if starts_on <= day <= ends_on else None
        elif (starts_on - until).days <= 1:
            until = max(until, ends_on)
    return until


def _after(facts: Facts) -> date | None:
    """The first day on which the endorsement is over, if that is known."""
    return None if facts.ends_on in (None, date.max) else facts.ends_on + _DAY


# The dates of most people's renewals are the same.
@lru_cache(maxsize=4_096)
def _next_change(
    status: Status,
    plan: Plan,
    due_on: date,
    as_of: date,
    next_entry_on: date | None,
    memberships: tuple[Span, ...],
    covered_until: date | None,
) -> date | None:
    cycle, days = plan.cycle, []
    if cycle is None:
        return None
    if status is Status.OPEN:
        days.append(due_on + _DAY)
    elif status is Status.OVERDUE:
        days.append(cycle.grace_ends_on(due_on) + _DAY)
    if next_entry_on is not None:
        days.append(next_entry_on)
    # After the cycle's last day the membership checked is always that day's.
    if covered_until is not None and covered_until < cycle.ends_on:
        days.append(covered_until + _DAY)
    for starts_on, _ in memberships:
        if as_of < starts_on <= cycle.ends_on:
            days.append(starts_on)
    days += [end + _DAY for end in plan.year_ends if end < cycle.ends_on]
    return min([d for d in days if as_of < d], default=None)
