"""The entries behind a standing that do not count, each with its reason."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from itertools import islice

from sqlalchemy import or_
from sqlmodel import Session

from tracker.db.log import Entry
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import LoggedEntry, explain
from tracker.rules.plan import Plan, PlannedRequirement
from tracker.rules.providers import Provider
from tracker.rules.standing import Standing
from tracker.services.entries import select_entries
from tracker.services.rsc_providers import load_providers

_ENTRY = Entry.__table__  # type: ignore[attr-defined]
_BATCH = 500
Uncounted = list[tuple[LoggedEntry, str]]


def with_uncounted(
    session: Session,
    rulebooks: Rulebooks,
    standings: Iterable[Standing],
    day_of: Callable[[str], date],
) -> Iterator[tuple[Standing, Uncounted]]:
    """Each standing with its cycle's entries that do not count; a query per batch of people.

    Training without a topic is no failed attempt at it, so it is not listed. ``standings``
    must come from another connection, or be a list: one connection reads one thing at a time.
    """
    rest = iter(standings)
    while batch := list(islice(rest, _BATCH)):
        entries = _doubtful(session, batch, min(day_of(s.plan.association) for s in batch))
        providers = load_providers(
            session, {e.provider_id for es in entries.values() for e in es if e.provider_id}
        )
        for standing in batch:
            as_of = day_of(standing.plan.association)
            logged = entries[standing.facts.person_id]
            yield standing, _uncounted(rulebooks, standing.plan, logged, providers, as_of)


def belongs_to(requirement: PlannedRequirement, entry: LoggedEntry) -> bool:
    """Whether the entry is of the kind that a requirement asks for, counted or not."""
    return requirement.counts == entry.activity and (
        requirement.topic is None or requirement.topic in entry.topics
    )


def _doubtful(
    session: Session, standings: list[Standing], as_of: date
) -> defaultdict[int, list[LoggedEntry]]:
    """By person: RSC, whose provider decides, and what is dated after the as-of date."""
    cycles = [s.plan.cycle for s in standings if s.plan.cycle]
    found: defaultdict[int, list[LoggedEntry]] = defaultdict(list)
    if cycles:
        where = (
            _ENTRY.c.person_id.in_({s.facts.person_id for s in standings})
            & _ENTRY.c.held_on.between(
                min(c.starts_on for c in cycles), max(c.ends_on for c in cycles)
            )
            & or_(_ENTRY.c.activity == "rsc", _ENTRY.c.held_on > as_of)
        )
        for entry in select_entries(session, where):
            found[entry.person_id].append(entry)
    return found


def _uncounted(
    rulebooks: Rulebooks,
    plan: Plan,
    entries: list[LoggedEntry],
    providers: dict[int, Provider],
    as_of: date,
) -> Uncounted:
    if plan.cycle is None:
        return []
    rule = rulebooks.provider_rules[plan.provider_rule][1] if plan.provider_rule else None
    found = []
    for entry in entries:
        if plan.cycle.starts_on <= entry.held_on <= plan.cycle.ends_on:
            verdict = explain(entry, plan, rule, providers.get(entry.provider_id or 0), as_of)
            if not verdict.counts:
                found.append((entry, verdict.reason))
    return found
