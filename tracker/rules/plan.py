"""What a renewal or an application requires: a rulebook read for one category and one day."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property

from tracker.formatting import format_list, format_ordinal, hours_word
from tracker.rules.absence_rules import AbsenceKind
from tracker.rules.cycles import Cycle, CycleYear, list_years
from tracker.rules.fees import Fee, FeeValue, PlannedFee
from tracker.rules.membership import MembershipGrace
from tracker.rules.model import ProviderRule, Rulebook
from tracker.rules.requirement import HOURS, Cap, Purpose, Requirement, SessionFormat, Value

_HOURS, _MONTHS = "hours", "months"
_UNITS = {
    "training": _HOURS,
    "rsc": _HOURS,
    "membership": "membership",
    "education": "degree",
    "work": "positions",
    "references": "references",
    "signed": "signatures",
    "exam": "exam",
    "submitted": "submission",
    "paid": "payment",
}


_RETURNS: dict[str, AbsenceKind] = {
    "those who return from leave": "leave",
    "those who return from inactive status": "inactive",
}


@dataclass(frozen=True, slots=True, eq=False)
class PlannedCap:
    """At most so many minutes of a requirement that are alike: see `Cap`."""

    formats: tuple[SessionFormat, ...]
    topic: str | None
    minutes: int
    source_document: str
    source_section: str


# Equal only to itself: plans are shared (`Rulebooks.plan_for`), and often looked up in caches.
@dataclass(frozen=True, slots=True, eq=False)
class PlannedRequirement:
    """One requirement of a plan.

    ``label`` is its plain name, such as ``DEIA training``; ``topic`` is None for whole hours.
    ``amount`` is in minutes for hours, months for years, else a number of ``unit``. ``is_exempt``:
    it is not required in the cycle of endorsement. ``returns_from``: only those whose leave (or
    inactive status) ended in the cycle owe it. ``sum_key`` names the sum in `Facts.minutes` that
    counts; with ``needs_days``, `Facts.days` count instead. ``services`` are the kinds of work that
    count, in words. ``held_years`` are the years held that the amount rests on; 0 if it is for
    everyone. ``rule`` has the terms that only an application has.

    ``year`` is the year of the cycle that it is about; None for the whole cycle. ``own_formats``
    are its formats if another requirement counts sessions of others; ``has_fewer_formats``: of
    these and more.
    """

    id: str
    label: str
    about: str
    counts: str
    topic: str | None
    sum_key: str
    amount: int
    unit: str
    is_for_everyone: bool
    only_rsc_providers: bool
    returns_from: AbsenceKind | None
    each_year: bool
    source_document: str
    source_section: str
    services: tuple[str, ...]
    held_years: int
    rule: Requirement
    is_exempt: bool = False
    year: CycleYear | None = None
    own_formats: tuple[SessionFormat, ...] = ()
    has_fewer_formats: bool = False
    caps: tuple[PlannedCap, ...] = ()
    needs_days: bool = False

    @property
    def kind_name(self) -> str:
        """What its hours are called in a few letters: ``training``, ``DEIA``, ``group RSC``."""
        name = hours_word(self.counts, self.topic or "")
        return f"{format_list(self.own_formats)} {name}" if self.own_formats else name

    @property
    def hours_name(self) -> str:
        """`kind_name`, with the year or the months that it is about."""
        name = self.kind_name
        if self.is_spread:
            name += " in different months"
        return f"{name} in the {format_ordinal(self.year.number)} year" if self.year else name

    @property
    def own_topics(self) -> list[str]:
        """The topics that it counts, limits, or leaves out."""
        names = [self.topic, *self.rule.besides, *(cap.topic for cap in self.caps)]
        return [topic for topic in names if topic]

    @property
    def is_hours(self) -> bool:
        """Whether its amount is in minutes."""
        return self.unit == _HOURS

    @property
    def is_spread(self) -> bool:
        """Whether its amount is the number of calendar months with a session."""
        return self.unit == _MONTHS

    @property
    def is_of_sessions(self) -> bool:
        """Whether sessions are counted, by their hours or by the months in which they fall."""
        return self.counts in HOURS

    @property
    def is_part(self) -> bool:
        """Whether its hours lie inside those of another requirement."""
        is_narrower = self.year or self.has_fewer_formats or self.is_spread
        return bool(self.topic or self.rule.inside or self.rule.besides or is_narrower)

    def covers(self, activity: str, topics: Collection[str]) -> bool:
        """Whether hours of this activity, about these topics, are of the kind required."""
        return self.counts == activity and (self.topic is None or self.topic in topics)

    def includes(self, day: date, session_format: str | None) -> bool:
        """Whether sessions of this day and format are among those that it counts."""
        has_format = not self.rule.formats or session_format in self.rule.formats
        return has_format and (self.year is None or self.year.contains(day))


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
        name = self._provider_name
        return self.rulebook.providers[name] if name else None

    @cached_property
    def provider_rule(self) -> str | None:
        """``<association>/<name>`` of the rule that says whose RSC counts, if any."""
        return self._qualify(self._provider_name)

    @cached_property
    def membership_rule(self) -> str | None:
        """``<association>/<name>`` of the rule that says which membership counts, if any."""
        return self._qualify(self._membership_name)

    @cached_property
    def statements(self) -> tuple[str, ...]:
        """The keys of what is signed, in the order of the rulebook's attestations."""
        rules = [requirement.rule for requirement in self.requirements]
        keys = {key for rule in rules for key in (*rule.signed, rule.attested_by)}
        return tuple(key for key in self.rulebook.attestations if key in keys)

    @cached_property
    def membership_grace(self) -> MembershipGrace | None:
        """How long a membership counts after its last day; None if it ends with that day."""
        name = self._membership_name
        return self.rulebook.memberships[name].grace if name else None

    @cached_property
    def has_caps(self) -> bool:
        """Whether how much of a session counts depends on the other sessions."""
        return any(requirement.caps for requirement in self.requirements)

    @cached_property
    def topics(self) -> tuple[str, ...]:
        """The topics whose hours are counted by themselves, sorted."""
        topics: set[str] = set()
        for requirement in self.requirements:
            topics.update(requirement.rule.besides)
            if requirement.topic:
                topics.add(requirement.topic)
        return tuple(sorted(topics))

    @property
    def _provider_name(self) -> str | None:
        return next((r.rule.providers for r in self.requirements if r.rule.providers), None)

    @property
    def _membership_name(self) -> str | None:
        return next((r.rule.membership for r in self.requirements if r.rule.membership), None)

    def _qualify(self, name: str | None) -> str | None:
        return f"{self.association}/{name}" if name else None


@dataclass(frozen=True, eq=False)
class RenewalPlan(Plan):
    """What a renewal requires in ``cycle``; None if the category has no renewal rules.

    ``fees`` are what it costs, whether paying it is one of the requirements or not.
    """

    cycle: Cycle | None
    fees: tuple[PlannedFee, ...] = ()

    @cached_property
    def is_submitted(self) -> bool:
        """Whether the endorsee has to submit it."""
        return any(r.counts == "submitted" for r in self.requirements)

    @cached_property
    def needs_payments(self) -> bool:
        """Whether paying a fee is one of the requirements."""
        return any(r.counts == "paid" for r in self.requirements)

    @cached_property
    def year_ends(self) -> tuple[date, ...]:
        """The last days of the cycle's whole years; none unless something is required each year."""
        if self.cycle is None or not any(r.each_year for r in self.requirements):
            return ()
        return tuple(year.ends_on for year in list_years(self.cycle))

    @cached_property
    def needs_days(self) -> bool:
        """Whether it takes `Facts.days` to judge it."""
        return any(requirement.needs_days for requirement in self.requirements)


@dataclass(frozen=True, eq=False)
class ApplicationPlan(Plan):
    """What an application or a reinstatement requires; nothing if the category has no rules.

    ``fees`` are what a reinstatement costs; an application has none.
    """

    purpose: Purpose = "application"
    fees: tuple[PlannedFee, ...] = ()

    @cached_property
    def counts_recent_hours(self) -> bool:
        """Whether it takes `ApplicationFacts.days` to judge it."""
        is_reinstatement = self.purpose == "reinstatement"
        return is_reinstatement and any(r.is_of_sessions for r in self.requirements)


def plan_renewal(
    rulebook: Rulebook, category: str, cycle: Cycle | None, held_years: int
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
        if value := _value_for_cycle(rule, cycle, category, held_years):
            requirement = _prorate(_plan_requirement(rulebook, rule, value), cycle)
            planned += _plan_parts(rulebook, rules, requirement, value, cycle)
    fees = _plan_fees(rulebook, category, cycle)
    return RenewalPlan(rulebook, category, tuple(planned), cycle, fees)


def _prorate(requirement: PlannedRequirement, cycle: Cycle) -> PlannedRequirement:
    """What is left of a requirement in a cycle that exempts from it, or requires fewer hours."""
    # Only hours depend on what is left of the cycle; those of a return are the same in any cycle.
    is_without_hours = requirement.is_of_sessions and cycle.share == 0
    if requirement.id in cycle.exempts or is_without_hours:
        return replace(requirement, is_exempt=True)
    if requirement.is_of_sessions and requirement.returns_from is None:
        return replace(requirement, amount=int(requirement.amount * cycle.share))
    return requirement


def _plan_fees(rulebook: Rulebook, category: str, cycle: Cycle) -> tuple[PlannedFee, ...]:
    return tuple(
        _plan_fee(rulebook, fee, value, value.amount)
        for fee in rulebook.fees_of(category)
        if (value := fee.value_on(cycle.starts_on))
        and value.amount is not None
        and fee.value_on(cycle.ends_on)
    )


def _plan_fee(rulebook: Rulebook, fee: Fee, value: FeeValue, amount: int) -> PlannedFee:
    document = rulebook.documents[value.source.document].title
    return PlannedFee(fee.id, fee.label, fee.how_to_pay, amount, value, document)


def plan_application(
    rulebook: Rulebook, category: str, day: date, purpose: Purpose = "application"
) -> ApplicationPlan:
    """Read ``rulebook`` for an application, or a reinstatement, as its rules stand on ``day``."""
    planned = []
    for rule in rulebook.requirements_of(category, purpose):
        if value := value_in_force(rule, day, category):
            planned.append(_plan_requirement(rulebook, rule, value))
    fees = []
    for fee in rulebook.fees_of(category, purpose):
        due = fee.value_on(day)
        if due and due.amount is not None:
            fees.append(_plan_fee(rulebook, fee, due, due.amount))
    return ApplicationPlan(rulebook, category, tuple(planned), purpose, tuple(fees))


def value_in_force(
    requirement: Requirement, day: date, category: str, held_years: int = 0
) -> Value | None:
    """The value in force on ``day``; None before the first, and after the requirement has ended."""
    found = latest_value(requirement, day, category, held_years)
    return found if found and found.asked else None


def latest_value(
    requirement: Requirement, day: date, category: str, held_years: int
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


def cap_in_force(cap: Cap, day: date) -> Value | None:
    """The cap's value in force on ``day``; None before the first, and after it has ended."""
    started = [value for value in cap.values if value.starts_from <= day]
    return started[-1] if started and started[-1].asked else None


def _value_for_cycle(
    requirement: Requirement, cycle: Cycle, category: str, held_years: int
) -> Value | None:
    """The value in force on a cycle's first day, unless it has ended by the cycle's last day."""
    value = value_in_force(requirement, cycle.starts_on, category, held_years)
    return value if value_in_force(requirement, cycle.ends_on, category, held_years) else None


def _full_amount(rule: Requirement, value: Value) -> int:
    if rule.references:
        return len(rule.references.slots)
    amount = value.minutes or value.months or value.months_of_work or value.many
    return amount or len(rule.signed) or 1


def _find_unit(rule: Requirement, value: Value) -> str:
    if value.months:
        return _MONTHS
    return "years" if value.years else rule.unit or _UNITS[rule.counts]


def _plan_parts(
    rulebook: Rulebook,
    rules: Iterable[Requirement],
    requirement: PlannedRequirement,
    value: Value,
    cycle: Cycle,
) -> list[PlannedRequirement]:
    """A renewal's requirement with its caps; one for each year if its hours are required yearly.

    A year that began before the endorsement is left out. What a year requires does not depend on
    the share of the cycle that is left.
    """
    rule = requirement.rule
    if not requirement.is_of_sessions:
        return [requirement]
    planned = replace(
        _compare_formats(requirement, rules),
        caps=tuple(_plan_caps(rulebook, rule, cycle)),
        needs_days=bool(rule.formats or rule.caps or rule.each_year or requirement.is_spread),
    )
    if not rule.each_year:
        return [planned]
    return [
        replace(
            planned,
            id=rule.year_id(year.number),
            label=f"{rule.label}, {format_ordinal(year.number)} year",
            amount=_full_amount(rule, value),
            year=year,
        )
        for year in list_years(cycle)[cycle.years_before :]
    ]


def _compare_formats(
    requirement: PlannedRequirement, rules: Iterable[Requirement]
) -> PlannedRequirement:
    """A requirement that knows its formats beside those of whole RSC hours."""
    own = {*requirement.rule.formats}
    others = [
        {*rule.formats}
        for rule in rules
        if rule.counts == "rsc" and not rule.each_year and not rule.values[0].months
    ]
    return replace(
        requirement,
        own_formats=requirement.rule.formats if any(each != own for each in others) else (),
        has_fewer_formats=bool(own) and any(not each or own < each for each in others),
    )


def _plan_caps(rulebook: Rulebook, rule: Requirement, cycle: Cycle) -> Iterable[PlannedCap]:
    """The caps in force in a cycle, those within others first."""
    for cap in sorted(rule.caps, key=lambda cap: len(cap.formats)):
        value = cap_in_force(cap, cycle.starts_on)
        if value and cap_in_force(cap, cycle.ends_on):
            document = rulebook.documents[value.source.document].title
            section = value.source.section
            yield PlannedCap(cap.formats, cap.topic, value.minutes, document, section)


def _plan_requirement(rulebook: Rulebook, rule: Requirement, value: Value) -> PlannedRequirement:
    services = rule.work.services if rule.work else ()
    return PlannedRequirement(
        id=rule.id,
        label=rule.label,
        about=rule.about,
        counts=rule.counts,
        topic=rule.topic,
        sum_key=f"topic:{rule.topic}" if rule.topic else rule.counts,
        amount=_full_amount(rule, value),
        unit=_find_unit(rule, value),
        is_for_everyone=rule.asked_of == "everyone",
        only_rsc_providers=rule.asked_of == "those who provide RSC",
        returns_from=_RETURNS.get(rule.asked_of),
        each_year=rule.each_year,
        source_document=rulebook.documents[value.source.document].title,
        source_section=value.source.section,
        services=tuple(rulebook.services[service] for service in services),
        held_years=value.held_years,
        rule=rule,
    )
