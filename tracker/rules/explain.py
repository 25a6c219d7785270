"""Why an entry counts or does not: the verdict on it, and the rules and credentials behind it."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from types import MappingProxyType
from typing import NamedTuple

from tracker.formatting import (
    format_count,
    format_date,
    format_hours,
    format_hours_with_unit,
    format_measure,
    hours_word,
)
from tracker.rules.cycles import Cycle
from tracker.rules.model import ProviderRule
from tracker.rules.plan import Plan, PlannedRequirement, RenewalPlan
from tracker.rules.providers import (
    Credential,
    Provider,
    Qualification,
    explain_unqualified,
    find_qualification,
    held_on,
    list_qualifications,
    sources_on,
)
from tracker.rules.reasons import SENTENCES, Reason, because, format_reason

NO_RULES = SENTENCES["no_renewal_rules"]
_NONE: Mapping[str, str] = MappingProxyType({})
_USUAL: Mapping[str, int] = MappingProxyType({})


class LoggedEntry(NamedTuple):
    """One logged session; minutes, also in ``topics`` (by topic).

    ``exclusions`` has the reason of each association that decided that it does not count.
    """

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
    exclusions: Mapping[str, str] = _NONE


class Remedy(NamedTuple):
    """What would make an entry count.

    ``by_association``: only the association can do it. Otherwise the person who logged it can.
    """

    what: Reason
    by_association: bool


class CappedHours(NamedTuple):
    """The minutes of an entry that count toward a requirement whose cap leaves no room for more."""

    requirement_id: str
    minutes: int
    reason: Reason


class Verdict(NamedTuple):
    """Toward which requirements an entry counts, and why it does or does not.

    ``reason`` is None for training that counts. ``remedy`` is None if the entry counts, or if
    nothing would make it count. ``capped`` says where only some of its hours, or none, count: it
    takes the other entries of the cycle to know, so `tracker.rules.caps` fills it in.
    """

    requirement_ids: tuple[str, ...]
    reason: Reason | None
    remedy: Remedy | None = None
    capped: tuple[CappedHours, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether the entry counts toward anything."""
        return bool(self.requirement_ids)


def explain(
    entry: LoggedEntry,
    plan: Plan,
    provider: Provider | None,
    as_of: date,
    declined: str | None = None,
) -> Verdict:
    """Judge one entry as the sums do: by cycle, as-of date, activity, and provider.

    ``provider`` is the entry's known provider. ``declined`` is why the plan's association does not
    confirm the name that the entry has instead (None: it did not decline it).
    """
    exclusion = _find_exclusion(entry, plan, as_of)
    if exclusion:
        return Verdict((), exclusion)
    verdict = _find_requirements(entry, plan)
    rule = plan.provider_terms if entry.activity == "rsc" else None
    if not verdict.counts or rule is None:
        return verdict
    if provider is None:
        return _explain_unknown_provider(entry, rule, plan.association, declined)
    qualification = find_qualification(plan.association, rule, provider, entry.held_on)
    if qualification:
        reason = because("qualified", status=qualification.credential.status)
        return verdict._replace(reason=reason)
    reason = explain_unqualified(plan.association, rule, provider, entry.held_on)
    what = because("record_credential", provider=provider.name, rule=rule.says, day=entry.held_on)
    return Verdict((), reason, Remedy(what, by_association=True))


def _find_exclusion(entry: LoggedEntry, plan: Plan, as_of: date) -> Reason | None:
    """Why the entry can't count under any rule: its day, or the association's decision."""
    if isinstance(plan, RenewalPlan):
        cycle = plan.cycle
        if cycle is None:
            return because("not_tracked", association=plan.association)
        if not cycle.counts_from <= entry.held_on <= cycle.ends_on:
            code = "outside_carried" if cycle.carried_from else "outside_cycle"
            return because(code, starts_on=cycle.counts_from, ends_on=cycle.ends_on)
    if entry.held_on > as_of:
        # The time zone of the person who logged it may be ahead of the association's.
        facts = {"today": as_of, "association": plan.association, "held_on": entry.held_on}
        return because("in_the_future", **facts)
    if (reason := entry.exclusions.get(plan.association)) is not None:
        return because("excluded", association=plan.association, reason=reason)
    return None


def _find_requirements(entry: LoggedEntry, plan: Plan) -> Verdict:
    """Toward which requirements an entry counts, if its RSC provider is qualified."""
    covering = [r for r in plan.requirements if r.covers(entry.activity, entry.topics)]
    requirement_ids = tuple(r.id for r in covering if r.includes(entry.held_on, entry.format))
    return Verdict(requirement_ids, None) if requirement_ids else _explain_format(entry, covering)


def _explain_format(entry: LoggedEntry, covering: Iterable[PlannedRequirement]) -> Verdict:
    """Why none of the requirements that count such hours includes the entry's format or day."""
    formats: dict[str, None] = {}
    for requirement in covering:
        if requirement.year is None or requirement.year.contains(entry.held_on):
            formats.update(dict.fromkeys(requirement.rule.formats))
    if not formats:
        return Verdict((), because("not_required", activity=hours_word(entry.activity, "")))
    if entry.format is None:
        remedy = Remedy(because("record_format"), by_association=False)
        return Verdict((), because("no_format", formats=tuple(formats)), remedy)
    return Verdict((), because("other_format", format=entry.format, formats=tuple(formats)))


def _explain_unknown_provider(
    entry: LoggedEntry, rule: ProviderRule, association: str, declined: str | None
) -> Verdict:
    name = entry.provider_name
    if not name:
        remedy = Remedy(because("name_provider"), by_association=False)
        return Verdict((), because("no_provider"), remedy)
    if declined:
        facts = {"provider": name, "association": association, "words": declined.rstrip(". ")}
        remedy = Remedy(because("correct_provider"), by_association=False)
        return Verdict((), because("provider_declined", **facts), remedy)
    what = because("confirm_provider", provider=name, rule=rule.says, day=entry.held_on)
    return Verdict((), because("unconfirmed", provider=name), Remedy(what, by_association=True))


def list_held_years(plan: RenewalPlan) -> list[Reason]:
    """Which amounts rest on the years for which the endorsement has been held."""
    if plan.cycle is None:
        return []
    reasons = (explain_held_years(each, plan.cycle) for each in plan.requirements)
    return [reason for reason in reasons if reason]


def explain_held_years(requirement: PlannedRequirement, cycle: Cycle) -> Reason | None:
    """Why an amount is that of endorsements held for some years; None if it is not."""
    if not requirement.held_years:
        return None
    amount = "required"
    if requirement.is_of_sessions:
        amount = format_measure(requirement.amount, requirement.unit)
    facts = {"label": requirement.label, "amount": amount}
    years = format_count(requirement.held_years, "year")
    return because("held_years", **facts, years=years, starts_on=cycle.starts_on)


class Place(NamedTuple):
    """Where a rule stands in the sources."""

    document: str
    section: str


class CitedRule(NamedTuple):
    """A rule in words, and every place where it stands."""

    says: str
    places: tuple[Place, ...]


class Background(NamedTuple):
    """The rules and the provider's credentials behind a verdict, in words.

    ``provider`` says what the provider held on the day; ``qualified`` whom the rule accepts. For
    training, ``provider`` is empty and ``qualified`` None.
    """

    rules: tuple[CitedRule, ...]
    provider: str
    qualified: CitedRule | None


def describe_background(
    entry: LoggedEntry,
    plan: Plan,
    provider: Provider | None,
    verdict: Verdict,
    exemptions: Mapping[str, Reason],
    required: Mapping[str, int] = _USUAL,
) -> Background:
    """All that led to ``verdict``, which `explain` gave for the same entry, plan, and provider.

    ``exemptions`` are those of `list_exemptions`. ``required`` has the minutes that the renewal
    requires, by requirement id, where they may be less than usual.
    """
    rules = []
    for requirement in plan.requirements:
        if verdict.counts:
            is_concerned = requirement.id in verdict.requirement_ids
        else:
            in_year = requirement.year is None or requirement.year.contains(entry.held_on)
            is_concerned = in_year and requirement.covers(entry.activity, entry.topics)
        if not is_concerned:
            continue
        exemption = exemptions.get(requirement.id)
        place = Place(requirement.source_document, requirement.source_section)
        amount = required.get(requirement.id, requirement.amount)
        says = _describe_rule(entry, requirement, verdict, exemption, amount)
        rules.append(CitedRule(says, (place,)))
    rule = plan.provider_terms
    if entry.activity != "rsc" or rule is None:
        return Background(tuple(rules), "", None)
    sources = sources_on(plan.association, rule, provider, entry.held_on)
    documents = plan.rulebook.documents
    places = tuple(Place(documents[s.document].title, s.section) for s in sources)
    credentials = ""
    if provider:
        held = _describe_credentials(plan.association, rule, provider, entry.held_on)
        credentials = " ".join(held)
    return Background(tuple(rules), credentials, CitedRule(f"Qualified: {rule.says}", places))


def _describe_rule(
    entry: LoggedEntry,
    requirement: PlannedRequirement,
    verdict: Verdict,
    exemption: Reason | None,
    amount: int,
) -> str:
    """``1 of 6 hours about DEIA toward “DEIA training” (1 hour required)``."""
    if exemption:
        return f"“{requirement.label}”: {format_reason(exemption)}"
    required = f"{format_measure(amount, requirement.unit)} required"
    if not verdict.counts:
        return f"Meant for “{requirement.label}” ({required})"
    hours, part = format_hours_with_unit(entry.minutes), entry.minutes
    if requirement.topic:
        part = entry.topics[requirement.topic]
    for capped in verdict.capped:
        if capped.requirement_id == requirement.id:
            part = capped.minutes
    if part < entry.minutes:
        hours = f"{format_hours(part)} of {hours}"
    if requirement.topic:
        hours += f" about {requirement.topic}"
    return f"{hours} toward “{requirement.label}” ({required})"


def _describe_credentials(
    association: str, rule: ProviderRule, provider: Provider, day: date
) -> Iterator[str]:
    """What the provider held on ``day``, and until when the rule accepts it, in sentences.

    If the provider held nothing on that day: what they held before and after it.
    """
    held = held_on(association, provider, day)
    if not held:
        for credential in provider.credentials_for(association):
            verb = "was" if credential.starts_on < day else "is"
            yield f"{provider.name} {verb} {_format_credential(credential)}."
        yield f"{provider.name} is not known as endorsed or vetted on {format_date(day)}."
        return
    for credential in held:
        yield f"{provider.name} was {_format_credential(credential)}."
    for qualification in list_qualifications(association, rule, provider):
        if qualification.starts_on <= day <= qualification.ends_on:
            yield from _describe_terms(qualification)


def _describe_terms(qualification: Qualification) -> Iterator[str]:
    """What else the rule asks of a credential that it accepts, in sentences."""
    status, accepted = qualification.credential.status, qualification.accepted
    if accepted.held_years:
        years = format_count(accepted.held_years, "year")
        yield f"The rule accepts {status} after {years} without a break."
    if accepted.until:
        yield f"The rule accepts {status} through {format_date(accepted.until)}."


def _format_credential(credential: Credential) -> str:
    """``endorsed as IMHM-C by CT-AIMH from January 1, 2020 through June 30, 2026``."""
    what = f"vetted by {credential.association}"
    if credential.category:
        what = f"endorsed as {credential.category} by {credential.association}"
    first = format_date(credential.starts_on)
    if credential.ends_on is None:
        return f"{what} starting {first}"
    return f"{what} from {first} through {format_date(credential.ends_on)}"
