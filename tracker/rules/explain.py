"""Why an entry counts, or does not: the words behind each sum."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from tracker.formatting import format_date, format_hours, format_hours_with_unit
from tracker.rules.model import ProviderRule, Rulebook
from tracker.rules.plan import Plan, PlannedRequirement
from tracker.rules.providers import Provider, sources_on, status_on, why_it_counts, why_not

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
        span = f"{format_date(cycle.starts_on)} to {format_date(cycle.ends_on)}"
        return _not_counted(f"it was held outside the cycle, {span}")
    if entry.held_on > as_of:
        # The zone of whoever logged it may be ahead of the association's.
        there = f"it is still {format_date(as_of)} at {plan.association}"
        return _not_counted(
            f"{there}; hours of {format_date(entry.held_on)} count from that day on"
        )
    asked = tuple(
        a.id for a in plan.requirements if a.counts == entry.activity and _fits(a.topic, entry)
    )
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
    qualified = f"{rule.says} on {format_date(entry.held_on)}"
    remedy = f"If {provider.name} was {qualified}, it counts once that is on record."
    reason = why_not(plan.association, rule, provider, entry.held_on)
    return _not_counted(reason, Remedy(remedy, by_association=True))


def _judge_unknown(entry: LoggedEntry, rule: ProviderRule | None) -> Verdict:
    if not entry.provider_name:
        remedy = Remedy("It can count once it says who provided it.", by_association=False)
        return _not_counted("no provider is named", remedy)
    qualified = f", as {rule.says}, for {format_date(entry.held_on)}" if rule else ""
    says = f"It counts once {entry.provider_name} is confirmed{qualified}."
    reason = f"{entry.provider_name} is not yet confirmed as qualified"
    return _not_counted(reason, Remedy(says, by_association=True))


def _fits(topic: str | None, entry: LoggedEntry) -> bool:
    return topic is None or topic in entry.topics


def _not_counted(reason: str, remedy: Remedy | None = None) -> Verdict:
    return Verdict(counts=False, requirement_ids=(), reason=reason, remedy=remedy)


class Place(NamedTuple):
    """Where a rule stands."""

    document: str
    section: str


class Cited(NamedTuple):
    """A rule in words, and every place where it stands."""

    says: str
    places: tuple[Place, ...]


class Reasons(NamedTuple):
    """Why an entry counts as it does: the rules that ask for it, and the provider's status.

    ``provider`` says what the provider held on the day; ``qualified``, whom the rule accepts. Of
    a training both are empty.
    """

    rules: tuple[Cited, ...]
    provider: str
    qualified: Cited | None


def reasons(
    entry: LoggedEntry,
    plan: Plan,
    rulebook: Rulebook,
    provider: Provider | None,
    verdict: Verdict,
    exemptions: Mapping[str, str],
) -> Reasons:
    """All that led to ``verdict``, which `explain` gave for the same entry, plan and provider.

    ``exemptions`` is as of `exemption_reason`.
    """
    kind = [a for a in plan.requirements if a.counts == entry.activity]
    if verdict.counts:
        shown = [a for a in kind if a.id in verdict.requirement_ids]
    else:
        shown = [a for a in kind if a.topic is None or a.topic in entry.topics]
    rules = tuple(
        Cited(
            _towards(entry, a, verdict, exemptions.get(a.id, "")),
            (Place(a.source_document, a.source_section),),
        )
        for a in shown
    )
    if entry.activity != "rsc" or plan.provider_rule is None:
        return Reasons(rules, "", None)
    rule = rulebook.providers[plan.provider_rule.partition("/")[2]]
    status = status_on(plan.association, rule, provider, entry.held_on) if provider else []
    sources = sources_on(plan.association, rule, provider, entry.held_on)
    places = tuple(Place(rulebook.documents[s.document].title, s.section) for s in sources)
    return Reasons(rules, " ".join(status), Cited(f"Qualified: {rule.says}", places))


def _towards(
    entry: LoggedEntry, requirement: PlannedRequirement, verdict: Verdict, exemption_reason: str
) -> str:
    """``1 of 6 hours about DEIA towards “of which DEIA” (1 hour asked)``."""
    if exemption_reason:
        return f"“{requirement.label}”: {exemption_reason}"
    asked = f"{format_hours_with_unit(requirement.amount)} asked"
    if not verdict.counts:
        return f"Meant for “{requirement.label}” ({asked})"
    if requirement.topic is None:
        return f"{format_hours_with_unit(entry.minutes)} towards “{requirement.label}” ({asked})"
    part, whole = entry.topics[requirement.topic], entry.minutes
    some = (
        f"{format_hours(part)} of {format_hours_with_unit(whole)}"
        if part < whole
        else format_hours_with_unit(whole)
    )
    return f"{some} about {requirement.topic} towards “{requirement.label}” ({asked})"
