"""The names that a file may use, and what to say about one that it may not."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from functools import partial

from tracker.rulebooks import Rulebooks
from tracker.rules.application.references import roles_for
from tracker.rules.cycles import Cycle
from tracker.rules.model import Requirement, Rulebook

_LISTED = 12
# Of an association and category, for an endorsement's first day, on a day.
CycleOf = Callable[[str, str, date, date], Cycle | None]


def _no_cycle(*_: object) -> None:
    """Where no rulebook says anything of cycles."""


@dataclass(frozen=True)
class Vocabulary:
    """What the rulebooks name.

    By association: its categories, by category the ``roles`` of referees and the requirements
    that are ``asked`` of a renewal, what is ``signed``, its time zone. ``cycle_of`` is the cycle
    of an association and category that a day falls in for an endorsement that began on another.
    Everywhere the same: organizations, the topics of training and of RSC, and what positions
    offer (``services``) and confirm (``statements``).
    """

    categories: Mapping[str, Collection[str]]
    organizations: Collection[str]
    topics: Collection[str]
    rsc_topics: Collection[str] = ()
    services: Collection[str] = ()
    statements: Collection[str] = ()
    roles: Mapping[str, Mapping[str, Collection[str]]] = field(default_factory=dict)
    signed: Mapping[str, Collection[str]] = field(default_factory=dict)
    zones: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, Mapping[str, Collection[str]]] = field(default_factory=dict)
    cycle_of: CycleOf = _no_cycle


def vocabulary_of(rulebooks: Rulebooks) -> Vocabulary:
    """The names that the rulebooks know."""
    of_each = rulebooks.associations.items()
    asked = [r for _, rulebook in of_each for r in _initial(rulebook)]
    return Vocabulary(
        categories={name: tuple(rulebook.categories) for name, rulebook in of_each},
        organizations=tuple(rulebooks.organizations),
        topics=rulebooks.topics,
        rsc_topics=rulebooks.rsc_topics,
        services=frozenset(s for r in asked if r.work for s in r.work.services),
        statements=frozenset(s for r in asked if r.work for s in r.work.statements),
        roles={
            name: {each: _roles(rulebook, each) for each in rulebook.categories}
            for name, rulebook in of_each
        },
        signed={
            name: frozenset(key for r in _initial(rulebook) for key in r.signed)
            for name, rulebook in of_each
        },
        zones={name: rulebook.time_zone for name, rulebook in of_each},
        asked={
            name: {
                each: [r.id for r in rulebook.requirements_of(each)] for each in rulebook.categories
            }
            for name, rulebook in of_each
        },
        cycle_of=partial(_cycle_of, rulebooks),
    )


def _cycle_of(
    rulebooks: Rulebooks, association: str, category: str, endorsed_on: date, day: date
) -> Cycle | None:
    plan = rulebooks.plan(association, category, endorsed_on, day)
    return plan.cycle if plan else None


def _initial(rulebook: Rulebook) -> list[Requirement]:
    return [r for r in rulebook.requirements if r.of == "application"]


def _roles(rulebook: Rulebook, category: str) -> frozenset[str]:
    asked = rulebook.requirements_of(category, "application")
    return frozenset(role for r in asked if r.references for role in roles_for(r.references))


def what_is_known(name: str, known: Collection[str]) -> str:
    """Say which of the ``known`` names was probably meant by ``name``, else list them."""
    by_small = {each.casefold(): each for each in sorted(known)}
    small = name.casefold()
    # Who wrote a name in small letters meant that one, and no other that looks like it.
    close = [small] if small in by_small else get_close_matches(small, list(by_small), n=3)
    if close:
        return f"did you mean {' or '.join(by_small[each] for each in close)}?"
    names = sorted(known)
    if not names:
        return "none is known"
    further = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"known are {', '.join(names[:_LISTED])}{further}"
