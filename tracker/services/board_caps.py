"""Hours in the report for the board that do not count because a rulebook caps hours alike.

How much of a session counts depends on the earlier ones of its cycle, also on those from before
the report's period. So reports whose periods follow each other fit together here, too.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from sqlmodel import Session, col

from tracker.db.log import Entry
from tracker.db.statements import in_chunks
from tracker.rules.caps import count_whole_minutes, limit_by_caps
from tracker.rules.explain import LoggedEntry, explain
from tracker.rules.plan import RenewalPlan
from tracker.rules.providers import Provider
from tracker.services.entries import select_entries
from tracker.services.rsc_providers import load_providers

# Each has all sessions of some years.
_PEOPLE_AT_ONCE = 500


class CappedSession(NamedTuple):
    """A session that counts, but only by plans that have caps."""

    entry_id: int
    person_id: int
    plans: tuple[RenewalPlan, ...]


class BeyondCap(NamedTuple):
    """Minutes of a session that are beyond a cap; ``code`` is that of the reason."""

    person_id: int
    activity: str
    code: str
    minutes: int


class _Counted(NamedTuple):
    """How many minutes of a session a plan counts; ``code`` says why not all (empty: all)."""

    minutes: int
    code: str


def list_beyond_caps(
    session: Session, capped: Sequence[CappedSession], today: date
) -> Iterator[BeyondCap]:
    """What of these sessions no plan counts; of several plans, the one that counts most decides."""
    by_person: defaultdict[int, list[CappedSession]] = defaultdict(list)
    for each in capped:
        by_person[each.person_id].append(each)
    plans = {plan for each in capped for plan in each.plans}
    for chunk in in_chunks(list(by_person), _PEOPLE_AT_ONCE):
        entries = _read_entries(session, chunk, plans)
        ids = {entry.provider_id for own in entries.values() for entry in own if entry.provider_id}
        providers = load_providers(session, ids)
        for person_id in chunk:
            yield from _list_of_person(by_person[person_id], entries[person_id], providers, today)


def _read_entries(
    session: Session, person_ids: Sequence[int], plans: Collection[RenewalPlan]
) -> Mapping[int, list[LoggedEntry]]:
    """What people logged from the first through the last day of these plans' cycles."""
    # Plans without a cycle require nothing, so they have no caps.
    cycles = [plan.cycle for plan in plans if plan.cycle]
    first = min(cycle.counts_from for cycle in cycles)
    last = max(cycle.ends_on for cycle in cycles)
    found: defaultdict[int, list[LoggedEntry]] = defaultdict(list)
    wanted = col(Entry.person_id).in_(person_ids) & col(Entry.held_on).between(first, last)
    for entry in select_entries(session, wanted):
        found[entry.person_id].append(entry)
    return found


def _list_of_person(
    capped: Sequence[CappedSession],
    entries: Sequence[LoggedEntry],
    providers: Mapping[int, Provider],
    today: date,
) -> Iterator[BeyondCap]:
    plans = dict.fromkeys(plan for each in capped for plan in each.plans)
    counted = {plan: _count(plan, entries, providers, today) for plan in plans}
    of_entry = {entry.id: entry for entry in entries}
    for each in capped:
        entry = of_entry[each.entry_id]
        best = max((counted[plan][entry.id] for plan in each.plans), key=lambda one: one.minutes)
        if best.code:
            left = entry.minutes - best.minutes
            yield BeyondCap(each.person_id, entry.activity, best.code, left)


def _count(
    plan: RenewalPlan,
    entries: Sequence[LoggedEntry],
    providers: Mapping[int, Provider],
    today: date,
) -> Mapping[int, _Counted]:
    """How much a plan counts of each entry, by the entry's id; nothing outside of its cycle."""
    explained = [
        (entry, explain(entry, plan, providers.get(entry.provider_id or 0), today))
        for entry in entries
    ]
    counted = {}
    for entry, verdict in limit_by_caps(plan, explained):
        minutes, code = count_whole_minutes(plan, entry, verdict), ""
        if minutes < entry.minutes:
            reason = verdict.capped[0].reason if verdict.capped else verdict.reason
            code = reason.code if reason else ""
        counted[entry.id] = _Counted(minutes, code)
    return counted
