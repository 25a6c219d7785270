"""The entries behind a standing: those that do not count, with the reason, and those that do."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from itertools import islice
from typing import TypeVar

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, or_, select

from tracker.db.entry_reviews import EntryDecision
from tracker.db.log import Entry
from tracker.rules.caps import limit_by_caps
from tracker.rules.counting import count_minutes
from tracker.rules.explain import LoggedEntry, Verdict, explain
from tracker.rules.plan import Plan, RenewalPlan
from tracker.rules.providers import Provider
from tracker.rules.reasons import Reason
from tracker.rules.standing import (
    AnyStanding,
    ApplicationStanding,
    CountedItem,
    Span,
    Standing,
)
from tracker.services.declined_providers import DeclinedNames, load_declined_for
from tracker.services.entries import select_entries
from tracker.services.rsc_providers import load_providers

_BATCH = 500
JudgedStanding = TypeVar("JudgedStanding", Standing, ApplicationStanding)
Uncounted = list[tuple[LoggedEntry, Reason]]


def with_uncounted(
    session: Session,
    standings: Iterable[JudgedStanding],
    day_of: Callable[[str], date],
) -> Iterator[tuple[JudgedStanding, Uncounted]]:
    """Each standing with its cycle's entries that do not count; a query per batch of people.

    Training that is not required, such as training without a topic, is not listed: it was not meant
    to count for the topic. Beyond a cap, an entry has only the minutes that do not count.
    ``standings`` come from another connection, or are a list: one connection reads one thing at a
    time.
    """
    rest = iter(standings)
    while batch := list(islice(rest, _BATCH)):
        entries = _list_doubtful(session, batch, min(day_of(s.plan.association) for s in batch))
        every = [entry for of_person in entries.values() for entry in of_person]
        named = {entry.provider_id for entry in every if entry.provider_id}
        providers = load_providers(session, named)
        declined = load_declined_for(session, every)
        for standing in batch:
            as_of = day_of(standing.plan.association)
            logged = entries.get(standing.facts.person_id, [])
            yield standing, _uncounted(standing.plan, logged, (providers, declined), as_of)


def _list_doubtful(
    session: Session, standings: Sequence[AnyStanding], as_of: date
) -> dict[int, list[LoggedEntry]]:
    """By person what may not count: RSC, what is after ``as_of``, and what was decided about."""
    spans = [span for standing in standings if (span := _counting_span(standing.plan))]
    entries: defaultdict[int, list[LoggedEntry]] = defaultdict(list)
    if spans:
        first, last = min(s.starts_on for s in spans), max(s.ends_on for s in spans)
        people = {standing.facts.person_id for standing in standings}
        where = col(Entry.person_id).in_(people) & col(Entry.held_on).between(first, last)
        # Of what counts, caps leave out what is too much.
        if not any(standing.plan.has_caps for standing in standings):
            where &= or_(
                col(Entry.activity) == "rsc",
                col(Entry.held_on) > as_of,
                col(EntryDecision.id).is_not(None),
            )
        for entry in select_entries(session, where):
            entries[entry.person_id].append(entry)
    return entries


def list_counted_training(
    session: Session, standing: ApplicationStanding, as_of: date
) -> dict[str, tuple[CountedItem, ...]]:
    """The training behind an application's training requirements, newest first, by their ids."""
    requirements = [r for r in standing.plan.requirements if r.counts == "training"]
    if not requirements:
        return {}
    items: dict[str, list[CountedItem]] = {r.id: [] for r in requirements}
    where = (
        (col(Entry.person_id) == standing.facts.person_id)
        & (col(Entry.activity) == "training")
        & (col(Entry.held_on) <= as_of)
        & _is_counted(standing.plan.association)
    )
    for entry in select_entries(session, where):
        minutes = {f"topic:{topic}": part for topic, part in entry.topics.items()}
        minutes["training"] = entry.minutes
        for requirement in requirements:
            if counted := count_minutes(requirement, minutes):
                items[requirement.id].append(CountedItem(entry.held_on, entry.title, counted))
    return {requirement_id: tuple(listed) for requirement_id, listed in items.items()}


def _is_counted(association: str) -> ColumnElement[bool]:
    """That an association has not decided that an entry does not count."""
    excluded = select(EntryDecision.entry_id).where(
        EntryDecision.association == association, col(EntryDecision.entry_id).is_not(None)
    )
    return col(Entry.id).not_in(excluded)


def _counting_span(plan: Plan) -> Span | None:
    """The days whose hours can count; None without rules."""
    if isinstance(plan, RenewalPlan):
        return Span(plan.cycle.counts_from, plan.cycle.ends_on) if plan.cycle else None
    return Span(date.min, date.max) if plan.requirements else None


def _uncounted(
    plan: Plan,
    entries: list[LoggedEntry],
    known: tuple[dict[int, Provider], DeclinedNames],
    as_of: date,
) -> Uncounted:
    span = _counting_span(plan)
    if span is None:
        return []
    explained = []
    providers, declined = known
    for entry in entries:
        if span.starts_on <= entry.held_on <= span.ends_on:
            provider = providers.get(entry.provider_id or 0)
            decline = declined.reason(plan.association, entry.provider_name)
            explained.append((entry, explain(entry, plan, provider, as_of, decline)))
    if plan.has_caps:
        explained = [*limit_by_caps(plan, explained)][::-1]
    uncounted = []
    for entry, verdict in explained:
        if reason := _find_reason(entry, verdict):
            uncounted.append((entry, reason))
        for capped in verdict.capped:
            left = entry._replace(minutes=entry.minutes - capped.minutes)
            uncounted.append((left, capped.reason))
    return uncounted


def _find_reason(entry: LoggedEntry, verdict: Verdict) -> Reason | None:
    """Why an entry is listed; None if it counts, or is training that the plan does not require."""
    reason = None if verdict.counts else verdict.reason
    if reason and reason.code == "not_required" and entry.activity == "training":
        return None
    return reason
