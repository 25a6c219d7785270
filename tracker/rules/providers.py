"""Who is a qualified RSC provider, on which days, and why. Every first and last day is included."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import NamedTuple

from tracker.formatting import format_count
from tracker.rules.counting import merge_spans
from tracker.rules.cycles import end_of_years
from tracker.rules.model import AcceptedProvider, ProviderRule
from tracker.rules.reasons import Reason, because, format_reason
from tracker.rules.requirement import DEGREES, Source
from tracker.rules.standing import Span

_DAY = timedelta(days=1)


class Credential(NamedTuple):
    """An endorsement's category, or vetting by an association (``category`` None).

    It counts under the rules of the association that it is ``known_to`` only (None: of all).
    """

    association: str
    category: str | None
    starts_on: date
    ends_on: date | None
    known_to: str | None = None

    @property
    def last_day(self) -> date:
        """The last day; ``date.max`` if no end is known."""
        return self.ends_on or date.max

    @property
    def status(self) -> str:
        """``IMHM-C``, ``vetted by NCIMHA``."""
        return self.category or f"vetted by {self.association}"

    @property
    def noun(self) -> str:
        """``endorsement as IMHM-C``, ``vetting by NCIMHA``."""
        if self.category:
            return f"endorsement as {self.category}"
        return f"vetting by {self.association}"


class Provider(NamedTuple):
    """An RSC provider: their highest degree, and the credentials that they ever held."""

    name: str
    degree: str
    credentials: tuple[Credential, ...]

    def credentials_for(self, association: str) -> list[Credential]:
        """The credentials that an association knows of."""
        return [c for c in self.credentials if c.known_to in {None, association}]


class Qualification(NamedTuple):
    """The days on which one part of a rule accepts one credential."""

    starts_on: date
    ends_on: date
    accepted: AcceptedProvider
    credential: Credential


class Ending(NamedTuple):
    """Why a provider's sessions no longer count after ``last_day``.

    The credential ends, or (``by_rule``) the rule stops accepting it. ``degree`` is the degree
    that the rule asks for with it, if any. ``credential`` is None if no known credential or rule
    ends on that day.
    """

    provider_name: str
    last_day: date
    credential: Credential | None = None
    by_rule: bool = False
    degree: str | None = None


def list_qualifications(
    association: str, rule: ProviderRule, provider: Provider
) -> Iterator[Qualification]:
    """The provider's qualifications under a rule of ``association``, in the rule's order."""
    for accepted in rule.accepts:
        for credential, since in _list_accepted(association, accepted, provider):
            starts_on = max(credential.starts_on, since, accepted.starts_from or date.min)
            ends_on = min(credential.last_day, accepted.until or date.max)
            if starts_on <= ends_on:
                yield Qualification(starts_on, ends_on, accepted, credential)


def _list_accepted(
    association: str, accepted: AcceptedProvider, provider: Provider
) -> list[tuple[Credential, date]]:
    """The credentials that one part of a rule accepts, each with the day since which it does."""
    credentials = [
        credential
        for credential in provider.credentials_for(association)
        if _accepts(association, accepted, credential, provider.degree)
    ]
    if accepted.held_years is None:
        return [(credential, date.min) for credential in credentials]
    dated = []
    for credential in credentials:
        held_since = _find_run(credentials, credential.starts_on).starts_on
        dated.append((credential, end_of_years(held_since, accepted.held_years) + _DAY))
    return dated


def _find_run(credentials: Iterable[Credential], day: date) -> Span:
    """The unbroken time for which credentials were held that includes ``day``, one of theirs."""
    runs = merge_spans(Span(each.starts_on, each.last_day) for each in credentials)
    return next(run for run in runs if run.starts_on <= day <= run.ends_on)


def _accepts(
    association: str, accepted: AcceptedProvider, credential: Credential, degree: str
) -> bool:
    if accepted.vetted:
        vetted_by = accepted.associations or (association,)
        return credential.category is None and credential.association in vetted_by
    has_degree = accepted.degree is None or _has_degree(degree, accepted.degree)
    return has_degree and _accepts_category(accepted, credential)


def _accepts_category(accepted: AcceptedProvider, credential: Credential) -> bool:
    """Whether a part of a rule accepts an endorsement, of those who have the degree it asks."""
    is_accepted_there = not accepted.associations or credential.association in accepted.associations
    return is_accepted_there and credential.category in accepted.categories


def _has_degree(degree: str, required: str) -> bool:
    """Whether a highest degree is the required one, or above it."""
    return DEGREES.index(degree) >= DEGREES.index(required)


def qualified_spans(association: str, rule: ProviderRule, provider: Provider) -> list[Span]:
    """The days on which the provider's sessions count under a rule of ``association``.

    In order, and at least a day apart; an open end is ``date.max``.
    """
    qualifications = list_qualifications(association, rule, provider)
    return merge_spans(Span(q.starts_on, q.ends_on) for q in qualifications)


def find_qualification(
    association: str, rule: ProviderRule, provider: Provider, day: date
) -> Qualification | None:
    """What makes the provider qualified on ``day``; None if nothing does."""
    for qualification in list_qualifications(association, rule, provider):
        if qualification.starts_on <= day <= qualification.ends_on:
            return qualification
    return None


def find_ending(association: str, rule: ProviderRule, provider: Provider, last_day: date) -> Ending:
    """Why the provider's sessions count for the last time on ``last_day``."""
    for qualification in list_qualifications(association, rule, provider):
        if qualification.ends_on == last_day:
            return _ending(provider, qualification)
    return Ending(provider.name, last_day)


def _ending(provider: Provider, qualification: Qualification) -> Ending:
    accepted = qualification.accepted
    by_rule = accepted.until == qualification.ends_on
    degree = accepted.degree if by_rule else None
    return Ending(provider.name, qualification.ends_on, qualification.credential, by_rule, degree)


def reason_for_ending(ending: Ending, as_of: date) -> Reason:
    """The ending as a reason, in the past tense if the last day is before ``as_of``."""
    if ending.credential is None:
        codes = ("stops_qualifying", "stopped_qualifying")
    elif not ending.by_rule:
        codes = ("credential_ends", "credential_ended")
    elif ending.degree:
        codes = ("degree_rule_ends", "degree_rule_ended")
    else:
        codes = ("rule_ends", "rule_ended")
    is_past = ending.last_day < as_of
    return because(
        codes[is_past],
        provider=ending.provider_name,
        credential=ending.credential.noun if ending.credential else None,
        degree=ending.degree,
        last_day=ending.last_day,
    )


def format_ending(ending: Ending, as_of: date) -> str:
    """``Bob's vetting by NCIMHA ends on September 30, 2026`` ("ended" after that day)."""
    return format_reason(reason_for_ending(ending, as_of))


def explain_unqualified(
    association: str, rule: ProviderRule, provider: Provider, day: date
) -> Reason:
    """Why a session with the provider on ``day`` does not count."""
    if held_too_short := _find_held_too_short(association, rule, provider, day):
        return held_too_short
    qualifications = list(list_qualifications(association, rule, provider))
    if ended := [q for q in qualifications if q.ends_on < day]:
        last = max(ended, key=lambda q: q.ends_on)
        return reason_for_ending(_ending(provider, last), day)
    if qualifications:
        first = min(qualifications, key=lambda q: (q.starts_on, q.ends_on))
        return because(
            "qualified_later",
            provider=provider.name,
            credential=first.credential.noun,
            starts_on=first.starts_on,
        )
    held = held_on(association, provider, day)
    if missing_degree := _find_missing_degree(rule, provider, held):
        return missing_degree
    return because(
        "not_accepted",
        provider=provider.name,
        held=tuple(sorted({c.status for c in held})) or "not known as endorsed or vetted",
        day=day,
        rule=rule.says,
    )


def _find_held_too_short(
    association: str, rule: ProviderRule, provider: Provider, day: date
) -> Reason | None:
    """How long a credential must be held that the provider held on ``day``, but not so long yet."""
    for accepted in rule.accepts:
        if accepted.held_years is None or not accepted.is_open(day):
            continue
        credentials = _list_accepted(association, accepted, provider)
        for credential, since in credentials:
            if not credential.starts_on <= day <= credential.last_day:
                continue
            run = _find_run((each for each, _ in credentials), day)
            is_reached = accepted.is_open(since) and since <= run.ends_on
            return because(
                "held_too_short" if is_reached else "never_held_long",
                provider=provider.name,
                credential=credential.noun,
                years=format_count(accepted.held_years, "year"),
                held_since=run.starts_on,
                starts_on=since,
            )
    return None


def _find_missing_degree(
    rule: ProviderRule, provider: Provider, held: list[Credential]
) -> Reason | None:
    """Which degree, that the provider does not have, would make one of the credentials count."""
    for credential in held:
        for accepted in rule.accepts:
            if accepted.degree is None or _has_degree(provider.degree, accepted.degree):
                continue
            if _accepts_category(accepted, credential):
                return because(
                    "degree_needed_until" if accepted.until else "degree_needed",
                    provider=provider.name,
                    category=credential.category,
                    degree=accepted.degree,
                    until=accepted.until,
                    rule=rule.says,
                )
    return None


def held_on(association: str, provider: Provider, day: date) -> list[Credential]:
    """The credentials that the provider held on ``day``, as far as an association knows."""
    known = provider.credentials_for(association)
    return [held for held in known if held.starts_on <= day <= held.last_day]


def sources_on(
    association: str, rule: ProviderRule, provider: Provider | None, day: date
) -> tuple[Source, ...]:
    """The source of the part of the rule that accepts the provider on ``day``; else all sources."""
    if provider:
        qualification = find_qualification(association, rule, provider, day)
        if qualification:
            return (qualification.accepted.source,)
    return tuple(dict.fromkeys(accepted.source for accepted in rule.accepts))
