"""Judging a renewal (a plan and facts in, a standing out), its pace, and its forecast.

The caches halve the time that judging takes: most renewals have the same dates and sums.
"""

from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

from tracker.rules.counting import count_days, count_minutes, find_cover_end, is_covered
from tracker.rules.cycles import Cycle
from tracker.rules.plan import PlannedRequirement, RenewalPlan
from tracker.rules.settlement import settled_standing
from tracker.rules.standing import Facts, Outcome, Result, Span, Standing, Status, Submitted

_DAY = timedelta(days=1)
# An even pace needs the same amount each day. Nobody logs evenly, so a requirement is behind only
# if less is counted than the even pace had reached a sixth of the cycle ago (two months of a year).
_SLACK = 6
# Before two months, a pace says more about one busy week than about the year.
_MIN_DAYS_FOR_FORECAST = 60


def judge_renewal(plan: RenewalPlan, facts: Facts, as_of: date) -> Standing | None:
    """Judge one renewal as of a day, by the entries and memberships up to that day.

    A settled cycle keeps what it came to. None if there is nothing to renew: the endorsement had
    not begun by ``as_of``, it ended before the due date, or the renewal was due before the
    association's first day in this system.
    """
    if facts.starts_on > as_of:
        return None
    cycle = plan.cycle
    if cycle is None:
        return _judge_without_rules(plan, facts, as_of)
    due_on = facts.extended_due_on or cycle.due_on
    if is_before_records(facts.first_day, due_on):
        return None
    if facts.settlement is not None:
        return settled_standing(plan, facts, facts.settlement)
    if _ends_before(facts, due_on):
        return None
    checked_on = min(as_of, cycle.ends_on)
    covered_until = find_cover_end(facts.memberships, checked_on)
    results = _judge_requirements(plan, facts, checked_on, covered_until)
    results = _mark_open_years(plan, results, as_of)
    status = _find_status(results, facts, cycle, due_on, as_of)
    if status is Status.EXCUSED:
        results = _excuse(results)
    change = _find_next_change(plan, status, due_on, as_of, facts.memberships, covered_until)
    if facts.next_entry_on:
        change = min(facts.next_entry_on, change or date.max)
    return Standing(facts, plan, status, due_on, tuple(results), change, covered_until)


def _ends_before(facts: Facts, due_on: date) -> bool:
    return facts.ends_on is not None and facts.ends_on < due_on


def is_before_records(first_day: date | None, due_on: date) -> bool:
    """Whether a renewal was due before its association's first day in this system.

    Such a renewal has no records here, and so no standing. ``due_on`` is the due date in force. A
    cycle in which the first day falls is judged.
    """
    return first_day is not None and due_on < first_day


def _find_status(
    results: list[Result], facts: Facts, cycle: Cycle, due_on: date, as_of: date
) -> Status:
    if not any(result.short for result in results):
        return Status.MET
    if is_covered(facts.leaves, due_on):
        return Status.EXCUSED
    if as_of <= due_on:
        return Status.OPEN
    return Status.OVERDUE if as_of <= cycle.grace_ends_on(due_on) else Status.LAPSED


def _judge_without_rules(plan: RenewalPlan, facts: Facts, as_of: date) -> Standing | None:
    if facts.ends_on is None or facts.ends_on == date.max:
        return Standing(facts, plan, Status.NO_RULES, None, (), None)
    if facts.ends_on < as_of:
        return None
    return Standing(facts, plan, Status.NO_RULES, None, (), facts.ends_on + _DAY)


def _judge_requirements(
    plan: RenewalPlan, facts: Facts, checked_on: date, covered_until: date | None
) -> list[Result]:
    signed = facts.submitted.signed if facts.submitted else frozenset[str]()
    results = []
    for requirement in plan.requirements:
        if requirement.only_rsc_providers and not facts.provides_rsc:
            continue
        required = requirement.amount
        if requirement.needs_days:
            counted = count_days(requirement, facts.days)
        elif requirement.is_hours:
            counted = count_minutes(requirement, facts.minutes)
        elif requirement.counts == "membership":
            days = _list_membership_days(plan, requirement, facts.starts_on, checked_on)
            required += len(days)
            counted = sum(is_covered(facts.memberships, day) for day in days)
            counted += covered_until is not None
        else:
            counted = _count_submitted(requirement, facts.submitted)
        is_waived = requirement.id in facts.waived
        is_attested = requirement.rule.attested_by in signed
        results.append(_compare(requirement, required, counted, is_waived, is_attested))
    return results


def _list_membership_days(
    plan: RenewalPlan, requirement: PlannedRequirement, starts_on: date, checked_on: date
) -> list[date]:
    """The days before ``checked_on`` on which a membership is required as well."""
    if not requirement.each_year:
        return []
    return [day for day in plan.year_ends if starts_on <= day < checked_on]


def _count_submitted(requirement: PlannedRequirement, submitted: Submitted | None) -> int:
    """Whether the renewal was submitted, or how many of the statements were signed with it."""
    if submitted is None:
        return 0
    if requirement.counts == "submitted":
        return 1
    return len(submitted.signed.intersection(requirement.rule.signed))


def _mark_open_years(plan: RenewalPlan, results: list[Result], as_of: date) -> list[Result]:
    """Set ``closes_on`` for each year of the cycle, unless it is over while the cycle is not."""
    cycle = plan.cycle
    if cycle is None or not plan.needs_days:
        return results
    marked = []
    for result in results:
        year = result.requirement.year
        if year is not None and not year.ends_on < as_of <= cycle.ends_on:
            result = result._replace(closes_on=year.ends_on)  # noqa: PLW2901
        marked.append(result)
    return marked


@lru_cache(maxsize=8_192)
def _compare(
    requirement: PlannedRequirement,
    required: int,
    counted: int,
    is_waived: bool,  # noqa: FBT001
    is_attested: bool,  # noqa: FBT001
) -> Result:
    if is_waived:
        return Result(requirement, required, counted, 0, Outcome.WAIVED)
    if requirement.is_exempt:
        return Result(requirement, required, counted, 0, Outcome.EXCUSED)
    if counted >= required:
        return Result(requirement, required, counted, 0, Outcome.MET)
    if is_attested:
        return Result(requirement, required, counted, 0, Outcome.ATTESTED)
    return Result(requirement, required, counted, required - counted, Outcome.SHORT)


def _excuse(results: list[Result]) -> list[Result]:
    excused = []
    for result in results:
        is_short = result.outcome is Outcome.SHORT
        excused.append(result._replace(short=0, outcome=Outcome.EXCUSED) if is_short else result)
    return excused


@lru_cache(maxsize=4_096)
def _find_next_change(
    plan: RenewalPlan,
    status: Status,
    due_on: date,
    as_of: date,
    memberships: tuple[Span, ...],
    covered_until: date | None,
) -> date | None:
    """The first day after ``as_of`` on which passing time could change the outcome.

    Entries dated after ``as_of`` are not considered.
    """
    cycle = plan.cycle
    if cycle is None:
        return None
    days = [end + _DAY for end in plan.year_ends if end < cycle.ends_on]
    if status is Status.OPEN:
        days.append(due_on + _DAY)
    elif status is Status.OVERDUE:
        days.append(cycle.grace_ends_on(due_on) + _DAY)
    days += _list_days_of_membership_change(cycle, memberships, covered_until)
    return min([day for day in days if day > as_of], default=None)


def _list_days_of_membership_change(
    cycle: Cycle, memberships: tuple[Span, ...], covered_until: date | None
) -> list[date]:
    days = [span.starts_on for span in memberships if span.starts_on <= cycle.ends_on]
    # After the cycle's last day, the membership checked is always that day's.
    if covered_until is not None and covered_until < cycle.ends_on:
        days.append(covered_until + _DAY)
    return days


class Pace(StrEnum):
    """The pace of one requirement; `NEARLY` on pace will be complete a little late."""

    BEHIND = "behind"
    NEARLY = "nearly on pace"
    ON = "on pace"


class Forecast(NamedTuple):
    """A requirement's pace, and the day on which it will be complete at this pace."""

    pace: Pace
    done_on: date | None


def falls_behind_on(standing: Standing) -> date | None:
    """The first day on which the renewal is behind an even pace; None if it never is.

    Only open renewals have a pace; memberships have none.
    """
    cycle = standing.plan.cycle
    if cycle is None or standing.status is not Status.OPEN:
        return None
    days = [_behind_on(result, cycle) for result in standing.results]
    return min((day for day in days if day and day <= cycle.ends_on), default=None)


def forecast(standing: Standing, result: Result, today: date) -> Forecast | None:
    """The forecast for one requirement; None if it has no pace, or if it is too early to tell.

    Hours count only if they are held within the cycle: an extension changes nothing here.
    """
    cycle = standing.plan.cycle
    if cycle is None or standing.status is not Status.OPEN or today > cycle.ends_on:
        return None
    behind_on = _behind_on(result, cycle)
    if behind_on is None:
        return None
    span = _span_of(result, cycle)
    done_on = _done_on(standing, result, span, today)
    if behind_on <= today:
        return Forecast(Pace.BEHIND, done_on)
    if done_on is None:
        return None
    return Forecast(Pace.ON if done_on <= span.ends_on else Pace.NEARLY, done_on)


def _done_on(standing: Standing, result: Result, span: Span, today: date) -> date | None:
    days = (today - max(span.starts_on, standing.facts.starts_on)).days
    # Of a year of the cycle that has not begun, there are fewer than no days.
    if days < _MIN_DAYS_FOR_FORECAST or not result.counted:
        return None
    days_left = -(-result.short * days // result.counted)
    return today + timedelta(days=days_left) if days_left < (date.max - today).days else None


def _behind_on(result: Result, cycle: Cycle) -> date | None:
    """The first day on which one requirement is behind an even pace; None if it has no pace."""
    # Hours about a topic come with the right training, not with the months. What can be attested
    # need not be logged.
    requirement = result.requirement
    has_pace = requirement.is_of_sessions and requirement.rule.attested_by is None
    if not has_pace or requirement.topic or result.outcome is not Outcome.SHORT:
        return None
    starts_on, ends_on = _span_of(result, cycle)
    days = (ends_on - starts_on).days + 1
    reached = result.counted * days // result.required
    behind_on = starts_on + timedelta(days=reached + days // _SLACK)
    # What its year, or the months that are left, cannot complete any more is behind in any case.
    behind_on = min(behind_on, ends_on + _DAY)
    if requirement.is_spread:
        behind_on = min(behind_on, _first_day_of_month(ends_on, 2 - result.short))
    return behind_on


def _span_of(result: Result, cycle: Cycle) -> Span:
    """The days in which what a requirement counts must fall."""
    span = result.requirement.year or cycle
    return Span(span.starts_on, span.ends_on)


def _first_day_of_month(day: date, months_later: int) -> date:
    return day.replace(day=1) + relativedelta(months=months_later)
