"""Judging a renewal (a plan and facts in, a standing out), its pace, and its forecast.

The caches halve the time that judging takes: most renewals have the same dates and sums.
"""

from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

from tracker.rules.absences import (
    NO_ABSENCE,
    AbsenceEffect,
    MonthsAway,
    because_away,
    because_excused,
    find_effect,
    list_counted,
    reduce_amount,
)
from tracker.rules.counting import (
    count_days,
    count_minutes,
    find_cover_end,
    find_membership_end,
    is_covered,
    list_counted_spans,
    merge_spans,
)
from tracker.rules.cycles import Cycle
from tracker.rules.fees import settle_fee
from tracker.rules.plan import PlannedRequirement, RenewalPlan
from tracker.rules.reasons import because
from tracker.rules.settlement import settled_standing
from tracker.rules.standing import Facts, Outcome, Result, Span, Standing, Status

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
    memberships = list_counted_spans(plan, facts.memberships)
    counted_until = find_cover_end(memberships, checked_on)
    effect = NO_ABSENCE
    if facts.leaves:
        effect = find_effect(plan, facts.leaves, facts.starts_on, due_on)
    results = _judge_requirements(plan, facts, checked_on, memberships, effect)
    results = _mark_open_years(cycle, results, as_of)
    status = _find_status(results, due_on, _find_last_day(cycle, facts, due_on), as_of)
    spans = (memberships, effect.without_membership)
    change = _find_next_change(plan, status, due_on, as_of, spans, counted_until)
    if facts.next_fact_on:
        change = min(facts.next_fact_on, change or date.max)
    covered_until = find_membership_end(plan, facts.memberships, counted_until)
    return Standing(facts, plan, status, due_on, tuple(results), change, covered_until)


def _ends_before(facts: Facts, due_on: date) -> bool:
    return facts.ends_on is not None and facts.ends_on < due_on


def is_before_records(first_day: date | None, due_on: date) -> bool:
    """Whether a renewal was due before its association's first day in this system.

    Such a renewal has no records here, and so no standing. ``due_on`` is the due date in force. A
    cycle in which the first day falls is judged.
    """
    return first_day is not None and due_on < first_day


def _find_last_day(cycle: Cycle, facts: Facts, due_on: date) -> date:
    """The last day before a renewal lapses.

    What was submitted in time does not lapse while its association looks at it.
    """
    return date.max if facts.submitted is not None else cycle.grace_ends_on(due_on)


def _find_status(results: list[Result], due_on: date, last_day: date, as_of: date) -> Status:
    if not any(result.short for result in results):
        return Status.EXCUSED if any(map(_is_excused_while_away, results)) else Status.MET
    if as_of <= due_on:
        return Status.OPEN
    return Status.OVERDUE if as_of <= last_day else Status.LAPSED


def _is_excused_while_away(result: Result) -> bool:
    """Whether a leave or inactive status excuses all of it; not a membership on days away only."""
    is_excused = result.outcome is Outcome.EXCUSED and not result.requirement.is_exempt
    return is_excused and result.required > 0


def _judge_without_rules(plan: RenewalPlan, facts: Facts, as_of: date) -> Standing | None:
    if facts.ends_on is None or facts.ends_on == date.max:
        return Standing(facts, plan, Status.NO_RULES, None, (), None)
    if facts.ends_on < as_of:
        return None
    return Standing(facts, plan, Status.NO_RULES, None, (), facts.ends_on + _DAY)


def _judge_requirements(
    plan: RenewalPlan,
    facts: Facts,
    checked_on: date,
    memberships: tuple[Span, ...],
    effect: AbsenceEffect,
) -> list[Result]:
    signed = facts.submitted.signed if facts.submitted else frozenset[str]()
    audited = facts.audit.supported if facts.audit else {}
    results = []
    for requirement in plan.requirements:
        if not requirement.is_for_everyone and not _is_asked(requirement, facts, effect):
            continue
        required = requirement.amount
        if requirement.is_of_sessions:
            counted = _count_sessions(requirement, facts)
        elif requirement.counts == "membership":
            days = _list_membership_days(plan, requirement, facts.starts_on, checked_on)
            required += len(days)
            counted = sum(is_covered(memberships, day) for day in (*days, checked_on))
            if away := effect.without_membership:
                required, counted = _skip_days([*days, checked_on], away, memberships)
        else:
            counted = _count_other(plan, requirement, facts)
        is_waived = requirement.id in facts.waived
        is_audited = requirement.id in audited
        is_signed = requirement.rule.attested_by in signed
        result = _compare(requirement, required, counted, is_waived, is_signed, is_audited)
        results.append(_apply_absence(result, effect))
    return results


def _count_sessions(requirement: PlannedRequirement, facts: Facts) -> int:
    """What logged sessions show, and what the documents of an audit support beside them."""
    supported = facts.audit.supported.get(requirement.id, 0) if facts.audit else 0
    if requirement.needs_days:
        return count_days(requirement, facts.days) + supported
    return count_minutes(requirement, facts.minutes) + supported


def _is_asked(requirement: PlannedRequirement, facts: Facts, effect: AbsenceEffect) -> bool:
    """Whether a requirement that is not for everyone is for this person."""
    if requirement.only_rsc_providers:
        return facts.provides_rsc
    return requirement.returns_from in effect.returned


def _list_membership_days(
    plan: RenewalPlan, requirement: PlannedRequirement, starts_on: date, checked_on: date
) -> list[date]:
    """The days before ``checked_on`` on which a membership is required as well."""
    if not requirement.each_year:
        return []
    return [day for day in plan.year_ends if starts_on <= day < checked_on]


def _skip_days(
    days: list[date], away: tuple[Span, ...], memberships: tuple[Span, ...]
) -> tuple[int, int]:
    """How many days are not away, and on how many of those there is a membership."""
    left = [day for day in days if not is_covered(away, day)]
    return len(left), sum(is_covered(memberships, day) for day in left)


def _count_other(plan: RenewalPlan, requirement: PlannedRequirement, facts: Facts) -> int:
    """Whether the renewal was submitted or its fee paid, or how many statements were signed."""
    if requirement.counts == "paid":
        return int(_is_paid(plan, requirement, facts))
    if facts.submitted is None:
        return 0
    if requirement.counts == "submitted":
        return 1
    return len(facts.submitted.signed.intersection(requirement.rule.signed))


def _is_paid(plan: RenewalPlan, requirement: PlannedRequirement, facts: Facts) -> bool:
    """Whether enough of a fee was paid, by all payments that are known.

    Only a payment changes that: too little that is paid stays too little after the late date.
    """
    cycle = plan.cycle
    if cycle is None:
        return False
    due_on = facts.extended_due_on or cycle.due_on
    for fee in plan.fees:
        if fee.id == requirement.rule.fee:
            on_time_through = fee.on_time_through(due_on, cycle.grace_ends_on(cycle.due_on))
            return settle_fee(fee, on_time_through, facts.payments, date.max).is_paid
    return True


def _mark_open_years(cycle: Cycle, results: list[Result], as_of: date) -> list[Result]:
    """Set ``closes_on`` for each year of the cycle, unless it is over while the cycle is not."""
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
    is_signed: bool,  # noqa: FBT001
    is_audited: bool,  # noqa: FBT001
) -> Result:
    short = 0
    if is_waived:
        outcome = Outcome.WAIVED
    elif requirement.is_exempt:
        outcome = Outcome.EXCUSED
    elif counted >= required:
        outcome = Outcome.MET
    elif is_signed and not is_audited:
        # Once an audit has decided about it, no signed statement stands for it any more.
        outcome = Outcome.ATTESTED
    else:
        outcome, short = Outcome.SHORT, required - counted
    return Result(requirement, required, counted, short, outcome, is_audited=is_audited)


def _apply_absence(result: Result, effect: AbsenceEffect) -> Result:
    """The result with what the days away excuse of it.

    What is excused whole keeps the amount that it would have required.
    """
    requirement = result.requirement
    if result.outcome in (Outcome.WAIVED, Outcome.EXCUSED):
        return result
    if not result.required and requirement.counts == "membership":
        return result._replace(outcome=Outcome.EXCUSED, notes=(because("no_membership_away"),))
    if away := effect.reduced.get(requirement.id):
        result = _reduce(result, away)
    if result.short and (kind := effect.excused.get(requirement.id)):
        return result._replace(short=0, outcome=Outcome.EXCUSED, notes=(because_excused([kind]),))
    return result


def _reduce(result: Result, away: MonthsAway) -> Result:
    """The result with fewer hours required for the months away."""
    requirement = result.requirement
    required = reduce_amount(requirement, away)
    if not required:
        if result.outcome is not Outcome.SHORT:
            return result
        notes = (because_excused(away.kinds),)
        return result._replace(short=0, outcome=Outcome.EXCUSED, notes=notes)
    # What is attested stays so if too little is logged.
    outcome = Outcome.MET if result.counted >= required else result.outcome
    short = required - result.counted if outcome is Outcome.SHORT else 0
    notes = (because_away(requirement, away, required),)
    return result._replace(required=required, short=short, outcome=outcome, notes=notes)


@lru_cache(maxsize=4_096)
def _find_next_change(
    plan: RenewalPlan,
    status: Status,
    due_on: date,
    as_of: date,
    spans: tuple[tuple[Span, ...], tuple[Span, ...]],
    counted_until: date | None,
) -> date | None:
    """The first day after ``as_of`` on which passing time could change the outcome.

    ``spans`` are the memberships, and the days away on which none is required. Entries dated after
    ``as_of`` are not considered.
    """
    cycle = plan.cycle
    if cycle is None:
        return None
    days = [end + _DAY for end in plan.year_ends if end < cycle.ends_on]
    if status is Status.OPEN:
        days.append(due_on + _DAY)
    elif status is Status.OVERDUE:
        days.append(cycle.grace_ends_on(due_on) + _DAY)
    days += _list_days_of_membership_change(cycle, spans, counted_until)
    return min([day for day in days if day > as_of], default=None)


def _list_days_of_membership_change(
    cycle: Cycle, spans: tuple[tuple[Span, ...], tuple[Span, ...]], counted_until: date | None
) -> list[date]:
    memberships, without_membership = spans
    days = [span.starts_on for span in memberships if span.starts_on <= cycle.ends_on]
    for span in without_membership:
        edges = (span.starts_on, min(span.ends_on, cycle.ends_on) + _DAY)
        days += [day for day in edges if day <= cycle.ends_on]
    # After the cycle's last day, the membership checked is always that day's.
    if counted_until is not None and counted_until < cycle.ends_on:
        days.append(counted_until + _DAY)
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
    deadline = _find_deadline(standing, cycle)
    days = [
        _behind_on(standing, result, _span_of(result, cycle, deadline))
        for result in standing.results
    ]
    return min((day for day in days if day and day <= deadline), default=None)


def forecast(standing: Standing, result: Result, today: date) -> Forecast | None:
    """The forecast for one requirement; None if it has no pace, or if it is too early to tell.

    Hours count only if they are held within the cycle: an extension changes nothing here.
    """
    cycle = standing.plan.cycle
    if cycle is None or standing.status is not Status.OPEN or today > cycle.ends_on:
        return None
    deadline = _find_deadline(standing, cycle)
    span = _span_of(result, cycle, deadline)
    behind_on = _behind_on(standing, result, span)
    if behind_on is None:
        return None
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
    return today + timedelta(days=days_left) if days_left <= (date.max - today).days else None


def _find_deadline(standing: Standing, cycle: Cycle) -> date:
    """The last day on which hours are in time: by the due date in force, and in the cycle."""
    return min(standing.due_on or cycle.ends_on, cycle.ends_on)


def _behind_on(standing: Standing, result: Result, span: Span) -> date | None:
    """The first day on which one requirement is behind an even pace; None if it has no pace.

    Hours that are required in proportion are due in the days that are not away.
    """
    # Hours about a topic come with the right training, not with the months. What can be attested
    # need not be logged.
    requirement = result.requirement
    has_pace = requirement.is_of_sessions and not result.can_attest
    if not has_pace or requirement.topic or result.outcome is not Outcome.SHORT:
        return None
    starts_on, ends_on = span
    away = _list_days_away(standing, span) if result.notes else []
    days = (ends_on - starts_on).days + 1
    days -= sum((each.ends_on - each.starts_on).days + 1 for each in away)
    reached = result.counted * days // result.required
    behind_on = starts_on + timedelta(days=reached + days // _SLACK)
    for each in away:
        if each.starts_on <= behind_on:
            behind_on += each.ends_on - each.starts_on + _DAY
    # What its year, or the months that are left, cannot complete any more is behind in any case.
    behind_on = min(behind_on, ends_on + _DAY)
    if requirement.is_spread:
        behind_on = min(behind_on, _first_day_of_month(ends_on, 2 - result.short))
    return behind_on


def _list_days_away(standing: Standing, within: Span) -> list[Span]:
    """The days of leave and inactive status within a span, in order."""
    spans = []
    for absence in list_counted(standing.plan.rulebook, standing.facts.leaves):
        first = max(absence.starts_on, within.starts_on)
        last = min(absence.ends_on, within.ends_on)
        if first <= last:
            spans.append(Span(first, last))
    return merge_spans(spans)


def _span_of(result: Result, cycle: Cycle, deadline: date) -> Span:
    """The days in which what a requirement counts must fall to be in time."""
    span = result.requirement.year or cycle
    return Span(span.starts_on, min(span.ends_on, deadline))


def _first_day_of_month(day: date, months_later: int) -> date:
    return day.replace(day=1) + relativedelta(months=months_later)
