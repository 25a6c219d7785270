"""References: which of them fill the slots that are asked for."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from tracker.rules.candidate import Candidate, Reference
from tracker.rules.plan import Ask
from tracker.rules.standing import Outcome, Result
from tracker.rules.terms import Referees

Slots = tuple[tuple[str, ...], ...]
# Somebody whose reference came: the role, and whether endorsed (or vetted) as is asked.
Referee = tuple[str, bool]


class _Filling(NamedTuple):
    """What one way to fill the slots comes to; the first is what counts."""

    counted: int
    filled: int
    endorsed: int


def judge_references(ask: Ask, candidate: Candidate) -> Result:
    """How many slots the received references fill, and whether enough of those are endorsed.

    Where the slots are filled and too few are endorsed, one reference counts as still to come.
    """
    terms = ask.rule.references
    if terms is None:
        return Result(ask, ask.amount, 0, ask.amount, Outcome.SHORT)
    received = [r for r in candidate.references if r.received]
    waiting = len(candidate.references) - len(received)
    fit = tuple(sorted((r.role, _is_endorsed(r, terms)) for r in received if _may_fill(r, terms)))
    best = _best(terms.slots, fit, terms.endorsed)
    instead = False
    if best.filled < ask.amount:
        others = [(_best(s, fit, terms.endorsed), len(s)) for s in terms.instead]
        instead = any(other.counted == size for other, size in others)
    counted = ask.amount if instead else best.counted
    filled = ask.amount if instead else best.filled
    note = f"{len(received)} received, {waiting} waiting"
    if filled < min(len(received), ask.amount):
        idle = len(received) - filled
        note += f"; {idle} of them fill{'s' if idle == 1 else ''} none of the places left"
    if best.endorsed < terms.endorsed and not instead:
        vetted = " or vetted" if terms.vetted else ""
        note += f"; {terms.endorsed} must be endorsed as {', '.join(terms.categories)}{vetted}"
    short = ask.amount - counted
    outcome = Outcome.SHORT if short else Outcome.REVIEW if instead else Outcome.MET
    return Result(ask, ask.amount, counted, short, outcome, note)


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
