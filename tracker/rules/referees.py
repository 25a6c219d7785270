"""References: which of them fill the slots that are asked for."""

from collections.abc import Sequence
from functools import lru_cache

from tracker.rules.candidate import Candidate, Reference
from tracker.rules.plan import Ask
from tracker.rules.standing import Outcome, Result
from tracker.rules.terms import Referees

Slots = tuple[tuple[str, ...], ...]


def judge_references(ask: Ask, candidate: Candidate) -> Result:
    """How many slots the received references fill, and whether enough referees are endorsed.

    Where the slots are filled and too few are endorsed, one reference counts as still to come.
    """
    terms = ask.rule.references
    if terms is None:
        return Result(ask, ask.amount, 0, ask.amount, Outcome.SHORT)
    received = [r for r in candidate.references if r.received]
    waiting = len(candidate.references) - len(received)
    fit = [r for r in received if _may_fill(r, terms)]
    filled, instead = _best_filled(terms, fit)
    endorsed = sum(_is_endorsed(r, terms) for r in fit)
    lacks = max(0, terms.endorsed - endorsed)
    counted = min(filled, ask.amount - lacks)
    note = f"{len(received)} received, {waiting} waiting"
    if filled < min(len(received), ask.amount):
        idle = len(received) - filled
        note += f"; {idle} of them fill{'s' if idle == 1 else ''} none of the places left"
    if lacks:
        vetted = " or vetted" if terms.vetted else ""
        note += f"; {terms.endorsed} must be endorsed as {', '.join(terms.categories)}{vetted}"
    short = ask.amount - counted
    outcome = Outcome.SHORT if short else Outcome.REVIEW if instead else Outcome.MET
    return Result(ask, ask.amount, counted, short, outcome, note)


def _best_filled(terms: Referees, received: Sequence[Reference]) -> tuple[int, bool]:
    """The slots filled, and whether only another set of slots is filled whole."""
    asked = len(terms.slots)
    roles = tuple(sorted(r.role for r in received))
    filled = _filled(terms.slots, roles)
    if filled < asked and any(_filled(s, roles) == len(s) for s in terms.instead):
        return asked, True
    return filled, False


@lru_cache(maxsize=4_096)
def _filled(slots: Slots, roles: tuple[str, ...]) -> int:
    """The most slots that can be filled, each by another reference."""
    if not slots:
        return 0
    most = _filled(slots[1:], roles)
    for number, role in enumerate(roles):
        if role in slots[0]:
            others = roles[:number] + roles[number + 1 :]
            most = max(most, 1 + _filled(slots[1:], others))
    return most


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
