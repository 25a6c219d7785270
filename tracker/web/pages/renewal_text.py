"""One renewal in words: its headline, and the sentences below it."""

from collections.abc import Sequence
from datetime import date, timedelta

from tracker.formatting import capitalize_first, format_date, format_list, format_month_day
from tracker.rules.cycles import Cycle
from tracker.rules.pace import Forecast, Pace, forecast
from tracker.rules.reasons import because, format_reason
from tracker.rules.standing import Outcome, Result, Span, Standing, Status
from tracker.web.text import (
    Missing,
    format_cycle,
    format_missing,
    format_progress,
    format_week,
    name_of,
)


def format_headline(standing: Standing, today: date, *, own: bool = True) -> str:
    """Where the renewal stands: what is needed, and by when; one sentence.

    ``own``: to whom it belongs; else to a coordinator.
    """
    cycle = standing.plan.cycle
    if cycle is None:
        return "The rulebook holds no renewal rules for this category."
    if standing.status is Status.MET:
        return f"All done for {format_cycle(cycle)}."
    if standing.status is Status.EXCUSED:
        return _format_excused(standing, today, "you" if own else "they")
    membership = "your membership" if own else "their membership"
    return _format_short(standing, format_cycle(cycle), today, membership)


def _format_excused(standing: Standing, today: date, who: str) -> str:
    """On leave: now, or only once the renewal is due, or when it was."""
    due_on = standing.due_on
    if due_on is None or _leave_on(standing, due_on).starts_on <= today <= due_on:
        return f"Nothing is asked while {who} are on leave."
    if today < due_on:
        return f"{capitalize_first(who)} will be on leave on the due date, so nothing is asked."
    return f"{capitalize_first(who)} were on leave on the due date, so nothing was asked."


def _leave_on(standing: Standing, day: date) -> Span:
    """The leave that holds ``day``, of several the one that lasts longest."""
    found = [s for s in standing.facts.leaves if s.starts_on <= day <= s.ends_on]
    return max(found, key=lambda s: s.ends_on)


def _format_short(standing: Standing, cycle: str, today: date, membership: str) -> str:
    missing = _missing(standing)
    words = format_missing(missing, membership=membership)
    if standing.status is Status.OVERDUE:
        return f"{capitalize_first(words)} still missing for {cycle}."
    if standing.status is Status.LAPSED:
        return f"Lapsed: {words} missing for {cycle}."
    by = f" by {_by(standing.due_on, today)}" if standing.due_on else ""
    if all(item.counts == "membership" for item in missing):
        return f"Only {membership} to renew{by}."
    return f"{capitalize_first(words)} to go{by}."


def format_lead(standing: Standing, today: date, *, own: bool = True) -> str:
    """What comes next, and how things go; empty where there is nothing to add.

    ``own``: to whom it belongs; else to a coordinator.
    """
    cycle, due_on = standing.plan.cycle, standing.due_on
    if cycle is None or due_on is None:
        return "So nothing is asked here, and nothing is guessed. What is logged is kept."
    grace = format_date(cycle.grace_ends_on(due_on))
    if standing.status is Status.OVERDUE:
        held = format_date(cycle.ends_on)
        return (
            f"It was due on {format_date(due_on)}. Hours held by {held} can still be logged to the end "
            f"of {grace}."
        )
    if standing.status is Status.LAPSED:
        requirement = " Your coordinator can tell you what to do." if own else ""
        return f"The days of grace ended with {grace}.{requirement}"
    if standing.status is Status.OPEN:
        outlook = _outlook(standing, today, own=own)
        within = _held_by(standing, cycle, due_on)
        return " ".join([*within, *_not_asked(standing), *outlook, *_done(standing)])
    if standing.status is Status.EXCUSED:
        return " ".join([_leave_ends(standing, due_on, today, own=own), *_not_asked(standing)])
    return " ".join([*_not_asked(standing), *_next_cycle(cycle, today)])


def _held_by(standing: Standing, cycle: Cycle, due_on: date) -> list[str]:
    """That an extension moves the due date, not the days on which hours count."""
    wants_hours = any(item.counts != "membership" for item in _missing(standing))
    if due_on <= cycle.ends_on or not wants_hours:
        return []
    held = format_date(cycle.ends_on)
    return [f"Hours count if they were held by {held}; they can be logged until later."]


def _by(due_on: date, today: date) -> str:
    """The due date, with its year where that is another one."""
    return format_month_day(due_on) if due_on.year == today.year else format_date(due_on)


def _leave_ends(standing: Standing, due_on: date, today: date, *, own: bool) -> str:
    """From when to when the leave goes that holds the due date; who ends it where nobody has."""
    leave = _leave_on(standing, due_on)
    if leave.ends_on == date.max:
        who = "Your coordinator enters it once you say so." if own else ""
        return f"The leave has no last day yet. {who}".rstrip()
    ends = format_date(leave.ends_on)
    was = "was" if due_on < today else "is"
    return f"The leave goes to the end of {ends}; this renewal {was} due within it."


def _next_cycle(cycle: Cycle, today: date) -> list[str]:
    if cycle.ends_on < today:
        return []
    return [f"The next cycle begins on {format_date(cycle.ends_on + timedelta(days=1))}."]


def format_effect(standing: Standing) -> str:
    """Each requirement in a few words: "RSC 7 of 12 hours; DEIA done"."""
    return capitalize_first("; ".join(_effect(result) for result in standing.results))


def _effect(result: Result) -> str:
    name = name_of(result.requirement.counts, result.requirement.topic)
    if result.outcome is Outcome.MET:
        return f"{name} done"
    if result.outcome is not Outcome.SHORT:
        return f"{name} not asked"
    if result.requirement.counts == "membership":
        return f"{name} not current"
    return f"{name} {format_progress(result.counted, result.required)}"


def _missing(standing: Standing) -> list[Missing]:
    return [
        Missing(
            r.requirement.counts,
            r.requirement.topic,
            0 if r.requirement.counts == "membership" else r.short,
        )
        for r in standing.results
        if r.outcome is Outcome.SHORT
    ]


def _not_asked(standing: Standing) -> list[str]:
    if any(r.requirement.is_exempt for r in standing.results):
        return [f"{capitalize_first(format_reason(because('first_cycle')))}."]
    return []


def _done(standing: Standing) -> list[str]:
    done = [
        name_of(r.requirement.counts, None)
        for r in standing.results
        if r.outcome is Outcome.MET and r.requirement.topic is None
    ]
    return (
        [f"{capitalize_first(format_list(done))} {'is' if len(done) == 1 else 'are'} done."]
        if done
        else []
    )


def _outlook(standing: Standing, today: date, *, own: bool) -> list[str]:
    """The forecast: one sentence, or none where it is too early for one."""
    found = [(r, forecast(standing, r, today)) for r in standing.results]
    parts = _format_paces([(name_of(r.requirement.counts, None), f) for r, f in found if f], today)
    said = [f"at {'your' if own else 'their'} pace {', and '.join(parts)}"] if parts else []
    if untouched := _untouched(standing):
        said.append(f"nothing with {format_list(untouched)} is logged yet")
    return [f"{capitalize_first('; '.join(said))}."] if said else []


def _untouched(standing: Standing) -> list[str]:
    """Topics of which nothing is logged, though other hours of their kind are."""
    begun = {
        r.requirement.counts for r in standing.results if r.counted and not r.requirement.topic
    }
    return [
        r.requirement.topic
        for r in standing.results
        if r.requirement.topic
        and not r.counted
        and r.outcome is Outcome.SHORT
        and r.requirement.counts in begun
    ]


def _format_paces(found: Sequence[tuple[str, Forecast]], today: date) -> list[str]:
    """What goes alike is said together: what is behind, what comes late, what is in time."""
    groups: dict[str, list[str]] = {}
    for pace in (Pace.BEHIND, Pace.NEARLY, Pace.ON):
        for name, one in found:
            if one.pace is pace:
                groups.setdefault(_how(one, today), []).append(name)
    return [
        f"{format_list(names)} {how.replace('is ', 'are ', 1) if len(names) > 1 else how}"
        for how, names in groups.items()
    ]


def _how(found: Forecast, today: date) -> str:
    if found.pace is Pace.BEHIND:
        return "would not be complete by then"
    if found.pace is Pace.NEARLY or found.done_on is None:
        return "would be complete a little late"
    return f"is complete {format_week(found.done_on, today)}"
