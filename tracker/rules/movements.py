"""Who joined and who left: an association's endorsements over time. Pure.

An endorsement counts from its first through its last day (both included), except while it is
lapsed. A renewal lapses on the day after its grace period; the lapse is over on the day after the
due date of a later renewal that was completed or excused. Rows of one person and category that
follow each other without a gap are one endorsement.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from tracker.rules.counting import is_covered, merge_spans
from tracker.rules.standing import Span, Status

_DAY = timedelta(days=1)


class RenewalOutcome(NamedTuple):
    """What one renewal came to; ``due_on`` is the due date in force."""

    status: Status
    due_on: date
    grace_ends_on: date


class HeldTerm(NamedTuple):
    """One endorsement as recorded, with the outcomes of its renewals; None: no end is known."""

    endorsement_id: int
    person_id: int
    category: str
    starts_on: date
    ends_on: date | None
    outcomes: tuple[RenewalOutcome, ...] = ()


# A term, and the days on which it is lapsed while it is on record.
_TermWithLapses = tuple[HeldTerm, list[Span]]


class Movement(StrEnum):
    """How the number of endorsements changes."""

    NEW = "new"
    REINSTATED = "reinstated"
    ENDED = "ended"
    LAPSED = "lapsed"


_ORDER = {movement: place for place, movement in enumerate(Movement)}


class MovementEvent(NamedTuple):
    """A change on a day, of the endorsement that it is recorded with."""

    day: date
    movement: Movement
    endorsement_id: int
    person_id: int
    category: str


@dataclass(frozen=True, slots=True)
class MovementCounts:
    """Endorsements on the day before a period and on its last day, and all changes between."""

    opening: int = 0
    new: int = 0
    reinstated: int = 0
    ended: int = 0
    lapsed: int = 0
    closing: int = 0

    @property
    def adds_up(self) -> bool:
        """Whether the changes lead from the one number to the other."""
        change = self.new + self.reinstated - self.ended - self.lapsed
        return self.opening + change == self.closing

    def __add__(self, other: "MovementCounts") -> "MovementCounts":
        names = [field.name for field in fields(self)]
        return MovementCounts(*(getattr(self, name) + getattr(other, name) for name in names))


@dataclass(frozen=True, slots=True)
class MovementReport:
    """The counts of each category, and the events in the period, the oldest first."""

    by_category: dict[str, MovementCounts]
    events: tuple[MovementEvent, ...]

    @property
    def total(self) -> MovementCounts:
        """The counts of all categories."""
        return sum(self.by_category.values(), MovementCounts())


def _list_lapses(term: HeldTerm) -> list[Span]:
    """The days on which an endorsement is lapsed while it is on record; ``date.max``: no end."""
    last_day = term.ends_on or date.max
    return [
        Span(max(lapse.starts_on, term.starts_on), min(lapse.ends_on, last_day))
        for lapse in _list_lapsed_spans(term.outcomes)
        if lapse.starts_on <= last_day and lapse.ends_on >= term.starts_on
    ]


def _list_lapsed_spans(outcomes: Iterable[RenewalOutcome]) -> Iterator[Span]:
    """From the day after each grace period that was missed through the next due date kept."""
    lapsed_on = None
    for outcome in sorted(outcomes, key=lambda each: each.due_on):
        if outcome.status is Status.LAPSED:
            lapsed_on = lapsed_on or outcome.grace_ends_on + _DAY
        elif outcome.status in (Status.MET, Status.EXCUSED) and lapsed_on is not None:
            if outcome.due_on >= lapsed_on:
                yield Span(lapsed_on, outcome.due_on)
            lapsed_on = None
    if lapsed_on is not None:
        yield Span(lapsed_on, date.max)


def report_movements(terms: Iterable[HeldTerm], first: date, last: date) -> MovementReport:
    """Count the endorsements of the day before ``first``, of ``last``, and what changed between."""
    grouped: defaultdict[tuple[int, str], list[HeldTerm]] = defaultdict(list)
    for term in terms:
        grouped[term.person_id, term.category].append(term)
    tallies: defaultdict[str, Counter[str]] = defaultdict(Counter)
    events: list[MovementEvent] = []
    for (_, category), held in grouped.items():
        history = [(term, _list_lapses(term)) for term in held]
        active = _list_active_spans(history)
        within = list(_list_events(history, active, Span(first, last)))
        tally = tallies[category]
        tally["opening"] += is_covered(active, first - _DAY)
        tally["closing"] += is_covered(active, last)
        for event in within:
            tally[event.movement.value] += 1
        events += within
    events.sort(key=lambda event: (event.day, _ORDER[event.movement]))
    counts = {category: MovementCounts(**tallies[category]) for category in sorted(tallies)}
    return MovementReport(counts, tuple(events))


def _list_active_spans(history: Sequence[_TermWithLapses]) -> list[Span]:
    """The days on which a person counts in a category, at least a day apart."""
    spans: list[Span] = []
    for term, lapses in history:
        first, last_day = term.starts_on, term.ends_on or date.max
        for lapse in lapses:
            if lapse.starts_on > first:
                spans.append(Span(first, lapse.starts_on - _DAY))
            if lapse.ends_on == date.max:
                break
            first = lapse.ends_on + _DAY
        else:
            if first <= last_day:
                spans.append(Span(first, last_day))
    return merge_spans(spans)


def _list_events(
    history: Sequence[_TermWithLapses], active: Sequence[Span], within: Span
) -> Iterator[MovementEvent]:
    """Each beginning and end, within some days, of the active days of one person in a category."""
    first, last = within
    for number, span in enumerate(active):
        if first <= span.starts_on <= last:
            movement = Movement.REINSTATED if number else Movement.NEW
            yield _event(span.starts_on, movement, _find_begun_term(history, span.starts_on))
        if span.ends_on != date.max and first <= span.ends_on + _DAY <= last:
            yield _describe_loss(history, span.ends_on + _DAY)


def _find_begun_term(history: Sequence[_TermWithLapses], day: date) -> HeldTerm:
    """The last term that had begun by a day."""
    begun = (term for term, _ in history if term.starts_on <= day)
    return max(begun, key=lambda term: (term.starts_on, term.endorsement_id))


def _describe_loss(history: Sequence[_TermWithLapses], day: date) -> MovementEvent:
    """Why an endorsement no longer counts on a day: it lapsed, or else it ended the day before."""
    for term, lapses in history:
        if any(lapse.starts_on == day for lapse in lapses):
            return _event(day, Movement.LAPSED, term)
    ended = next(term for term, _ in history if term.ends_on == day - _DAY)
    return _event(day, Movement.ENDED, ended)


def _event(day: date, movement: Movement, term: HeldTerm) -> MovementEvent:
    return MovementEvent(day, movement, term.endorsement_id, term.person_id, term.category)
