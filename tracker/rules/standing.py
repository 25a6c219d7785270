"""What an evaluation takes and gives."""

from datetime import date
from enum import StrEnum
from typing import NamedTuple

from tracker.rules.plan import Ask, Plan


class Status(StrEnum):
    """Where a renewal stands."""

    MET = "met"
    OPEN = "open"
    OVERDUE = "overdue"
    LAPSED = "lapsed"
    EXCUSED = "excused"
    NO_RULES = "no rules"


class Outcome(StrEnum):
    """Where one requirement stands."""

    MET = "met"
    SHORT = "short"
    WAIVED = "waived"
    EXCUSED = "excused"


class Span(NamedTuple):
    """Days from ``starts_on`` to ``ends_on``, both included."""

    starts_on: date
    ends_on: date


class Facts(NamedTuple):
    """What the database knows of one endorsement in one cycle, up to the as-of date.

    ``minutes`` are summed by what they count for: ``training``, ``rsc`` (with a provider
    qualified on the day) and ``topic:<name>``, for topics that the plan asks. ``memberships`` are
    the accepted ones that reach into the cycle, to its eve, or beyond. ``next_entry_on`` is the
    day of the first entry after the as-of date that falls in the cycle.
    """

    endorsement_id: int
    person_id: int
    email: str
    name: str
    starts_on: date
    ends_on: date | None
    provides_rsc: bool
    minutes: dict[str, int]
    memberships: tuple[Span, ...] = ()
    leaves: tuple[Span, ...] = ()
    waived: tuple[str, ...] = ()
    extended_due_on: date | None = None
    next_entry_on: date | None = None


class Result(NamedTuple):
    """One requirement's outcome; minutes (for a membership: the number of days checked)."""

    ask: Ask
    required: int
    counted: int
    short: int
    outcome: Outcome


class Standing(NamedTuple):
    """The outcome for one renewal on one day.

    ``due_on`` is the due date in force (extended, where an extension was given) and includes
    its whole day; ``next_change_on`` is the first day on which the outcome could differ
    though nobody does anything, None if never.
    """

    facts: Facts
    plan: Plan
    status: Status
    due_on: date | None
    results: tuple[Result, ...]
    next_change_on: date | None
    covered_until: date | None = None
