"""Work experience: which positions count, for how long, and why others do not."""

from collections.abc import Collection, Iterable, Iterator
from datetime import date, timedelta
from typing import NamedTuple

from tracker.rules.candidate import Candidate, Position
from tracker.rules.plan import Ask
from tracker.rules.spans import merged, whole_months, without
from tracker.rules.standing import Outcome, Remark, Result, Span
from tracker.rules.terms import DEGREES_RISING, Work

_MONTHS_IN_YEAR = 12
_DAY = timedelta(days=1)


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


def judge_work(ask: Ask, candidate: Candidate, as_of: date) -> Result:
    """Count years, families or positions, as the requirement's unit says."""
    terms = ask.rule.work
    if terms is None:
        return Result(ask, ask.amount, 0, ask.amount, Outcome.SHORT)
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
    sure = _measure(ask, terms, [c for c in counted if not c.reviewed])
    likely = _measure(ask, terms, counted)
    return _result(ask, sure, likely, tuple(remarks))


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


def _result(ask: Ask, sure: int, likely: int, remarks: tuple[Remark, ...]) -> Result:
    if sure >= ask.amount:
        return Result(ask, ask.amount, sure, 0, Outcome.MET, remarks=remarks)
    if likely >= ask.amount:
        note = "if the reviewers agree"
        return Result(ask, ask.amount, likely, 0, Outcome.REVIEW, note, remarks=remarks)
    return Result(ask, ask.amount, likely, ask.amount - likely, Outcome.SHORT, remarks=remarks)


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


def _measure(ask: Ask, terms: Work, counted: Iterable[Counted]) -> int:
    found = list(counted)
    if ask.unit == "families":
        return sum(c.position.families for c in found)
    if ask.unit != "years":
        return len(found)
    worked = merged(c.span for c in found if not c.interned)
    interned = without((c.span for c in found if c.interned), worked)
    most = terms.internship.years * _MONTHS_IN_YEAR if terms.internship else 0
    return whole_months(worked) + min(most, whole_months(interned))


def _last_day(position: Position, as_of: date) -> date:
    return min(position.ends_on or as_of, as_of)
