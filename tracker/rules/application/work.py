"""Work experience: which positions count, and how many whole months they come to.

The first and last day of a span are both included.
"""

from calendar import monthrange
from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from tracker.formatting import format_count
from tracker.rules.application.candidate import Candidate, CandidatePosition
from tracker.rules.counting import compare, merge_spans
from tracker.rules.plan import PlannedRequirement
from tracker.rules.reasons import Reason, because
from tracker.rules.requirement import DEGREES_RISING, MONTHS_IN_YEAR, WorkRule
from tracker.rules.standing import CountedItem, Remark, Result, Span

# Nobody plans further ahead: a later day is a typing error.
PLAUSIBLE_YEARS = 10
_DAY = timedelta(days=1)


def subtract_spans(spans: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """The days of ``spans`` that are in none of ``taken``, as spans in order."""
    left = merge_spans(spans)
    for gap in merge_spans(taken):
        remaining: list[Span] = []
        for span in left:
            if gap.ends_on < span.starts_on or span.ends_on < gap.starts_on:
                remaining.append(span)
                continue
            if span.starts_on < gap.starts_on:
                remaining.append(Span(span.starts_on, gap.starts_on - _DAY))
            if gap.ends_on < span.ends_on:
                remaining.append(Span(gap.ends_on + _DAY, span.ends_on))
        left = remaining
    return left


def whole_months(spans: Iterable[Span]) -> int:
    """How many whole months the days come to; a day in several spans counts once.

    Each span has its own whole months. Or the spans are laid end to end, so that the days left
    over in several make months too: on a calendar without February 29, because a leap day on which
    nobody worked must not lengthen a year. Months differ in length, so the same days can come to
    more if they are counted from a later span on. The largest number counts, so that one more day
    of work never makes less.
    """
    merged = merge_spans(spans)
    apart = sum(count_months(span.starts_on, span.ends_on + _DAY) for span in merged)
    return max(apart, _count_end_to_end(merged))


def count_months(first: date, end: date) -> int:
    """The whole months from ``first`` up to, and not including, ``end``, which is not before it.

    A month that began on a day that the last month does not have is whole on its last day.
    """
    months = (end.year - first.year) * MONTHS_IN_YEAR + end.month - first.month
    if end.day >= first.day or end.day == monthrange(end.year, end.month)[1]:
        return months
    return months - 1


def _count_end_to_end(merged: Sequence[Span]) -> int:
    """The whole months of the spans laid end to end, from the one on that gives the most."""
    days = largest = 0
    for span in reversed(merged):
        first = _common_day(span.starts_on)
        days += _common_day(span.ends_on + _DAY) - first
        if span is not merged[-1]:
            largest = max(largest, _count_common_months(first, first + days))
    return largest


_FEBRUARY, _LEAP_DAY = 2, 29
_COMMON_YEAR = date.min.year
_DAYS_IN_COMMON_YEAR = (date(_COMMON_YEAR + 1, 1, 1) - date(_COMMON_YEAR, 1, 1)).days


def _common_day(day: date) -> int:
    """The day's number on a calendar without leap days; February 29 has that of March 1."""
    if (day.month, day.day) == (_FEBRUARY, _LEAP_DAY):
        day += _DAY
    return day.year * _DAYS_IN_COMMON_YEAR + day.replace(year=_COMMON_YEAR).toordinal()


def _count_common_months(first: int, end: int) -> int:
    """The whole months from a day's number up to, and not including, that of another.

    In February, a month that began on the 29th or later is whole on March 1.
    """
    year, month, day = _split_common_day(first)
    last_year, last_month, last_day = _split_common_day(end)
    months = (last_year - year) * MONTHS_IN_YEAR + last_month - month
    is_february = last_month == _FEBRUARY
    last_of_month = _LEAP_DAY if is_february else monthrange(_COMMON_YEAR, last_month)[1]
    return months if last_day >= min(day, last_of_month) else months - 1


def _split_common_day(number: int) -> tuple[int, int, int]:
    year, ordinal = divmod(number - 1, _DAYS_IN_COMMON_YEAR)
    day = date.fromordinal(ordinal + 1)
    return year, day.month, day.day


class CountedWork(NamedTuple):
    """The days of a position that count; with ``review``, only if the reviewers agree."""

    position: CandidatePosition
    span: Span
    review: Reason | None = None


class DegreeDay(NamedTuple):
    """The day on which a degree was awarded; with ``review``, only if the reviewers accept it."""

    day: date
    review: Reason | None = None


def find_degree_day(
    candidate: Candidate, level: str | None, instead: Collection[str]
) -> DegreeDay | None:
    """The day of the first degree of ``level`` or above.

    Without such a degree, the day of the first education whose level is in ``instead``, for the
    reviewers. None if ``level`` is None or there is neither.
    """
    if level is None:
        return None
    enough = DEGREES_RISING[DEGREES_RISING.index(level) :]
    if days := [d.awarded_on for d in candidate.degrees if d.level in enough]:
        return DegreeDay(min(days))
    others = [(d.awarded_on, d.title) for d in candidate.degrees if d.level in instead]
    if not others:
        return None
    day, title = min(others)
    return DegreeDay(day, because("after_other_education", title=title))


def judge_work(
    requirement: PlannedRequirement, rule: WorkRule, candidate: Candidate, as_of: date
) -> Result:
    """Count years, families, or positions, as the requirement's unit says."""
    degree = find_degree_day(candidate, rule.after, rule.or_after)
    counted: list[CountedWork] = []
    remarks: list[Remark] = []
    for position in candidate.positions:
        work = _count_position(position, requirement, rule, degree, as_of)
        if isinstance(work, CountedWork):
            counted.append(work)
        reason = work.review if isinstance(work, CountedWork) else work
        if reason:
            days = Span(position.starts_on, position.last_day(as_of))
            months = whole_months([days]) if days.starts_on <= days.ends_on else 0
            needs_review = isinstance(work, CountedWork)
            remarks.append(
                Remark(
                    position.starts_on,
                    position.title,
                    months,
                    reason,
                    needs_review,
                    position.position_id,
                )
            )
    result = _compare_work(requirement, rule, counted, remarks)
    items = [_describe_counted(requirement, work) for work in counted]
    return result._replace(counted_items=tuple(items))


def _compare_work(
    requirement: PlannedRequirement,
    rule: WorkRule,
    counted: Sequence[CountedWork],
    remarks: Sequence[Remark],
) -> Result:
    certain = _measure(requirement, rule, [w for w in counted if not w.review])
    if certain >= requirement.amount:
        if rule.beyond_paid and all(work.position.pay == "paid" for work in counted):
            note = because("only_paid_work")
            return compare(requirement, certain, needs_review=True, notes=(note,), remarks=remarks)
        return compare(requirement, certain, remarks=remarks)
    possible = _measure(requirement, rule, counted)
    notes = (because("if_reviewers_agree"),) if possible >= requirement.amount else ()
    return compare(requirement, possible, needs_review=True, notes=notes, remarks=remarks)


def _describe_counted(requirement: PlannedRequirement, work: CountedWork) -> CountedItem:
    position = work.position
    amount = whole_months([work.span])
    if requirement.unit == "families":
        amount = position.families
    return CountedItem(
        work.span.starts_on, position.title, amount, position.pay, position.position_id
    )


def _count_position(
    position: CandidatePosition,
    requirement: PlannedRequirement,
    rule: WorkRule,
    degree: DegreeDay | None,
    as_of: date,
) -> CountedWork | Reason:
    """The position's days that count, or the reason why none does."""
    if mismatch := _find_mismatch(position, requirement, rule):
        return mismatch
    days = Span(position.starts_on, position.last_day(as_of))
    pay = rule.paid and position.pay
    if pay == "internship":
        return _count_internship(position, rule, days)
    review = because("volunteer") if pay == "volunteer" else None
    if rule.after:
        if degree is None:
            return because("no_degree", degree=rule.after)
        days = Span(max(days.starts_on, degree.day), days.ends_on)
        review = review or degree.review
    if days.starts_on > days.ends_on:
        code = "ended_before_degree" if rule.after else "not_begun"
        return because(code, degree=rule.after)
    return CountedWork(position, days, review)


def _find_mismatch(
    position: CandidatePosition, requirement: PlannedRequirement, rule: WorkRule
) -> Reason | None:
    """The first term of the rule that the position does not meet."""
    if position.offers.isdisjoint(rule.services):
        return because("other_services", services="; ".join(requirement.services))
    if rule.ages and rule.ages not in position.age_groups:
        return because("other_ages", ages=rule.ages)
    if mismatch := _find_pay_mismatch(position, rule):
        return mismatch
    if rule.supervised and not position.supervised:
        return because("not_supervised")
    missing = [text for key, text in rule.statements.items() if key not in position.statements]
    if missing:
        return because("not_confirmed", statements="; ".join(missing))
    return None


def _find_pay_mismatch(position: CandidatePosition, rule: WorkRule) -> Reason | None:
    if not rule.paid or position.pay != "volunteer":
        return None
    if not rule.volunteer:
        return because("not_paid")
    if not (position.supervised and position.trained):
        return because("untrained_volunteer")
    return None


def _count_internship(
    position: CandidatePosition, rule: WorkRule, days: Span
) -> CountedWork | Reason:
    internship = rule.internship
    if internship is None:
        return because("internship")
    if position.supervisor_held.isdisjoint(internship.supervisors):
        return because("internship_supervisor", categories=" or ".join(internship.supervisors))
    if days.starts_on > days.ends_on:
        return because("not_begun")
    return CountedWork(
        position, days, because("internship_review", years=format_count(internship.years, "year"))
    )


def _measure(
    requirement: PlannedRequirement, rule: WorkRule, counted: Sequence[CountedWork]
) -> int:
    if requirement.unit == "families":
        return sum(work.position.families for work in counted)
    if requirement.unit != "years":
        return len(counted)
    limit = rule.internship.years * MONTHS_IN_YEAR if rule.internship else 0
    worked: list[Span] = []
    interned: list[Span] = []
    for work in counted:
        if rule.paid and work.position.pay == "internship":
            interned.append(work.span)
        else:
            worked.append(work.span)
    return whole_months(worked) + min(limit, whole_months(subtract_spans(interned, worked)))
