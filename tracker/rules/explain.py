"""Why an entry counts, or does not: the words behind each sum."""

from datetime import date
from typing import NamedTuple

from tracker.rules.plan import Plan
from tracker.rules.providers import Provider, say_day, why_it_counts, why_not
from tracker.rules.schema import ProviderRule

NO_RULES = "the rulebook holds no renewal rules for this category"


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


class Remedy(NamedTuple):
    """What would make an entry count, in one sentence.

    ``by_association``: only the association can do it; else whoever logged the entry can.
    """

    says: str
    by_association: bool


class Verdict(NamedTuple):
    """Whether an entry counts towards a renewal, towards which requirements, and why.

    ``remedy`` is None where it counts, or where nothing would make it count.
    """

    counts: bool
    requirement_ids: tuple[str, ...]
    reason: str
    remedy: Remedy | None = None


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
        return _not_counted(NO_RULES)
    if not cycle.starts_on <= entry.held_on <= cycle.ends_on:
        span = f"{say_day(cycle.starts_on)} to {say_day(cycle.ends_on)}"
        return _not_counted(f"it was held outside the cycle, {span}")
    if entry.held_on > as_of:
        # The zone of whoever logged it may be ahead of the association's.
        there = f"it is still {say_day(as_of)} at {plan.association}"
        return _not_counted(f"{there}; hours of {say_day(entry.held_on)} count from that day on")
    asked = tuple(a.id for a in plan.asks if a.counts == entry.activity and _fits(a.topic, entry))
    if not asked:
        return _not_counted(f"no requirement of this renewal counts {entry.activity}")
    if entry.activity != "rsc":
        return Verdict(counts=True, requirement_ids=asked, reason="")
    return _judge_provider(entry, plan, rule, provider, asked)


def _judge_provider(
    entry: LoggedEntry,
    plan: Plan,
    rule: ProviderRule | None,
    provider: Provider | None,
    asked: tuple[str, ...],
) -> Verdict:
    if provider is None:
        return _judge_unknown(entry, rule)
    if rule is None:
        return _not_counted("the rulebook names no qualified providers")
    if because := why_it_counts(plan.association, rule, provider, entry.held_on):
        return Verdict(counts=True, requirement_ids=asked, reason=because)
    qualified = f"{rule.says} on {say_day(entry.held_on)}"
    remedy = f"If {provider.name} was {qualified}, it counts once that is on record."
    reason = why_not(plan.association, rule, provider, entry.held_on)
    return _not_counted(reason, Remedy(remedy, by_association=True))


def _judge_unknown(entry: LoggedEntry, rule: ProviderRule | None) -> Verdict:
    if not entry.provider_name:
        remedy = Remedy("It can count once it says who provided it.", by_association=False)
        return _not_counted("no provider is named", remedy)
    qualified = f", as {rule.says}, for {say_day(entry.held_on)}" if rule else ""
    says = f"It counts once {entry.provider_name} is confirmed{qualified}."
    reason = f"{entry.provider_name} is not yet confirmed as qualified"
    return _not_counted(reason, Remedy(says, by_association=True))


def _fits(topic: str | None, entry: LoggedEntry) -> bool:
    return topic is None or topic in entry.topics


def _not_counted(reason: str, remedy: Remedy | None = None) -> Verdict:
    return Verdict(counts=False, requirement_ids=(), reason=reason, remedy=remedy)
