"""Who is a qualified provider of RSC, on which days, and why. Both ends of a span count."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from tracker.formatting import format_date
from tracker.rules.model import DEGREES, AcceptedProvider, ProviderRule, Source
from tracker.rules.standing import Span

_DAY = timedelta(days=1)


class Credential(NamedTuple):
    """Something a provider holds: an endorsement's category, or vetting (``category`` None)."""

    association: str
    category: str | None
    starts_on: date
    ends_on: date | None


class Provider(NamedTuple):
    """A provider as the rules see one."""

    name: str
    degree: str
    credentials: tuple[Credential, ...]


class Ending(NamedTuple):
    """Why a provider's sessions count no longer after a day."""

    last_day: date
    reason: str


def qualified_spans(association: str, rule: ProviderRule, provider: Provider) -> list[Span]:
    """The days on which the provider's sessions count under a rule of ``association``.

    In order, apart by at least a day; an open end is ``date.max``.
    """
    found = sorted(span for span, _, _ in _matches(association, rule, provider))
    merged: list[Span] = []
    for span in found:
        if merged and (merged[-1].ends_on == date.max or span.starts_on <= _next(merged[-1])):
            merged[-1] = Span(merged[-1].starts_on, max(merged[-1].ends_on, span.ends_on))
        else:
            merged.append(span)
    return merged


def why_it_counts(association: str, rule: ProviderRule, provider: Provider, day: date) -> str:
    """What made the provider qualified on ``day``: ``IMHM-C on that day``."""
    for span, _, credential in _matches(association, rule, provider):
        if span.starts_on <= day <= span.ends_on:
            return f"{_held(credential)} on that day"
    return ""


def why_not(association: str, rule: ProviderRule, provider: Provider, day: date) -> str:
    """Why a session with the provider on ``day`` does not count, in one sentence."""
    matches = list(_matches(association, rule, provider))
    ended = [m for m in matches if m[0].ends_on < day]
    if ended:
        return _ending("ended", provider, *max(ended, key=lambda m: m[0].ends_on))
    later = [m for m in matches if m[0].starts_on > day]
    if later:
        span, _, credential = min(later, key=lambda m: m[0])
        return f"{provider.name} qualifies as {_held(credential)} only from {format_date(span.starts_on)}"
    held = [c for c in provider.credentials if _holds(c, day)]
    for credential in held:
        for accepted in rule.accepts:
            if accepted.degree and credential.category in accepted.categories:
                return (
                    f"{provider.name} is {credential.category}, which counted only with a "
                    f"{accepted.degree}'s degree{_to(accepted)}: the rule accepts {rule.says}"
                )
    holds = " and ".join(sorted({_held(c) for c in held})) or "not known as endorsed or vetted"
    return f"{provider.name} was {holds} on {format_date(day)}: the rule accepts {rule.says}"


def why_it_ends(association: str, rule: ProviderRule, provider: Provider, last: date) -> Ending:
    """Why the provider's sessions count for the last time on ``last``, a span's end to come."""
    for match in _matches(association, rule, provider):
        if match[0].ends_on == last:
            return Ending(last, _ending("ends", provider, *match))
    return Ending(last, f"{provider.name} stops qualifying after {format_date(last)}")


def status_on(association: str, rule: ProviderRule, provider: Provider, day: date) -> list[str]:
    """What the provider held on ``day``, to when, and until when the rule accepts it: sentences.

    Of who held nothing then, what they held before, and hold later.
    """
    held = [c for c in provider.credentials if _holds(c, day)]
    if not held:
        other = [f"{provider.name} {_tense(c, day)} {_terms(c)}." for c in provider.credentials]
        nothing = f"{provider.name} is not known as endorsed or vetted on {format_date(day)}."
        return [*dict.fromkeys(other), nothing]
    said = [f"{provider.name} was {_terms(c)}." for c in held]
    for span, accepted, credential in _matches(association, rule, provider):
        if accepted.until and span.starts_on <= day <= span.ends_on:
            said.append(
                f"The rule accepts {_held(credential)} until {format_date(accepted.until)}."
            )
    return list(dict.fromkeys(said))


def sources_on(
    association: str, rule: ProviderRule, provider: Provider | None, day: date
) -> tuple[Source, ...]:
    """Where the part of the rule stands that accepts the provider on ``day``; else all of it."""
    parts = [
        accepted.source
        for span, accepted, _ in (_matches(association, rule, provider) if provider else ())
        if span.starts_on <= day <= span.ends_on
    ]
    found: dict[tuple[str, str], Source] = {}
    for source in parts[:1] or [accepted.source for accepted in rule.accepts]:
        found.setdefault((source.document, source.section), source)
    return tuple(found.values())


def _matches(
    association: str, rule: ProviderRule, provider: Provider
) -> Iterator[tuple[Span, AcceptedProvider, Credential]]:
    for accepted in rule.accepts:
        for credential in _accepted(association, accepted, provider):
            starts_on = max(credential.starts_on, accepted.starts_from or date.min)
            ends_on = min(credential.ends_on or date.max, accepted.until or date.max)
            if starts_on <= ends_on:
                yield Span(starts_on, ends_on), accepted, credential


def _accepted(
    association: str, accepted: AcceptedProvider, provider: Provider
) -> Iterable[Credential]:
    if accepted.vetted:
        return [
            c for c in provider.credentials if c.category is None and c.association == association
        ]
    if accepted.degree and not _at_least(provider.degree, accepted.degree):
        return []
    return [c for c in provider.credentials if _fits(c, accepted)]


def _fits(credential: Credential, accepted: AcceptedProvider) -> bool:
    somewhere = not accepted.associations or credential.association in accepted.associations
    return somewhere and credential.category in accepted.categories


def _at_least(degree: str, asked: str) -> bool:
    order: Sequence[str] = DEGREES
    return order.index(degree) >= order.index(asked)


def _holds(credential: Credential, day: date) -> bool:
    return credential.starts_on <= day <= (credential.ends_on or date.max)


def _held(credential: Credential) -> str:
    return credential.category or f"vetted by {credential.association}"


def _terms(credential: Credential) -> str:
    """``endorsed as IMHM-C by CT-AIMH from January 1, 2020 until June 30, 2026``."""
    what = f"vetted by {credential.association}"
    if credential.category is not None:
        what = f"endorsed as {credential.category} by {credential.association}"
    until = f" until {format_date(credential.ends_on)}" if credential.ends_on else ""
    return f"{what} from {format_date(credential.starts_on)}{until or ' on'}"


def _tense(credential: Credential, day: date) -> str:
    return "was" if credential.starts_on < day else "is"


def _ending(
    verb: str,
    provider: Provider,
    span: Span,
    accepted: AcceptedProvider,
    credential: Credential,
) -> str:
    last = format_date(span.ends_on)
    if accepted.until == span.ends_on:
        with_degree = f" with a {accepted.degree}'s degree" if accepted.degree else ""
        return (
            f"{provider.name}: the rule accepts {_held(credential)}{with_degree} only until {last}"
        )
    if credential.category is None:
        return f"{provider.name}'s vetting by {credential.association} {verb} on {last}"
    return f"{provider.name}'s endorsement as {credential.category} {verb} on {last}"


def _to(accepted: AcceptedProvider) -> str:
    return f" until {format_date(accepted.until)}" if accepted.until else ""


def _next(span: Span) -> date:
    return span.ends_on + _DAY
