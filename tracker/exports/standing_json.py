"""A standing as JSON: for `tracker standing --json` and for programs of associations."""

from collections.abc import Callable
from typing import Any

from tracker.formatting import as_hours
from tracker.rules.explain import NO_RULES
from tracker.rules.reasons import format_reason
from tracker.rules.standing import Result, Standing
from tracker.services.uncounted import Uncounted


def as_json_object(standing: Standing, uncounted: Uncounted) -> dict[str, Any]:
    """One standing as the JSON that the README describes; hours are decimal."""
    cycle = standing.plan.cycle
    return {
        "email": standing.facts.email,
        "association": standing.plan.association,
        "category": standing.plan.category,
        "cycle": cycle
        and {
            "starts_on": cycle.starts_on.isoformat(),
            "ends_on": cycle.ends_on.isoformat(),
            "due_on": standing.due_on and standing.due_on.isoformat(),
        },
        "status": standing.status.value,
        "requirements": [_requirement(result, uncounted) for result in standing.results],
        "next_change_on": standing.next_change_on and standing.next_change_on.isoformat(),
        **({} if cycle else {"explanation": NO_RULES}),
    }


def _requirement(result: Result, uncounted: Uncounted) -> dict[str, Any]:
    requirement = result.requirement
    is_hours = requirement.counts != "membership"
    measure: Callable[[int], float] = as_hours if is_hours else float
    return {
        "id": requirement.id,
        "unit": "hours" if is_hours else "membership",
        "required": measure(result.required),
        "counted": measure(result.counted),
        "short": measure(result.short),
        "status": result.outcome.value,
        "source": {"document": requirement.source_document, "section": requirement.source_section},
        "not_counted": [
            {
                "date": entry.held_on.isoformat(),
                "title": entry.title,
                "hours": as_hours(
                    entry.topics[requirement.topic] if requirement.topic else entry.minutes
                ),
                "reason": format_reason(reason),
            }
            for entry, reason in uncounted
            if requirement.covers(entry.activity, entry.topics)
        ],
    }
