"""Standings as the JSON of `tracker standing`, `tracker readiness`, and the API (docs/cli.md)."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from tracker.db.applications import Reference
from tracker.formatting import as_hours
from tracker.rules.application.references import ReferenceProgress
from tracker.rules.application.wording import NO_INITIAL_RULES, format_notes
from tracker.rules.caps import CAP_CODES
from tracker.rules.explain import NO_RULES, LoggedEntry
from tracker.rules.plan import PlannedRequirement
from tracker.rules.reasons import Reason, because, format_reason
from tracker.rules.requirement import MONTHS_IN_YEAR
from tracker.rules.stages import Stage
from tracker.rules.standing import ApplicationStanding, Result, Standing
from tracker.services.endings import EndingEndorsement
from tracker.services.first_days import RenewalWithoutRecords
from tracker.services.uncounted import Uncounted

# Values of JSON, and dates, which are written in ISO form.
Json = dict[str, Any]


def standing_to_json(standing: Standing, uncounted: Uncounted, stage: Stage | None = None) -> Json:
    """A renewal's standing, and the stage that it is in. Hours are decimal."""
    plan = standing.plan
    requirements = []
    for result in standing.results:
        requirement = result.requirement
        not_counted = _list_not_counted(requirement, uncounted)
        # Only people who were away have a reason why less is required.
        details = {"note": format_reason(result.notes[0])} if result.notes else {}
        requirements.append(_result_to_json(result, requirement.unit, not_counted, **details))
    cycle = None
    if plan.cycle is not None:
        first, last = plan.cycle.starts_on, plan.cycle.ends_on
        cycle = {"starts_on": first, "ends_on": last, "due_on": standing.due_on}
    standing_json = {
        "email": standing.facts.email,
        "association": plan.association,
        "category": plan.category,
        "cycle": cycle,
        "status": standing.status.value,
        "requirements": requirements,
        "next_change_on": standing.next_change_on,
        "settled_on": standing.settled_on,
        "records_from": standing.records_from,
        "stage": stage.value if stage is not None else None,
    }
    return standing_json if cycle else {**standing_json, "explanation": NO_RULES}


def _list_not_counted(requirement: PlannedRequirement, uncounted: Uncounted) -> list[Json]:
    not_counted = []
    for entry, reason in uncounted:
        is_beyond = reason.code in CAP_CODES
        if is_beyond and not requirement.caps:
            continue
        if requirement.covers(entry.activity, entry.topics):
            topic = requirement.topic
            minutes = entry.minutes if topic is None else entry.topics[topic]
            not_counted.append(_entry_to_json(entry, minutes, reason))
    return not_counted


def ending_to_json(ending: EndingEndorsement, today: date) -> Json:
    """An endorsement that ends before its renewal is due, in the form of a standing."""
    first, last = ending.cycle.starts_on, ending.cycle.ends_on
    return {
        "email": ending.email,
        "association": ending.association,
        "category": ending.category,
        "cycle": {"starts_on": first, "ends_on": last, "due_on": ending.due_on},
        "status": "ends",
        "requirements": [],
        "next_change_on": None,
        "ends_on": ending.ends_on,
        "stage": Stage.ENDED.value if ending.has_ended(today) else None,
        "explanation": f"the endorsement ends on {ending.ends_on}, before it is due",
    }


def without_records_to_json(renewal: RenewalWithoutRecords) -> Json:
    """A renewal from before its association's first day here, in the form of a standing."""
    first, last = renewal.cycle.starts_on, renewal.cycle.ends_on
    reason = because("before_records", first_day=renewal.first_day)
    return {
        "email": renewal.email,
        "association": renewal.association,
        "category": renewal.category,
        "cycle": {"starts_on": first, "ends_on": last, "due_on": renewal.due_on},
        "status": "no records",
        "requirements": [],
        "next_change_on": None,
        "records_from": renewal.first_day,
        "explanation": f"before this system: no records ({format_reason(reason)})",
    }


def readiness_to_json(
    standing: ApplicationStanding,
    uncounted: Uncounted,
    references: Iterable[tuple[Reference, ReferenceProgress]] = (),
) -> Json:
    """An application's standing. Hours and years are decimal.

    Of its ``references`` there is how far each has come, and nothing that a referee wrote.
    """
    plan, candidate = standing.plan, standing.facts.candidate
    requirements = []
    for result in standing.results:
        requirement = result.requirement
        not_counted = []
        for remark in result.remarks:
            # Remarks about work are in months, whatever the requirement counts.
            unit = "years" if requirement.counts == "work" else requirement.unit
            amount = _measure(remark.amount, unit)
            key = unit if unit in {"hours", "years"} else "amount"
            row = {"date": remark.day, "title": remark.title, key: amount}
            not_counted.append({**row, "reason": format_reason(remark.reason)})
        for entry, reason in uncounted:
            if requirement.covers(entry.activity, entry.topics):
                not_counted.append(_entry_to_json(entry, entry.minutes, reason))
        details = {"note": format_notes(result), "window_closes_on": result.closes_on}
        requirements.append(_result_to_json(result, requirement.unit, not_counted, **details))
    readiness = {
        "email": standing.facts.email,
        "association": plan.association,
        "category": plan.category,
        "opened_on": candidate.opened_on,
        "submitted_on": candidate.submitted_on,
        "status": standing.status.value,
        "requirements": requirements,
        "next_change_on": standing.next_change_on,
        "references": [_reference_to_json(*each) for each in references],
    }
    return readiness if plan.requirements else {**readiness, "explanation": NO_INITIAL_RULES}


def _reference_to_json(reference: Reference, progress: ReferenceProgress) -> Json:
    return {
        "name": reference.name,
        "role": reference.role,
        "state": progress.state,
        "state_since": progress.on,
    }


def _entry_to_json(entry: LoggedEntry, minutes: int, reason: Reason) -> Json:
    row = {"date": entry.held_on, "title": entry.title, "hours": as_hours(minutes)}
    return {**row, "reason": format_reason(reason)}


def _result_to_json(
    result: Result,
    unit: str,
    not_counted: list[Json],
    **details: Any,  # noqa: ANN401 - values of JSON
) -> Json:
    requirement = result.requirement
    source = {"document": requirement.source_document, "section": requirement.source_section}
    return {
        "id": requirement.id,
        "unit": unit,
        "required": _measure(result.required, unit),
        "counted": _measure(result.counted, unit),
        "short": _measure(result.short, unit),
        "status": result.outcome.value,
        **details,
        "source": source,
        "not_counted": not_counted,
    }


def _measure(amount: int, unit: str) -> float:
    if unit == "hours":
        return as_hours(amount)
    if unit == "years":
        return round(amount / MONTHS_IN_YEAR, 2)
    return float(amount)
