"""What a rulebook required, requires, and will require: its values over time. Pure.

Every first and last day is included.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from itertools import zip_longest
from typing import NamedTuple

from tracker.formatting import format_count, format_list
from tracker.rules.absence_description import format_absence_rule
from tracker.rules.absence_rules import AbsenceRule
from tracker.rules.certificates import CertificateRule, format_certificate_rule
from tracker.rules.cycle_text import format_scheme
from tracker.rules.cycles import Cycle, common_cycle
from tracker.rules.description import (
    describe_providers,
    find_first_cycle,
    format_amount,
    format_for_whom,
    format_limit,
)
from tracker.rules.fees import Fee, format_fee
from tracker.rules.model import CycleScheme, ProviderRule, Rulebook
from tracker.rules.notice_config import NoticeConfig
from tracker.rules.removal_description import describe_removals, list_returning
from tracker.rules.removal_rules import ReinstatementRule, RemovalRule
from tracker.rules.requirement import Purpose, Requirement, Source, Value

_DAY = timedelta(days=1)


class Period(StrEnum):
    """Whether something is over, in force, or still to come on a day."""

    PAST = "past"
    NOW = "now"
    AHEAD = "ahead"


def period_of(starts_on: date | None, ends_on: date | None, today: date) -> Period:
    """Where a span is on ``today``; without a day it has no beginning or end."""
    if ends_on is not None and ends_on < today:
        return Period.PAST
    return Period.AHEAD if starts_on is not None and starts_on > today else Period.NOW


class ValueSpan(NamedTuple):
    """An amount and the days on which cycles that begin then (or applications) require it.

    Without ``ends_on`` it has no known end. ``first_cycle`` is the first day of the first cycle
    that requires it, if its own first day is within a cycle. ``for_whom`` is empty if it is for
    all endorsements.
    """

    amount: str
    for_whom: str
    starts_on: date
    ends_on: date | None
    period: Period
    is_asked: bool
    source: Source
    first_cycle: date | None


def list_value_spans(rulebook: Rulebook, requirement: Requirement, today: date) -> list[ValueSpan]:
    """A requirement's values over time: those for the same people together, the oldest first."""
    spans = []
    for values in requirement.grouped_values.values():
        for value, following in zip_longest(values, values[1:]):
            ends_on = following.starts_from - _DAY if following else None
            spans.append(
                ValueSpan(
                    format_amount(requirement, value),
                    format_for_whom(value),
                    value.starts_from,
                    ends_on,
                    period_of(value.starts_from, ends_on, today),
                    value.asked,
                    value.source,
                    find_first_cycle(rulebook, requirement, value),
                )
            )
    return spans


def list_fee_spans(rulebook: Rulebook, fee: Fee, today: date) -> list[ValueSpan]:
    """A fee's values over time, the oldest first."""
    spans = []
    for value, following in zip_longest(fee.values, fee.values[1:]):
        ends_on = following.starts_from - _DAY if following else None
        spans.append(
            ValueSpan(
                format_fee(value, rulebook.currency_code),
                "",
                value.starts_from,
                ends_on,
                period_of(value.starts_from, ends_on, today),
                value.asked,
                value.source,
                None,
            )
        )
    return spans


class Topic(StrEnum):
    """What a change is about."""

    REQUIREMENT = "requirement"
    FEE = "fee"
    CYCLE = "cycle"
    ABSENCE = "absence"
    CERTIFICATE = "certificate"
    REMOVAL = "removal"
    PROVIDERS = "providers"
    REFERENCES = "references"
    RATING = "rating"


@dataclass(frozen=True, slots=True)
class RuleChange:
    """Something in a rulebook that changes by itself on ``day``.

    ``categories`` are those that it concerns, for one or both purposes. ``provider_rule`` is the
    name of a rule by which providers stop counting after ``last_day``.
    """

    day: date
    topic: Topic
    says: str
    categories: tuple[str, ...]
    purposes: tuple[Purpose, ...]
    sources: tuple[Source, ...] = ()
    interpretations: tuple[str, ...] = ()
    provider_rule: str | None = None
    last_day: date | None = None


def list_changes_ahead(rulebook: Rulebook, today: date) -> list[RuleChange]:
    """Everything that changes after ``today``, the next change first."""
    changes = [
        *_changes_of_requirements(rulebook),
        *_changes_of_fees(rulebook),
        *_changes_of_cycles(rulebook),
        *_changes_of_absences(rulebook),
        *_changes_of_certificates(rulebook),
        *_changes_of_removals(rulebook),
        *_changes_of_providers(rulebook),
        *_changes_of_ratings(rulebook),
    ]
    merged: dict[tuple[object, ...], RuleChange] = {}
    for change in changes:
        if change.day > today:
            key = (change.day, change.topic, change.says, change.purposes, change.provider_rule)
            merged[key] = _merge(merged[key], change) if key in merged else change
    order = list(Topic)
    return sorted(merged.values(), key=lambda change: (change.day, order.index(change.topic)))


def _merge(one: RuleChange, other: RuleChange) -> RuleChange:
    """The same change of the rules of several categories."""
    return replace(
        one,
        categories=tuple(dict.fromkeys((*one.categories, *other.categories))),
        sources=tuple(dict.fromkeys((*one.sources, *other.sources))),
        interpretations=tuple(dict.fromkeys((*one.interpretations, *other.interpretations))),
    )


def _named(interpretation: str | None) -> tuple[str, ...]:
    return (interpretation,) if interpretation else ()


def _changes_of_requirements(rulebook: Rulebook) -> Iterator[RuleChange]:
    for requirement in rulebook.requirements:
        about = (requirement.categories, (requirement.of,))
        for values in requirement.grouped_values.values():
            yield from _changes_of_values(rulebook, requirement, values)
        yield from _changes_of_caps(requirement)
        references = requirement.references
        if references and references.vetted_until:
            says = f"{requirement.label}: vetted referees no longer count"
            day = references.vetted_until + _DAY
            sources = (requirement.values[-1].source,)
            named = _named(requirement.interpretation)
            yield RuleChange(day, Topic.REFERENCES, says, *about, sources, named)


def _changes_of_values(
    rulebook: Rulebook, requirement: Requirement, values: Sequence[Value]
) -> Iterator[RuleChange]:
    """The changes of what is required of the same endorsements."""
    before: Value | None = None
    for value in values:
        whom = format_for_whom(value)
        says = f"{requirement.label}{' ' if whom else ''}{whom}: "
        says += format_amount(requirement, value)
        if before is not None and value.asked:
            former = format_amount(requirement, before) if before.asked else "not required"
            says += f" (until then {former})"
        yield RuleChange(
            find_first_cycle(rulebook, requirement, value) or value.starts_from,
            Topic.REQUIREMENT,
            says,
            value.categories or requirement.categories,
            (requirement.of,),
            (value.source,),
            _named(requirement.interpretation),
        )
        before = value


def _changes_of_fees(rulebook: Rulebook) -> Iterator[RuleChange]:
    for fee in rulebook.fees:
        for value in fee.values:
            says = f"{fee.label}: {format_fee(value, rulebook.currency_code)}"
            about = (fee.categories, (fee.of,), (value.source,), _named(fee.interpretation))
            yield RuleChange(value.starts_from, Topic.FEE, says, *about)


def _changes_of_caps(requirement: Requirement) -> Iterator[RuleChange]:
    for cap in requirement.caps:
        for value in cap.values:
            yield RuleChange(
                value.starts_from,
                Topic.REQUIREMENT,
                f"{requirement.label}: {format_limit(cap, value)}",
                requirement.categories,
                (requirement.of,),
                (value.source,),
                _named(cap.interpretation),
            )


def _changes_of_cycles(rulebook: Rulebook) -> Iterator[RuleChange]:
    renewed = tuple(c for c in rulebook.categories if rulebook.requirements_of(c))
    for scheme in rulebook.cycles:
        says = f"Cycles: {format_scheme(scheme, rulebook)}"
        yield RuleChange(
            scheme.starts_from,
            Topic.CYCLE,
            says,
            renewed,
            ("renewal",),
            interpretations=_named(scheme.interpretation),
        )


def _changes_of_absences(rulebook: Rulebook) -> Iterator[RuleChange]:
    renewed = tuple(c for c in rulebook.categories if rulebook.requirements_of(c))
    for rule in rulebook.absences:
        yield RuleChange(
            rule.starts_from,
            Topic.ABSENCE,
            format_absence_rule(rulebook, rule),
            renewed,
            ("renewal",),
            (rule.source,) if rule.source else (),
            interpretations=_named(rule.interpretation),
        )


def _changes_of_certificates(rulebook: Rulebook) -> Iterator[RuleChange]:
    rules: Sequence[CertificateRule] = rulebook.certificates
    for rule, following in zip_longest(rules, rules[1:]):
        change = RuleChange(
            rule.starts_from,
            Topic.CERTIFICATE,
            format_certificate_rule(rule),
            rule.categories or tuple(rulebook.categories),
            ("renewal",),
            (rule.source,) if rule.source else (),
            _named(rule.interpretation),
        )
        yield change
        ended = rule.until + _DAY if rule.until else None
        if ended and not (following and following.starts_from <= ended):
            yield replace(change, day=ended, says="No more certificates are issued")


def _changes_of_removals(rulebook: Rulebook) -> Iterator[RuleChange]:
    renewed = tuple(c for c in rulebook.categories if rulebook.requirements_of(c))
    returning = tuple(list_returning(rulebook))
    for rule, says in describe_removals(rulebook):
        is_return = isinstance(rule, ReinstatementRule)
        yield RuleChange(
            rule.starts_from,
            Topic.REMOVAL,
            says,
            returning if is_return else renewed,
            ("reinstatement" if is_return else "renewal",),
            (rule.source,) if rule.source else (),
            interpretations=_named(rule.interpretation),
        )


def _changes_of_providers(rulebook: Rulebook) -> Iterator[RuleChange]:
    for name, rule in rulebook.providers.items():
        using = list_users(rulebook, name)
        categories = tuple(dict.fromkeys(c for r in using for c in r.categories))
        purposes = tuple(dict.fromkeys(r.of for r in using))
        for accepted in rule.accepts:
            named = _named(accepted.interpretation)
            about = (categories, purposes, (accepted.source,), named, name)
            whom = describe_providers(accepted)
            if accepted.starts_from:
                says = f"RSC with providers {whom} starts to count"
                yield RuleChange(accepted.starts_from, Topic.PROVIDERS, says, *about)
            if accepted.until:
                says = f"RSC with providers {whom} no longer counts"
                day = accepted.until + _DAY
                yield RuleChange(day, Topic.PROVIDERS, says, *about, accepted.until)


def list_users(rulebook: Rulebook, provider_rule: str) -> list[Requirement]:
    """The requirements that a provider rule is for."""
    return [r for r in rulebook.requirements if r.providers == provider_rule]


def _changes_of_ratings(rulebook: Rulebook) -> Iterator[RuleChange]:
    for question in rulebook.ratings:
        days = {question.starts_from: "Referees are asked"}
        if question.until:
            days[question.until + _DAY] = "Referees are no longer asked"
        for day, words in days.items():
            yield RuleChange(
                day,
                Topic.RATING,
                f"{words}: {question.asks}",
                question.categories,
                ("application",),
                (question.source,),
                _named(question.interpretation),
            )


class AcceptedSpan(NamedTuple):
    """One part of a provider rule: whose sessions count, and on which days."""

    says: str
    starts_on: date | None
    ends_on: date | None
    period: Period
    source: Source
    interpretation: str | None


def list_accepted_spans(rule: ProviderRule, today: date) -> list[AcceptedSpan]:
    """The parts of a provider rule, in its order."""
    return [
        AcceptedSpan(
            describe_providers(accepted),
            accepted.starts_from,
            accepted.until,
            period_of(accepted.starts_from, accepted.until, today),
            accepted.source,
            accepted.interpretation,
        )
        for accepted in rule.accepts
    ]


class AbsenceSpan(NamedTuple):
    """What leave, or inactive status, excuses from one day to another, in words."""

    says: str
    starts_on: date
    ends_on: date | None
    period: Period
    rule: AbsenceRule


def list_absence_spans(rulebook: Rulebook, today: date) -> list[AbsenceSpan]:
    """What leave and inactive status excused, excuse, and will excuse, in the rulebook's order."""
    spans = []
    for rule in rulebook.absences:
        later = [r.starts_from for r in rulebook.absences if r.kind == rule.kind]
        following = min((day for day in later if day > rule.starts_from), default=None)
        ends_on = following - _DAY if following else None
        period = period_of(rule.starts_from, ends_on, today)
        says = format_absence_rule(rulebook, rule)
        spans.append(AbsenceSpan(says, rule.starts_from, ends_on, period, rule))
    return spans


class CertificateSpan(NamedTuple):
    """Which certificates are issued from one day to another, in words."""

    says: str
    starts_on: date
    ends_on: date | None
    period: Period
    rule: CertificateRule


def list_certificate_spans(rulebook: Rulebook, today: date) -> list[CertificateSpan]:
    """Which certificates were, are, and will be issued, in the rulebook's order."""
    spans = []
    rules: Sequence[CertificateRule] = rulebook.certificates
    for rule, following in zip_longest(rules, rules[1:]):
        last = following.starts_from - _DAY if following else None
        ends_on = min((day for day in (rule.until, last) if day), default=None)
        period = period_of(rule.starts_from, ends_on, today)
        says = f"{format_certificate_rule(rule)}."
        spans.append(CertificateSpan(says, rule.starts_from, ends_on, period, rule))
    return spans


class RemovalSpan(NamedTuple):
    """When endorsements are removed, or reinstated, from one day to another, in words."""

    says: str
    starts_on: date
    ends_on: date | None
    period: Period
    rule: RemovalRule | ReinstatementRule


def list_removal_spans(rulebook: Rulebook, today: date) -> list[RemovalSpan]:
    """What was, is, and will be said about removals and reinstatements, in that order."""
    spans = []
    for rule, says in describe_removals(rulebook):
        blocks = rulebook.removals if isinstance(rule, RemovalRule) else rulebook.reinstatements
        later = [block.starts_from for block in blocks if block.starts_from > rule.starts_from]
        ends_on = min(later) - _DAY if later else None
        period = period_of(rule.starts_from, ends_on, today)
        spans.append(RemovalSpan(says, rule.starts_from, ends_on, period, rule))
    return spans


class SchemeSpan(NamedTuple):
    """How cycles run from one day to another, in words."""

    says: str
    starts_on: date
    ends_on: date | None
    period: Period
    scheme: CycleScheme


def list_scheme_spans(rulebook: Rulebook, today: date) -> list[SchemeSpan]:
    """How cycles ran, run, and will run, the oldest first."""
    spans = []
    schemes: Sequence[CycleScheme] = rulebook.cycles
    for scheme, following in zip_longest(schemes, schemes[1:]):
        ends_on = following.starts_from - _DAY if following else None
        period = period_of(scheme.starts_from, ends_on, today)
        says = format_scheme(scheme, rulebook)
        spans.append(SchemeSpan(says, scheme.starts_from, ends_on, period, scheme))
    return spans


def fixed_cycle_on(rulebook: Rulebook, day: date) -> Cycle | None:
    """The cycle that everyone is in on ``day``; None if it depends on the day of endorsement."""
    return common_cycle(rulebook.cycles, day)


class RenewalDay(NamedTuple):
    """What happens on one day of everyone's cycle."""

    day: date
    says: str


def list_renewal_days(cycle: Cycle, config: NoticeConfig) -> list[RenewalDay]:
    """The days of a cycle on which something happens by itself, in order.

    Reminders go only to those who are missing something, and an extension moves them.
    """
    due_on = cycle.due_on
    grace_ends_on = cycle.grace_ends_on(due_on)
    days = [
        RenewalDay(cycle.starts_on, "The cycle begins"),
        RenewalDay(cycle.ends_on, "The last day on which hours count"),
        RenewalDay(due_on, "Renewals are due"),
        *_list_window_days(cycle),
        RenewalDay(grace_ends_on, "The grace period ends"),
        RenewalDay(grace_ends_on + _DAY, "What is missing has lapsed, and the cycle is settled"),
    ]
    for step in config.renewal.steps:
        says = "Reminder to those who are missing something"
        if step < 0:
            says += f", {format_count(-step, 'day')} before"
        elif step > 0:
            says += f", {format_count(step, 'day')} after"
        days.append(RenewalDay(due_on + step * _DAY, says))
    merged: dict[date, list[str]] = {}
    for each in sorted(days, key=lambda each: each.day):
        merged.setdefault(each.day, []).append(each.says)
    return [RenewalDay(day, ". ".join(texts)) for day, texts in merged.items()]


def _list_window_days(cycle: Cycle) -> list[RenewalDay]:
    days = []
    if cycle.opens_on:
        days.append(RenewalDay(cycle.opens_on, "The submission opens"))
    if cycle.closes_on:
        days.append(RenewalDay(cycle.closes_on, "The last day of the submission"))
    return days


def describe_renewal_steps(config: NoticeConfig) -> str:
    """When renewals that are short get reminders, for cycles that differ from person to person."""
    steps = _describe_steps(config.renewal.before, "before", "the due date")
    steps += _describe_steps(config.renewal.after, "after", "it" if steps else "the due date")
    return f"Reminders go out {format_list(steps)}." if steps else "No reminders go out."


def describe_other_steps(config: NoticeConfig) -> str:
    """When notices about memberships, and about providers who stop counting, go out."""
    says = []
    steps = _describe_steps(config.membership.before, "before", "the last day")
    if config.membership.on_lapse:
        steps.append(f"on the day after {'it' if steps else 'the last day'}")
    if steps:
        says.append(f"About memberships: {format_list(steps)}.")
    steps = _describe_steps(config.provider_cutoff.before, "before", "the last day")
    if steps:
        months = format_count(config.provider_cutoff.used_within_months, "month")
        says.append(
            f"About providers who stop counting: {format_list(steps)}, to everyone with a session "
            f"in the last {months}."
        )
    return " ".join(says)


def _describe_steps(days: Sequence[int], when: str, day: str) -> list[str]:
    """``90, 60, and 30 days before the due date``, and ``on the due date`` for 0 days."""
    steps = []
    others = [str(number) for number in days if number]
    if others:
        unit = "day" if others == ["1"] else "days"
        steps.append(f"{format_list(others)} {unit} {when} {day}")
    if 0 in days:
        steps.append(f"on {day}")
    return steps


class RuledCategories(NamedTuple):
    """Categories that have the same requirements."""

    categories: tuple[str, ...]
    requirements: tuple[Requirement, ...]


def group_categories(rulebook: Rulebook, purpose: Purpose) -> list[RuledCategories]:
    """Categories with the same requirements, in the order of the rulebook."""
    groups: dict[tuple[int, ...], list[str]] = {}
    found: dict[tuple[int, ...], tuple[Requirement, ...]] = {}
    for category in rulebook.categories:
        requirements = rulebook.requirements_of(category, purpose)
        if requirements:
            key = tuple(map(id, requirements))
            groups.setdefault(key, []).append(category)
            found[key] = requirements
    return [RuledCategories(tuple(names), found[key]) for key, names in groups.items()]
