"""Judging an application, or a reinstatement: how ready it is, requirement by requirement."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from tracker.formatting import format_count
from tracker.rules.application.candidate import Candidate, CandidateDegree
from tracker.rules.application.references import judge_named_references, judge_references
from tracker.rules.application.rsc import judge_rsc, last_day
from tracker.rules.application.work import judge_work
from tracker.rules.counting import (
    compare,
    count_days,
    count_minutes,
    find_cover_end,
    find_membership_end,
    list_counted_spans,
)
from tracker.rules.fees import settle_fee
from tracker.rules.plan import ApplicationPlan, PlannedRequirement
from tracker.rules.reasons import because
from tracker.rules.requirement import EducationRule
from tracker.rules.standing import (
    ApplicationFacts,
    ApplicationStanding,
    DaySum,
    Outcome,
    Remark,
    Result,
    Status,
)

_DAY = timedelta(days=1)
_LONGEST_MONTH = 31


def judge_application(
    plan: ApplicationPlan, facts: ApplicationFacts, as_of: date
) -> ApplicationStanding | None:
    """Judge an application as of a day; None if it was opened after that day.

    Ready if all requirements are met; it needs review if the reviewers decide on the rest.
    """
    if facts.candidate.opened_on > as_of:
        return None
    if not plan.requirements:
        return ApplicationStanding(facts, plan, Status.NO_RULES, (), None)
    memberships = list_counted_spans(plan, facts.memberships)
    counted_until = find_cover_end(memberships, as_of)
    judged = _judge_requirements(plan, facts, as_of, counted_until)
    reviewed = [_apply_review(result, facts.candidate) for result in judged]
    results = _settle_alternatives(reviewed)
    change = _find_next_change(results, facts, as_of, counted_until)
    status = _find_status(results)
    covered_until = find_membership_end(plan, facts.memberships, counted_until)
    return ApplicationStanding(facts, plan, status, tuple(results), change, covered_until)


def hide_reference_judgments(standing: ApplicationStanding) -> ApplicationStanding:
    """The standing as its applicant may see it: no part of it depends on what referees wrote.

    References are judged by the roles in which they were named and by which ones came in; so is
    the whole standing.
    """
    results = []
    for result in standing.results:
        rule = result.requirement.rule.references
        if rule is not None and result.outcome is not Outcome.NOT_NEEDED:
            result = judge_named_references(result.requirement, rule, standing.facts.candidate)  # noqa: PLW2901
        results.append(result)
    if not results:
        return standing
    return standing._replace(results=tuple(results), status=_find_status(results))


def _find_status(results: Iterable[Result]) -> Status:
    outcomes = {result.outcome for result in results}
    if Outcome.SHORT in outcomes:
        return Status.NOT_READY
    return Status.NEEDS_REVIEW if Outcome.REVIEW in outcomes else Status.READY


def _judge_requirements(
    plan: ApplicationPlan, facts: ApplicationFacts, as_of: date, counted_until: date | None
) -> list[Result]:
    if plan.purpose == "reinstatement":
        own = _judge_return(plan, facts, as_of)
    else:
        rsc = [r for r in plan.requirements if r.counts == "rsc"]
        own = {r.requirement: r for r in judge_rsc(rsc, facts.candidate, as_of)}
    results = []
    for requirement in plan.requirements:
        if requirement in own:
            result = own[requirement]
        elif requirement.counts == "training":
            result = compare(requirement, count_minutes(requirement, facts.minutes))
        elif requirement.counts == "membership":
            result = compare(requirement, 0 if counted_until is None else 1)
        else:
            result = _judge_terms(requirement, facts.candidate, as_of)
        results.append(result)
    return results


def _judge_return(
    plan: ApplicationPlan, facts: ApplicationFacts, as_of: date
) -> dict[PlannedRequirement, Result]:
    """Judge what a reinstatement counts in its own way."""
    judged = {}
    for requirement in plan.requirements:
        if requirement.counts == "paid":
            judged[requirement] = _judge_payment(requirement, plan, facts, as_of)
        elif requirement.is_of_sessions:
            judged[requirement] = _judge_recent(requirement, facts, as_of)
    return judged


def _judge_recent(requirement: PlannedRequirement, facts: ApplicationFacts, as_of: date) -> Result:
    """Count the hours of the months that end on a day, or of the days since the removal."""
    window, removed = requirement.rule.window, facts.removed
    counted = _list_recent(requirement, facts, as_of)
    result = compare(requirement, count_days(requirement, counted))
    if window and window.months:
        note = because("last_months", months=format_count(window.months, "month"))
    elif removed:
        note = because("since_removal", day=removed.removed_on)
    else:
        return result
    return result._replace(notes=(note,))


def _list_recent(
    requirement: PlannedRequirement, facts: ApplicationFacts, as_of: date
) -> list[DaySum]:
    """The days within a requirement's window; what is submitted keeps the window of that day."""
    window, removed = requirement.rule.window, facts.removed
    if window is not None and window.months:
        asked_on = min(facts.candidate.submitted_on or as_of, as_of)
        return [d for d in facts.days if asked_on <= last_day(d.held_on, window.months)]
    return [day for day in facts.days if removed and day.held_on >= removed.removed_on]


def _judge_payment(
    requirement: PlannedRequirement, plan: ApplicationPlan, facts: ApplicationFacts, as_of: date
) -> Result:
    """Whether a fee of the reinstatement is paid; money is never late here."""
    accounts = [
        settle_fee(fee, date.max, facts.payments, as_of)
        for fee in plan.fees
        if fee.id == requirement.rule.fee
    ]
    return compare(requirement, sum(account.is_paid for account in accounts))


def _judge_terms(requirement: PlannedRequirement, candidate: Candidate, as_of: date) -> Result:
    """Judge what only an application requires."""
    rule = requirement.rule
    if rule.work:
        return judge_work(requirement, rule.work, candidate, as_of)
    if rule.education:
        return _judge_education(requirement, rule.education, candidate)
    if rule.references:
        return judge_references(requirement, rule.references, candidate)
    if rule.signed:
        result = compare(requirement, len(candidate.signed.intersection(rule.signed)))
        if result.short and rule.reviewed:
            notes = (because("reviewers_decide"),)
            result = result._replace(short=0, outcome=Outcome.REVIEW, notes=notes)
        return result
    return _judge_exam(requirement, candidate)


def _judge_exam(requirement: PlannedRequirement, candidate: Candidate) -> Result:
    if candidate.exam_passed_on is not None:
        return compare(requirement, 1, notes=(because("passed", day=candidate.exam_passed_on),))
    if candidate.exam_reported_on is not None:
        note = because("exam_reported", day=candidate.exam_reported_on)
        return compare(requirement, 1, needs_review=True, notes=(note,))
    return compare(requirement, 0)


def _judge_education(
    requirement: PlannedRequirement, rule: EducationRule, candidate: Candidate
) -> Result:
    remarks = []
    for_review: CandidateDegree | None = None
    for degree in candidate.degrees:
        if degree.level not in (*rule.levels, *rule.reviewed):
            continue
        if rule.transcript == "official" and degree.transcript != "official":
            reason = because("no_official_transcript")
            remarks.append(Remark(degree.awarded_on, degree.title, 0, reason))
        elif degree.level in rule.levels:
            return compare(requirement, 1, notes=(because("degree", title=degree.title),))
        else:
            for_review = degree
    if for_review is None:
        return compare(requirement, 0, remarks=remarks)
    note = because("degree_for_review", title=for_review.title)
    return compare(requirement, 1, needs_review=True, notes=(note,), remarks=remarks)


def _apply_review(result: Result, candidate: Candidate) -> Result:
    """The result after the reviewers' decision, if it is theirs to make and they have made it."""
    accepted = candidate.reviews.get(result.requirement.id)
    if result.outcome is not Outcome.REVIEW or accepted is None:
        return result
    if accepted:
        notes = (*result.notes, because("reviewers_accepted"))
        return result._replace(outcome=Outcome.MET, notes=notes)
    notes = (because("reviewers_refused"),)
    required = result.required
    return result._replace(outcome=Outcome.SHORT, counted=0, short=required, notes=notes)


def _settle_alternatives(results: Sequence[Result]) -> list[Result]:
    """Mark as not needed what is an alternative to a requirement that is met or for review."""
    chosen: dict[str | None, Result] = {}
    for outcome in (Outcome.REVIEW, Outcome.MET):
        for result in results:
            if result.requirement.rule.either and result.outcome is outcome:
                chosen[result.requirement.rule.either] = result
    settled = list(results)
    for index, result in enumerate(results):
        enough = chosen.get(result.requirement.rule.either, result)
        if enough is not result:
            is_met = enough.outcome is Outcome.MET
            code = "alternative_met" if is_met else "alternative_for_review"
            notes = (because(code, label=enough.requirement.label),)
            settled[index] = result._replace(short=0, outcome=Outcome.NOT_NEEDED, notes=notes)
    return settled


def _find_next_change(
    results: Sequence[Result], facts: ApplicationFacts, as_of: date, counted_until: date | None
) -> date | None:
    """The first day after ``as_of`` on which the outcome could change by itself."""
    days = [membership.starts_on for membership in facts.memberships]
    if facts.candidate.submitted_on is None:
        days += _list_days_out_of_window(results, facts, as_of)
    if counted_until is not None and counted_until < date.max:
        days.append(counted_until + _DAY)
    for result in results:
        if result.closes_on:
            days.append(result.closes_on + _DAY)
        if result.outcome in (Outcome.SHORT, Outcome.REVIEW):
            days += _list_days_of_enough_work(result, facts.candidate, as_of)
    return min((day for day in days if day > as_of), default=None)


def _list_days_out_of_window(
    results: Iterable[Result], facts: ApplicationFacts, as_of: date
) -> list[date]:
    """The days on which the oldest hours of a reinstatement that count leave their window."""
    days = []
    for result in results:
        window = result.requirement.rule.window
        # Of an application, `Result.closes_on` tells.
        if window and window.months and facts.days:
            counted = _list_recent(result.requirement, facts, as_of)
            days += [last_day(each.held_on, window.months) + _DAY for each in counted]
    return days


def _list_days_of_enough_work(result: Result, candidate: Candidate, as_of: date) -> list[date]:
    """The day on which work that continues will have lasted long enough; none if it will not.

    Families and positions count from the first day of the work.
    """
    requirement, rule = result.requirement, result.requirement.rule.work
    if rule is None:
        return []
    first_days = [position.starts_on for position in candidate.positions]
    if requirement.unit != "years":
        return first_days
    if all(p.ends_on is not None and p.ends_on <= as_of for p in candidate.positions):
        return []

    def is_other(days: int) -> bool:
        day = as_of + timedelta(days=days)
        return judge_work(requirement, rule, candidate, day).outcome is not result.outcome

    days = range((max(as_of, *first_days) - as_of).days + _LONGEST_MONTH * requirement.amount)
    number = bisect_left(days, x=True, key=is_other)
    return [as_of + timedelta(days=number)] if number < len(days) else []
