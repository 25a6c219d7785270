"""The report for an association's board: who joined and left, and the hours that were logged.

Everything follows from the facts that the desk shows: endorsements, what renewals came to, and
entries. So two reports whose periods follow each other always fit together.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy
from sqlalchemy import ColumnElement, CompoundSelect
from sqlmodel import Session, and_, col, func, or_, select

from tracker.db.entry_reviews import EntryDecision
from tracker.db.ledgers import LAST_DAY, ProviderSpan, SettledCycle, StandingRow
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Person
from tracker.rulebooks import Rulebooks
from tracker.rules.counting import is_covered
from tracker.rules.cycles import find_grace_end
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
from tracker.services.board_caps import CappedSession, list_beyond_caps
from tracker.services.entry_reviews import EXCLUDED
from tracker.services.facts import parse_settlement
from tracker.services.rsc_providers import load_providers

_FINAL = (Status.MET.value, Status.LAPSED.value, Status.EXCUSED.value)
# What a settlement that lapsed contains; a filter only, the content is read properly.
_LAPSED_CONTENT = f'%"status":"{Status.LAPSED.value}"%'
ACTIVITIES = ("training", "rsc")
_DAY = timedelta(days=1)
# SQLite allows 32,766 values in one statement.
_MOST_IDS = 30_000
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
    session: Session, rulebooks: Rulebooks, association: str, category: str
) -> list[HeldTerm]:
    """An association's endorsements with what their renewals came to; all for no category."""
    query = sqlalchemy.select(
        col(Endorsement.id),
        col(Endorsement.person_id),
        col(Endorsement.category),
        col(Endorsement.starts_on),
        LAST_DAY,
    ).where(col(Endorsement.association) == association)
    if category:
        query = query.where(col(Endorsement.category) == category)
    rows = session.connection().execute(query.order_by(col(Endorsement.id))).all()
    begun = {row.id: row.starts_on for row in rows}
    outcomes = _list_outcomes(session, rulebooks, association, begun)
    terms = map(HeldTerm._make, ((*row, tuple(outcomes.get(row.id, ()))) for row in rows))
    return list(terms)


def _list_outcomes(
    session: Session, rulebooks: Rulebooks, association: str, begun: Mapping[int, date]
) -> dict[int, list[RenewalOutcome]]:
    """By endorsement, what renewals came to, of those that have lapsed at least once.

    A settled cycle stays what it was settled as; one that is not settled, or reopened, is what it
    is today. The others never change the count.
    """
    lapsed = _select_lapsed_ids(association)
    found: dict[tuple[int, date], tuple[Status, date]] = {}
    standings = sqlalchemy.select(
        col(StandingRow.endorsement_id),
        col(StandingRow.cycle_starts_on),
        col(StandingRow.status),
        col(StandingRow.due_on),
    ).where(
        col(StandingRow.association) == association,
        col(StandingRow.status).in_(_FINAL),
        col(StandingRow.endorsement_id).in_(lapsed),
    )
    connection = session.connection()
    # Here and below, all rows at once: to fetch them one by one takes twice as long.
    for endorsement_id, starts_on, status, due_on in connection.execute(standings).all():
        if due_on is not None:
            found[endorsement_id, starts_on] = Status(status), due_on
    settled = sqlalchemy.select(
        col(SettledCycle.endorsement_id),
        col(SettledCycle.cycle_starts_on),
        col(SettledCycle.content),
    ).where(col(SettledCycle.reopened_at).is_(None), col(SettledCycle.endorsement_id).in_(lapsed))
    for endorsement_id, starts_on, content in connection.execute(settled).all():
        settlement = parse_settlement(content)
        found[endorsement_id, starts_on] = settlement.status, settlement.due_on
    outcomes: defaultdict[int, list[RenewalOutcome]] = defaultdict(list)
    schemes = rulebooks.associations[association].cycles
    for (endorsement_id, starts_on), (status, due_on) in found.items():
        if endorsement_id in begun:
            began = begun[endorsement_id]
            grace_ends_on = find_grace_end(schemes, began, max(starts_on, began), due_on)
            outcomes[endorsement_id].append(RenewalOutcome(status, due_on, grace_ends_on))
    return outcomes


def _select_lapsed_ids(association: str) -> CompoundSelect[Any]:
    """The endorsements of which some renewal has lapsed."""
    standing = sqlalchemy.select(col(StandingRow.endorsement_id)).where(
        col(StandingRow.association) == association,
        col(StandingRow.status) == Status.LAPSED.value,
    )
    settled = (
        sqlalchemy.select(col(SettledCycle.endorsement_id))
        .join(Endorsement)
        .where(
            col(Endorsement.association) == association,
            col(SettledCycle.content).like(_LAPSED_CONTENT),
        )
    )
    return sqlalchemy.union(standing, settled)


class _Held(NamedTuple):
    """One endorsement of a person, as hours are counted for it."""

    category: str
    starts_on: date
    ends_on: date | None


class _PlanInForce(NamedTuple):
    """The rules of one cycle (all days, if there is none), and which activities they count.

    ``provider_rule`` says whose RSC counts; empty if none does. ``formats`` are those of the RSC
    sessions that count; empty if all do. ``has_caps``: how much of a session counts depends on the
    others of the cycle.
    """

    first: date
    last: date
    plan: RenewalPlan
    kinds: frozenset[str]
    provider_rule: str
    formats: frozenset[str]
    has_caps: bool


# Many endorsements share a plan.
@lru_cache(maxsize=1_024)
def _put_in_force(plan: RenewalPlan) -> _PlanInForce:
    days = (plan.cycle.counts_from, plan.cycle.ends_on) if plan.cycle else (date.min, date.max)
    kinds = frozenset(r.counts for r in plan.requirements if r.topic is None)
    has_caps = any(r.caps for r in plan.requirements if not r.is_part)
    rule, formats = plan.provider_rule or "", _find_formats(plan)
    return _PlanInForce(*days, plan, kinds, rule, formats, has_caps)


def _find_formats(plan: RenewalPlan) -> frozenset[str]:
    """The formats of the RSC sessions that count; empty if all do."""
    formats: set[str] = set()
    for requirement in plan.requirements:
        if requirement.counts == "rsc" and not requirement.rule.formats:
            return frozenset()
        formats.update(requirement.rule.formats)
    return frozenset(formats)


def count_hours(
    session: Session, rulebooks: Rulebooks, period: ReportPeriod, today: date
) -> HoursReport:
    """Add up the sessions of an association's people held in a period, by the rules of their day.

    These are the people who were ever endorsed here (in the category), as in the weekly digest.
    """
    counter = _HoursCounter(session, rulebooks, period, today)
    logged, entries, people = counter.add_up()
    uncounted = counter.explain(counter.list_uncounted())
    counted = dict(logged)
    for one in uncounted:
        counted[one.activity] -= one.minutes
    return HoursReport(logged, counted, entries, people, uncounted)


class _HoursCounter:
    """Adds up sessions, and finds those that do not count.

    Nearly all count, so the database leaves out those that do so for sure: their person's rules are
    the same throughout the period, and so is the provider's qualification. Only the others are
    judged one by one.
    """

    def __init__(
        self, session: Session, rulebooks: Rulebooks, period: ReportPeriod, today: date
    ) -> None:
        self.session, self.rulebooks = session, rulebooks
        self.period, self.today = period, today
        self.held: defaultdict[int, list[_Held]] = defaultdict(list)
        self.spans: defaultdict[tuple[str, int], list[Span]] = defaultdict(list)
        # By category and the endorsement's first day, one for each cycle: shared by many.
        self.plans: defaultdict[tuple[str, date], list[_PlanInForce]] = defaultdict(list)
        self.capped: list[CappedSession] = []
        self._read_facts()

    def _read_facts(self) -> None:
        connection, association = self.session.connection(), self.period.association
        held = sqlalchemy.select(
            col(Endorsement.person_id),
            col(Endorsement.category),
            col(Endorsement.starts_on),
            LAST_DAY,
        ).where(self._is_endorsement())
        for person_id, category, starts_on, ends_on in connection.execute(held).all():
            self.held[person_id].append(_Held(category, starts_on, ends_on))
        spans = sqlalchemy.select(
            col(ProviderSpan.rule),
            col(ProviderSpan.provider_id),
            col(ProviderSpan.starts_on),
            col(ProviderSpan.ends_on),
        ).where(col(ProviderSpan.rule).like(f"{association}/%"))
        for rule, provider_id, starts_on, ends_on in connection.execute(spans):
            self.spans[rule, provider_id].append(Span(starts_on, ends_on))

    def add_up(self) -> tuple[dict[str, int], int, int]:
        """The minutes that were logged, by activity; in how many sessions; by how many people."""
        minutes = [
            func.coalesce(func.sum(Entry.minutes).filter(col(Entry.activity) == activity), 0)
            for activity in ACTIVITIES
        ]
        people = func.count(sqlalchemy.distinct(col(Entry.person_id)))
        query = sqlalchemy.select(func.count(), people, *minutes).where(self._is_in_report())
        entries, people_count, *sums = self.session.connection().execute(query).one()
        return dict(zip(ACTIVITIES, sums, strict=True)), entries, people_count

    def list_uncounted(self) -> Iterator[tuple[Any, RenewalPlan | None]]:
        """The sessions that do not count, and by which plan; None: by no endorsement's.

        Those that count only as far as caps let them are noted in ``capped``.
        """
        query = sqlalchemy.select(
            col(Entry.id),
            col(Entry.person_id),
            col(Entry.activity),
            col(Entry.held_on),
            col(Entry.minutes),
            col(Entry.provider_id),
            col(Entry.provider_name),
            col(Entry.format),
            self._is_excluded().label("is_excluded"),
        ).where(self._is_in_report(), or_(self._is_excluded(), self._is_doubtful()))
        for row in self.session.connection().execute(query).all():
            counts, plan = self._judge(row)
            if not counts:
                yield row, plan

    def _is_endorsement(self) -> ColumnElement[bool]:
        """That an endorsement is one of those that the report is about."""
        is_here = col(Endorsement.association) == self.period.association
        if self.period.category:
            return and_(is_here, col(Endorsement.category) == self.period.category)
        return is_here

    def _is_in_report(self) -> ColumnElement[bool]:
        """That an entry is of the period, and of somebody who was ever endorsed here."""
        people = select(Endorsement.person_id).where(self._is_endorsement())
        in_period = col(Entry.held_on).between(self.period.first, self.period.last)
        return and_(in_period, col(Entry.person_id).in_(people))

    def _is_excluded(self) -> ColumnElement[bool]:
        """That the association has decided that an entry does not count."""
        decided = select(EntryDecision.entry_id).where(
            EntryDecision.association == self.period.association, EntryDecision.kind == EXCLUDED
        )
        return col(Entry.id).in_(decided)

    def _is_doubtful(self) -> ColumnElement[bool]:
        """That an entry of the report may not count."""
        steady_people: set[int] = set()
        categories_of: defaultdict[str, set[str]] = defaultdict(set)
        for person_id, endorsements in self.held.items():
            for held in endorsements:
                rule = self._find_steady_rule(held)
                if rule is not None:
                    steady_people.add(person_id)
                    categories_of[rule].add(held.category)
        others = self.held.keys() - steady_people
        if len(others) > _MOST_IDS:
            return sqlalchemy.true()
        parts = [self._has_doubtful_provider(*item) for item in categories_of.items()]
        return or_(col(Entry.person_id).in_(others), *parts)

    def _find_steady_rule(self, held: _Held) -> str | None:
        """The provider rule by which an endorsement counts training and RSC all through the period.

        Empty if RSC never counts. None if training does not count on some day, or the rule changes.
        """
        if self.period.last > min(self.today, held.ends_on or date.max):
            return None
        rules: set[str] = set()
        day = self.period.first
        while day <= self.period.last:
            found = self._find_plan(held, day)
            if found is None or "training" not in found.kinds:
                return None
            if found.formats or found.has_caps:
                return None
            rules.add(found.provider_rule)
            day = found.last + _DAY
        return rules.pop() if len(rules) == 1 else None

    def _has_doubtful_provider(self, rule: str, categories: set[str]) -> ColumnElement[bool]:
        """That an entry of a person of some categories is RSC that the rule may not accept."""
        people = select(Endorsement.person_id).where(
            self._is_endorsement(), col(Endorsement.category).in_(categories)
        )
        steady_providers = select(ProviderSpan.provider_id).where(
            ProviderSpan.rule == rule,
            ProviderSpan.starts_on <= self.period.first,
            ProviderSpan.ends_on >= self.period.last,
        )
        provider = col(Entry.provider_id)
        return and_(
            col(Entry.activity) == "rsc",
            col(Entry.person_id).in_(people),
            or_(provider.is_(None), provider.not_in(steady_providers)),
        )

    def _judge(self, row: Any) -> tuple[bool, RenewalPlan | None]:  # noqa: ANN401 - an entry's row
        """Whether a session counts for any of its person's endorsements, and by which plan."""
        best: RenewalPlan | None = None
        capped: list[RenewalPlan] = []
        for found in self._list_plans(row.person_id, row.held_on):
            if not row.is_excluded and self._counts(found, row):
                if not found.has_caps:
                    return True, found.plan
                capped.append(found.plan)
            # Of several, the reason is of one that has rules.
            if best is None or best.cycle is None:
                best = found.plan
        if capped:
            self.capped.append(CappedSession(row.id, row.person_id, tuple(capped)))
        return bool(capped), best

    def _list_plans(self, person_id: int, day: date) -> Iterator[_PlanInForce]:
        """The rules of that day, of each endorsement that has not ended by then."""
        for held in self.held[person_id]:
            found = self._find_plan(held, day) if day <= (held.ends_on or date.max) else None
            if found is not None:
                yield found

    def _find_plan(self, held: _Held, day: date) -> _PlanInForce | None:
        plans = self.plans[held.category, held.starts_on]
        for each in plans:
            if each.first <= day <= each.last:
                return each
        held_by = self.period.association, held.category, held.starts_on
        plan = self.rulebooks.plan_counting(*held_by, day)
        if plan is None:
            return None
        plans.append(_put_in_force(plan))
        return plans[-1]

    def _counts(self, found: _PlanInForce, row: Any) -> bool:  # noqa: ANN401 - an entry's row
        if row.held_on > self.today or row.activity not in found.kinds:
            return False
        if row.activity != "rsc":
            return True
        if found.formats and row.format not in found.formats:
            return False
        spans = self.spans.get((found.provider_rule, row.provider_id or 0), ())
        return is_covered(spans, row.held_on)

    def explain(
        self, uncounted: Iterable[tuple[Any, RenewalPlan | None]]
    ) -> tuple[UncountedHours, ...]:
        """The sums of what does not count, by reason: of these sessions, and beyond caps."""
        uncounted = list(uncounted)
        ids = {row.provider_id for row, _ in uncounted if row.provider_id}
        providers = load_providers(self.session, ids)
        similar: defaultdict[_Case, list[Any]] = defaultdict(list)
        for row, plan in uncounted:
            provider = row.provider_id, row.provider_name
            how = row.format, bool(row.is_excluded)
            case = _Case(row.activity, row.held_on, *provider, *how, plan)
            similar[case].append(row)
        minutes: Counter[tuple[str, str]] = Counter()
        entries: Counter[tuple[str, str]] = Counter()
        people: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
        for case, rows in similar.items():
            key = case.activity, _find_code(case, providers, self.today)
            minutes[key] += sum(row.minutes for row in rows)
            entries[key] += len(rows)
            people[key].update(row.person_id for row in rows)
        for beyond in list_beyond_caps(self.session, self.capped, self.today):
            key = beyond.activity, beyond.code
            minutes[key] += beyond.minutes
            entries[key] += 1
            people[key].add(beyond.person_id)
        sums = [
            UncountedHours(*key, amount, entries[key], len(people[key]))
            for key, amount in minutes.items()
        ]
        sums.sort(key=lambda one: (ACTIVITIES.index(one.activity), -one.minutes, one.code))
        return tuple(sums)


class _Case(NamedTuple):
    """What decides why a session does not count; ``plan`` is None outside of any endorsement."""

    activity: str
    held_on: date
    provider_id: int | None
    provider_name: str | None
    format: str | None
    is_excluded: bool
    plan: RenewalPlan | None


def _find_code(case: _Case, providers: Mapping[int, Provider], today: date) -> str:
    """The code of the reason why a session does not count."""
    activity, held_on, provider_id, provider_name, session_format, is_excluded, plan = case
    if plan is None:
        return NOT_ENDORSED
    if is_excluded:
        return EXCLUDED
    provider = provider_id, provider_name
    entry = LoggedEntry(0, 0, activity, held_on, 0, "", *provider, session_format, None, {})
    verdict = explain(entry, plan, providers.get(provider_id or 0), today)
    return verdict.reason.code if verdict.reason and not verdict.counts else "not_required"
