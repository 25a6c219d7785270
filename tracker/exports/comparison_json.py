"""A comparison of rulebooks as the JSON of `tracker rules diff` (docs/cli.md)."""

from typing import Any

from tracker.formatting import as_hours
from tracker.services.evaluation import StoredResult
from tracker.services.rules_comparison import (
    ChangedStanding,
    DueNotice,
    RenewalState,
    RulesComparison,
)

# Values of JSON, and dates, which are written in ISO form.
Json = dict[str, Any]


def comparison_to_json(comparison: RulesComparison) -> Json:
    """The counts, each renewal that differs, and each notice that is due. Hours are decimal."""
    messages_before, messages_after = comparison.messages
    return {
        "association": comparison.association,
        "as_of": comparison.as_of,
        "endorsements": comparison.endorsements,
        "states": {"before": comparison.before, "after": comparison.after},
        "flips": comparison.flips,
        "changed": [_standing_to_json(standing) for standing in comparison.standings],
        "messages": {"before": messages_before, "after": messages_after},
        "notices": [_notice_to_json(notice) for notice in comparison.notices],
    }


def _standing_to_json(standing: ChangedStanding) -> Json:
    return {
        "email": standing.email,
        "name": standing.name,
        "category": standing.category,
        "before": _renewal_to_json(standing.before),
        "after": _renewal_to_json(standing.after),
    }


def _renewal_to_json(renewal: RenewalState | None) -> Json | None:
    if renewal is None:
        return None
    return {
        "cycle_starts_on": renewal.cycle_starts_on,
        "cycle_ends_on": renewal.cycle_ends_on,
        "due_on": renewal.due_on,
        "status": renewal.state,
        "requirements": [_result_to_json(result) for result in renewal.results],
    }


def _result_to_json(result: StoredResult) -> Json:
    amounts: dict[str, float] = {
        "required": result.required,
        "counted": result.counted,
        "short": result.short,
    }
    if result.is_hours:
        amounts = {name: as_hours(int(minutes)) for name, minutes in amounts.items()}
    return {"id": result.id, **amounts, "status": result.outcome}


def _notice_to_json(notice: DueNotice) -> Json:
    return {
        "effect": notice.effect.value,
        "kind": notice.kind.value,
        "step": notice.step,
        "due_on": notice.due_on,
        "email": notice.email,
        "name": notice.name,
        "category": notice.category,
        "about": notice.about or None,
    }
