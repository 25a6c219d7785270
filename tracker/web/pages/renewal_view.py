"""One renewal as a section of a page: its requirements, its dates, and a strip of its cycle."""

from collections import Counter
from collections.abc import Collection
from datetime import date
from functools import partial
from typing import Any, Literal

from tracker.clock import local_day
from tracker.formatting import (
    capitalize_first,
    format_date,
    format_hours,
    format_hours_with_unit,
    format_measure,
    format_measure_number,
    format_month_day,
    format_short_date,
    format_short_month_day,
)
from tracker.rules.absence_rules import ABSENCE_NOUNS
from tracker.rules.providers import find_ending, format_ending, qualified_spans
from tracker.rules.reasons import format_reason
from tracker.rules.renewal import Pace, forecast
from tracker.rules.stages import Stage
from tracker.rules.standing import (
    Outcome,
    Result,
    Span,
    Standing,
    Status,
    is_too_late,
    lasts_for_life,
    list_exemptions,
)
from tracker.services.endorsements import Endorsed
from tracker.services.submission_facts import parse_statements
from tracker.web.pages.renewal_fees import list_renewal_fees
from tracker.web.pages.renewal_stage import StageView, view_stage
from tracker.web.pages.renewal_text import (
    MISSING_STATES,
    format_audit,
    format_effect,
    format_headline,
    format_lead,
)
from tracker.web.pages.year_data import YearData, contains, list_cycles
from tracker.web.rendering import category_name, format_cycle

Tone = Literal["good", "plain", "warm"]
# The day of something, what it is, and a detail.
DatedItem = tuple[date, str, str]
_REQUIRED = {Outcome.MET, Outcome.SHORT}
# In percent of the strip: a label that is nearer to an end would leave it.
_NEAR_AN_END = 20
_WHOLE = 100


def view_renewal(data: YearData, standing: Standing) -> dict[str, Any]:
    """One standing as a section of a page; ``earlier`` are the cycles before it, newest first."""
    plan, cycle = standing.plan, standing.plan.cycle
    today = data.day_of(plan.association)
    rulebook = data.rulebooks.associations[plan.association]
    fees = list_renewal_fees(standing, data.payments, today)
    stage = _view_stage(data, standing, today)
    headline, lead = _format_head(data, standing, stage, today)
    owed = {fee.id for fee in fees if fee.is_owed}
    return {
        "endorsement_id": standing.facts.subject_id,
        "cycle_starts_on": cycle.starts_on if cycle else None,
        "association": plan.association,
        "category": plan.category,
        "category_name": category_name(rulebook, plan.category),
        "cycle": format_cycle(cycle) if cycle else "",
        "due_words": _format_due(standing, today),
        "status": standing.status.value,
        "headline": headline,
        "lead": lead,
        "stage": stage,
        "signed": _view_signed(data, standing),
        "is_submitted": standing.facts.submitted is not None or is_audited(stage),
        "effect": format_effect(standing),
        "requirements": _format_requirements_title(standing, today),
        "fees": fees,
        "rows": [_view_requirement(standing, result, today, owed) for result in standing.results],
        "dates": list_dates(data, standing, today),
        "strip": view_strip(standing, today),
        "earlier": _list_earlier(data, standing),
        "settled_on": standing.settled_on,
        "has_ended": (standing.facts.ends_on or date.max) < today,
    }


def _list_earlier(data: YearData, standing: Standing) -> list[dict[str, Any]]:
    """The cycles before that of a renewal, newest first."""
    cycle = standing.plan.cycle
    for endorsement in data.endorsements:
        if endorsement.id == standing.facts.subject_id and cycle is not None:
            links = list_cycle_links(data, endorsement)
            return [link for link in links if link["starts_on"] < cycle.starts_on]
    return []


def _view_signed(data: YearData, standing: Standing) -> dict[str, Any] | None:
    """What the viewer signed with the renewal that is in force, as which name, and on which day."""
    cycle = standing.plan.cycle
    key = (standing.facts.subject_id, cycle.starts_on) if cycle else None
    last = data.submissions.get(key) if key and data.is_own else None
    if last is None or last.returned_at is not None:
        return None
    words = list(parse_statements(last.statements).values())
    day = local_day(last.submitted_at, standing.plan.rulebook.time_zone)
    return {"name": last.signed_name, "day": day, "words": words} if words else None


def is_audited(stage: StageView | None) -> bool:
    """Whether a renewal is in an audit of which its endorsee knows, and that is not decided."""
    return stage is not None and stage.stage in (Stage.ASKED, Stage.SENT, Stage.APPEALED)


def _format_head(
    data: YearData, standing: Standing, stage: StageView | None, today: date
) -> tuple[str, str]:
    """The headline and the lead; of a renewal in an audit, the words of the stage say the rest."""
    if stage is not None and is_audited(stage):
        return format_audit(stage.stage, is_own=data.is_own), ""
    return (
        format_headline(standing, today, is_own=data.is_own),
        format_lead(standing, today, is_own=data.is_own),
    )


def _view_stage(data: YearData, standing: Standing, today: date) -> StageView | None:
    if data.ways is None:
        return None
    return view_stage(standing, data.submissions, data.ways, today, is_own=data.is_own)


def list_cycle_links(data: YearData, endorsement: Endorsed) -> list[dict[str, Any]]:
    """The cycles of an endorsement, each with a page of its own, newest first."""
    links = []
    for cycle in list_cycles(data.rulebooks, data.day_of, endorsement):
        links.append(
            {
                "endorsement_id": endorsement.id,
                "starts_on": cycle.starts_on,
                "name": format_cycle(cycle),
                "has_records": data.has_records(endorsement, cycle),
            }
        )
    return links


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


def _view_requirement(
    standing: Standing, result: Result, today: date, owed: Collection[str]
) -> dict[str, Any]:
    """One requirement with its progress in minutes; ``owed`` are the fees that are not paid.

    ``counted`` and ``required`` are None if it is not about hours; ``required`` also if they are
    waived or excused.
    """
    requirement = result.requirement
    about, counted, required = requirement.about, None, None
    if requirement.year:
        _, first, last = requirement.year
        about += f"; {format_date(first)} to {format_date(last)}"
    if requirement.is_of_sessions:
        counted = result.counted
        if result.outcome in _REQUIRED:
            required = result.required
    elif requirement.counts != "membership":
        pass
    elif lasts_for_life(standing.covered_until):
        about += ", for life"
    elif standing.covered_until:
        about += f", paid to {format_date(standing.covered_until)}"
        if standing.membership_counts_until:
            about += f", counts through {format_date(standing.membership_counts_until)}"
    if result.notes and result.outcome in _REQUIRED:
        about += f". {capitalize_first(format_reason(result.notes[0]))}"
    state, tone = _format_state(standing, result, today, owed)
    return {
        "requirement": requirement,
        "anchor": anchor_of(standing, requirement.id),
        "about": about,
        "counted": counted,
        "required": required,
        "outcome": result.outcome.value,
        "state": state,
        "tone": tone,
    }


def _format_state(
    standing: Standing, result: Result, today: date, owed: Collection[str]
) -> tuple[str, Tone]:
    if result.outcome is Outcome.MET:
        # The payment can be removed after the renewal was accepted, which it stays.
        was_paid = result.requirement.rule.fee in owed
        return ("Paid when it was accepted", "warm") if was_paid else ("Done", "good")
    if result.outcome is Outcome.ATTESTED:
        return "Attested", "good"
    if result.outcome is Outcome.WAIVED:
        return "Waived by the association", "plain"
    if result.outcome is Outcome.EXCUSED:
        if result.requirement.is_exempt:
            return "Not required in the first cycle", "plain"
        reason = list_exemptions(standing.plan, standing)[result.requirement.id]
        return capitalize_first(format_reason(reason)), "plain"
    return _format_short_state(standing, result, today)


def _format_short_state(standing: Standing, result: Result, today: date) -> tuple[str, Tone]:
    requirement = result.requirement
    if not requirement.is_of_sessions:
        return MISSING_STATES[requirement.counts], "warm"
    short = format_measure(result.short, requirement.unit)
    is_final = standing.facts.submitted is not None or standing.status is Status.LAPSED
    if result.can_attest and not is_final:
        return f"{short} to log or attest to", "plain"
    if is_final or _cannot_pace(standing, result):
        return f"{short} short", "warm"
    found = forecast(standing, result, today)
    if found is None:
        return f"{short} to go", "plain"
    number = format_measure_number(result.short, requirement.unit)
    state = f"{found.pace.value.capitalize()}, {short if requirement.is_spread else number} to go"
    return state, "warm" if found.pace is Pace.BEHIND else "plain"


def _cannot_pace(standing: Standing, result: Result) -> bool:
    """Whether hours that are short have no pace: of a topic, or no longer on time."""
    is_late = standing.status is not Status.OPEN or is_too_late(result)
    return is_late or result.requirement.topic is not None


def view_strip(standing: Standing, today: date) -> dict[str, Any] | None:
    """A cycle from its first day to the end of its grace period, for an SVG.

    Places and widths are percent of the strip. ``gone`` is the part that is over; ``leaves`` are
    (place, width). ``today`` is None outside of the strip, ``grace`` empty without a grace period.
    None if nothing is due.
    """
    cycle, due_on = standing.plan.cycle, standing.due_on
    if cycle is None or due_on is None or standing.status is Status.EXCUSED:
        return None
    first, last = cycle.starts_on, cycle.grace_ends_on(due_on)
    place = partial(_place, Span(first, last))
    leaves, with_leave = _place_leaves(standing, Span(first, last))
    now, label, grace, grace_title = "", None, "", ""
    if first <= today <= last:
        now, label = f"today is {format_date(today)}, ", _label_today(place(today), today)
    if last > due_on:
        grace = f"grace to {format_short_date(last)}"
        grace_title = f", grace period ends {format_date(last)}"
    due = f"due {format_date(due_on)}"
    return {
        "title": f"From {format_date(first)}: {now}{due}{grace_title}{with_leave}",
        "gone": place(today) if today >= first else 0.0,
        "due": place(due_on),
        "today": label,
        "grace": grace,
        "starts": format_short_date(first),
        "due_words": f"due {format_short_date(due_on)}",
        "leaves": leaves,
    }


def _place_leaves(standing: Standing, strip: Span) -> tuple[list[tuple[float, float]], str]:
    """The place and width of each leave and inactive status, and the words for the title."""
    leaves, words = [], ""
    for leave in standing.facts.leaves:
        if leave.ends_on >= strip.starts_on and leave.starts_on <= strip.ends_on:
            start = _place(strip, leave.starts_on)
            leaves.append((start, round(_place(strip, leave.ends_on) - start, 1)))
            words = f", with {'a ' if leave.kind == 'leave' else ''}{ABSENCE_NOUNS[leave.kind]}"
    return leaves, words


def _place(span: Span, day: date) -> float:
    """Where the end of a day is in the span, in percent."""
    days = (min(max(day, span.starts_on), span.ends_on) - span.starts_on).days + 1
    whole = (span.ends_on - span.starts_on).days + 1
    return round(_WHOLE * days / whole, 1)


def _label_today(place: float, today: date) -> dict[str, Any]:
    """The label of today; ``anchor`` is the SVG text-anchor that keeps it inside of the strip."""
    anchor = "middle"
    if place < _NEAR_AN_END:
        anchor = "start"
    elif place > _WHOLE - _NEAR_AN_END:
        anchor = "end"
    return {"place": place, "anchor": anchor, "words": f"today, {format_short_month_day(today)}"}


def list_dates(data: YearData, standing: Standing, today: date) -> list[DatedItem]:
    """What is ahead for a renewal, and what of it is over, soonest first.

    A last day is included whole.
    """
    items = [
        *_membership_dates(standing, today),
        *_due_dates(standing, today),
        *_leave_dates(standing, today),
        *_provider_dates(data, standing, today),
    ]
    return sorted(items, key=lambda item: item[0])


def _membership_dates(standing: Standing, today: date) -> list[DatedItem]:
    ends_on, counts_until = standing.covered_until, standing.membership_counts_until
    if ends_on is None or lasts_for_life(ends_on) or not _needs_membership(standing, today):
        return []
    if ends_on >= today:
        return [(ends_on, "Membership ends", "the last day that it covers")]
    if counts_until and counts_until >= today:
        return [(counts_until, "Membership stops counting", f"it ended on {format_date(ends_on)}")]
    return []


def _needs_membership(standing: Standing, today: date) -> bool:
    """Whether a membership is required in a cycle that is not over."""
    cycle = standing.plan.cycle
    is_required = any(r.requirement.counts == "membership" for r in standing.results)
    is_over = cycle is not None and cycle.ends_on < today and standing.status is not Status.OPEN
    return is_required and not is_over


def _due_dates(standing: Standing, today: date) -> list[DatedItem]:
    cycle, due_on = standing.plan.cycle, standing.due_on
    if cycle is None or due_on is None or standing.status is Status.EXCUSED:
        return []
    extended = "extended; " if standing.facts.extended_due_on else ""
    if due_on >= today:
        items = [(due_on, "Renewal due", f"{extended}the whole day counts")]
    else:
        items = [(due_on, "Renewal was due", f"{extended}the whole day counted")]
    ends_on = cycle.grace_ends_on(due_on)
    if ends_on <= due_on or standing.facts.submitted is not None:
        return items
    if standing.status in {Status.OPEN, Status.OVERDUE}:
        items.append((ends_on, "Grace period ends", "the renewal lapses after this day"))
    elif standing.status is Status.LAPSED:
        items.append((ends_on, "Grace period ended", "the renewal lapsed after this day"))
    return items


def _leave_dates(standing: Standing, today: date) -> list[DatedItem]:
    """Each leave within the cycle or still to come."""
    cycle = standing.plan.cycle
    items = []
    for starts_on, ends_on, kind in standing.facts.leaves:
        noun = capitalize_first(ABSENCE_NOUNS[kind])
        has_end = ends_on != date.max
        no_end = "" if kind == "emeritus" else "no end date yet"
        if starts_on > today:
            detail = f"through {format_date(ends_on)}" if has_end else no_end
            items.append((starts_on, f"{noun} begins", detail))
        elif not has_end:
            items.append((starts_on, f"{noun} began", no_end))
        elif ends_on >= today:
            items.append((ends_on, f"{noun} ends", "the last day of it"))
        elif cycle is not None and ends_on >= cycle.starts_on:
            items.append((ends_on, f"{noun} ended", f"it began on {format_date(starts_on)}"))
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
        title = f"{provider.name}'s sessions stop counting"
        share = ""
        if minutes:
            part = "All" if minutes == total else format_hours(minutes)
            whose = "your" if data.is_own else "their"
            hours = format_hours_with_unit(total)
            share = f". {part} of {whose} {hours} are with this provider"
        for span in qualified_spans(association, rule, provider):
            if span.starts_on <= today <= span.ends_on < date.max:
                ending = find_ending(association, rule, provider, span.ends_on)
                items.append((span.ends_on, title, format_ending(ending, today) + share))
    return items


def _count_sessions(data: YearData, standing: Standing) -> Counter[int]:
    """The minutes that count in a renewal's cycle, by RSC provider."""
    counted: Counter[int] = Counter()
    for entry in data.entries:
        if entry.provider_id is not None and contains(standing, entry.held_on):
            is_counted = data.explain(standing.plan, entry).counts
            counted[entry.provider_id] += entry.minutes if is_counted else 0
    return counted
