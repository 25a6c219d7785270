"""Keeps the standing table: the last standings of the current cycle and the one before."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from sqlalchemy import delete
from sqlmodel import Session, col, select

from tracker.db.ledgers import StandingRow
from tracker.db.statements import insert_rows
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import cycle_containing
from tracker.rules.notices import last_membership
from tracker.rules.pace import falls_behind_on
from tracker.rules.standing import Standing

_DAY = timedelta(days=1)


class StoredResult(NamedTuple):
    """One requirement of a stored standing, in minutes (for a membership: in days).

    ``label`` is what people call it, ``counts`` the activity that it counts and ``topic`` a topic
    within it (None: all of it). ``short`` is 0 where nothing is missing.
    """

    id: str
    label: str
    counts: str
    topic: str | None
    required: int
    counted: int
    short: int
    outcome: str


def parse_results(requirements: str) -> list[StoredResult]:
    """Read the column ``requirements`` of the standing table."""
    return [StoredResult(**result) for result in json.loads(requirements)]


def format_results(standing: Standing) -> str:
    """Write the column ``requirements`` of the standing table."""
    results = []
    for result in standing.results:
        requirement = result.requirement
        stored = StoredResult(
            id=requirement.id,
            label=requirement.label,
            counts=requirement.counts,
            topic=requirement.topic,
            required=result.required,
            counted=result.counted,
            short=result.short,
            outcome=result.outcome.value,
        )
        results.append(stored._asdict())
    return json.dumps(results)


def store_standings(
    session: Session,
    standings: Iterable[Standing],
    day_of: Callable[[str], date],
    rulebooks: Rulebooks,
    *,
    endorsement_ids: Sequence[int],
) -> None:
    """Replace all standings of these endorsements with ``standings``.

    A status that stays keeps the day since when it has been so. Older cycles are forgotten:
    `tracker standing --cycle` evaluates any of them anew.
    """
    of_these = col(StandingRow.endorsement_id).in_(endorsement_ids)
    query = select(
        col(StandingRow.endorsement_id),
        col(StandingRow.cycle_starts_on),
        col(StandingRow.status),
        col(StandingRow.status_since),
    )
    before = {}
    for endorsement_id, cycle_starts_on, status, since in session.exec(query.where(of_these)):
        before[endorsement_id, cycle_starts_on] = status, since
    rows = []
    for standing in standings:
        row = _row(standing, day_of(standing.plan.association), rulebooks)
        stored = before.get((row["endorsement_id"], row["cycle_starts_on"]))
        if stored is not None and stored[0] == row["status"]:
            row["status_since"] = stored[1]
        rows.append(row)
    session.connection().execute(delete(StandingRow).where(of_these))
    insert_rows(session, StandingRow, rows)


def _row(standing: Standing, today: date, rulebooks: Rulebooks) -> dict[str, Any]:
    cycle = standing.plan.cycle
    short_minutes = 0
    for result in standing.results:
        if result.requirement.counts != "membership":
            short_minutes += result.short
    return {
        "endorsement_id": standing.facts.subject_id,
        "cycle_starts_on": cycle.starts_on if cycle else standing.facts.starts_on,
        "association": standing.plan.association,
        "cycle_ends_on": cycle.ends_on if cycle else None,
        "due_on": standing.due_on,
        "status": standing.status.value,
        "status_since": today,
        "falls_behind_on": falls_behind_on(standing),
        "membership_until": standing.covered_until or last_membership(standing, today),
        "short_minutes": short_minutes,
        "requirements": format_results(standing),
        "recheck_on": _recheck_on(standing, today, rulebooks),
        "judged_on": today,
        "rules_digest": rulebooks.digest,
    }


def _recheck_on(standing: Standing, today: date, rulebooks: Rulebooks) -> date | None:
    """When to look again: at the next change, or when the current cycle gives way to the next."""
    current = standing.plan.cycle
    if current and current.ends_on < today:
        # If the endorsement has ended there may be no row of the current cycle to do this.
        schemes = rulebooks.associations[standing.plan.association].cycles
        current = cycle_containing(schemes, standing.facts.starts_on, current.ends_on + _DAY)
    days = [standing.next_change_on, current.ends_on + _DAY if current else None]
    return min((day for day in days if day), default=None)
