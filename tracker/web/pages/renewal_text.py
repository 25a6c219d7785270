"""One renewal in sentences: the headline, what comes next, and how things go."""

from collections.abc import Sequence
from datetime import date, timedelta

from tracker.formatting import (
    capitalize_first,
    format_date,
    format_list,
    format_measure,
    format_measure_number,
    format_month,
    format_month_day,
    format_ordinal,
)
from tracker.notifications.attention_text import format_missing, format_short
from tracker.rules.cycles import Cycle
from tracker.rules.reasons import because, format_reason
from tracker.rules.renewal import Pace, forecast
from tracker.rules.requirement import HOURS
from tracker.rules.standing import Outcome, Result, Span, Standing, Status, is_too_late
from tracker.services.dashboard import ShortRequirement
from tracker.web.rendering import format_cycle

_DAYS_IN_WEEK = 7
_WEEKS = ("first", "second", "third", "last")


def format_headline(standing: Standing, today: date, *, is_own: bool = True) -> str:
    """One sentence on where the renewal stands; ``is_own``: its endorsee reads it."""
    cycle = standing.plan.cycle
    if cycle is None:
        reason = because("not_tracked", association=standing.plan.association)
        return f"{capitalize_first(format_reason(reason))}."
    if standing.status is Status.MET:
        return f"All done for {format_cycle(cycle)}."
    if standing.status is Status.EXCUSED:
        return _format_leave(standing, today, is_own=is_own)
    membership = "your membership" if is_own else "their membership"
    short = _list_short(standing)
    missing = format_missing(short, membership=membership)
    if standing.status is Status.OVERDUE:
        return f"{capitalize_first(missing)} still missing for {format_cycle(cycle)}."
    if standing.status is Status.LAPSED:
        return f"Lapsed: {missing} missing for {format_cycle(cycle)}."
    by = f" by {_format_due(standing.due_on, today)}" if standing.due_on else ""
    return f"{_format_to_go(short, membership)}{by}."


def _format_to_go(short: Sequence[ShortRequirement], membership: str) -> str:
    kinds = {item.counts for item in short}
    if kinds <= {"submitted", "signed"}:
        return "Ready to submit"
    if kinds <= {"membership"}:
        return f"Only {membership} to renew"
    return f"{capitalize_first(format_missing(short, membership=membership))} to go"


def format_lead(standing: Standing, today: date, *, is_own: bool = True) -> str:
    """What comes next and how things go; ``is_own``: the endorsee reads it. May be empty."""
    cycle, due_on = standing.plan.cycle, standing.due_on
    if cycle is None or due_on is None:
        return "Your logged hours are kept." if is_own else "Their logged hours are kept."
    grace_ends_on = format_date(cycle.grace_ends_on(due_on))
    unrecorded = _format_unrecorded(standing, is_own=is_own)
    if standing.status is Status.OVERDUE:
        return (
            f"It was due on {format_date(due_on)}. Sessions on or before "
            f"{format_date(cycle.ends_on)} can still be logged through {grace_ends_on}.{unrecorded}"
        )
    if standing.status is Status.LAPSED:
        ask = " Your coordinator can tell you what to do." if is_own else ""
        return f"The grace period ended on {grace_ends_on}.{unrecorded}{ask}"
    sentences = _format_exemptions(standing)
    if standing.status is Status.EXCUSED:
        sentences.insert(0, _format_leave_end(standing, due_on, is_own=is_own))
    elif standing.status is Status.OPEN:
        sentences = _format_extension(standing, cycle, due_on) + sentences
        sentences += _format_closed_years(standing, is_own=is_own)
        sentences += _format_outlook(standing, today, is_own=is_own)
    elif cycle.ends_on >= today:
        next_starts_on = cycle.ends_on + timedelta(days=1)
        sentences.append(f"The next cycle begins on {format_date(next_starts_on)}.")
    return " ".join(sentences) + unrecorded


# What is said of a requirement that is short and not about hours.
MISSING_STATES = {
    "membership": "Not current",
    "submitted": "Not submitted",
    "signed": "Not signed",
}


def format_effect(standing: Standing) -> str:
    """Each requirement in a few words: "RSC 7 of 12 hours; DEIA done"."""
    parts = []
    for result in standing.results:
        name = result.requirement.hours_name
        if result.outcome is Outcome.MET:
            parts.append(f"{name} done")
        elif result.outcome is not Outcome.SHORT:
            parts.append(f"{name} not required")
        elif not result.requirement.is_of_sessions:
            parts.append(f"{name} {MISSING_STATES[result.requirement.counts].lower()}")
        else:
            parts.append(_format_progress(result))
    return capitalize_first("; ".join(parts))


def _format_progress(result: Result) -> str:
    """``RSC 7 of 12 hours``, ``RSC in 2 of 9 months``."""
    requirement = result.requirement
    counted = format_measure_number(result.counted, requirement.unit)
    progress = f"{counted} of {format_measure(result.required, requirement.unit)}"
    if requirement.is_spread:
        progress = f"in {progress}"
    year = f" in the {format_ordinal(requirement.year.number)} year" if requirement.year else ""
    return f"{requirement.kind_name} {progress}{year}"


def format_week(day: date, today: date) -> str:
    """About when: "in the last week of November", with the year unless it is this one."""
    week = _WEEKS[min((day.day - 1) // _DAYS_IN_WEEK, len(_WEEKS) - 1)]
    year = "" if day.year == today.year else f" {day.year}"
    return f"in the {week} week of {format_month(day)}{year}"


def _format_unrecorded(standing: Standing, *, is_own: bool) -> str:
    """What hours from before the association's first day here mean for a cycle that is short."""
    first_day = standing.unrecorded_until
    if first_day is None:
        return ""
    reason = capitalize_first(format_reason(because("unrecorded_hours", first_day=first_day)))
    if standing.status is Status.LAPSED:
        return f" {reason}."
    return f" {reason}: you can log them." if is_own else f" {reason}: they can be logged."


def _format_exemptions(standing: Standing) -> list[str]:
    """What the cycle of endorsement requires, and from which day on hours count in it."""
    cycle, endorsed_on = standing.plan.cycle, standing.facts.starts_on
    if any(result.requirement.is_exempt for result in standing.results):
        return [f"{capitalize_first(format_reason(because('first_cycle')))}."]
    if cycle is None or not cycle.is_first or endorsed_on <= cycle.starts_on:
        return []
    reason = because("first_cycle_hours", starts_on=cycle.starts_on, endorsed_on=endorsed_on)
    if cycle.share < 1:
        reason = because("first_cycle_part", starts_on=cycle.starts_on, endorsed_on=endorsed_on)
    return [f"{capitalize_first(format_reason(reason))}."]


def _format_due(due_on: date, today: date) -> str:
    return format_month_day(due_on) if due_on.year == today.year else format_date(due_on)


def _format_leave(standing: Standing, today: date, *, is_own: bool) -> str:
    who, due_on = "you" if is_own else "they", standing.due_on
    if due_on is None or _leave_on(standing, due_on).starts_on <= today <= due_on:
        text = f"{who} don't need to submit anything while {who} are on leave."
    elif today < due_on:
        text = f"{who} will be on leave on the due date, so {who} don't need to submit anything."
    else:
        text = f"{who} were on leave on the due date, so {who} didn't need to submit anything."
    return capitalize_first(text)


def _leave_on(standing: Standing, day: date) -> Span:
    """The leave that contains ``day``; of several, the one that ends last."""
    leaves = [s for s in standing.facts.leaves if s.starts_on <= day <= s.ends_on]
    return max(leaves, key=lambda leave: leave.ends_on)


def _format_leave_end(standing: Standing, due_on: date, *, is_own: bool) -> str:
    leave = _leave_on(standing, due_on)
    if leave.ends_on == date.max:
        ask = " Tell your coordinator when it ends." if is_own else ""
        return f"The leave has no end date yet.{ask}"
    return f"The leave ends on {format_date(leave.ends_on)}."


def _format_extension(standing: Standing, cycle: Cycle, due_on: date) -> list[str]:
    """That an extension moves the due date, not the days on which hours count."""
    needs_hours = any(item.counts in HOURS for item in _list_short(standing))
    if due_on <= cycle.ends_on or not needs_hours:
        return []
    return [
        f"Only sessions on or before {format_date(cycle.ends_on)} count. You can log them later."
    ]


def _format_closed_years(standing: Standing, *, is_own: bool) -> list[str]:
    """What is short in a year of the cycle that is over, and whom to ask about it."""
    sentences = []
    for result in standing.results:
        if is_too_late(result):
            short = format_short(ShortRequirement.of_result(result))
            sentences.append(f"{capitalize_first(short)} can't be made up: that year is over.")
    if sentences and is_own:
        sentences.append("Your coordinator can tell you what to do.")
    return sentences


def _list_short(standing: Standing) -> list[ShortRequirement]:
    """What is missing, without what the endorsee can attest to when they submit."""
    short = []
    for result in standing.results:
        if result.outcome is Outcome.SHORT and not result.requirement.rule.attested_by:
            short.append(ShortRequirement.of_result(result))
    return short


def _format_outlook(standing: Standing, today: date, *, is_own: bool) -> list[str]:
    """The forecast, once there is one; the topics that are still untouched; and what is done."""
    sentences = []
    if paces := _format_paces(standing, today):
        whose = "your" if is_own else "their"
        sentences.append(f"At {whose} current pace, {', and '.join(paces)}.")
    if untouched := _untouched_topics(standing):
        sentences.append(f"No hours about {format_list(untouched)} are logged yet.")
    done = []
    for result in standing.results:
        if result.outcome is Outcome.MET and not result.requirement.is_part:
            done.append(result.requirement.hours_name)
    if done:
        verb = "is" if len(done) == 1 else "are"
        sentences.append(f"{capitalize_first(format_list(done))} {verb} done.")
    return sentences


def _untouched_topics(standing: Standing) -> list[str]:
    """Topics without any hours, though other hours of their kind are logged."""
    logged = {r.requirement.counts for r in standing.results if r.counted}
    topics = []
    for result in standing.results:
        requirement = result.requirement
        is_untouched = result.outcome is Outcome.SHORT and not result.counted
        if requirement.topic and is_untouched and requirement.counts in logged:
            topics.append(requirement.topic)
    return topics


def _format_paces(standing: Standing, today: date) -> list[str]:
    """What is behind, what will be late, and what will be in time, each with its requirements."""
    groups: dict[str, list[str]] = {}
    forecasts = [(r.requirement, forecast(standing, r, today)) for r in standing.results]
    for pace in (Pace.BEHIND, Pace.NEARLY, Pace.ON):
        for requirement, found in forecasts:
            if found is None or found.pace is not pace:
                continue
            if pace is Pace.BEHIND:
                outcome = "will not be complete by then"
            elif pace is Pace.NEARLY or found.done_on is None:
                outcome = "will be complete a little late"
            else:
                outcome = f"will be complete {format_week(found.done_on, today)}"
            groups.setdefault(outcome, []).append(requirement.hours_name)
    return [f"{format_list(names)} {outcome}" for outcome, names in groups.items()]
