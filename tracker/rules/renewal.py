"""Judging a renewal: a plan and facts in, a standing out. Pure; called once per endorsement."""

from datetime import date, timedelta

from tracker.rules.counting import count_minutes, find_cover_end, is_covered
from tracker.rules.plan import PlannedRequirement, RenewalPlan
from tracker.rules.standing import Facts, Outcome, Result, Standing, Status

_DAY = timedelta(days=1)


def judge_renewal(plan: RenewalPlan, facts: Facts, as_of: date) -> Standing | None:
    """Judge one renewal as of a day, by the entries and memberships up to that day.

    None if there is nothing to renew: the endorsement had not begun by ``as_of``, or it ended
    before the due date.
    """
    if facts.starts_on > as_of:
        return None
    cycle = plan.cycle
    if cycle is None:
        return _judge_without_rules(plan, facts, as_of)
    due_on = facts.extended_due_on or cycle.due_on
    if facts.ends_on is not None and facts.ends_on < due_on:
        return None
    checked_on = min(as_of, cycle.ends_on)
    covered_until = find_cover_end(facts.memberships, checked_on)
    results = [
        _judge(requirement, plan, facts, checked_on, covered_until)
        for requirement in plan.requirements
        if facts.provides_rsc or not requirement.only_rsc_providers
    ]
    status = Status.MET
    if any(result.outcome is Outcome.SHORT for result in results):
        if is_covered(facts.leaves, due_on):
            status = Status.EXCUSED
            results = [_excuse(result) for result in results]
        elif as_of <= due_on:
            status = Status.OPEN
        elif as_of <= cycle.grace_ends_on(due_on):
            status = Status.OVERDUE
        else:
            status = Status.LAPSED
    change = _find_next_change(plan, facts, status, as_of, covered_until)
    return Standing(facts, plan, status, due_on, tuple(results), change, covered_until)


def _judge_without_rules(plan: RenewalPlan, facts: Facts, as_of: date) -> Standing | None:
    if facts.ends_on is None or facts.ends_on == date.max:
        return Standing(facts, plan, Status.NO_RULES, None, (), None)
    if facts.ends_on < as_of:
        return None
    return Standing(facts, plan, Status.NO_RULES, None, (), facts.ends_on + _DAY)


def _judge(
    requirement: PlannedRequirement,
    plan: RenewalPlan,
    facts: Facts,
    checked_on: date,
    covered_until: date | None,
) -> Result:
    required = requirement.amount
    if requirement.counts == "membership":
        counted = 0 if covered_until is None else 1
        if requirement.each_year:
            for day in plan.year_ends:
                if facts.starts_on <= day < checked_on:
                    required += 1
                    counted += is_covered(facts.memberships, day)
    else:
        counted = count_minutes(requirement, facts.minutes)
    if requirement.id in facts.waived:
        return Result(requirement, required, counted, 0, Outcome.WAIVED)
    if requirement.is_exempt:
        return Result(requirement, required, counted, 0, Outcome.EXCUSED)
    if counted >= required:
        return Result(requirement, required, counted, 0, Outcome.MET)
    return Result(requirement, required, counted, required - counted, Outcome.SHORT)


def _excuse(result: Result) -> Result:
    if result.outcome is Outcome.SHORT:
        return result._replace(short=0, outcome=Outcome.EXCUSED)
    return result


def _find_next_change(
    plan: RenewalPlan, facts: Facts, status: Status, as_of: date, covered_until: date | None
) -> date | None:
    """The first day after ``as_of`` on which the outcome could change by itself."""
    cycle = plan.cycle
    if cycle is None:
        return None
    due_on = facts.extended_due_on or cycle.due_on
    days = [end + _DAY for end in plan.year_ends if end < cycle.ends_on]
    if status is Status.OPEN:
        days.append(due_on + _DAY)
    elif status is Status.OVERDUE:
        days.append(cycle.grace_ends_on(due_on) + _DAY)
    if facts.next_entry_on is not None:
        days.append(facts.next_entry_on)
    # After the cycle's last day, the membership checked is always that day's.
    if covered_until is not None and covered_until < cycle.ends_on:
        days.append(covered_until + _DAY)
    days += [span.starts_on for span in facts.memberships if span.starts_on <= cycle.ends_on]
    return min([day for day in days if day > as_of], default=None)
