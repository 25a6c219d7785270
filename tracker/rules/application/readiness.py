"""How ready an application is: the same plan and facts as a renewal's, and what else it asks."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta

from tracker.formatting import format_date
from tracker.rules.application.candidate import Candidate, Degree
from tracker.rules.application.references import judge_references
from tracker.rules.application.rsc import judge_rsc
from tracker.rules.application.work import judge_work
from tracker.rules.plan import Plan, PlannedRequirement
from tracker.rules.standing import Facts, Outcome, Remark, Result, Standing, Status

_DAY = timedelta(days=1)
_ENOUGH = (Outcome.MET, Outcome.REVIEW)


def judge_application(
    plan: Plan, facts: Facts, candidate: Candidate, as_of: date, covered_until: date | None
) -> Standing:
    """Judge an application as of a day; ``covered_until`` is the end of an accepted membership.

    Ready when all is met; a review is needed where all that is left is for the reviewers.
    """
    asked_rsc = [requirement for requirement in plan.requirements if requirement.counts == "rsc"]
    rsc = {result.requirement: result for result in judge_rsc(asked_rsc, candidate, as_of)}
    results = _settle_alternatives(
        [
            rsc[requirement]
            if requirement in rsc
            else _judge(requirement, facts, candidate, as_of, covered_until)
            for requirement in plan.requirements
        ]
    )
    change = _next_change(results, facts, as_of, covered_until)
    return Standing(facts, plan, _status(results), None, tuple(results), change, covered_until)


def _status(results: Iterable[Result]) -> Status:
    outcomes = {r.outcome for r in results}
    if Outcome.SHORT in outcomes:
        return Status.NOT_READY
    return Status.NEEDS_REVIEW if Outcome.REVIEW in outcomes else Status.READY


def _judge(
    requirement: PlannedRequirement,
    facts: Facts,
    candidate: Candidate,
    as_of: date,
    covered_until: date | None,
) -> Result:
    if requirement.counts == "training":
        return _compared(requirement, _training_minutes(requirement, facts))
    if requirement.counts == "membership":
        return _compared(requirement, int(covered_until is not None))
    if requirement.counts == "work":
        return judge_work(requirement, candidate, as_of)
    return _MEASURES[requirement.counts](requirement, candidate)


def _training_minutes(requirement: PlannedRequirement, facts: Facts) -> int:
    besides = sum(facts.minutes.get(f"topic:{topic}", 0) for topic in requirement.rule.besides)
    return max(0, facts.minutes.get(requirement.sum_key, 0) - besides)


def _compared(requirement: PlannedRequirement, counted: int, note: str = "") -> Result:
    short = max(0, requirement.amount - counted)
    return Result(
        requirement,
        requirement.amount,
        counted,
        short,
        Outcome.SHORT if short else Outcome.MET,
        note,
    )


def _judge_education(requirement: PlannedRequirement, candidate: Candidate) -> Result:
    terms = requirement.rule.education
    remarks = []
    likely: Degree | None = None
    for degree in candidate.degrees:
        if terms is None or degree.level not in (*terms.levels, *terms.reviewed):
            continue
        if terms.transcript == "official" and degree.transcript != "official":
            reason = "an official transcript is asked for"
            remarks.append(Remark(degree.awarded_on, degree.title, 0, reason))
        elif degree.level in terms.levels:
            return _compared(requirement, 1, degree.title)
        else:
            likely = degree
    if likely:
        note = f"{likely.title}, if the reviewers agree"
        return Result(requirement, 1, 1, 0, Outcome.REVIEW, note, remarks=tuple(remarks))
    return _compared(requirement, 0)._replace(remarks=tuple(remarks))


def _judge_signed(requirement: PlannedRequirement, candidate: Candidate) -> Result:
    result = _compared(
        requirement, sum(what in candidate.signed for what in requirement.rule.signed)
    )
    if result.outcome is Outcome.SHORT and requirement.rule.reviewed:
        return result._replace(short=0, outcome=Outcome.REVIEW, note="for the reviewers to say")
    return result


def _judge_exam(requirement: PlannedRequirement, candidate: Candidate) -> Result:
    passed_on = candidate.exam_passed_on
    return _compared(
        requirement,
        int(passed_on is not None),
        f"passed {format_date(passed_on)}" if passed_on else "",
    )


_MEASURES: dict[str, Callable[[PlannedRequirement, Candidate], Result]] = {
    "education": _judge_education,
    "references": judge_references,
    "signed": _judge_signed,
    "exam": _judge_exam,
}


def _settle_alternatives(results: Sequence[Result]) -> list[Result]:
    """Where one of a group is enough, the others are not needed."""
    enough = {
        r.requirement.rule.either: r
        for r in results
        if r.requirement.rule.either and r.outcome in _ENOUGH
    }
    enough |= {
        r.requirement.rule.either: r
        for r in results
        if r.requirement.rule.either and r.outcome is Outcome.MET
    }
    return [
        r._replace(
            short=0,
            outcome=Outcome.NOT_NEEDED,
            note=f"{enough[r.requirement.rule.either].requirement.label} is enough",
        )
        if r.requirement.rule.either in enough and enough[r.requirement.rule.either] is not r
        else r
        for r in results
    ]


def _next_change(
    results: Iterable[Result], facts: Facts, as_of: date, covered_until: date | None
) -> date | None:
    """The first day on which the outcome may differ by itself."""
    days = [r.closes_on + _DAY for r in results if r.closes_on]
    if covered_until is not None and covered_until < date.max:
        days.append(covered_until + _DAY)
    days += [membership.starts_on for membership in facts.memberships]
    if facts.candidate is not None:
        found = (
            _grown_on(r, facts.candidate, as_of) for r in results if r.requirement.counts == "work"
        )
        days += [day for day in found if day]
    return min((d for d in days if as_of < d), default=None)


def _grown_on(result: Result, candidate: Candidate, as_of: date) -> date | None:
    """The day on which work that goes on will have lasted long enough; None if it will not."""
    if result.outcome not in (Outcome.SHORT, Outcome.REVIEW) or result.requirement.unit != "years":
        return None
    if all(p.ends_on is not None and p.ends_on <= as_of for p in candidate.positions):
        return None
    first, last = as_of, as_of + timedelta(days=31 * (result.requirement.amount + 1))
    if judge_work(result.requirement, candidate, last).outcome == result.outcome:
        return None
    while (last - first).days > 1:
        middle = first + (last - first) // 2
        if judge_work(result.requirement, candidate, middle).outcome == result.outcome:
            first = middle
        else:
            last = middle
    return last
