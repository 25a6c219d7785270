"""What one renewal, or one application, asks: a rulebook read for one category and one cycle."""

from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from dateutil.relativedelta import relativedelta

from tracker.formatting import hours_word
from tracker.rules.cycles import Cycle
from tracker.rules.model import Requirement, Rulebook, Value

_UNITS = {
    "training": "hours",
    "rsc": "hours",
    "membership": "membership",
    "education": "degree",
    "work": "positions",
    "references": "references",
    "signed": "signatures",
    "exam": "exam",
}
_ENDLESS = Cycle(
    starts_on=date.min,
    ends_on=date.max,
    due_on=date.max,
    grace_days=0,
    is_first=False,
    share=Fraction(1),
)


# Equal only to itself: plans are shared (`Rulebooks.plan_for`), and judging looks them up often.
@dataclass(frozen=True, slots=True, eq=False)
class PlannedRequirement:
    """One requirement.

    ``amount`` is what is asked, in the measure of `Result`; ``exemptions`` says why its hours are
    excused in this cycle, if they are. ``topic`` is None for whole hours; ``sum_key`` names the
    sum in `Facts.minutes` that counts. ``unit`` is the word for what is counted; ``rule`` holds
    the terms of what only an application asks.
    """

    id: str
    label: str
    about: str
    counts: str
    topic: str | None
    sum_key: str
    amount: int
    unit: str
    exemptions: str | None
    only_rsc_providers: bool
    each_year: bool
    source_document: str
    source_section: str
    rule: Requirement


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What an endorsement of ``category`` owes in ``cycle``; no asks: no renewal rules.

    ``provider_rule`` and ``membership_rule`` are ``<association>/<name>``, None where no
    requirement has one. ``topics`` are those asked for, sorted. ``year_ends`` are the last days
    of the cycle's whole years, where a membership is asked each year.
    """

    association: str
    category: str
    cycle: Cycle | None
    requirements: tuple[PlannedRequirement, ...]
    provider_rule: str | None
    membership_rule: str | None
    topics: tuple[str, ...] = ()
    year_ends: tuple[date, ...] = ()


def plan_renewal(rulebook: Rulebook, category: str, cycle: Cycle | None) -> Plan:
    """Read ``book`` for one category and cycle."""
    requirements = rulebook.requirements_of(category) if cycle else ()
    found = [(r, v) for r in requirements if cycle and (v := _value_for(r, cycle))]
    return Plan(
        association=rulebook.id,
        category=category,
        cycle=cycle if requirements else None,
        requirements=tuple(_ask(rulebook, r, v, cycle) for r, v in found if cycle),
        provider_rule=_rule_name(rulebook, [r.providers for r, _ in found]),
        membership_rule=_rule_name(rulebook, [r.membership for r, _ in found]),
        topics=tuple(sorted({r.topic for r, _ in found if r.topic})),
        year_ends=_year_ends(cycle) if cycle and any(r.each_year for r, _ in found) else (),
    )


def plan_application(rulebook: Rulebook, category: str, day: date) -> Plan:
    """Read ``book`` for an application, as its rules stand on ``day``: a cycle without end."""
    asked = rulebook.requirements_of(category, "application")
    found = [(r, v) for r in asked if (v := value_in_force(r, day))]
    return Plan(
        association=rulebook.id,
        category=category,
        cycle=_ENDLESS if found else None,
        requirements=tuple(_ask(rulebook, r, v, _ENDLESS) for r, v in found),
        provider_rule=_rule_name(rulebook, [r.providers for r, _ in found]),
        membership_rule=_rule_name(rulebook, [r.membership for r, _ in found]),
        topics=tuple(sorted({t for r, _ in found for t in (r.topic, *r.besides) if t})),
    )


def value_in_force(requirement: Requirement, day: date) -> Value | None:
    """The value in force on ``day``; None before the first, and once it is no longer asked."""
    started = [v for v in requirement.values if v.starts_from <= day]
    return started[-1] if started and started[-1].asked else None


def _value_for(requirement: Requirement, cycle: Cycle) -> Value | None:
    """What a cycle asks: the value on its first day, unless ended by its last.

    Nobody is asked for what was not yet asked when the cycle began.
    """
    if value_in_force(requirement, cycle.ends_on) is None:
        return None
    return value_in_force(requirement, cycle.starts_on)


def _ask(
    rulebook: Rulebook, requirement: Requirement, value: Value, cycle: Cycle
) -> PlannedRequirement:
    hours_excused = requirement.counts != "membership" and cycle.share == 0
    whole = _amount(requirement, value)
    return PlannedRequirement(
        id=requirement.id,
        label=requirement.label,
        about=requirement.about,
        counts=requirement.counts,
        topic=requirement.topic,
        sum_key=f"topic:{requirement.topic}" if requirement.topic else requirement.counts,
        amount=whole if hours_excused else int(whole * cycle.share),
        unit=_unit(requirement, value),
        exemptions="no hours are asked in the cycle of endorsement" if hours_excused else None,
        only_rsc_providers=requirement.asked_of != "everyone",
        each_year=requirement.each_year,
        source_document=rulebook.documents[value.source.document].title,
        source_section=value.source.section,
        rule=requirement,
    )


def _amount(requirement: Requirement, value: Value) -> int:
    if requirement.references:
        return len(requirement.references.slots)
    return value.minutes or value.months or value.many or len(requirement.signed) or 1


def _unit(requirement: Requirement, value: Value) -> str:
    if value.years is not None:
        return "years"
    return requirement.unit or _UNITS[requirement.counts]


def _year_ends(cycle: Cycle) -> tuple[date, ...]:
    years = range(1, cycle.ends_on.year - cycle.starts_on.year + 2)
    ends = [cycle.starts_on + relativedelta(years=n) - timedelta(days=1) for n in years]
    return tuple(end for end in ends if end <= cycle.ends_on)


def _rule_name(rulebook: Rulebook, names: list[str | None]) -> str | None:
    return next((f"{rulebook.id}/{name}" for name in names if name), None)


def word_for(requirement: PlannedRequirement) -> str:
    """What hours of a requirement are called in a few letters, as by `hours_word`."""
    return hours_word(requirement.counts, requirement.topic or "")
