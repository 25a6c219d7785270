"""One cycle as a strip: where today stands between its first day, the due date and grace's end.

Places are percentages of the strip's width, for an SVG without a script; the dated list beside
it says the same and more.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from tracker.formatting import (
    format_date,
    format_hours,
    format_hours_with_unit,
    format_month_day,
    format_short_date,
    format_short_month_day,
)
from tracker.rules.pace import Pace, forecast
from tracker.rules.providers import Provider
from tracker.rules.standing import Outcome, Result, Standing, Status
from tracker.web.pages.renewal_text import format_effect, format_headline, format_lead
from tracker.web.pages.timeline import Coming, Sessions, coming_up
from tracker.web.pages.verdicts import counts_for
from tracker.web.pages.year_data import Material, holds
from tracker.web.text import format_cycle

_NEAR_AN_END = 20
_WHOLE = 100


@dataclass(frozen=True, slots=True)
class Label:
    """Words at a place; ``anchor`` is the SVG text-anchor that keeps them inside the strip."""

    place: float
    anchor: str
    words: str


@dataclass(frozen=True, slots=True)
class Strip:
    """The strip; ``gone`` is the part that is over, ``leaves`` are (place, width).

    ``today`` is None where today lies outside it; ``grace`` where there are no days of grace.
    """

    title: str
    gone: float
    due: float
    today: Label | None
    grace: str
    starts: str
    due_words: str
    leaves: Sequence[tuple[float, float]]


def strip_of(standing: Standing, today: date) -> Strip | None:
    """The strip of a renewal that has a cycle and asks something."""
    cycle, due_on = standing.plan.cycle, standing.due_on
    if cycle is None or due_on is None or standing.status is Status.EXCUSED:
        return None
    last = cycle.grace_ends_on(due_on)
    place = _Places(cycle.starts_on, last)
    inside = cycle.starts_on <= today <= last
    gone = place.of(today) if inside else float(_WHOLE if today > last else 0)
    leaves = [
        (place.of(leave.starts_on), round(place.of(leave.ends_on) - place.of(leave.starts_on), 1))
        for leave in standing.facts.leaves
        if leave.ends_on >= cycle.starts_on and leave.starts_on <= last
    ]
    has_grace = last > due_on
    return Strip(
        title=_title(place, today if inside else None, due_on, with_leave=bool(leaves)),
        gone=gone,
        due=place.of(due_on),
        today=_today(gone, today) if inside else None,
        grace=f"grace to {_short(last)}" if has_grace else "",
        starts=_short(cycle.starts_on),
        due_words=f"due {_short(due_on)}",
        leaves=leaves,
    )


@dataclass(frozen=True, slots=True)
class _Places:
    first: date
    last: date

    def of(self, day: date) -> float:
        """Where a day's end lies, in percent of the strip."""
        whole = (self.last - self.first).days + 1
        gone = (min(max(day, self.first), self.last) - self.first).days + 1
        return round(_WHOLE * gone / whole, 1)


def _today(place: float, today: date) -> Label:
    anchor = "middle"
    if place < _NEAR_AN_END:
        anchor = "start"
    elif place > _WHOLE - _NEAR_AN_END:
        anchor = "end"
    return Label(place, anchor, f"today, {format_short_month_day(today)}")


def _title(place: _Places, today: date | None, due_on: date, *, with_leave: bool) -> str:
    now = f"today is {format_date(today)}, " if today else ""
    grace = f", days of grace to {format_date(place.last)}" if place.last > due_on else ""
    leave = ", with a leave" if with_leave else ""
    return f"From {format_date(place.first)}: {now}due {format_date(due_on)}{grace}{leave}"


def _short(day: date) -> str:
    return format_short_date(day)


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
    requirement = result.requirement
    is_membership = requirement.counts == "membership"
    state, tone = _state(standing, result, today)
    about = requirement.about
    if is_membership and standing.covered_until:
        about = f"{requirement.about}, paid to {format_date(standing.covered_until)}"
    return Row(
        anchor=anchor_of(standing, requirement.id),
        label=requirement.label,
        about=about,
        is_part=requirement.topic is not None,
        is_membership=is_membership,
        counted=None if is_membership else result.counted,
        required=result.required if result.outcome in _ASKED and not is_membership else None,
        state=state,
        tone=tone,
        document=requirement.source_document,
        section=requirement.source_section,
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
    if result.requirement.counts == "membership":
        return "Not current", "warm"
    if standing.status is not Status.OPEN or result.requirement.topic:
        return f"{format_hours_with_unit(result.short)} short", "warm"
    found = forecast(standing, result, today)
    if found is None:
        return f"{format_hours_with_unit(result.short)} to go", "plain"
    tone: Tone = "warm" if found.pace is Pace.BEHIND else "plain"
    return f"{found.pace.value.capitalize()}, {format_hours(result.short)} to go", tone


@dataclass(frozen=True, slots=True)
class CycleLink:
    """A cycle of an endorsement; ``is_now``: today lies in it, so that My year shows it."""

    endorsement_id: int
    starts_on: date
    name: str
    is_now: bool


@dataclass(frozen=True, slots=True)
class RenewalView:
    """One endorsement in one cycle, in words. ``cycles`` are all of its cycles, newest first.

    ``starts_on`` is the first day of the cycle; None where there are no renewal rules.
    """

    endorsement_id: int
    starts_on: date | None
    association: str
    category: str
    category_name: str
    cycle: str
    due_words: str
    status: str
    headline: str
    lead: str
    effect: str
    requirements: str
    rows: Sequence[Row]
    coming: Sequence[Coming]
    strip: Strip | None
    cycles: Sequence[CycleLink]

    @property
    def earlier(self) -> list[CycleLink]:
        """The cycles before this one, newest first."""
        first = self.starts_on
        return [c for c in self.cycles if first is not None and c.starts_on < first]


def view_renewal(material: Material, standing: Standing) -> RenewalView:
    """One standing in words."""
    plan, today = standing.plan, material.day_of(standing.plan.association)
    known = material.rulebooks.associations[plan.association].categories.get(plan.category)
    return RenewalView(
        endorsement_id=standing.facts.subject_id,
        starts_on=plan.cycle.starts_on if plan.cycle else None,
        association=plan.association,
        category=plan.category,
        category_name=known.name if known else plan.category,
        cycle=format_cycle(plan.cycle) if plan.cycle else "",
        due_words=_due_words(standing, today),
        status=standing.status.value,
        headline=format_headline(standing, today, own=material.own),
        lead=format_lead(standing, today, own=material.own),
        effect=format_effect(standing),
        requirements=_asks(standing, today),
        rows=requirement_rows(standing, today),
        coming=coming_up(standing, material.rulebooks, today, _sessions(material, standing)),
        strip=strip_of(standing, today),
        cycles=cycle_links(material, standing.facts.subject_id),
    )


def cycle_links(material: Material, endorsement_id: int) -> list[CycleLink]:
    """Every cycle of an endorsement, newest first."""
    cycles = material.cycles.get(endorsement_id, ())
    association = next(e.association for e in material.endorsements if e.id == endorsement_id)
    if not cycles:
        return []
    today = material.day_of(association)
    return [
        CycleLink(endorsement_id, c.starts_on, format_cycle(c), is_now=c.ends_on >= today)
        for c in cycles
    ]


def _sessions(material: Material, standing: Standing) -> Sessions:
    counted: Counter[int] = Counter()
    used: dict[int, Provider] = {}
    for entry in material.entries:
        if entry.provider_id is None or not holds(standing, entry.held_on):
            continue
        used[entry.provider_id] = material.providers[entry.provider_id]
        if counts_for(material, standing, entry):
            counted[entry.provider_id] += entry.minutes
    return Sessions(used, counted, "your" if material.own else "their")


def _asks(standing: Standing, today: date) -> str:
    cycle = standing.plan.cycle
    if cycle is None or cycle.ends_on < today:
        return f"What {format_cycle(cycle)} asked for" if cycle else ""
    named = format_cycle(cycle) == str(cycle.ends_on.year)
    return f"What this {'year' if named else 'cycle'} asks for"


def _due_words(standing: Standing, today: date) -> str:
    """The due date, with its year where that is not this one; empty without one."""
    cycle, due_on = standing.plan.cycle, standing.due_on
    if cycle is None or due_on is None:
        return ""
    is_plain = format_cycle(cycle) == str(due_on.year) == str(today.year)
    return format_month_day(due_on) if is_plain else format_date(due_on)
