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
from tracker.rules.absence_rules import ABSENCE_NOUNS, ABSENCE_WORDS
from tracker.rules.absences import find_absence
from tracker.rules.category_ends import explain_ends
from tracker.rules.cycles import Cycle
from tracker.rules.explain import list_held_years
from tracker.rules.history import scheme_of
from tracker.rules.plan import PlannedRequirement, RenewalPlan
from tracker.rules.reasons import Reason, because, format_reason
from tracker.rules.renewal import Pace, forecast
from tracker.rules.requirement import HOURS
from tracker.rules.stages import Stage, find_window
from tracker.rules.standing import (
    Absence,
    Outcome,
    Result,
    Standing,
    Status,
    explain_no_hours,
    is_too_late,
)
from tracker.services.dashboard import ShortRequirement
from tracker.web.rendering import format_cycle

_DAYS_IN_WEEK = 7
_READY = "Ready to submit"
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
    return _format_unmet(standing, cycle, today, is_own=is_own)


def format_audit(stage: Stage, *, is_own: bool) -> str:
    """The headline of a renewal that is in an audit."""
    what = "appeal is being reviewed" if stage is Stage.APPEALED else "renewal is being audited"
    return f"{'Your' if is_own else 'Their'} {what}."


def _format_unmet(standing: Standing, cycle: Cycle, today: date, *, is_own: bool) -> str:
    """The headline of a renewal that lacks something."""
    if standing.facts.submitted is not None and standing.status is not Status.LAPSED:
        return f"{'Your' if is_own else 'Their'} renewal is submitted."
    membership = "your membership" if is_own else "their membership"
    short = _list_short(standing)
    missing = format_missing(short, membership=membership)
    if standing.status is Status.OVERDUE:
        return f"{capitalize_first(missing)} still missing for {format_cycle(cycle)}."
    if standing.status is Status.LAPSED:
        return f"Lapsed: {missing} missing for {format_cycle(cycle)}."
    to_go = _format_to_go(short, membership)
    if to_go == _READY and _opens_later(standing, cycle, today):
        return "Nothing to submit yet."
    return f"{to_go}{_format_by(standing, today)}."


def _format_by(standing: Standing, today: date) -> str:
    return f" by {_format_due(standing.due_on, today)}" if standing.due_on else ""


def _opens_later(standing: Standing, cycle: Cycle, today: date) -> bool:
    """Whether the submission of a renewal opens after ``today``."""
    return today < find_window(cycle, standing.due_on or cycle.due_on).opens_on


def _format_to_go(short: Sequence[ShortRequirement], membership: str) -> str:
    kinds = {item.counts for item in short}
    if kinds <= {"submitted", "signed"}:
        return _READY
    if kinds == {"paid"}:
        return "Only the renewal fee to pay"
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
    away = _format_away(standing, today, is_own=is_own)
    if standing.status is Status.OVERDUE:
        return f"{away}{_format_overdue(standing, cycle, due_on)}{unrecorded}"
    if standing.status is Status.LAPSED:
        ask = " Your coordinator can tell you what to do." if is_own else ""
        return f"{away}The grace period ended on {grace_ends_on}.{unrecorded}{ask}"
    sentences = _format_exemptions(standing)
    if standing.status is Status.EXCUSED:
        sentences.insert(0, _format_leave_end(standing, due_on, is_own=is_own))
    elif standing.status is Status.OPEN:
        sentences = _format_work_left(standing, cycle, sentences, today, is_own=is_own)
    elif cycle.ends_on >= today:
        next_starts_on = cycle.ends_on + timedelta(days=1)
        sentences.append(f"The next cycle begins on {format_date(next_starts_on)}.")
    return away + " ".join(sentences) + unrecorded


def _format_work_left(
    standing: Standing, cycle: Cycle, sentences: list[str], today: date, *, is_own: bool
) -> list[str]:
    """``sentences``, and how it goes; once it is submitted, no hours are left to log."""
    if standing.facts.submitted is not None:
        return sentences
    return [
        *_format_extension(standing, cycle, standing.due_on or cycle.due_on),
        *sentences,
        *_format_closed_years(standing, is_own=is_own),
        *_format_outlook(standing, today, is_own=is_own),
    ]


def _format_overdue(standing: Standing, cycle: Cycle, due_on: date) -> str:
    was_due = f"It was due on {format_date(due_on)}"
    if standing.facts.submitted is not None:
        return f"{was_due}, and does not lapse while it waits."
    last, grace_ends_on = format_date(cycle.ends_on), format_date(cycle.grace_ends_on(due_on))
    return f"{was_due}. Sessions on or before {last} can still be logged through {grace_ends_on}."


# What is said of a requirement that is short and not about hours.
MISSING_STATES = {
    "membership": "Not current",
    "paid": "Not paid",
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
    """What is different for this endorsement: an unusual cycle, years held, and an end by rule."""
    reasons = [*list_held_years(standing.plan), *_list_unusual_cycle(standing)]
    ends = explain_ends(standing.plan.rulebook, standing.plan.category)
    if ends and standing.facts.ends_on is not None:
        reasons.append(because("ends_by_rule", last_day=standing.facts.ends_on))
    return [f"{capitalize_first(format_reason(reason))}." for reason in (*reasons, *ends)]


def _list_unusual_cycle(standing: Standing) -> list[Reason]:
    """What an unusual cycle requires, and from which day on hours count in the first one."""
    cycle = standing.plan.cycle
    if cycle is None:
        return []
    exempt = [result.requirement for result in standing.results if result.requirement.is_exempt]
    if not cycle.is_first:
        return [explain_no_hours(cycle)] if exempt else _list_changed_cycle(cycle)
    return _list_first_cycle(standing, cycle, exempt)


def _list_first_cycle(
    standing: Standing, cycle: Cycle, exempt: Sequence[PlannedRequirement]
) -> list[Reason]:
    reasons = []
    endorsed_on = standing.facts.starts_on
    if named := tuple(each.label for each in exempt if each.rule.id in cycle.exempts):
        reasons.append(because("first_cycle_exempts", labels=named))
    if len(named) < len(exempt):
        reasons.append(because("first_cycle"))
    elif endorsed_on > cycle.counts_from:
        days = {"starts_on": cycle.counts_from, "endorsed_on": endorsed_on}
        reasons.append(because(_choose_first_cycle_code(standing.plan, cycle), **days))
    return reasons


def _choose_first_cycle_code(plan: RenewalPlan, cycle: Cycle) -> str:
    if cycle.share >= 1:
        return "first_cycle_hours"
    is_applied = scheme_of(plan.rulebook.cycles, cycle).first_cycle_from == "application"
    return "first_cycle_applied" if is_applied else "first_cycle_part"


def _list_changed_cycle(cycle: Cycle) -> list[Reason]:
    """Why a cycle that a change of the rules shortens or lengthens requires other hours."""
    if cycle.share == 1:
        return []
    code = "changed_cycle_less" if cycle.share < 1 else "changed_cycle_more"
    return [because(code, ends_on=cycle.ends_on)]


def _format_due(due_on: date, today: date) -> str:
    return format_month_day(due_on) if due_on.year == today.year else format_date(due_on)


def _format_leave(standing: Standing, today: date, *, is_own: bool) -> str:
    who, due_on = "you" if is_own else "they", standing.due_on
    absence = None if due_on is None else find_absence(standing.facts.leaves, due_on)
    if absence is None or due_on is None:
        cycle = standing.plan.cycle
        return (
            f"Nothing is required for {format_cycle(cycle)}." if cycle else "Nothing is required."
        )
    if absence.starts_on <= today <= due_on:
        text = f"{who} don't need to submit anything while {_format_state(absence, is_own=is_own)}."
    elif today < due_on:
        state = _format_state(absence, is_own=is_own, verb="will be")
        text = f"{state} on the due date, so {who} don't need to submit anything."
    else:
        state = _format_state(absence, is_own=is_own, verb="were")
        text = f"{state} on the due date, so {who} didn't need to submit anything."
    return capitalize_first(text)


def _format_state(absence: Absence, *, is_own: bool, verb: str = "are") -> str:
    """``you are on leave``, ``you are emeritus``, ``your endorsement is inactive``."""
    if absence.kind != "inactive":
        return f"{'you' if is_own else 'they'} {verb} {ABSENCE_WORDS[absence.kind]}"
    verb = {"are": "is", "were": "was"}.get(verb, verb)
    return f"{'your' if is_own else 'their'} endorsement {verb} {ABSENCE_WORDS[absence.kind]}"


def _format_leave_end(standing: Standing, due_on: date, *, is_own: bool) -> str:
    absence = find_absence(standing.facts.leaves, due_on)
    if absence is None:
        return ""
    if absence.ends_on == date.max and absence.kind == "emeritus":
        return f"Emeritus since {format_date(absence.starts_on)}."
    if absence.ends_on == date.max:
        ask = " Tell your coordinator when it ends." if is_own else ""
        return f"The {ABSENCE_NOUNS[absence.kind]} has no end date yet.{ask}"
    return f"The {ABSENCE_NOUNS[absence.kind]} ends on {format_date(absence.ends_on)}."


def _format_away(standing: Standing, today: date, *, is_own: bool) -> str:
    """That the endorsement is inactive, or its endorsee on leave, today; else empty."""
    absence = find_absence(standing.facts.leaves, today)
    # The headline of an excused renewal says so already.
    if absence is None or standing.status is Status.EXCUSED:
        return ""
    state = capitalize_first(_format_state(absence, is_own=is_own))
    if absence.ends_on == date.max and absence.kind == "emeritus":
        return f"Emeritus since {format_date(absence.starts_on)}. "
    if absence.ends_on == date.max:
        return f"{state}; it has no end date yet. "
    return f"{state} through {format_date(absence.ends_on)}. "


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
        if result.outcome is Outcome.SHORT and not result.can_attest:
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
