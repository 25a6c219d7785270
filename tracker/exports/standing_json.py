"""Standings as the JSON of `tracker standing`, `tracker readiness`, and the API (docs/cli.md)."""

from datetime import date
from typing import Any

from tracker.formatting import as_hours
from tracker.rules.application.wording import NO_INITIAL_RULES, format_notes
from tracker.rules.explain import NO_RULES, LoggedEntry
from tracker.rules.plan import PlannedRequirement
from tracker.rules.reasons import format_reason
from tracker.rules.standing import ApplicationStanding, Result, Standing
from tracker.services.uncounted import Uncounted

Json = dict[str, Any]
_MONTHS_IN_YEAR = 12


def standing_to_json(standing: Standing, uncounted: Uncounted) -> Json:
    """A renewal's standing. Hours are decimal."""
    plan = standing.plan
    cycle = None
    if plan.cycle is not None:
        cycle = {
            "starts_on": plan.cycle.starts_on.isoformat(),
            "ends_on": plan.cycle.ends_on.isoformat(),
            "due_on": _iso(standing.due_on),
        }
    requirements = []
    for result in standing.results:
        requirement = result.requirement
        unit = "membership" if requirement.counts == "membership" else "hours"
        not_counted = []
        for entry, reason in uncounted:
            if requirement.covers(entry.activity, entry.topics):
                minutes = entry.minutes
                if requirement.topic is not None:
                    minutes = entry.topics[requirement.topic]
                row = {**_entry_to_json(entry), "hours": as_hours(minutes)}
                not_counted.append({**row, "reason": format_reason(reason)})
        requirements.append(
            {
                "id": requirement.id,
                "unit": unit,
                **_amounts_to_json(result, unit),
                "status": result.outcome.value,
                "source": _source_to_json(requirement),
                "not_counted": not_counted,
            }
        )
    standing_json = {
        "email": standing.facts.email,
        "association": plan.association,
        "category": plan.category,
        "cycle": cycle,
        "status": standing.status.value,
        "requirements": requirements,
        "next_change_on": _iso(standing.next_change_on),
    }
    return standing_json if cycle else {**standing_json, "explanation": NO_RULES}


def readiness_to_json(standing: ApplicationStanding, uncounted: Uncounted) -> Json:
    """An application's standing. Hours and years are decimal."""
    plan, candidate = standing.plan, standing.facts.candidate
    requirements = []
    for result in standing.results:
        requirement = result.requirement
        not_counted = []
        for remark in result.remarks:
            amount = _measure(remark.amount, requirement.unit)
            key = requirement.unit if requirement.unit in {"hours", "years"} else "amount"
            row = {"date": remark.day.isoformat(), "title": remark.title, key: amount}
            not_counted.append({**row, "reason": format_reason(remark.reason)})
        for entry, reason in uncounted:
            if requirement.covers(entry.activity, entry.topics):
                row = {**_entry_to_json(entry), "hours": as_hours(entry.minutes)}
                not_counted.append({**row, "reason": format_reason(reason)})
        requirements.append(
            {
                "id": requirement.id,
                "unit": requirement.unit,
                **_amounts_to_json(result, requirement.unit),
                "status": result.outcome.value,
                "note": format_notes(result),
                "window_closes_on": _iso(result.closes_on),
                "source": _source_to_json(requirement),
                "not_counted": not_counted,
            }
        )
    readiness = {
        "email": standing.facts.email,
        "association": plan.association,
        "category": plan.category,
        "opened_on": candidate.opened_on.isoformat(),
        "submitted_on": _iso(candidate.submitted_on),
        "status": standing.status.value,
        "requirements": requirements,
        "next_change_on": _iso(standing.next_change_on),
    }
    return readiness if plan.requirements else {**readiness, "explanation": NO_INITIAL_RULES}


def _amounts_to_json(result: Result, unit: str) -> dict[str, float]:
    return {
        "required": _measure(result.required, unit),
        "counted": _measure(result.counted, unit),
        "short": _measure(result.short, unit),
    }


def _measure(amount: int, unit: str) -> float:
    if unit == "hours":
        return as_hours(amount)
    if unit == "years":
        return round(amount / _MONTHS_IN_YEAR, 2)
    return float(amount)


def _source_to_json(requirement: PlannedRequirement) -> dict[str, str]:
    return {"document": requirement.source_document, "section": requirement.source_section}


def _entry_to_json(entry: LoggedEntry) -> Json:
    return {"date": entry.held_on.isoformat(), "title": entry.title}


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
