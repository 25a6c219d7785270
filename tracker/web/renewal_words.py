"""One renewal in words: its headline, the sentence below it, and a row for each requirement."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from tracker.hours import count_hours, say_hours
from tracker.rules.pace import falls_behind_on
from tracker.rules.providers import say_day
from tracker.rules.standing import Outcome, Result, Standing, Status
from tracker.web.words import (
    Missing,
    capital,
    join,
    name_of,
    say_cycle,
    say_missing,
    say_progress,
    say_week,
)

Tone = Literal["good", "plain", "warm"]
# Two months: before that a pace says more about one busy week than about the year.
_DAYS_FOR_A_PACE = 60
_ASKED = {Outcome.MET, Outcome.SHORT}


@dataclass(frozen=True, slots=True)
class Row:
    """One requirement. ``counted`` and ``required`` are minutes, None for a membership.

    ``required`` is also None where the hours are not asked: waived or excused.
    """

    anchor: str
    label: str
    about: str
    is_part: bool
    counted: int | None
    required: int | None
    state: str
    tone: Tone
    document: str
    section: str


def say_headline(standing: Standing) -> str:
    """Where the renewal stands, in one sentence."""
    cycle = standing.plan.cycle
    if cycle is None:
        return "The rulebook holds no renewal rules for this category."
    if standing.status is Status.MET:
        return f"All done for {say_cycle(cycle)}."
    if standing.status is Status.EXCUSED:
        return "Nothing is asked while you are on leave."
    return _say_short(standing, say_cycle(cycle))


def _say_short(standing: Standing, cycle: str) -> str:
    missing = _missing(standing)
    words = say_missing(missing)
    if standing.status is Status.OVERDUE:
        return f"{capital(words)} still missing for {cycle}."
    if standing.status is Status.LAPSED:
        return f"Lapsed: {words} missing for {cycle}."
    if all(item.counts == "membership" for item in missing):
        return "Only your membership to renew."
    return f"{capital(words)} to go."


def say_lead(standing: Standing, today: date) -> str:
    """What stands behind the headline, and how things go; empty where there is nothing to add."""
    cycle, due_on = standing.plan.cycle, standing.due_on
    if cycle is None or due_on is None:
        return "So nothing is asked of you here, and nothing is guessed. What you log is kept."
    grace = say_day(cycle.grace_ends_on(due_on))
    if standing.status is Status.OVERDUE:
        return f"It was due on {say_day(due_on)}. You can still log hours to the end of {grace}."
    if standing.status is Status.LAPSED:
        return f"The days of grace ended with {grace}. Your coordinator can tell you what to do."
    if standing.status is Status.OPEN:
        return " ".join([*_done(standing), *_not_asked(standing), *_outlook(standing, today)])
    return " ".join(_not_asked(standing))


def say_effect(standing: Standing) -> str:
    """Each requirement in a few words: "RSC 7 of 12 hours; DEIA done"."""
    return capital("; ".join(_effect(result) for result in standing.results))


def _effect(result: Result) -> str:
    name = name_of(result.ask.counts, result.ask.topic)
    if result.outcome is Outcome.MET:
        return f"{name} done"
    if result.outcome is not Outcome.SHORT:
        return f"{name} not asked"
    if result.ask.counts == "membership":
        return f"{name} not current"
    return f"{name} {say_progress(result.counted, result.required)}"


def requirement_rows(standing: Standing, today: date) -> list[Row]:
    """A row for each requirement, in the rulebook's order."""
    return [_row(standing, result, today) for result in standing.results]


def anchor_of(standing: Standing, requirement_id: str) -> str:
    """The name of a requirement's row within its page."""
    starts_on = standing.plan.cycle.starts_on if standing.plan.cycle else ""
    key = f"{standing.facts.subject_id}-{starts_on}-{requirement_id}"
    return f"rule-{key.replace('.', '-')}"


def _missing(standing: Standing) -> list[Missing]:
    return [
        Missing(r.ask.counts, r.ask.topic, 0 if r.ask.counts == "membership" else r.short)
        for r in standing.results
        if r.outcome is Outcome.SHORT
    ]


def _not_asked(standing: Standing) -> list[str]:
    reasons = dict.fromkeys(r.ask.not_asked for r in standing.results if r.ask.not_asked)
    return [f"{capital(reason)}." for reason in reasons]


def _done(standing: Standing) -> list[str]:
    done = [
        name_of(r.ask.counts, None)
        for r in standing.results
        if r.outcome is Outcome.MET and r.ask.topic is None
    ]
    return [f"{capital(join(done))} {'is' if len(done) == 1 else 'are'} done."] if done else []


def _outlook(standing: Standing, today: date) -> list[str]:
    hours = [r for r in standing.results if r.outcome is Outcome.SHORT and r.required]
    sentences = [
        sentence
        for r in hours
        if r.ask.counts != "membership" and (sentence := _pace(standing, r, today))
    ]
    if untouched := _untouched(standing):
        sentences.append(f"Nothing with {join(untouched)} is logged yet.")
    return sentences


def _untouched(standing: Standing) -> list[str]:
    """Topics of which nothing is logged, though other hours of their kind are."""
    begun = {r.ask.counts for r in standing.results if r.counted and not r.ask.topic}
    return [
        r.ask.topic
        for r in standing.results
        if r.ask.topic and not r.counted and r.outcome is Outcome.SHORT and r.ask.counts in begun
    ]


def _pace(standing: Standing, result: Result, today: date) -> str:
    due_on = standing.due_on
    days = _days_needed(standing, result, today)
    if days is None or due_on is None:
        return ""
    name = name_of(result.ask.counts, None)
    if days > (due_on - today).days:
        return f"At your pace {name} would not be complete by {say_day(due_on)}."
    return f"At your pace {name} is complete {say_week(today + timedelta(days=days), today)}."


def _days_needed(standing: Standing, result: Result, today: date) -> int | None:
    """In how many days the hours are complete if they go on so; None where nobody could say."""
    cycle = standing.plan.cycle
    if cycle is None or result.ask.topic or not result.counted:
        return None
    days = (today - max(cycle.starts_on, standing.facts.starts_on)).days
    return None if days < _DAYS_FOR_A_PACE else -(-result.short * days // result.counted)


def _row(standing: Standing, result: Result, today: date) -> Row:
    ask = result.ask
    is_membership = ask.counts == "membership"
    state, tone = _state(standing, result, today)
    about = ask.about
    if is_membership and standing.covered_until:
        about = f"{ask.about}, paid to {say_day(standing.covered_until)}"
    return Row(
        anchor=anchor_of(standing, ask.id),
        label=ask.label,
        about=about,
        is_part=ask.topic is not None,
        counted=None if is_membership else result.counted,
        required=result.required if result.outcome in _ASKED and not is_membership else None,
        state=state,
        tone=tone,
        document=ask.source_document,
        section=ask.source_section,
    )


def _state(standing: Standing, result: Result, today: date) -> tuple[str, Tone]:
    if result.outcome is Outcome.MET:
        return "Done", "good"
    if result.outcome is Outcome.WAIVED:
        return "Waived by the association", "plain"
    if result.outcome is Outcome.EXCUSED:
        on_leave = standing.status is Status.EXCUSED
        return ("Excused while on leave" if on_leave else "Not asked in the first cycle"), "plain"
    return _state_of_short(standing, result, today)


def _state_of_short(standing: Standing, result: Result, today: date) -> tuple[str, Tone]:
    if result.ask.counts == "membership":
        return "Not current", "warm"
    if standing.status is not Status.OPEN or result.ask.topic:
        return f"{count_hours(result.short)} short", "warm"
    # One requirement's pace: the renewal's own is that of the worst of them.
    behind_on = falls_behind_on(standing._replace(results=(result,)))
    if behind_on is not None and behind_on <= today:
        return f"Behind, {say_hours(result.short)} to go", "warm"
    days = _days_needed(standing, result, today)
    if days is not None and standing.due_on and days <= (standing.due_on - today).days:
        return f"On pace, {say_hours(result.short)} to go", "plain"
    return f"{count_hours(result.short)} to go", "plain"
