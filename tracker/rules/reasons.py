"""What stands behind a verdict: each rule with its source, and the provider on that day."""

from collections.abc import Mapping
from typing import NamedTuple

from tracker.hours import count_hours, say_hours
from tracker.rules.explain import LoggedEntry, Verdict
from tracker.rules.plan import Ask, Plan
from tracker.rules.providers import Provider, sources_on, status_on
from tracker.rules.schema import Rulebook


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
    book: Rulebook,
    provider: Provider | None,
    verdict: Verdict,
    not_asked: Mapping[str, str],
) -> Reasons:
    """All that led to ``verdict``, which `explain` gave for the same entry, plan and provider.

    ``not_asked`` is as of `why_not_asked`.
    """
    kind = [a for a in plan.asks if a.counts == entry.activity]
    if verdict.counts:
        shown = [a for a in kind if a.id in verdict.requirement_ids]
    else:
        shown = [a for a in kind if a.topic is None or a.topic in entry.topics]
    rules = tuple(
        Cited(
            _towards(entry, a, verdict, not_asked.get(a.id, "")),
            (Place(a.source_document, a.source_section),),
        )
        for a in shown
    )
    if entry.activity != "rsc" or plan.provider_rule is None:
        return Reasons(rules, "", None)
    rule = book.providers[plan.provider_rule.partition("/")[2]]
    status = status_on(plan.association, rule, provider, entry.held_on) if provider else []
    sources = sources_on(plan.association, rule, provider, entry.held_on)
    places = tuple(Place(book.documents[s.document].title, s.section) for s in sources)
    return Reasons(rules, " ".join(status), Cited(f"Qualified: {rule.says}", places))


def _towards(entry: LoggedEntry, ask: Ask, verdict: Verdict, why_not_asked: str) -> str:
    """``1 of 6 hours about DEIA towards “of which DEIA” (1 hour asked)``."""
    if why_not_asked:
        return f"“{ask.label}”: {why_not_asked}"
    asked = f"{count_hours(ask.amount)} asked"
    if not verdict.counts:
        return f"Meant for “{ask.label}” ({asked})"
    if ask.topic is None:
        return f"{count_hours(entry.minutes)} towards “{ask.label}” ({asked})"
    part, whole = entry.topics[ask.topic], entry.minutes
    some = f"{say_hours(part)} of {count_hours(whole)}" if part < whole else count_hours(whole)
    return f"{some} about {ask.topic} towards “{ask.label}” ({asked})"
