"""A row for each requirement of a renewal: how much counts, what is short, at which pace."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from tracker.hours import count_hours, say_hours
from tracker.rules.pace import Pace, forecast
from tracker.rules.providers import say_day
from tracker.rules.standing import Outcome, Result, Standing, Status

Tone = Literal["good", "plain", "warm"]
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
    is_membership: bool
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
        is_membership=is_membership,
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
    found = forecast(standing, result, today)
    if found is None:
        return f"{count_hours(result.short)} to go", "plain"
    tone: Tone = "warm" if found.pace is Pace.BEHIND else "plain"
    return f"{found.pace.value.capitalize()}, {say_hours(result.short)} to go", tone
