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

from tracker.rules.counting import merge_spans
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


class Movement(StrEnum):
    """How the number of endorsements changes."""

    NEW = "new"
    REINSTATED = "reinstated"
    ENDED = "ended"
    LAPSED = "lapsed"


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


def list_lapses(term: HeldTerm) -> list[Span]:
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
        active = list_active_spans(held)
        within = [e for e in _list_events(held, active) if first <= e.day <= last]
        tally = tallies[category]
        tally["opening"] += _is_in(active, first - _DAY)
        tally["closing"] += _is_in(active, last)
        for event in within:
            tally[event.movement.value] += 1
        events += within
    events.sort(key=lambda event: (event.day, list(Movement).index(event.movement)))
    counts = {category: MovementCounts(**tallies[category]) for category in sorted(tallies)}
    return MovementReport(counts, tuple(events))


def list_active_spans(terms: Sequence[HeldTerm]) -> list[Span]:
    """The days on which a person counts in a category, at least a day apart."""
    spans: list[Span] = []
    for term in terms:
        first, last_day = term.starts_on, term.ends_on or date.max
        for lapse in list_lapses(term):
            if lapse.starts_on > first:
                spans.append(Span(first, lapse.starts_on - _DAY))
            if lapse.ends_on == date.max:
                break
            first = lapse.ends_on + _DAY
        else:
            if first <= last_day:
                spans.append(Span(first, last_day))
    return merge_spans(spans)


def _is_in(spans: Iterable[Span], day: date) -> int:
    return int(any(span.starts_on <= day <= span.ends_on for span in spans))


def _list_events(terms: Sequence[HeldTerm], active: Sequence[Span]) -> Iterator[MovementEvent]:
    """Each beginning and end of the active days of one person in one category."""
    for number, span in enumerate(active):
        begun = max(
            (term for term in terms if term.starts_on <= span.starts_on),
            key=lambda term: (term.starts_on, term.endorsement_id),
        )
        yield _event(span.starts_on, Movement.REINSTATED if number else Movement.NEW, begun)
        if span.ends_on != date.max:
            yield _describe_loss(terms, span.ends_on + _DAY)


def _describe_loss(terms: Sequence[HeldTerm], day: date) -> MovementEvent:
    """Why an endorsement no longer counts on a day: it lapsed, or else it ended the day before."""
    for term in terms:
        if any(lapse.starts_on == day for lapse in list_lapses(term)):
            return _event(day, Movement.LAPSED, term)
    ended = next(term for term in terms if term.ends_on == day - _DAY)
    return _event(day, Movement.ENDED, ended)


def _event(day: date, movement: Movement, term: HeldTerm) -> MovementEvent:
    return MovementEvent(day, movement, term.endorsement_id, term.person_id, term.category)
