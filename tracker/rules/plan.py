"""What one renewal asks: a rulebook read for one category and one cycle."""

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from tracker.rules.cycles import Cycle
from tracker.rules.schema import Requirement, Rulebook, Value


class Ask(NamedTuple):
    """One requirement of a renewal.

    ``minutes`` is what is asked (0 for a membership); ``not_asked`` says why its hours are
    excused in this cycle, if they are. ``topic`` is None for whole hours.
    """

    id: str
    label: str
    about: str
    counts: str
    topic: str | None
    minutes: int
    not_asked: str | None
    only_rsc_providers: bool
    each_year: bool
    source_document: str
    source_section: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What an endorsement of ``category`` owes in ``cycle``; no asks: no renewal rules.

    ``provider_rule`` and ``membership_rule`` are ``<association>/<name>``, None where no
    requirement has one.
    """

    association: str
    category: str
    cycle: Cycle | None
    asks: tuple[Ask, ...]
    provider_rule: str | None
    membership_rule: str | None


def plan_renewal(book: Rulebook, category: str, cycle: Cycle | None) -> Plan:
    """Read ``book`` for one category and cycle."""
    requirements = book.requirements_of(category) if cycle else ()
    found = [(r, v) for r in requirements if cycle and (v := _value_for(r, cycle))]
    return Plan(
        association=book.id,
        category=category,
        cycle=cycle if requirements else None,
        asks=tuple(_ask(book, r, v, cycle) for r, v in found if cycle),
        provider_rule=_rule_name(book, [r.providers for r, _ in found]),
        membership_rule=_rule_name(book, [r.membership for r, _ in found]),
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


def _ask(book: Rulebook, requirement: Requirement, value: Value, cycle: Cycle) -> Ask:
    hours_excused = requirement.counts != "membership" and cycle.share == 0
    whole = value.minutes
    return Ask(
        id=requirement.id,
        label=requirement.label,
        about=requirement.about,
        counts=requirement.counts,
        topic=requirement.topic,
        minutes=whole if hours_excused else int(whole * cycle.share),
        not_asked="no hours are asked in the cycle of endorsement" if hours_excused else None,
        only_rsc_providers=requirement.asked_of != "everyone",
        each_year=requirement.each_year,
        source_document=book.documents[value.source.document].title,
        source_section=value.source.section,
    )


def _rule_name(book: Rulebook, names: list[str | None]) -> str | None:
    return next((f"{book.id}/{name}" for name in names if name), None)
