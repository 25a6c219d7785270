"""What an evaluation takes (facts) and gives (standings), for renewals and for applications."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from tracker.rules.absence_rules import AbsenceKind
from tracker.rules.application.candidate import Candidate
from tracker.rules.cycles import Cycle
from tracker.rules.fees import PaidShare
from tracker.rules.plan import ApplicationPlan, Plan, PlannedRequirement, RenewalPlan
from tracker.rules.reasons import Reason, because


class Status(StrEnum):
    """The status of a renewal; the last three are those of an application.

    `MET` also when nothing is required, as in many first cycles.
    """

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
    """The outcome for one requirement.

    Only an application has `REVIEW` (met if the reviewers agree) and `NOT_NEEDED` (an alternative
    is met, or is for the reviewers to accept). `ATTESTED`: a signed statement stands for what is
    not on record.
    """

    MET = "met"
    SHORT = "short"
    WAIVED = "waived"
    EXCUSED = "excused"
    REVIEW = "review"
    NOT_NEEDED = "not needed"
    ATTESTED = "attested"


class Span(NamedTuple):
    """Days from ``starts_on`` to ``ends_on``, both included."""

    starts_on: date
    ends_on: date


class Absence(NamedTuple):
    """Days on which an endorsee is on leave, or the endorsement inactive; both ends included."""

    starts_on: date
    ends_on: date
    kind: AbsenceKind = "leave"


@dataclass(frozen=True, slots=True)
class SettledResult:
    """One requirement of a settled cycle, by its id; the amounts are as in `Result`."""

    requirement_id: str
    label: str
    required: int
    counted: int
    short: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class CycleSettlement:
    """What a closed cycle came to on ``settled_on``, and the facts behind it.

    It stays so, whatever is recorded afterwards. ``rules_digest`` names the rulebooks it was
    judged by; the facts are as in `Facts`.
    """

    settled_on: date
    rules_digest: str
    status: Status
    due_on: date
    covered_until: date | None
    results: tuple[SettledResult, ...]
    minutes: Mapping[str, int]
    memberships: tuple[Span, ...]
    leaves: tuple[Absence, ...]
    waived: tuple[str, ...]


class Submitted(NamedTuple):
    """A renewal as its endorsee submitted it: the day, and the keys of the statements signed."""

    on: date
    signed: frozenset[str]


class AuditFinding(NamedTuple):
    """What audits of a renewal came to. ``has_failed``: one of them did not pass.

    ``supported`` has, by requirement, how much documents support that no session shows, in the
    measure of the requirement. The statement of the endorsee no longer stands for these.
    """

    has_failed: bool
    supported: Mapping[str, int]


class DaySum(NamedTuple):
    """The minutes of one day's sessions that are alike; RSC only if the provider is qualified.

    Without ``topic`` these are whole sessions; with it, the part of them about the topic.
    """

    held_on: date
    activity: str
    format: str | None
    topic: str | None
    minutes: int


class Facts(NamedTuple):
    """What the database knows of one endorsement in one cycle, up to the as-of date.

    ``minutes`` are summed by `PlannedRequirement.sum_key`: ``training``, ``rsc`` (with a provider
    qualified on the day), and ``topic:<name>`` for the plan's topics. ``memberships`` are the
    accepted ones that reach into the cycle, to its eve, or beyond. ``next_fact_on`` is the first
    day after the as-of date of an entry that falls in the cycle, a payment, a submission or its
    return, or the decision of an audit. ``settlement`` is set if the cycle was settled, and not
    reopened, by the as-of date. ``first_day`` is the association's first day in this system; None
    if it has all records. ``submitted`` is None if the renewal was not submitted by the as-of date,
    or was returned since. ``payments`` are what was paid of its fees by the as-of date, read only
    for plans that require a payment. ``days`` has the same minutes day by day, in no order, if the
    plan needs them. ``audit`` is None if no audit of the renewal was decided by the as-of date.
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
    leaves: tuple[Absence, ...] = ()
    waived: tuple[str, ...] = ()
    extended_due_on: date | None = None
    next_fact_on: date | None = None
    settlement: CycleSettlement | None = None
    first_day: date | None = None
    submitted: Submitted | None = None
    payments: tuple[PaidShare, ...] = ()
    days: tuple[DaySum, ...] = ()
    audit: AuditFinding | None = None


class Removed(NamedTuple):
    """An endorsement that was removed; ``ends_on`` is its last day, the eve of the removal."""

    endorsement_id: int
    starts_on: date
    ends_on: date

    @property
    def removed_on(self) -> date:
        """The first day on which it was no longer held."""
        return self.ends_on + timedelta(days=1)


class ApplicationFacts(NamedTuple):
    """What the database knows of one application, up to the as-of date; `minutes` as in `Facts`.

    Only a reinstatement has the endorsement that was ``removed`` (None: no longer on record), and
    only if its plan asks for them, ``days`` (as in `Facts`) and ``payments``.
    """

    subject_id: int
    person_id: int
    email: str
    name: str
    provides_rsc: bool
    minutes: dict[str, int]
    memberships: tuple[Span, ...]
    candidate: Candidate
    removed: Removed | None = None
    days: tuple[DaySum, ...] = ()
    payments: tuple[PaidShare, ...] = ()


class Remark(NamedTuple):
    """Something of an applicant's that does not count, and why.

    ``needs_review``: it counts if the reviewers agree. ``position_id``: the work, else 0.
    """

    day: date
    title: str
    amount: int
    reason: Reason
    needs_review: bool = False
    position_id: int = 0


class CountedItem(NamedTuple):
    """Something of an applicant's that counts, for the reviewers to read.

    ``amount`` is in minutes for hours, months for work, or a number of families; ``pay`` is how
    work was paid, else empty; ``position_id`` is as of `Remark`.
    """

    day: date
    title: str
    amount: int
    pay: str = ""
    position_id: int = 0


class Result(NamedTuple):
    """One requirement's outcome, in the measure of `PlannedRequirement.amount`.

    For a membership the amounts are numbers of days checked. ``notes`` say why a renewal requires
    less than usual, or why it is excused. An application's result also has ``notes`` on what the
    counted amount rests, ``counted_items`` with the positions or sessions in
    it, ``remarks`` on what did not count, and in ``closes_on`` the last day of a window that is
    still open. A result about one year of a cycle has that year's last day in ``closes_on``,
    unless the year is over while the cycle is not: then nothing can complete it any more.
    ``is_audited``: an audit decided about what was attested, so no statement stands for it.
    """

    requirement: PlannedRequirement
    required: int
    counted: int
    short: int
    outcome: Outcome
    notes: tuple[Reason, ...] = ()
    closes_on: date | None = None
    remarks: tuple[Remark, ...] = ()
    counted_items: tuple[CountedItem, ...] = ()
    is_audited: bool = False

    @property
    def can_attest(self) -> bool:
        """Whether a signed statement can stand for what is not on record."""
        return self.requirement.rule.attested_by is not None and not self.is_audited


def is_too_late(result: Result) -> bool:
    """Whether hours are short in a year of the cycle that is over, so that no session helps.

    What can be attested is never too late.
    """
    requirement = result.requirement
    has_closed = requirement.year is not None and result.closes_on is None
    return has_closed and not result.can_attest and result.outcome is Outcome.SHORT


# What an endorsee can still complete of a renewal that is submitted, whose sessions are locked.
_OPEN_AFTER_SUBMISSION = {"paid", "membership"}


def list_short(standing: "AnyStanding") -> list[Result]:
    """The requirements that are short and can still be completed, in the rulebook's order.

    Of a renewal that is submitted only a fee and a membership can.
    """
    short = [result for result in standing.results if result.outcome is Outcome.SHORT]
    if isinstance(standing, Standing) and standing.facts.submitted is not None:
        return [each for each in short if each.requirement.counts in _OPEN_AFTER_SUBMISSION]
    return short


def lasts_for_life(covered_until: date | None) -> bool:
    """Whether the unbroken membership has no last day."""
    return covered_until == date.max


class Standing(NamedTuple):
    """The outcome for one renewal on one day.

    ``due_on`` is the due date in force (extended, if an extension was given) and includes its
    whole day. ``next_change_on`` is the first day on which the outcome could differ though nobody
    does anything; None if never. ``covered_until`` is the last day of an unbroken membership;
    ``date.max`` if it is for life. It has passed while a membership's own grace period runs.
    """

    facts: Facts
    plan: RenewalPlan
    status: Status
    due_on: date | None
    results: tuple[Result, ...]
    next_change_on: date | None
    covered_until: date | None = None

    @property
    def settled_on(self) -> date | None:
        """The day on which the cycle was settled; None if it is judged by today's records."""
        return self.facts.settlement.settled_on if self.facts.settlement else None

    @property
    def membership_counts_until(self) -> date | None:
        """The last day on which the membership counts, if that is after `covered_until`."""
        grace, until = self.plan.membership_grace, self.covered_until
        if grace is None or until is None or lasts_for_life(until):
            return None
        return grace.ends_on(until)

    @property
    def records_from(self) -> date | None:
        """The association's first day in this system, if it falls in this cycle.

        Hours held earlier in the cycle may not be here yet. None also if the endorsement had not
        begun by then.
        """
        first_day, cycle = self.facts.first_day, self.plan.cycle
        if first_day is None or cycle is None:
            return None
        return first_day if max(cycle.starts_on, self.facts.starts_on) < first_day else None

    @property
    def unrecorded_until(self) -> date | None:
        """`records_from`, if hours are short: those held before that day may complete them."""
        lacks_hours = any(r.short and r.requirement.is_of_sessions for r in self.results)
        return self.records_from if lacks_hours else None


class ApplicationStanding(NamedTuple):
    """The outcome for one application on one day; its last two fields are as in `Standing`."""

    facts: ApplicationFacts
    plan: ApplicationPlan
    status: Status
    results: tuple[Result, ...]
    next_change_on: date | None
    covered_until: date | None = None


AnyStanding = Standing | ApplicationStanding


def explain_no_hours(cycle: Cycle | None) -> Reason:
    """Why a cycle requires no hours of requirements that are exempt."""
    if cycle is None or cycle.is_first:
        return because("first_cycle")
    return because("changed_cycle", ends_on=cycle.ends_on)


def list_exemptions(plan: Plan, standing: AnyStanding | None) -> dict[str, Reason]:
    """Why requirements are exempt, by requirement id; only of those that are.

    ``standing`` is that of the same renewal. If it is None, only the plan's own exemptions are
    listed.
    """
    exemptions = _list_planned_exemptions(plan)
    if standing is None:
        return exemptions
    for result in standing.results:
        if result.outcome is Outcome.WAIVED:
            exemptions[result.requirement.id] = because("waived")
        elif result.outcome is Outcome.EXCUSED and not result.requirement.is_exempt:
            # A settled cycle keeps no notes.
            note = result.notes[0] if result.notes else because("on_leave", status="on leave")
            exemptions[result.requirement.id] = note
    return exemptions


def _list_planned_exemptions(plan: Plan) -> dict[str, Reason]:
    """Why the cycle exempts requirements, without regard to the person."""
    cycle = plan.cycle if isinstance(plan, RenewalPlan) else None
    no_hours = explain_no_hours(cycle)
    exemptions = {r.id: no_hours for r in plan.requirements if r.is_exempt}
    if cycle is not None:
        named = [r.id for r in plan.requirements if r.rule.id in cycle.exempts]
        exemptions |= dict.fromkeys(named, because("first_cycle_exempt"))
    return exemptions
