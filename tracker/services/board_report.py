"""The report for an association's board: who joined and left, and the hours that were logged.

Everything follows from the facts that the desk shows: endorsements, what renewals came to, and
entries. So two reports whose periods follow each other always fit together.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import sqlalchemy
from sqlmodel import Session, col, select

from tracker.db.ledgers import ProviderSpan, SettledCycle, StandingRow
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Person
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import cycle_containing
from tracker.rules.explain import LoggedEntry, explain
from tracker.rules.movements import (
    HeldTerm,
    MovementEvent,
    MovementReport,
    RenewalOutcome,
    report_movements,
)
from tracker.rules.plan import RenewalPlan
from tracker.rules.providers import Provider
from tracker.rules.standing import Span, Status
from tracker.services.facts import parse_settlement
from tracker.services.rsc_providers import load_providers

_FINAL = (Status.MET.value, Status.LAPSED.value, Status.EXCUSED.value)
# What a settlement that lapsed contains; a filter only, the content is read properly.
_LAPSED_CONTENT = f'%"status":"{Status.LAPSED.value}"%'
ACTIVITIES = ("training", "rsc")
# Hours on days on which their person was not endorsed here.
NOT_ENDORSED = "not_endorsed"


class ReportPeriod(NamedTuple):
    """The days of a report, both included; ``category`` is empty for all."""

    association: str
    first: date
    last: date
    category: str = ""


class NamedMovement(NamedTuple):
    """A change on a day, and whose endorsement it is."""

    event: MovementEvent
    name: str
    email: str


class UncountedHours(NamedTuple):
    """Minutes that do not count, for one reason (a code of `SENTENCES`, or NOT_ENDORSED)."""

    activity: str
    code: str
    minutes: int
    entries: int
    people: int


@dataclass(frozen=True, slots=True)
class HoursReport:
    """Minutes by activity, logged and counted, and why the others did not count, most first.

    What counts for one of a person's endorsements here counts once.
    """

    logged: Mapping[str, int]
    counted: Mapping[str, int]
    entries: int
    people: int
    uncounted: Sequence[UncountedHours]


def count_movements(session: Session, rulebooks: Rulebooks, period: ReportPeriod) -> MovementReport:
    """Count the endorsements before and at the end of a period, and the changes within it."""
    terms = list_terms(session, rulebooks, period.association, period.category)
    return report_movements(terms, period.first, period.last)


def name_movements(session: Session, events: Iterable[MovementEvent]) -> list[NamedMovement]:
    """The events with the names and first addresses of their people."""
    events = list(events)
    ids = {event.person_id for event in events}
    people: dict[int, tuple[str, str]] = {}
    query = select(Person.id, Person.name, Person.email).where(col(Person.id).in_(ids))
    for person_id, name, email in session.exec(query):
        people[person_id] = (name, email)
    return [NamedMovement(event, *people[event.person_id]) for event in events]


def list_terms(
    session: Session, rulebooks: Rulebooks, association: str, category: str = ""
) -> list[HeldTerm]:
    """An association's endorsements with what their renewals came to."""
    query = sqlalchemy.select(
        col(Endorsement.id),
        col(Endorsement.person_id),
        col(Endorsement.category),
        col(Endorsement.starts_on),
        col(Endorsement.ends_on),
    ).where(col(Endorsement.association) == association)
    if category:
        query = query.where(col(Endorsement.category) == category)
    rows = session.connection().execute(query.order_by(col(Endorsement.id))).all()
    begun = {row.id: row.starts_on for row in rows}
    outcomes = _list_outcomes(session, rulebooks, association, begun)
    return [HeldTerm(*row, tuple(outcomes.get(row.id, ()))) for row in rows]


def _list_outcomes(
    session: Session, rulebooks: Rulebooks, association: str, begun: Mapping[int, date]
) -> dict[int, list[RenewalOutcome]]:
    """By endorsement, what renewals came to, of those that have lapsed at least once.

    A settled cycle stays what it was settled as; one that is not settled, or reopened, is what it
    is today. The others never change the count.
    """
    lapsed = _list_lapsed_ids(session, association)
    found: dict[tuple[int, date], tuple[Status, date]] = {}
    standings = sqlalchemy.select(
        col(StandingRow.endorsement_id),
        col(StandingRow.cycle_starts_on),
        col(StandingRow.status),
        col(StandingRow.due_on),
    ).where(col(StandingRow.association) == association, col(StandingRow.status).in_(_FINAL))
    for endorsement_id, starts_on, status, due_on in session.connection().execute(standings):
        if endorsement_id in lapsed and due_on is not None:
            found[endorsement_id, starts_on] = Status(status), due_on
    settled = select(SettledCycle).where(col(SettledCycle.reopened_at).is_(None))
    for cycle in session.exec(settled.where(col(SettledCycle.endorsement_id).in_(lapsed))):
        content = parse_settlement(cycle.content)
        key = cycle.endorsement_id, cycle.cycle_starts_on
        found[key] = content.status, content.due_on
    outcomes: defaultdict[int, list[RenewalOutcome]] = defaultdict(list)
    schemes = rulebooks.associations[association].cycles
    for (endorsement_id, starts_on), (status, due_on) in found.items():
        if endorsement_id in begun:
            day = max(starts_on, begun[endorsement_id])
            cycle_then = cycle_containing(schemes, begun[endorsement_id], day)
            grace_ends_on = cycle_then.grace_ends_on(due_on) if cycle_then else due_on
            outcomes[endorsement_id].append(RenewalOutcome(status, due_on, grace_ends_on))
    return outcomes


def _list_lapsed_ids(session: Session, association: str) -> set[int]:
    """The endorsements of which some renewal has lapsed."""
    standing = select(StandingRow.endorsement_id).where(
        StandingRow.association == association, StandingRow.status == Status.LAPSED.value
    )
    settled = (
        select(SettledCycle.endorsement_id)
        .join(Endorsement, col(Endorsement.id) == SettledCycle.endorsement_id)
        .where(
            Endorsement.association == association,
            col(SettledCycle.content).like(_LAPSED_CONTENT),
        )
    )
    return {*session.exec(standing), *session.exec(settled)}


class _Held(NamedTuple):
    """One endorsement of a person, as hours are counted for it."""

    category: str
    starts_on: date
    ends_on: date | None


class _PlanInForce(NamedTuple):
    """The rules of one cycle (all days, if there is none), and which activities they count."""

    first: date
    last: date
    plan: RenewalPlan
    kinds: frozenset[str]


def count_hours(
    session: Session, rulebooks: Rulebooks, period: ReportPeriod, today: date
) -> HoursReport:
    """Add up the sessions of an association's people held in a period, by the rules of their day.

    These are the people who were ever endorsed here (in the category), as in the weekly digest.
    """
    counter = _HoursCounter(session, rulebooks, period, today)
    for row in counter.read_entries():
        counter.add(row)
    return counter.finish()


class _HoursCounter:
    def __init__(
        self, session: Session, rulebooks: Rulebooks, period: ReportPeriod, today: date
    ) -> None:
        self.session, self.rulebooks = session, rulebooks
        self.period, self.today = period, today
        self.held: defaultdict[int, list[_Held]] = defaultdict(list)
        self.spans: defaultdict[tuple[str, int], list[Span]] = defaultdict(list)
        self.logged = dict.fromkeys(ACTIVITIES, 0)
        self.counted = dict.fromkeys(ACTIVITIES, 0)
        self.people: set[int] = set()
        self.entries = 0
        # With the plan by which each does not count; None: it was outside of any endorsement.
        self.uncounted: list[tuple[Any, RenewalPlan | None]] = []
        # By category and the endorsement's first day, one for each cycle: shared by many.
        self.plans: defaultdict[tuple[str, date], list[_PlanInForce]] = defaultdict(list)
        self._read_facts()

    def _read_facts(self) -> None:
        connection, association = self.session.connection(), self.period.association
        held = sqlalchemy.select(
            col(Endorsement.person_id),
            col(Endorsement.category),
            col(Endorsement.starts_on),
            col(Endorsement.ends_on),
        ).where(col(Endorsement.association) == association)
        if self.period.category:
            held = held.where(col(Endorsement.category) == self.period.category)
        for person_id, category, starts_on, ends_on in connection.execute(held):
            self.held[person_id].append(_Held(category, starts_on, ends_on))
        spans = sqlalchemy.select(
            col(ProviderSpan.rule),
            col(ProviderSpan.provider_id),
            col(ProviderSpan.starts_on),
            col(ProviderSpan.ends_on),
        ).where(col(ProviderSpan.rule).like(f"{association}/%"))
        for rule, provider_id, starts_on, ends_on in connection.execute(spans):
            self.spans[rule, provider_id].append(Span(starts_on, ends_on))

    def read_entries(self) -> Iterable[Any]:
        """The sessions of the period, of people who have an endorsement here."""
        people = select(Endorsement.person_id).where(
            Endorsement.association == self.period.association
        )
        if self.period.category:
            people = people.where(Endorsement.category == self.period.category)
        query = sqlalchemy.select(
            col(Entry.id),
            col(Entry.person_id),
            col(Entry.activity),
            col(Entry.held_on),
            col(Entry.minutes),
            col(Entry.provider_id),
            col(Entry.provider_name),
        ).where(
            col(Entry.held_on).between(self.period.first, self.period.last),
            col(Entry.person_id).in_(people),
        )
        # All at once, because to fetch them one by one takes twice as long.
        return self.session.connection().execute(query).all()

    def add(self, row: Any) -> None:  # noqa: ANN401 - a row of `read_entries`
        """Count one session for the best of its person's endorsements."""
        _, person_id, activity, held_on, minutes, provider_id, _ = row
        self.logged[activity] += minutes
        self.people.add(person_id)
        self.entries += 1
        best: RenewalPlan | None = None
        for held in self.held[person_id]:
            if held.ends_on is not None and held.ends_on < held_on:
                continue
            found = self._find_plan(held, held_on)
            if found is None:
                continue
            if self._counts(found, activity, held_on, provider_id):
                self.counted[activity] += minutes
                return
            # Of several, the reason is of one that has rules.
            if best is None or best.cycle is None:
                best = found.plan
        self.uncounted.append((row, best))

    def _find_plan(self, held: _Held, day: date) -> _PlanInForce | None:
        plans = self.plans[held.category, held.starts_on]
        for each in plans:
            if each.first <= day <= each.last:
                return each
        plan = self.rulebooks.plan(self.period.association, held.category, held.starts_on, day)
        if plan is None:
            return None
        days = (plan.cycle.starts_on, plan.cycle.ends_on) if plan.cycle else (date.min, date.max)
        kinds = frozenset(r.counts for r in plan.requirements if r.topic is None)
        plans.append(_PlanInForce(*days, plan, kinds))
        return plans[-1]

    def _counts(
        self, found: _PlanInForce, activity: str, day: date, provider_id: int | None
    ) -> bool:
        if day > self.today or activity not in found.kinds:
            return False
        if activity != "rsc":
            return True
        spans = self.spans.get((found.plan.provider_rule or "", provider_id or 0), ())
        return any(starts_on <= day <= ends_on for starts_on, ends_on in spans)

    def finish(self) -> HoursReport:
        """The sums, with the reasons of what does not count."""
        ids = {row.provider_id for row, _ in self.uncounted if row.provider_id}
        providers = load_providers(self.session, ids) if ids else {}
        minutes: Counter[tuple[str, str]] = Counter()
        entries: Counter[tuple[str, str]] = Counter()
        people: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
        for row, plan in self.uncounted:
            key = row.activity, _find_code(row, plan, providers, self.today)
            minutes[key] += row.minutes
            entries[key] += 1
            people[key].add(row.person_id)
        uncounted = [
            UncountedHours(*key, amount, entries[key], len(people[key]))
            for key, amount in minutes.items()
        ]
        uncounted.sort(key=lambda one: (ACTIVITIES.index(one.activity), -one.minutes, one.code))
        return HoursReport(
            self.logged, self.counted, self.entries, len(self.people), tuple(uncounted)
        )


def _find_code(
    row: Any,  # noqa: ANN401 - a row of `read_entries`
    plan: RenewalPlan | None,
    providers: Mapping[int, Provider],
    today: date,
) -> str:
    """The code of the reason why a session does not count."""
    if plan is None:
        return NOT_ENDORSED
    entry = LoggedEntry(
        row.id,
        row.person_id,
        row.activity,
        row.held_on,
        row.minutes,
        "",
        row.provider_id,
        row.provider_name,
        None,
        None,
        {},
    )
    verdict = explain(entry, plan, providers.get(row.provider_id or 0), today)
    return verdict.reason.code if verdict.reason and not verdict.counts else "not_required"
