"""What is left to do before a cycle closes, and what happens when it does.

A cycle closes for each renewal on its own: with the grace period after the due date in force. It
is settled in the night after that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement
from sqlmodel import Session, and_, col, func, or_, select

from tracker.db.ledgers import SettledCycle, StandingRow
from tracker.db.people import Endorsement, Person
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle, end_of_years
from tracker.rules.model import Rulebook
from tracker.rules.rule_changes import fixed_cycle_on
from tracker.services.dashboard import (
    STATES,
    is_listed,
    list_named_providers,
    state_on,
)
from tracker.services.dead_addresses import is_unreachable
from tracker.services.run_ledger import list_failures
from tracker.services.time_requests import count_requests

_DAY = timedelta(days=1)


class ClosingStep(StrEnum):
    """What can be left to do before a cycle closes, in the order in which to do it."""

    JOBS = "jobs"
    REQUESTS = "requests"
    PROVIDERS = "providers"
    ADDRESSES = "addresses"
    GRACE = "grace"
    OPEN = "open"
    REOPENED = "reopened"
    DIFFERING = "differing"


class ChecklistItem(NamedTuple):
    """How much of one step is left; ``minutes`` of RSC wait for a provider to be confirmed."""

    step: ClosingStep
    left: int
    minutes: int = 0


class LaterClosing(NamedTuple):
    """How many renewals close on a later day than the others, because they were extended."""

    closes_on: date
    renewals: int


class UnsettledPast(NamedTuple):
    """A settled cycle to look at: by today's records it would differ, or it is reopened."""

    endorsement_id: int
    name: str
    category: str
    cycle_starts_on: date
    is_reopened: bool


@dataclass(frozen=True, slots=True)
class CycleClosing:
    """What is left before a cycle closes.

    ``cycle`` is everyone's (None: each has their own, from the day of endorsement; then all
    renewals that run are counted). ``counts`` are its renewals by state. ``past`` are settled
    cycles to look at.
    """

    association: str
    today: date
    cycle: Cycle | None
    counts: dict[str, int]
    items: Sequence[ChecklistItem]
    later: Sequence[LaterClosing]
    past: Sequence[UnsettledPast]

    @property
    def left(self) -> int:
        """How many steps are not done."""
        return sum(item.left > 0 for item in self.items)

    @property
    def renewals(self) -> int:
        """How many renewals the cycle has."""
        return sum(self.counts.values()) - self.counts["no rules"]

    @property
    def incomplete(self) -> int:
        """How many renewals will have lapsed if nothing changes."""
        return sum(self.counts[state] for state in ("lapsed", "overdue", "behind", "open"))

    @property
    def closes_on(self) -> date | None:
        """The last day of the grace period, without extensions."""
        return self.cycle.grace_ends_on(self.cycle.due_on) if self.cycle else None

    @property
    def settles_on(self) -> date | None:
        """The day on which the cycle is settled, without extensions."""
        return self.closes_on + _DAY if self.closes_on else None


def is_year(cycle: Cycle) -> bool:
    """Whether a cycle lasts exactly a year."""
    return end_of_years(cycle.starts_on, 1) == cycle.ends_on


def find_closing_cycle(rulebook: Rulebook, today: date) -> Cycle | None:
    """The cycle that closes next: the one before, while its grace period runs, or the current."""
    current = fixed_cycle_on(rulebook, today)
    if current is None:
        return None
    before = fixed_cycle_on(rulebook, current.starts_on - _DAY)
    if before is not None and before.grace_ends_on(before.due_on) >= today:
        return before
    return current


def check_closing(
    session: Session, rulebooks: Rulebooks, association: str, today: date
) -> CycleClosing:
    """Count everything that is left before an association's cycle closes."""
    rulebook = rulebooks.associations[association]
    cycle = find_closing_cycle(rulebook, today)
    in_cycle = _select_cycle(association, cycle, today)
    counts = _count_states(session, in_cycle, today)
    past = _list_past(session, association)
    providers = list_named_providers(session, association, today)
    minutes = sum(provider.minutes for provider in providers)
    requests = count_requests(session, association, undecided=True)
    items = (
        ChecklistItem(ClosingStep.JOBS, len(list_failures(session, association))),
        ChecklistItem(ClosingStep.REQUESTS, requests),
        ChecklistItem(ClosingStep.PROVIDERS, len(providers), minutes),
        ChecklistItem(ClosingStep.ADDRESSES, _count_unreachable(session, in_cycle)),
        ChecklistItem(ClosingStep.GRACE, counts["overdue"]),
        ChecklistItem(ClosingStep.OPEN, counts["open"] + counts["behind"]),
        ChecklistItem(ClosingStep.REOPENED, sum(one.is_reopened for one in past)),
        ChecklistItem(ClosingStep.DIFFERING, sum(not one.is_reopened for one in past)),
    )
    later = _list_later(session, in_cycle, cycle)
    return CycleClosing(association, today, cycle, counts, items, later, past)


def _select_cycle(association: str, cycle: Cycle | None, today: date) -> ColumnElement[bool]:
    if cycle is None:
        return is_listed(association, today)
    return and_(
        StandingRow.association == association, StandingRow.cycle_starts_on == cycle.starts_on
    )


def _count_states(session: Session, in_cycle: ColumnElement[bool], today: date) -> dict[str, int]:
    state = state_on(today)
    query = select(state, func.count()).select_from(StandingRow).where(in_cycle).group_by(state)
    counts = dict(session.exec(query).all())
    return {name: counts.get(name, 0) for name in STATES}


def _count_unreachable(session: Session, in_cycle: ColumnElement[bool]) -> int:
    """How many people of the cycle get no mail."""
    query = (
        select(func.count(func.distinct(Person.id)))
        .select_from(StandingRow)
        .join(Endorsement)
        .join(Person)
        .where(in_cycle, is_unreachable())
    )
    return session.exec(query).one()


def _list_past(session: Session, association: str) -> list[UnsettledPast]:
    query = (
        select(SettledCycle, Endorsement.category, Person.name)
        .select_from(SettledCycle)
        .join(Endorsement)
        .join(Person)
        .where(
            Endorsement.association == association,
            or_(
                col(SettledCycle.differs_since).is_not(None),
                col(SettledCycle.reopened_at).is_not(None),
            ),
        )
        .order_by(func.lower(Person.name), col(SettledCycle.cycle_starts_on))
    )
    return [
        UnsettledPast(
            settled.endorsement_id,
            name,
            category,
            settled.cycle_starts_on,
            settled.reopened_at is not None,
        )
        for settled, category, name in session.exec(query)
    ]


def _list_later(
    session: Session, in_cycle: ColumnElement[bool], cycle: Cycle | None
) -> list[LaterClosing]:
    """The renewals of the cycle with a later due date than the others, by their last day."""
    if cycle is None:
        return []
    query: Any = (
        select(col(StandingRow.due_on), func.count())
        .where(in_cycle, col(StandingRow.due_on) > cycle.due_on)
        .group_by(col(StandingRow.due_on))
        .order_by(col(StandingRow.due_on))
    )
    return [
        LaterClosing(cycle.grace_ends_on(due_on), count) for due_on, count in session.exec(query)
    ]
