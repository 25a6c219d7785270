"""Why an entry counts, or does not: the words behind each sum."""

from datetime import date
from typing import NamedTuple

from tracker.rules.plan import Plan
from tracker.rules.providers import Provider, say_day, why_it_counts, why_not
from tracker.rules.schema import ProviderRule


class LoggedEntry(NamedTuple):
    """One logged session; minutes, also in ``topics`` (by topic)."""

    id: int
    person_id: int
    activity: str
    held_on: date
    minutes: int
    title: str
    provider_id: int | None
    provider_name: str | None
    format: str | None
    reference: str | None
    topics: dict[str, int]


class Verdict(NamedTuple):
    """Whether an entry counts towards a renewal, towards which requirements, and why."""

    counts: bool
    requirement_ids: tuple[str, ...]
    reason: str


def explain(
    entry: LoggedEntry,
    plan: Plan,
    rule: ProviderRule | None,
    provider: Provider | None,
    as_of: date,
) -> Verdict:
    """Judge one entry as the sums do: by cycle, as-of date, activity and provider.

    ``rule`` is the plan's provider rule, ``provider`` the entry's known provider.
    """
    cycle = plan.cycle
    if cycle is None:
        return Verdict(False, (), "the rulebook holds no renewal rules for this category")
    if not cycle.starts_on <= entry.held_on <= cycle.ends_on:
        span = f"{say_day(cycle.starts_on)} to {say_day(cycle.ends_on)}"
        return Verdict(False, (), f"it was held outside the cycle, {span}")
    if entry.held_on > as_of:
        return Verdict(False, (), f"it is dated after {say_day(as_of)}")
    asked = tuple(a.id for a in plan.asks if a.counts == entry.activity and _fits(a.topic, entry))
    if not asked:
        return Verdict(False, (), f"no requirement of this renewal counts {entry.activity}")
    if entry.activity != "rsc":
        return Verdict(True, asked, "")
    return _judge_provider(entry, plan, rule, provider, asked)


def _judge_provider(
    entry: LoggedEntry,
    plan: Plan,
    rule: ProviderRule | None,
    provider: Provider | None,
    asked: tuple[str, ...],
) -> Verdict:
    if provider is None:
        if entry.provider_name:
            return Verdict(
                False, (), f"{entry.provider_name} is not yet confirmed as qualified"
            )
        return Verdict(False, (), "no provider is named")
    if rule is None:
        return Verdict(False, (), "the rulebook names no qualified providers")
    if because := why_it_counts(plan.association, rule, provider, entry.held_on):
        return Verdict(True, asked, because)
    return Verdict(False, (), why_not(plan.association, rule, provider, entry.held_on))


def _fits(topic: str | None, entry: LoggedEntry) -> bool:
    return topic is None or topic in entry.topics
