"""What a renewal or an application requires: a rulebook read for one category and one day."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from functools import cached_property

from tracker.formatting import hours_word
from tracker.rules.absence_rules import AbsenceKind
from tracker.rules.cycles import Cycle, list_year_ends
from tracker.rules.membership import MembershipGrace
from tracker.rules.model import ProviderRule, Rulebook
from tracker.rules.requirement import HOURS, Requirement, Value

_UNITS = {
    "training": "hours",
    "rsc": "hours",
    "membership": "membership",
    "education": "degree",
    "work": "positions",
    "references": "references",
    "signed": "signatures",
    "exam": "exam",
    "submitted": "submission",
}


_RETURNS: dict[str, AbsenceKind] = {
    "those who return from leave": "leave",
    "those who return from inactive status": "inactive",
}


# Equal only to itself: plans are shared (`Rulebooks.plan_for`), and often looked up in caches.
@dataclass(frozen=True, slots=True, eq=False)
class PlannedRequirement:
    """One requirement of a plan.

    ``label`` is its plain name, such as ``DEIA training``; ``topic`` is None for whole hours.
    ``amount`` is in minutes for hours, months for years, else a number of ``unit``. ``is_exempt``:
    it is not required in the cycle of endorsement. ``returns_from``: only those whose leave (or
    inactive status) ended in the cycle owe it. ``sum_key`` names the sum in `Facts.minutes` that
    counts. ``services`` are the kinds of work that count, in words. ``held_years`` are the years
    held that the amount rests on; 0 if it is for everyone. ``rule``
    has the terms that only an application has.
    """

    id: str
    label: str
    about: str
    counts: str
    topic: str | None
    sum_key: str
    amount: int
    unit: str
    is_exempt: bool
    is_for_everyone: bool
    only_rsc_providers: bool
    returns_from: AbsenceKind | None
    each_year: bool
    source_document: str
    source_section: str
    services: tuple[str, ...]
    held_years: int
    rule: Requirement

    @property
    def hours_name(self) -> str:
        """What its hours are called in a few letters: ``training``, ``RSC``, ``DEIA``."""
        return hours_word(self.counts, self.topic or "")

    @property
    def is_hours(self) -> bool:
        """Whether it is about hours of sessions."""
        return self.counts in HOURS

    @property
    def is_part(self) -> bool:
        """Whether its hours lie inside those of another requirement."""
        return bool(self.topic or self.rule.inside or self.rule.besides)

    def covers(self, activity: str, topics: Collection[str]) -> bool:
        """Whether hours of this activity, about these topics, are of the kind required."""
        return self.counts == activity and (self.topic is None or self.topic in topics)


@dataclass(frozen=True, eq=False)
class Plan:
    """The requirements of one category at one association, in the rulebook's order."""

    rulebook: Rulebook = field(repr=False)
    category: str
    requirements: tuple[PlannedRequirement, ...]

    @cached_property
    def association(self) -> str:
        """The association's id."""
        return self.rulebook.id

    @cached_property
    def provider_terms(self) -> ProviderRule | None:
        """Whose RSC counts, if the plan requires any."""
        name = self.provider_rule
        return self.rulebook.providers[name.partition("/")[2]] if name else None

    @cached_property
    def provider_rule(self) -> str | None:
        """``<association>/<name>`` of the rule that says whose RSC counts, if any."""
        return self._rule_name(r.rule.providers for r in self.requirements)

    @cached_property
    def membership_rule(self) -> str | None:
        """``<association>/<name>`` of the rule that says which membership counts, if any."""
        return self._rule_name(r.rule.membership for r in self.requirements)

    @cached_property
    def statements(self) -> tuple[str, ...]:
        """The keys of what is signed, in the order of the rulebook's attestations."""
        rules = [requirement.rule for requirement in self.requirements]
        keys = {key for rule in rules for key in (*rule.signed, rule.attested_by)}
        return tuple(key for key in self.rulebook.attestations if key in keys)

    @cached_property
    def membership_grace(self) -> MembershipGrace | None:
        """How long a membership counts after its last day; None if it ends with that day."""
        name = self.membership_rule
        return self.rulebook.memberships[name.partition("/")[2]].grace if name else None

    @cached_property
    def topics(self) -> tuple[str, ...]:
        """The topics whose hours are counted by themselves, sorted."""
        topics: set[str] = set()
        for requirement in self.requirements:
            topics.update(requirement.rule.besides)
            if requirement.topic:
                topics.add(requirement.topic)
        return tuple(sorted(topics))

    def _rule_name(self, names: Iterable[str | None]) -> str | None:
        for name in names:
            if name:
                return f"{self.association}/{name}"
        return None


@dataclass(frozen=True, eq=False)
class RenewalPlan(Plan):
    """What a renewal requires in ``cycle``; None if the category has no renewal rules."""

    cycle: Cycle | None

    @cached_property
    def is_submitted(self) -> bool:
        """Whether the endorsee has to submit it."""
        return any(r.counts == "submitted" for r in self.requirements)

    @cached_property
    def year_ends(self) -> tuple[date, ...]:
        """The last days of the cycle's whole years; none unless something is required each year."""
        if self.cycle is None or not any(r.each_year for r in self.requirements):
            return ()
        return tuple(list_year_ends(self.cycle))


@dataclass(frozen=True, eq=False)
class ApplicationPlan(Plan):
    """What an application requires; it has no requirements if the category has no rules."""


def plan_renewal(
    rulebook: Rulebook, category: str, cycle: Cycle | None, held_years: int = 0
) -> RenewalPlan:
    """Read ``rulebook`` for the renewal of one category in one cycle.

    ``held_years`` are the whole years for which it has been held on the cycle's first day. A cycle
    requires the value in force on its first day, unless the requirement has ended by the cycle's
    last day: nobody owes what was not required yet when their cycle began.
    """
    rules = rulebook.requirements_of(category)
    if cycle is None or not rules:
        return RenewalPlan(rulebook, category, (), None)
    planned = []
    for rule in rules:
        value = value_in_force(rule, cycle.starts_on, category, held_years)
        if value and value_in_force(rule, cycle.ends_on, category, held_years):
            share = Fraction(0) if rule.id in cycle.exempts else cycle.share
            planned.append(_plan_requirement(rulebook, rule, value, share))
            if rule.id in cycle.exempts:
                planned[-1] = replace(planned[-1], is_exempt=True)
    return RenewalPlan(rulebook, category, tuple(planned), cycle)


def plan_application(rulebook: Rulebook, category: str, day: date) -> ApplicationPlan:
    """Read ``rulebook`` for an application, as its rules stand on ``day``."""
    planned = []
    for rule in rulebook.requirements_of(category, "application"):
        if value := value_in_force(rule, day, category):
            planned.append(_plan_requirement(rulebook, rule, value, Fraction(1)))
    return ApplicationPlan(rulebook, category, tuple(planned))


def value_in_force(
    requirement: Requirement, day: date, category: str, held_years: int = 0
) -> Value | None:
    """The value in force on ``day``; None before the first, and after the requirement has ended."""
    found = latest_value(requirement, day, category, held_years)
    return found if found and found.asked else None


def latest_value(
    requirement: Requirement, day: date, category: str, held_years: int = 0
) -> Value | None:
    """The value that is in force on ``day``, or that ended the requirement by then, if any.

    A value for the category goes before those for all categories; among these, that for the most
    years held.
    """
    found = None
    for value in requirement.values:
        is_for = value.starts_from <= day and value.is_for(category, held_years)
        # Those for the same endorsements are in order of their days.
        if is_for and (found is None or _rank(value) >= _rank(found)):
            found = value
    return found


def _rank(value: Value) -> tuple[bool, int]:
    return bool(value.categories), value.held_years


def _full_amount(rule: Requirement, value: Value) -> int:
    if rule.references:
        return len(rule.references.slots)
    return value.minutes or value.months or value.many or len(rule.signed) or 1


def _plan_requirement(
    rulebook: Rulebook, rule: Requirement, value: Value, share: Fraction
) -> PlannedRequirement:
    services = rule.work.services if rule.work else ()
    # Only hours depend on what is left of the cycle.
    is_prorated = rule.counts in HOURS
    amount = _full_amount(rule, value)
    if is_prorated and share:
        amount = int(amount * share)
    return PlannedRequirement(
        id=rule.id,
        label=rule.label,
        about=rule.about,
        counts=rule.counts,
        topic=rule.topic,
        sum_key=f"topic:{rule.topic}" if rule.topic else rule.counts,
        amount=amount,
        unit="years" if value.years else rule.unit or _UNITS[rule.counts],
        is_exempt=is_prorated and share == 0,
        is_for_everyone=rule.asked_of == "everyone",
        only_rsc_providers=rule.asked_of == "those who provide RSC",
        returns_from=_RETURNS.get(rule.asked_of),
        each_year=rule.each_year,
        source_document=rulebook.documents[value.source.document].title,
        source_section=value.source.section,
        services=tuple(rulebook.services.get(service, service) for service in services),
        held_years=value.held_years,
        rule=rule,
    )
