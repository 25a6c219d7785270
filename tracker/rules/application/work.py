"""Whole months in spans of days. Both ends of a span are inside it."""

from collections.abc import Collection, Iterable, Iterator
from datetime import date, timedelta
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

from tracker.rules.application.candidate import Candidate, Position
from tracker.rules.model import DEGREES_RISING, Work
from tracker.rules.plan import PlannedRequirement
from tracker.rules.standing import Outcome, Remark, Result, Span

# Nobody plans further: a day beyond is a slip of the finger.
PLAUSIBLE_YEARS = 10
_DAY = timedelta(days=1)
_MONTHS_IN_YEAR = 12


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same days as spans in order, none touching the next."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and (span.starts_on - found[-1].ends_on).days <= 1:
            found[-1] = Span(found[-1].starts_on, max(found[-1].ends_on, span.ends_on))
        else:
            found.append(span)
    return found


def without(spans: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """The days of ``spans`` that are in none of ``taken``, in order."""
    left = merged(spans)
    for one in merged(taken):
        left = [part for span in left for part in _cut(span, one)]
    return left


def whole_months(spans: Iterable[Span]) -> int:
    """How many whole months the days come to; a day in several spans counts once.

    The spans are laid end to end. Months differ, so the same days can come to more if they are
    counted from a later span on: what makes most counts, so that one more day never makes less.
    """
    days = most = 0
    for span in reversed(merged(spans)):
        days += (span.ends_on - span.starts_on).days + 1
        most = max(most, _months_from(span.starts_on, days))
    return most


def _months_from(first: date, days: int) -> int:
    length = relativedelta(first + timedelta(days=days), first)
    return length.years * _MONTHS_IN_YEAR + length.months


def _cut(span: Span, taken: Span) -> Iterable[Span]:
    if taken.ends_on < span.starts_on or span.ends_on < taken.starts_on:
        yield span
        return
    if span.starts_on < taken.starts_on:
        yield Span(span.starts_on, taken.starts_on - _DAY)
    if taken.ends_on < span.ends_on:
        yield Span(taken.ends_on + _DAY, span.ends_on)


class Counted(NamedTuple):
    """A position's days that count; ``reviewed`` says why only if the reviewers agree."""

    position: Position
    span: Span
    reviewed: str = ""
    interned: bool = False


class Since(NamedTuple):
    """The day of a degree from which on days count; ``reviewed`` as in `Counted`."""

    day: date
    reviewed: str = ""


def judge_work(requirement: PlannedRequirement, candidate: Candidate, as_of: date) -> Result:
    """Count years, families or positions, as the requirement's unit says."""
    terms = requirement.rule.work
    if terms is None:
        return Result(requirement, requirement.amount, 0, requirement.amount, Outcome.SHORT)
    counted: list[Counted] = []
    remarks: list[Remark] = []
    since = degree_day(candidate, terms.after, terms.or_after)
    for position in candidate.positions:
        found = _count(position, terms, since, as_of)
        if isinstance(found, Counted):
            counted.append(found)
        if not isinstance(found, Counted) or found.reviewed:
            reason = found.reviewed if isinstance(found, Counted) else found
            days = Span(position.starts_on, _last_day(position, as_of))
            months = whole_months([days]) if days.starts_on <= days.ends_on else 0
            remarks.append(Remark(position.starts_on, position.title, months, reason))
    sure = _measure(requirement, terms, [c for c in counted if not c.reviewed])
    likely = _measure(requirement, terms, counted)
    return _result(requirement, sure, likely, tuple(remarks))


def degree_day(candidate: Candidate, level: str | None, instead: Collection[str]) -> Since | None:
    """The day of the first degree of ``level`` or above; None where none is asked or awarded.

    Without such a degree, that of the first education ``instead`` of it, for the reviewers.
    """
    if level is None:
        return None
    enough = DEGREES_RISING[DEGREES_RISING.index(level) :]
    if days := [d.awarded_on for d in candidate.degrees if d.level in enough]:
        return Since(min(days))
    others = [(d.awarded_on, d.title) for d in candidate.degrees if d.level in instead]
    if not others:
        return None
    day, title = min(others)
    return Since(day, f"it counts after {title} if the reviewers agree")


def _result(
    requirement: PlannedRequirement, sure: int, likely: int, remarks: tuple[Remark, ...]
) -> Result:
    if sure >= requirement.amount:
        return Result(requirement, requirement.amount, sure, 0, Outcome.MET, remarks=remarks)
    if likely >= requirement.amount:
        note = "if the reviewers agree"
        return Result(
            requirement, requirement.amount, likely, 0, Outcome.REVIEW, note, remarks=remarks
        )
    return Result(
        requirement,
        requirement.amount,
        likely,
        requirement.amount - likely,
        Outcome.SHORT,
        remarks=remarks,
    )


def _count(position: Position, terms: Work, since: Since | None, as_of: date) -> Counted | str:
    """The position's days that count, or the reason why none does."""
    ends_on = _last_day(position, as_of)
    if reason := next(_reasons(position, terms), None):
        return reason
    if position.pay == "internship" and terms.paid:
        return _count_internship(position, terms, Span(position.starts_on, ends_on))
    starts_on = position.starts_on
    if terms.after:
        if since is None:
            return f"counts only after a {terms.after}'s degree, and none is on record"
        starts_on = max(starts_on, since.day)
    if starts_on > ends_on:
        return f"it ended before the {terms.after}'s degree" if terms.after else "it has not begun"
    reviewed = since.reviewed if since else ""
    if terms.paid and position.pay == "volunteer":
        reviewed = "volunteer work counts if the reviewers agree"
    return Counted(position, Span(starts_on, ends_on), reviewed)


def _reasons(position: Position, terms: Work) -> Iterator[str]:
    if position.services.isdisjoint(terms.services):
        yield f"it offers none of: {', '.join(terms.services)}"
    if terms.ages and position.ages != terms.ages:
        yield f"it is not about children {terms.ages}"
    if terms.paid and position.pay == "volunteer":
        if not terms.volunteer:
            yield "it was not paid"
        elif not (position.supervised and position.trained):
            yield "volunteer work counts only where it was supervised and came with training"
    if terms.supervised and not position.supervised:
        yield "it was not supervised"
    missing = [words for key, words in terms.statements.items() if key not in position.statements]
    if missing:
        yield f"not confirmed: {'; '.join(missing)}"


def _count_internship(position: Position, terms: Work, span: Span) -> Counted | str:
    terms_of = terms.internship
    if terms_of is None:
        return "an internship does not count here"
    if position.supervisor_held.isdisjoint(terms_of.supervisors):
        held = " or ".join(terms_of.supervisors)
        return f"an internship counts only with a supervisor endorsed as {held}"
    if span.starts_on > span.ends_on:
        return "it has not begun"
    years = f"{terms_of.years} year{'s' if terms_of.years > 1 else ''}"
    reviewed = f"an internship counts for {years} if the reviewers agree"
    return Counted(position, span, reviewed, interned=True)


def _measure(requirement: PlannedRequirement, terms: Work, counted: Iterable[Counted]) -> int:
    found = list(counted)
    if requirement.unit == "families":
        return sum(c.position.families for c in found)
    if requirement.unit != "years":
        return len(found)
    worked = merged(c.span for c in found if not c.interned)
    interned = without((c.span for c in found if c.interned), worked)
    most = terms.internship.years * _MONTHS_IN_YEAR if terms.internship else 0
    return whole_months(worked) + min(most, whole_months(interned))


def _last_day(position: Position, as_of: date) -> date:
    return min(position.ends_on or as_of, as_of)
