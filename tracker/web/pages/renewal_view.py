"""One renewal as a section of a page: its requirements, its dates, and a strip of its cycle."""

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
from tracker.rules.providers import find_ending, format_ending, qualified_spans
from tracker.rules.standing import Outcome, Result, Standing, Status
from tracker.services.endorsements import Endorsed
from tracker.web.pages.renewal_text import format_effect, format_headline, format_lead
from tracker.web.pages.year_data import YearData, contains
from tracker.web.text import format_cycle

Tone = Literal["good", "plain", "warm"]
_REQUIRED = {Outcome.MET, Outcome.SHORT}
# In percent of the strip: a label that is nearer to an end would leave it.
_NEAR_AN_END = 20
_WHOLE = 100


@dataclass(frozen=True, slots=True)
class RequirementRow:
    """One requirement. ``counted`` and ``required`` are minutes, None for a membership.

    ``required`` is also None if the hours are not required: waived or excused.
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


@dataclass(frozen=True, slots=True)
class DatedItem:
    """Something that happens on a day; a last day is included whole."""

    day: date
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class TodayLabel:
    """Where today is on the strip; ``anchor`` is the SVG text-anchor that keeps it inside."""

    place: float
    anchor: str
    words: str


@dataclass(frozen=True, slots=True)
class CycleStrip:
    """A cycle from its first day to the end of its grace period, for an SVG.

    Places and widths are percent of the strip. ``gone`` is the part that is over; ``leaves`` are
    (place, width). ``today`` is None outside of the strip, ``grace`` empty without a grace period.
    """

    title: str
    gone: float
    due: float
    today: TodayLabel | None
    grace: str
    starts: str
    due_words: str
    leaves: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class CycleLink:
    """A cycle of an endorsement, which has a page of its own."""

    endorsement_id: int
    starts_on: date
    name: str


@dataclass(frozen=True, slots=True)
class RenewalView:
    """One endorsement in one cycle; ``earlier`` are the cycles before it, newest first."""

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
    rows: Sequence[RequirementRow]
    dates: Sequence[DatedItem]
    strip: CycleStrip | None
    earlier: Sequence[CycleLink]


def view_renewal(data: YearData, standing: Standing) -> RenewalView:
    """One standing as a section of a page."""
    plan, cycle = standing.plan, standing.plan.cycle
    today = data.day_of(plan.association)
    category = data.rulebooks.associations[plan.association].categories.get(plan.category)
    earlier: list[CycleLink] = []
    for endorsement in data.endorsements:
        if endorsement.id == standing.facts.subject_id and cycle is not None:
            links = list_cycle_links(data, endorsement)
            earlier = [link for link in links if link.starts_on < cycle.starts_on]
    return RenewalView(
        association=plan.association,
        category=plan.category,
        category_name=category.name if category else plan.category,
        cycle=format_cycle(cycle) if cycle else "",
        due_words=_format_due(standing, today),
        status=standing.status.value,
        headline=format_headline(standing, today, is_own=data.is_own),
        lead=format_lead(standing, today, is_own=data.is_own),
        effect=format_effect(standing),
        requirements=_format_requirements_title(standing, today),
        rows=[_view_requirement(standing, result, today) for result in standing.results],
        dates=list_dates(data, standing, today),
        strip=view_strip(standing, today),
        earlier=earlier,
    )


def list_cycle_links(data: YearData, endorsement: Endorsed) -> list[CycleLink]:
    """The cycles of an endorsement, newest first."""
    return [
        CycleLink(endorsement.id, cycle.starts_on, format_cycle(cycle))
        for cycle in data.cycles_of(endorsement)
    ]


def anchor_of(standing: Standing, requirement_id: str) -> str:
    """The id of a requirement's row within its page."""
    starts_on = standing.plan.cycle.starts_on if standing.plan.cycle else ""
    return f"rule-{standing.facts.subject_id}-{starts_on}-{requirement_id}".replace(".", "-")


def _format_due(standing: Standing, today: date) -> str:
    """The due date, without its year if that is this year and names the cycle."""
    cycle, due_on = standing.plan.cycle, standing.due_on
    if cycle is None or due_on is None:
        return ""
    is_this_year = format_cycle(cycle) == str(due_on.year) == str(today.year)
    return format_month_day(due_on) if is_this_year else format_date(due_on)


def _format_requirements_title(standing: Standing, today: date) -> str:
    cycle = standing.plan.cycle
    if cycle is None:
        return ""
    if cycle.ends_on < today:
        return f"Requirements for {format_cycle(cycle)}"
    is_calendar_year = format_cycle(cycle) == str(cycle.ends_on.year)
    return f"Requirements for this {'year' if is_calendar_year else 'cycle'}"


def _view_requirement(standing: Standing, result: Result, today: date) -> RequirementRow:
    requirement = result.requirement
    is_membership = requirement.counts == "membership"
    about = requirement.about
    if is_membership and standing.covered_until:
        about += f", paid to {format_date(standing.covered_until)}"
    state, tone = _format_state(standing, result, today)
    return RequirementRow(
        anchor=anchor_of(standing, requirement.id),
        label=requirement.label,
        about=about,
        is_part=requirement.topic is not None,
        is_membership=is_membership,
        counted=None if is_membership else result.counted,
        required=result.required if result.outcome in _REQUIRED and not is_membership else None,
        state=state,
        tone=tone,
        document=requirement.source_document,
        section=requirement.source_section,
    )


def _format_state(standing: Standing, result: Result, today: date) -> tuple[str, Tone]:
    if result.outcome is Outcome.MET:
        return "Done", "good"
    if result.outcome is Outcome.WAIVED:
        return "Waived by the association", "plain"
    if result.outcome is Outcome.EXCUSED:
        if standing.status is Status.EXCUSED:
            return "Excused while on leave", "plain"
        return "Not required in the first cycle", "plain"
    return _format_short_state(standing, result, today)


def _format_short_state(standing: Standing, result: Result, today: date) -> tuple[str, Tone]:
    if result.requirement.counts == "membership":
        return "Not current", "warm"
    if standing.status is not Status.OPEN or result.requirement.topic:
        return f"{format_hours_with_unit(result.short)} short", "warm"
    found = forecast(standing, result, today)
    if found is None:
        return f"{format_hours_with_unit(result.short)} to go", "plain"
    state = f"{found.pace.value.capitalize()}, {format_hours(result.short)} to go"
    return state, "warm" if found.pace is Pace.BEHIND else "plain"


def view_strip(standing: Standing, today: date) -> CycleStrip | None:
    """The strip of a renewal's cycle; None if nothing is due."""
    cycle, due_on = standing.plan.cycle, standing.due_on
    if cycle is None or due_on is None or standing.status is Status.EXCUSED:
        return None
    first, last = cycle.starts_on, cycle.grace_ends_on(due_on)
    whole = (last - first).days + 1

    def place(day: date) -> float:
        """Where the end of a day is."""
        days = (min(max(day, first), last) - first).days + 1
        return round(_WHOLE * days / whole, 1)

    leaves = []
    for leave in standing.facts.leaves:
        if leave.ends_on >= first and leave.starts_on <= last:
            start = place(leave.starts_on)
            leaves.append((start, round(place(leave.ends_on) - start, 1)))
    is_inside = first <= today <= last
    has_grace = last > due_on
    return CycleStrip(
        title=_format_strip(standing, first, due_on, last, today),
        gone=place(today) if today >= first else 0.0,
        due=place(due_on),
        today=_label_today(place(today), today) if is_inside else None,
        grace=f"grace to {format_short_date(last)}" if has_grace else "",
        starts=format_short_date(first),
        due_words=f"due {format_short_date(due_on)}",
        leaves=leaves,
    )


def _format_strip(standing: Standing, first: date, due_on: date, last: date, today: date) -> str:
    now = f"today is {format_date(today)}, " if first <= today <= last else ""
    grace = f", grace period ends {format_date(last)}" if last > due_on else ""
    has_leave = any(s.ends_on >= first and s.starts_on <= last for s in standing.facts.leaves)
    leave = ", with a leave" if has_leave else ""
    return f"From {format_date(first)}: {now}due {format_date(due_on)}{grace}{leave}"


def _label_today(place: float, today: date) -> TodayLabel:
    anchor = "middle"
    if place < _NEAR_AN_END:
        anchor = "start"
    elif place > _WHOLE - _NEAR_AN_END:
        anchor = "end"
    return TodayLabel(place, anchor, f"today, {format_short_month_day(today)}")


def list_dates(data: YearData, standing: Standing, today: date) -> list[DatedItem]:
    """What is ahead for a renewal, and what of it is over, soonest first."""
    items = [
        *_membership_dates(standing, today),
        *_due_dates(standing, today),
        *_leave_dates(standing, today),
        *_provider_dates(data, standing, today),
    ]
    return sorted(items, key=lambda item: item.day)


def _membership_dates(standing: Standing, today: date) -> list[DatedItem]:
    cycle, ends_on = standing.plan.cycle, standing.covered_until
    is_required = any(r.requirement.counts == "membership" for r in standing.results)
    is_over = cycle is not None and cycle.ends_on < today and standing.status is not Status.OPEN
    if not is_required or is_over or ends_on is None or ends_on < today:
        return []
    return [DatedItem(ends_on, "Membership ends", "the last day that it covers")]


def _due_dates(standing: Standing, today: date) -> list[DatedItem]:
    cycle, due_on = standing.plan.cycle, standing.due_on
    if cycle is None or due_on is None or standing.status is Status.EXCUSED:
        return []
    extended = "extended; " if standing.facts.extended_due_on else ""
    if due_on >= today:
        items = [DatedItem(due_on, "Renewal due", f"{extended}the whole day counts")]
    else:
        items = [DatedItem(due_on, "Renewal was due", f"{extended}the whole day counted")]
    grace_ends_on = cycle.grace_ends_on(due_on)
    if grace_ends_on > due_on and standing.status in {Status.OPEN, Status.OVERDUE}:
        items.append(
            DatedItem(grace_ends_on, "Grace period ends", "the renewal lapses after this day")
        )
    elif grace_ends_on > due_on and standing.status is Status.LAPSED:
        items.append(
            DatedItem(grace_ends_on, "Grace period ended", "the renewal lapsed after this day")
        )
    return items


def _leave_dates(standing: Standing, today: date) -> list[DatedItem]:
    """Each leave within the cycle or still to come."""
    cycle = standing.plan.cycle
    items = []
    for starts_on, ends_on in standing.facts.leaves:
        has_end = ends_on != date.max
        if starts_on > today:
            detail = f"through {format_date(ends_on)}" if has_end else "no end date yet"
            items.append(DatedItem(starts_on, "Leave begins", detail))
        elif not has_end:
            items.append(DatedItem(starts_on, "Leave began", "no end date yet"))
        elif ends_on >= today:
            items.append(DatedItem(ends_on, "Leave ends", "the last day of it"))
        elif cycle is not None and ends_on >= cycle.starts_on:
            detail = f"it began on {format_date(starts_on)}"
            items.append(DatedItem(ends_on, "Leave ended", detail))
    return items


def _provider_dates(data: YearData, standing: Standing, today: date) -> list[DatedItem]:
    """The providers whose sessions stop counting while hours can still be logged."""
    plan = standing.plan
    if plan.provider_rule is None or (plan.cycle and plan.cycle.ends_on < today):
        return []
    association, rule = data.rulebooks.provider_rules[plan.provider_rule]
    counted = _count_sessions(data, standing)
    total = counted.total()
    items = []
    for provider_id, minutes in counted.items():
        provider = data.providers[provider_id]
        for span in qualified_spans(association, rule, provider):
            if span.starts_on <= today <= span.ends_on < date.max:
                ending = find_ending(association, rule, provider, span.ends_on)
                detail = format_ending(ending, today) + _format_share(data, minutes, total)
                title = f"{provider.name}'s sessions stop counting"
                items.append(DatedItem(span.ends_on, title, detail))
    return items


def _count_sessions(data: YearData, standing: Standing) -> Counter[int]:
    """The minutes that count in a renewal's cycle, by RSC provider."""
    counted: Counter[int] = Counter()
    for entry in data.entries:
        if entry.provider_id is not None and contains(standing, entry.held_on):
            counts = data.explain(standing.plan, entry).counts
            counted[entry.provider_id] += entry.minutes if counts else 0
    return counted


def _format_share(data: YearData, minutes: int, total: int) -> str:
    if not minutes:
        return ""
    share = "All" if minutes == total else format_hours(minutes)
    whose = "your" if data.is_own else "their"
    return f". {share} of {whose} {format_hours_with_unit(total)} are with this provider"
