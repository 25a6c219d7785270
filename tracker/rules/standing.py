"""What an evaluation takes and gives."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from tracker.rules.application.candidate import Candidate
from tracker.rules.plan import Plan, PlannedRequirement


class Status(StrEnum):
    """Where a renewal stands; the last three, where an application does."""

    MET = "met"
    OPEN = "open"
    OVERDUE = "overdue"
    LAPSED = "lapsed"
    EXCUSED = "excused"
    NO_RULES = "no rules"
    READY = "ready"
    NEEDS_REVIEW = "needs review"
    NOT_READY = "not ready"


class Outcome(StrEnum):
    """Where one requirement stands."""

    MET = "met"
    SHORT = "short"
    WAIVED = "waived"
    EXCUSED = "excused"
    # An application's only: met if the reviewers agree; and an alternative to what is met.
    REVIEW = "review"
    NOT_NEEDED = "not needed"


class Span(NamedTuple):
    """Days from ``starts_on`` to ``ends_on``, both included."""

    starts_on: date
    ends_on: date


class Facts(NamedTuple):
    """What the database knows of one endorsement in one cycle, up to the as-of date.

    Or of one application, whose `candidate` holds the rest; ``subject_id`` is the id of either,
    ``starts_on`` the day on which the endorsement began or the application was opened.
    ``minutes`` are summed by what they count for: ``training``, ``rsc`` (with a provider
    qualified on the day) and ``topic:<name>``, for topics that the plan asks. ``memberships`` are
    the accepted ones that reach into the cycle, to its eve, or beyond. ``next_entry_on`` is the
    day of the first entry after the as-of date that falls in the cycle.
    """

    subject_id: int
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
    candidate: Candidate | None = None


class Remark(NamedTuple):
    """Something of an applicant's that does not count, or only if the reviewers agree."""

    day: date
    title: str
    amount: int
    reason: str


class Result(NamedTuple):
    """One requirement's outcome, in the measure of its `PlannedRequirement.unit`.

    Minutes for hours, months for years, else how many (for a membership: days checked).
    ``note`` says on what the counted amount rests, ``closes_on`` is the last day of a window that
    is still open, ``remarks`` what did not count. A renewal has none of these three.
    """

    requirement: PlannedRequirement
    required: int
    counted: int
    short: int
    outcome: Outcome
    note: str = ""
    closes_on: date | None = None
    remarks: tuple[Remark, ...] = ()


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


_WAIVED = "waived by the association"
_ON_LEAVE = "excused while on leave"


def exemption_reason(plan: Plan, standing: Standing | None) -> Mapping[str, str]:
    """Why nothing is asked, by requirement, of those of which nothing is.

    ``standing`` is that of the same renewal; None where it is not known, so that only what the
    plan itself does not ask is told.
    """
    found = {
        requirement.id: requirement.exemptions
        for requirement in plan.requirements
        if requirement.exemptions
    }
    for result in standing.results if standing else ():
        if result.outcome is Outcome.WAIVED:
            found[result.requirement.id] = _WAIVED
        elif standing and standing.status is Status.EXCUSED and result.outcome is Outcome.EXCUSED:
            found.setdefault(result.requirement.id, _ON_LEAVE)
    return found
