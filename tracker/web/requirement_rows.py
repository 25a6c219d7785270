"""A row for each requirement of a renewal: how much counts, what is short, at which pace."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from tracker.hours import count_hours, say_hours
from tracker.rules.pace import falls_behind_on
from tracker.rules.providers import say_day
from tracker.rules.standing import Outcome, Result, Standing, Status

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


def requirement_rows(standing: Standing, today: date) -> list[Row]:
    """A row for each requirement, in the rulebook's order."""
    return [_row(standing, result, today) for result in standing.results]


def anchor_of(standing: Standing, requirement_id: str) -> str:
    """The name of a requirement's row within its page."""
    starts_on = standing.plan.cycle.starts_on if standing.plan.cycle else ""
    key = f"{standing.facts.subject_id}-{starts_on}-{requirement_id}"
    return f"rule-{key.replace('.', '-')}"


def days_needed(standing: Standing, result: Result, today: date) -> int | None:
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
    days = days_needed(standing, result, today)
    if days is not None and standing.due_on and days <= (standing.due_on - today).days:
        return f"On pace, {say_hours(result.short)} to go", "plain"
    return f"{count_hours(result.short)} to go", "plain"
