"""Which references a category asks applicants for, and the words for who may give them."""

from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from tracker.rules.application.candidate import Candidate, Reference
from tracker.rules.model import Referees, Requirement, Rulebook
from tracker.rules.plan import PlannedRequirement, value_in_force
from tracker.rules.standing import Outcome, Result

# Somebody falls ill, somebody is named whom the reviewers do not accept.
SPARE = 2


def asked_references(rulebook: Rulebook, category: str, day: date) -> Requirement | None:
    """What asks applicants for references on ``day``; None where nothing does."""
    asked = rulebook.requirements_of(category, "application")
    return next((r for r in asked if r.references and value_in_force(r, day)), None)


def roles_for(terms: Referees) -> tuple[str, ...]:
    """The roles in which somebody may be a referee, in the rulebook's order, each once."""
    sets = (terms.slots, *terms.instead)
    return tuple(dict.fromkeys(role for slots in sets for slot in slots for role in slot))


def most_named(terms: Referees) -> int:
    """How many may be asked or have come at a time: a referee for each place, and the spare."""
    return max(map(len, (terms.slots, *terms.instead))) + SPARE


def format_role(rulebook: Rulebook, role: str) -> str:
    """A role in the rulebook's words; its key with blanks where it has none."""
    return rulebook.roles.get(role, role.replace("-", " "))


def format_slot(rulebook: Rulebook, roles: tuple[str, ...]) -> str:
    """Who may fill a slot: ``Another supervisor, trainer or colleague``."""
    first, *others = (format_role(rulebook, role) for role in roles)
    # A word in capitals (an abbreviation) stays as it is.
    small = [w if w[1:2].isupper() else w[:1].lower() + w[1:] for w in others]
    return " or ".join(filter(None, [", ".join([first, *small[:-1]]), *small[-1:]]))


Slots = tuple[tuple[str, ...], ...]
# Somebody whose reference came: the role, and whether endorsed (or vetted) as is asked.
Referee = tuple[str, bool]


class _Filling(NamedTuple):
    """What one way to fill the slots comes to; the first is what counts."""

    counted: int
    filled: int
    endorsed: int


def judge_references(requirement: PlannedRequirement, candidate: Candidate) -> Result:
    """How many slots the received references fill, and whether enough of those are endorsed.

    Where the slots are filled and too few are endorsed, one reference counts as still to come.
    """
    terms = requirement.rule.references
    if terms is None:
        return Result(requirement, requirement.amount, 0, requirement.amount, Outcome.SHORT)
    received = [r for r in candidate.references if r.received]
    waiting = len(candidate.references) - len(received)
    fit = tuple(sorted((r.role, _is_endorsed(r, terms)) for r in received if _may_fill(r, terms)))
    best = _best(terms.slots, fit, terms.endorsed)
    instead = False
    if best.filled < requirement.amount:
        others = [(_best(s, fit, terms.endorsed), len(s)) for s in terms.instead]
        instead = any(other.counted == size for other, size in others)
    counted = requirement.amount if instead else best.counted
    filled = requirement.amount if instead else best.filled
    note = f"{len(received)} received, {waiting} waiting"
    if filled < min(len(received), requirement.amount):
        idle = len(received) - filled
        note += f"; {idle} of them fill{'s' if idle == 1 else ''} none of the places left"
    if best.endorsed < terms.endorsed and not instead:
        vetted = " or vetted" if terms.vetted else ""
        note += f"; {terms.endorsed} must be endorsed as {', '.join(terms.categories)}{vetted}"
    short = requirement.amount - counted
    outcome = Outcome.SHORT if short else Outcome.REVIEW if instead else Outcome.MET
    return Result(requirement, requirement.amount, counted, short, outcome, note)


@lru_cache(maxsize=4_096)
def _best(slots: Slots, referees: tuple[Referee, ...], endorsed: int) -> _Filling:
    """The filling that counts most, with at least so many ``endorsed`` among those who fill."""
    fillings = (
        _Filling(min(filled, len(slots) - max(0, endorsed - held)), filled, held)
        for filled, held in _ways(slots, referees)
    )
    return max(fillings)


def _ways(slots: Slots, referees: tuple[Referee, ...]) -> Iterator[tuple[int, int]]:
    """Each way to fill slots, each by another referee: how many, and how many are endorsed."""
    if not slots:
        yield 0, 0
        return
    yield from _ways(slots[1:], referees)
    for number, (role, endorsed) in enumerate(referees):
        if role in slots[0]:
            others = referees[:number] + referees[number + 1 :]
            for filled, held in _ways(slots[1:], others):
                yield filled + 1, held + endorsed


def _may_fill(reference: Reference, terms: Referees) -> bool:
    """Whether it may fill a slot at all: some roles are only for those who are endorsed."""
    by_itself = reference.role not in terms.endorsed_roles or _is_endorsed(reference, terms)
    return reference.in_role and by_itself


def _is_endorsed(reference: Reference, terms: Referees) -> bool:
    if not reference.holds.isdisjoint(terms.categories):
        return True
    if not (terms.vetted and reference.vetted and reference.received_on):
        return False
    return terms.vetted_until is None or reference.received_on <= terms.vetted_until
