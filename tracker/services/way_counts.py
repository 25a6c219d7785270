"""How far an association's renewals are on their way, in figures: stages, windows, and fees."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select as select_columns
from sqlmodel import Session, col

from tracker.db.ledgers import LAST_DAY, StandingRow
from tracker.db.people import Endorsement
from tracker.rulebooks import Rulebooks
from tracker.rules.stages import Stage, find_window
from tracker.services.dashboard import is_listed
from tracker.services.fee_lists import list_association_fees
from tracker.services.fees import FeeTotals, add_up
from tracker.services.stages import StoredRenewal, read_ways

# How far ahead the days of windows are named.
_AHEAD = timedelta(days=28)
_NOT_SUBMITTED = (Stage.EARLY, Stage.OPEN, Stage.RETURNED)


@dataclass(frozen=True, slots=True)
class WayCounts:
    """The listed renewals of an association by stage; empty if nobody submits any.

    ``opening`` and ``closing`` have the first and last days to submit in the next four weeks, with
    how many renewals are not submitted. ``fees`` are None without a fee, in ``currency``.
    """

    stages: Mapping[Stage, int] = field(default_factory=dict)
    opening: Mapping[date, int] = field(default_factory=dict)
    closing: Mapping[date, int] = field(default_factory=dict)
    fees: FeeTotals | None = None
    currency: str = ""

    def count(self, *stages: Stage) -> int:
        """How many renewals are in one of these stages."""
        return sum(self.stages.get(stage, 0) for stage in stages)


def count_way(session: Session, rulebooks: Rulebooks, association: str, today: date) -> WayCounts:
    """Count an association's renewals on its legal day."""
    rulebook = rulebooks.associations[association]
    lines = list_association_fees(session, rulebooks, association, lambda _: today)
    fees = add_up(lines) if lines else None
    if association not in rulebooks.submitting:
        return WayCounts(fees=fees, currency=rulebook.currency_code)
    stages: Counter[Stage] = Counter()
    opening: Counter[date] = Counter()
    closing: Counter[date] = Counter()
    ways = read_ways(session, rulebooks, association=association)
    for renewal in _list_renewals(session, association, today):
        cycle, stage = ways.find_cycle(renewal), ways.find_stored_stage(renewal, today)
        if cycle is None or stage is None:
            continue
        stages[stage] += 1
        if stage in _NOT_SUBMITTED and cycle.opens_on is not None:
            window = find_window(cycle, renewal.due_on or cycle.due_on)
            for counts, day in ((opening, window.opens_on), (closing, window.closes_on)):
                counts[day] += today <= day <= today + _AHEAD
    return WayCounts(stages, +opening, +closing, fees, rulebook.currency_code)


def _list_renewals(session: Session, association: str, today: date) -> Iterator[StoredRenewal]:
    query: Any = (
        select_columns(
            col(Endorsement.id),
            col(Endorsement.category),
            col(Endorsement.starts_on),
            LAST_DAY,
            col(StandingRow.cycle_starts_on),
            col(StandingRow.cycle_ends_on),
            col(StandingRow.due_on),
            col(StandingRow.status),
        )
        .join(StandingRow)
        .where(is_listed(association, today))
    )
    rows = session.connection().execute(query).all()
    for number, category, starts_on, ends_on, first, last, due_on, status in rows:
        triple = (association, category, starts_on)
        yield StoredRenewal(number, triple, first, last, due_on, status, ends_on)
