"""The entries behind a standing that do not count, each with its reason."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from itertools import islice
from typing import TypeVar

from sqlalchemy import or_
from sqlmodel import Session

from tracker.db.log import Entry
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import LoggedEntry, explain
from tracker.rules.plan import Plan, RenewalPlan
from tracker.rules.providers import Provider
from tracker.rules.reasons import Reason
from tracker.rules.standing import AnyStanding, ApplicationStanding, Span, Standing
from tracker.services.entries import select_entries
from tracker.services.rsc_providers import load_providers

_ENTRY = Entry.__table__  # type: ignore[attr-defined]
_BATCH = 500
JudgedStanding = TypeVar("JudgedStanding", Standing, ApplicationStanding)
Uncounted = list[tuple[LoggedEntry, Reason]]


def with_uncounted(
    session: Session,
    rulebooks: Rulebooks,
    standings: Iterable[JudgedStanding],
    day_of: Callable[[str], date],
) -> Iterator[tuple[JudgedStanding, Uncounted]]:
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


def _doubtful(
    session: Session, standings: Sequence[AnyStanding], as_of: date
) -> defaultdict[int, list[LoggedEntry]]:
    """By person: RSC, whose provider decides, and what is dated after the as-of date."""
    spans = [span for standing in standings if (span := _counting_span(standing.plan))]
    found: defaultdict[int, list[LoggedEntry]] = defaultdict(list)
    if spans:
        where = (
            _ENTRY.c.person_id.in_({s.facts.person_id for s in standings})
            & _ENTRY.c.held_on.between(
                min(span.starts_on for span in spans), max(span.ends_on for span in spans)
            )
            & or_(_ENTRY.c.activity == "rsc", _ENTRY.c.held_on > as_of)
        )
        for entry in select_entries(session, where):
            found[entry.person_id].append(entry)
    return found


def _counting_span(plan: Plan) -> Span | None:
    """The days whose hours can count; None without rules."""
    if isinstance(plan, RenewalPlan):
        return Span(plan.cycle.starts_on, plan.cycle.ends_on) if plan.cycle else None
    return Span(date.min, date.max) if plan.requirements else None


def _uncounted(
    rulebooks: Rulebooks,
    plan: Plan,
    entries: list[LoggedEntry],
    providers: dict[int, Provider],
    as_of: date,
) -> Uncounted:
    span = _counting_span(plan)
    if span is None:
        return []
    rule = rulebooks.provider_rules[plan.provider_rule][1] if plan.provider_rule else None
    found = []
    for entry in entries:
        if span.starts_on <= entry.held_on <= span.ends_on:
            verdict = explain(entry, plan, rule, providers.get(entry.provider_id or 0), as_of)
            if verdict.reason and not verdict.counts:
                found.append((entry, verdict.reason))
    return found
