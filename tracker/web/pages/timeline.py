"""What lies ahead for one renewal, and what of it is over: a dated list."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from tracker.formatting import format_date, format_hours, format_hours_with_unit
from tracker.rulebooks import Rulebooks
from tracker.rules.providers import Provider, find_ending, format_ending, qualified_spans
from tracker.rules.standing import Span, Standing, Status

_UNSETTLED = {Status.OPEN, Status.OVERDUE}


@dataclass(frozen=True, slots=True)
class Coming:
    """Something that happens on a day (the whole day included, where it is a last day)."""

    day: date
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class Sessions:
    """The providers of a cycle's sessions, and by provider the minutes that count.

    ``whose`` is "your" or, to somebody else, "their".
    """

    providers: Mapping[int, Provider]
    counted: Counter[int]
    whose: str = "your"


def coming_up(
    standing: Standing, rulebooks: Rulebooks, today: date, sessions: Sessions
) -> list[Coming]:
    """All that lies ahead, soonest first; of a cycle that is due already, also since when."""
    found = [
        *_membership(standing, today),
        *_dates(standing, today),
        *_leaves(standing, today),
        *_endings(standing, rulebooks, today, sessions),
    ]
    return sorted(found, key=lambda c: c.day)


def _membership(standing: Standing, today: date) -> Iterator[Coming]:
    until = standing.covered_until
    asked = any(r.requirement.counts == "membership" for r in standing.results)
    cycle = standing.plan.cycle
    is_over = cycle is not None and cycle.ends_on < today and standing.status is not Status.OPEN
    if asked and until is not None and until >= today and not is_over:
        yield Coming(until, "Membership ends", "the last day that it covers")


def _dates(standing: Standing, today: date) -> Iterator[Coming]:
    cycle, due_on = standing.plan.cycle, standing.due_on
    if cycle is None or due_on is None or standing.status is Status.EXCUSED:
        return
    extended = "extended; " if standing.facts.extended_due_on else ""
    if due_on >= today:
        yield Coming(due_on, "Renewal due", f"{extended}the whole day counts")
    else:
        yield Coming(due_on, "Renewal was due", f"{extended}the whole day counted")
    grace_ends_on = cycle.grace_ends_on(due_on)
    if grace_ends_on == due_on:
        return
    if standing.status in _UNSETTLED:
        yield Coming(grace_ends_on, "Last day of grace", "after it the renewal lapses")
    elif standing.status is Status.LAPSED:
        yield Coming(grace_ends_on, "Last day of grace", "after it the renewal lapsed")


def _leaves(standing: Standing, today: date) -> Iterator[Coming]:
    """Every leave within the cycle, and those that are still to come."""
    cycle = standing.plan.cycle
    for leave in standing.facts.leaves:
        starts_on, ends_on = leave
        if starts_on > today:
            to = "no end is set yet" if ends_on == date.max else f"to {format_date(ends_on)}"
            yield Coming(starts_on, "Leave begins", to)
        elif ends_on == date.max:
            yield Coming(starts_on, "Leave began", "no end is set yet")
        elif ends_on >= today:
            yield Coming(ends_on, "Leave ends", "its last day")
        elif cycle is not None and ends_on >= cycle.starts_on:
            yield Coming(ends_on, "Leave ended", f"it began on {format_date(starts_on)}")


def _endings(
    standing: Standing, rulebooks: Rulebooks, today: date, sessions: Sessions
) -> Iterator[Coming]:
    """The providers who stop counting while the hours of this cycle or the next are collected."""
    plan = standing.plan
    if plan.provider_rule is None or (plan.cycle and plan.cycle.ends_on < today):
        return
    association, rule = rulebooks.provider_rules[plan.provider_rule]
    total = sessions.counted.total()
    for provider_id, provider in sessions.providers.items():
        last = _last_day(qualified_spans(association, rule, provider), today)
        if last is None:
            continue
        ending = find_ending(association, rule, provider, last)
        minutes = sessions.counted[provider_id]
        detail = f"the last day that counts; {format_ending(ending, today)}"
        if minutes:
            some = f"{format_hours(minutes)} of {sessions.whose} {format_hours_with_unit(total)}"
            all_of_them = f"all {sessions.whose} {format_hours_with_unit(total)}"
            detail += f"; {some if minutes < total else all_of_them} are with them"
        yield Coming(last, f"{provider.name}'s sessions stop counting", detail)


def _last_day(spans: Iterable[Span], today: date) -> date | None:
    """The last day of the span that holds today, unless it is open."""
    for span in spans:
        if span.starts_on <= today <= span.ends_on < date.max:
            return span.ends_on
    return None
