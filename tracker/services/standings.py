"""Keeps the standing table: the last standings of the current cycle and the one before."""

import json
from collections.abc import Callable, Collection, Iterable
from datetime import date, timedelta
from typing import Any

from sqlmodel import Session

from tracker.db.ledgers import StandingRow
from tracker.db.statements import Chosen, among, as_date, in_table, insert_few, insert_rows, run
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import cycle_containing
from tracker.rules.notices import last_membership
from tracker.rules.pace import falls_behind_on
from tracker.rules.standing import Standing

_STANDING = StandingRow.__table__  # type: ignore[attr-defined]
_DAY = timedelta(days=1)
# Kept: to make an encoder takes as long as to use it.
_TO_JSON = json.JSONEncoder().encode
Key = tuple[int, date]


def store_standings(
    session: Session,
    standings: Iterable[Standing],
    day_of: Callable[[str], date],
    rulebooks: Rulebooks,
    *,
    replacing: str | Collection[int],
) -> None:
    """Put ``standings`` in the place of all those of the endorsements ``replacing``.

    Those are named by a temporary table, or by their ids where they are few.

    A status that stays keeps the day since when it has been so. Older cycles are forgotten:
    `tracker standing --cycle` works any of them out anew.
    """
    few = not isinstance(replacing, str)
    chosen = in_table(replacing) if isinstance(replacing, str) else among(session, replacing)
    since = _since(session, chosen)
    rows = [_row(s, since, day_of(s.plan.association), rulebooks) for s in standings]
    run(session, f"DELETE FROM standing WHERE endorsement_id {chosen.sql}", chosen.parameters)
    if few:
        insert_few(session, "standing", rows)
    else:
        insert_rows(session, _STANDING, rows)


def _since(session: Session, chosen: Chosen) -> dict[Key, tuple[str, date]]:
    sql = f"""
        SELECT endorsement_id, cycle_starts_on, status, status_since FROM standing
        WHERE endorsement_id {chosen.sql}
    """
    rows = run(session, sql, chosen.parameters)
    return {(row[0], as_date(row[1])): (row[2], as_date(row[3])) for row in rows}


def _row(
    standing: Standing, since: dict[Key, tuple[str, date]], today: date, rulebooks: Rulebooks
) -> dict[str, Any]:
    cycle = standing.plan.cycle
    starts_on = cycle.starts_on if cycle else standing.facts.starts_on
    status = standing.status.value
    before = since.get((standing.facts.subject_id, starts_on))
    return {
        "endorsement_id": standing.facts.subject_id,
        "cycle_starts_on": starts_on,
        "association": standing.plan.association,
        "cycle_ends_on": cycle.ends_on if cycle else None,
        "due_on": standing.due_on,
        "status": status,
        "status_since": before[1] if before and before[0] == status else today,
        "falls_behind_on": falls_behind_on(standing),
        "membership_until": standing.covered_until or last_membership(standing, today),
        "short_minutes": sum(
            r.short for r in standing.results if r.requirement.counts != "membership"
        ),
        "requirements": _TO_JSON(
            [
                [
                    r.requirement.id,
                    r.requirement.label,
                    r.required,
                    r.counted,
                    r.short,
                    r.outcome.value,
                    r.requirement.counts,
                ]
                for r in standing.results
            ]
        ),
        "recheck_on": _recheck_on(standing, today, rulebooks),
        "judged_on": today,
        "rules_digest": rulebooks.digest,
    }


def _recheck_on(standing: Standing, today: date, rulebooks: Rulebooks) -> date | None:
    """When to look again: at the next change, or when the current cycle gives way to the next."""
    cycle = standing.plan.cycle
    if cycle and cycle.ends_on < today:
        # Where the endorsement has ended there may be no row of the current cycle to do this.
        schemes = rulebooks.associations[standing.plan.association].cycles
        current = cycle_containing(schemes, standing.facts.starts_on, cycle.ends_on + _DAY)
    else:
        current = cycle
    rollover = current.ends_on + _DAY if current else None
    return min((d for d in (standing.next_change_on, rollover) if d), default=None)
