"""An application's references: who may give them, and how many of the required places they fill."""

from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache
from itertools import repeat
from typing import NamedTuple

from tracker.formatting import (
    capitalize_first,
    format_alternatives,
    format_date,
    lowercase_first,
)
from tracker.rules.application.candidate import Candidate, CandidateReference
from tracker.rules.counting import compare
from tracker.rules.model import RatingQuestion, Rulebook
from tracker.rules.plan import PlannedRequirement, value_in_force
from tracker.rules.reasons import because
from tracker.rules.requirement import Purpose, ReferenceRule, Requirement
from tracker.rules.standing import Result

# A referee may fall ill, or be someone whom the reviewers do not accept.
SPARE = 2


def find_reference_rule(
    rulebook: Rulebook, category: str, day: date, purpose: Purpose = "application"
) -> Requirement | None:
    """The requirement of references that is in force on ``day``, if any."""
    for requirement in rulebook.requirements_of(category, purpose):
        if requirement.references and value_in_force(requirement, day, category):
            return requirement
    return None


def roles_for(rule: ReferenceRule) -> tuple[str, ...]:
    """The roles in which someone may be a referee, in the rulebook's order, each once."""
    roles = {}
    for slots in (rule.slots, *rule.instead):
        for slot in slots:
            roles.update(dict.fromkeys(slot))
    return tuple(roles)


def roles_of(rulebook: Rulebook, category: str) -> set[str]:
    """The roles in which someone may be a referee for a category, at any time."""
    roles = set[str]()
    for requirement in rulebook.requirements:
        if requirement.references and category in requirement.categories:
            roles.update(roles_for(requirement.references))
    return roles


def max_referees(rule: ReferenceRule) -> int:
    """How many referees can be named at a time: one for each place, and the spare ones."""
    return max(map(len, (rule.slots, *rule.instead))) + SPARE


def format_role(rulebook: Rulebook, role: str) -> str:
    """A role in the rulebook's words; its key with spaces if it has none."""
    return rulebook.roles.get(role, role.replace("-", " "))


def format_slot(rulebook: Rulebook, roles: tuple[str, ...]) -> str:
    """Who may fill a slot: ``Another supervisor, trainer, or colleague``."""
    first, *others = (format_role(rulebook, role) for role in roles)
    return format_alternatives([first, *map(lowercase_first, others)])


def rating_questions(rulebook: Rulebook, category: str, day: date) -> list[RatingQuestion]:
    """What referees of applicants for a category rate on ``day``, in the rulebook's order."""
    return [question for question in rulebook.ratings if question.is_asked(category, day)]


class ReferenceProgress(NamedTuple):
    """How far a reference has come: "not asked", "asked", or "received"; and on which day.

    It is all that the applicant may know: what the referee wrote or rated plays no part. ``on`` is
    None if nobody was asked, or if it is not known when.
    """

    state: str
    on: date | None = None

    @property
    def label(self) -> str:
        """``Not asked``, ``Asked on June 3, 2026``, or ``Received on June 9, 2026``."""
        label = capitalize_first(self.state)
        return f"{label} on {format_date(self.on)}" if self.on else label


def find_progress(asked_on: date | None, received_on: date | None) -> ReferenceProgress:
    """The progress of a reference that was asked for, and received, on these days (None: not)."""
    if received_on is not None:
        return ReferenceProgress("received", received_on)
    return ReferenceProgress("asked", asked_on) if asked_on else ReferenceProgress("not asked")


Slots = tuple[tuple[str, ...], ...]
# A referee whose reference was received: the role, and whether endorsed (or vetted) as required.
Referee = tuple[str, bool]


class _Filling(NamedTuple):
    """One way to fill the slots: how many count, how many are filled, how many are endorsed."""

    counted: int
    filled: int
    endorsed: int


def judge_references(
    requirement: PlannedRequirement, rule: ReferenceRule, candidate: Candidate
) -> Result:
    """How many slots the received references fill, and whether enough of those are endorsed.

    If the slots are filled and too few referees are endorsed, one reference counts as missing.
    Another set of slots counts, for the reviewers to accept, if it lacks fewer references.
    """
    received = [r for r in candidate.references if r.received]
    available = _list_referees(received, rule)
    slots, best = _find_best_slots(rule, available)
    is_other = slots is not rule.slots
    waiting = len(candidate.references) - len(received)
    notes = [because("references", received=len(received), waiting=waiting)]
    if is_other:
        notes.append(because("instead_references"))
    if best.filled < min(len(received), requirement.amount):
        idle = len(received) - best.filled
        notes.append(because("idle_reference" if idle == 1 else "idle_references", idle=idle))
    if best.endorsed < rule.endorsed:
        code = "endorsed_or_vetted_referees" if rule.vetted else "endorsed_referees"
        notes.append(because(code, count=rule.endorsed, categories=", ".join(rule.categories)))
    counted = requirement.amount - len(slots) + best.counted
    return compare(requirement, counted, needs_review=is_other, notes=tuple(notes))


def judge_named_references(
    requirement: PlannedRequirement, rule: ReferenceRule, candidate: Candidate
) -> Result:
    """The references as the applicant may see them: by the roles in which referees were named.

    What referees wrote plays no part, because applicants must not learn it: whether a referee is
    endorsed, or denies the role.
    """
    named = [reference._replace(in_role=True) for reference in candidate.references]
    return judge_references(
        requirement, _without_endorsements(rule), candidate._replace(references=tuple(named))
    )


def _without_endorsements(rule: ReferenceRule) -> ReferenceRule:
    return rule.model_copy(update={"endorsed": 0, "endorsed_roles": ()})


class MissingReference(NamedTuple):
    """A place that no reference fills yet: the ``roles`` that may, and whom the applicant named.

    ``waits_for`` is the name of a referee who has not answered; empty if nobody is named for it.
    """

    roles: tuple[str, ...]
    waits_for: str


def list_missing_references(rule: ReferenceRule, candidate: Candidate) -> list[MissingReference]:
    """The places that lack a reference, as `judge_named_references` counts them."""
    received = sorted(each.role for each in candidate.references if each.received)
    waiting = [each for each in candidate.references if not each.received]
    is_endorsed = False
    referees = tuple(zip(received, repeat(is_endorsed)))
    slots, _ = _find_best_slots(_without_endorsements(rule), referees)
    filled = _assign(slots, received)
    missing = tuple(slots[place] for place, number in enumerate(filled) if number is None)
    named = _assign(missing, [each.role for each in waiting])
    return [
        MissingReference(slot, "" if number is None else waiting[number].name)
        for slot, number in zip(missing, named, strict=True)
    ]


def _assign(
    slots: Slots, roles: Sequence[str], used: frozenset[int] = frozenset()
) -> tuple[int | None, ...]:
    """The number of the referee who fills each slot, so that as few as possible stay empty."""
    if not slots:
        return ()
    options: list[tuple[int | None, ...]] = [
        (number, *_assign(slots[1:], roles, used | {number}))
        for number, role in enumerate(roles)
        if role in slots[0] and number not in used
    ]
    options.append((None, *_assign(slots[1:], roles, used)))
    return min(options, key=lambda option: option.count(None))


def _find_best_slots(rule: ReferenceRule, referees: tuple[Referee, ...]) -> tuple[Slots, _Filling]:
    """The set of slots that lacks least, and how it is filled; of equals the first."""
    slots, best = rule.slots, _find_best_filling(rule.slots, referees, rule.endorsed)
    for others in rule.instead:
        filling = _find_best_filling(others, referees, rule.endorsed)
        if filling.counted and len(others) - filling.counted < len(slots) - best.counted:
            slots, best = others, filling
    return slots, best


def _list_referees(
    received: Sequence[CandidateReference], rule: ReferenceRule
) -> tuple[Referee, ...]:
    """The referees who may fill a slot, sorted; those with the same roles are cached together."""
    referees = []
    for reference in received:
        is_endorsed = not reference.holds.isdisjoint(rule.categories)
        if rule.vetted and reference.vetted and reference.received_on:
            last_day = rule.vetted_until or reference.received_on
            is_endorsed = is_endorsed or reference.received_on <= last_day
        if reference.in_role and (is_endorsed or reference.role not in rule.endorsed_roles):
            referees.append((reference.role, is_endorsed))
    return tuple(sorted(referees))


@lru_cache(maxsize=4_096)
def _find_best_filling(slots: Slots, referees: tuple[Referee, ...], endorsed: int) -> _Filling:
    """The filling that counts most, if so many of those who fill a slot must be ``endorsed``."""
    fillings = []
    for filled, held in _list_fillings(slots, referees):
        counted = min(filled, len(slots) - max(0, endorsed - held))
        fillings.append(_Filling(counted, filled, held))
    return max(fillings)


def _list_fillings(slots: Slots, referees: tuple[Referee, ...]) -> Iterator[tuple[int, int]]:
    """Each way to fill slots with different referees: how many slots, and how many endorsed."""
    if not slots:
        yield 0, 0
        return
    yield from _list_fillings(slots[1:], referees)
    for number, (role, endorsed) in enumerate(referees):
        if role in slots[0]:
            others = referees[:number] + referees[number + 1 :]
            for filled, held in _list_fillings(slots[1:], others):
                yield filled + 1, held + endorsed
