"""The stages on the way of a renewal, and how one is derived. Pure.

`tracker.rules.transitions` has who may move a renewal on. A stage is derived from what is stored
(`services/stages.py`); only the states of a submission and of an audit are columns, whose values
are those of `Stage`.
"""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from tracker.rules.absence_rules import AbsenceKind
from tracker.rules.cycles import Cycle
from tracker.rules.standing import Status


class Stage(StrEnum):
    """Where a renewal is on its way, in the order in which lists show it.

    `COMPLETE`: nothing is missing, of a renewal that nobody submits. `ACCEPTED` and `PASSED` become
    `RENEWED` when the cycle is over.
    """

    NEEDS_ATTENTION = "needs attention"
    APPEALED = "appealed"
    SENT = "sent"
    SUBMITTED = "submitted"
    RETURNED = "returned"
    DRAWN = "drawn"
    ASKED = "asked"
    NOT_PASSED = "not passed"
    EARLY = "not open yet"
    OPEN = "open"
    CLOSED = "closed"
    LAPSED = "lapsed"
    COMPLETE = "complete"
    ACCEPTED = "accepted"
    PASSED = "passed"
    RENEWED = "renewed"
    ON_LEAVE = "on leave"
    INACTIVE = "inactive"
    EMERITUS = "emeritus"
    REMOVED = "removed"
    REINSTATED = "reinstated"
    ENDED = "ended"


class AuditVerdict(StrEnum):
    """What a coordinator finds about one entry."""

    SUPPORTED = "supported"
    NOT_SUPPORTED = "not supported"


class SubmissionWindow(NamedTuple):
    """The days on which a renewal can be submitted, both included."""

    opens_on: date
    closes_on: date


def find_window(cycle: Cycle, due_on: date) -> SubmissionWindow:
    """When a renewal can be submitted; ``due_on`` is the due date in force.

    Without days of its own it can be submitted from the cycle's first day through the grace
    period. An extension keeps the window open through the later due date.
    """
    opens_on, closes_on = cycle.opens_on or cycle.starts_on, cycle.closes_on
    if closes_on is None:
        return SubmissionWindow(opens_on, cycle.grace_ends_on(due_on))
    if due_on > cycle.due_on:
        closes_on = max(closes_on, due_on)
    return SubmissionWindow(opens_on, closes_on)


def find_stage(window: SubmissionWindow, last_state: str | None, today: date) -> Stage:
    """The stage of a renewal that is submitted, by its last submission alone (None without one)."""
    if last_state in (Stage.SUBMITTED, Stage.ACCEPTED):
        return Stage(last_state)
    if today < window.opens_on:
        return Stage.EARLY
    if today > window.closes_on:
        return Stage.CLOSED
    return Stage.RETURNED if last_state == Stage.RETURNED else Stage.OPEN


_ABSENT: Mapping[AbsenceKind, Stage] = {
    "leave": Stage.ON_LEAVE,
    "inactive": Stage.INACTIVE,
    "emeritus": Stage.EMERITUS,
}
_PAST_DUE = (Status.OVERDUE, Status.LAPSED)
# Only an audit's decision returns a renewal that stays in the audit.
_DECIDED = (Stage.NOT_PASSED, Stage.APPEALED)
# The states of an audit that is not decided.
OPEN_AUDIT = (Stage.DRAWN, Stage.ASKED, Stage.SENT, Stage.APPEALED)
_AUDITED = (*OPEN_AUDIT, Stage.NOT_PASSED)


class WayFacts(NamedTuple):
    """What the stage of a renewal follows from.

    ``status`` is that of its standing, ``window`` None if nobody submits it. ``submission`` and
    ``audit`` are the states of the last submission and of its audit. ``failed_audit``: an audit of
    the renewal did not pass, so that it is not accepted by itself. ``absence`` is the kind of days
    away today, or on the due date of what is excused. ``removal`` says of an endorsement that
    has ended that it was REMOVED, or REINSTATED since.
    """

    status: str
    cycle_ends_on: date | None
    window: SubmissionWindow | None = None
    submission: str | None = None
    audit: str | None = None
    absence: AbsenceKind | None = None
    has_ended: bool = False
    removal: Stage | None = None
    failed_audit: bool = False


def derive_stage(facts: WayFacts, today: date) -> Stage | None:
    """The stage of a renewal on a day; None if its category has no renewals.

    What waits for somebody comes before what time has made of it: a submitted renewal is not lapsed
    while its association looks at it.
    """
    is_over = facts.cycle_ends_on is not None and facts.cycle_ends_on < today
    # What was renewed before the endorsement ended stays so.
    if facts.has_ended and not (is_over and facts.status == Status.MET):
        return facts.removal or Stage.ENDED
    if facts.submission is not None and (stage := _derive_submitted(facts, today)):
        return stage
    if facts.absence and _is_away(facts.absence, facts.status, is_over=is_over):
        return _ABSENT[facts.absence]
    return _derive_unsubmitted(facts, today, is_over=is_over)


def _is_away(absence: AbsenceKind, status: str, *, is_over: bool) -> bool:
    """Whether days away say more of a renewal than its status does."""
    if status == Status.EXCUSED:
        return True
    if is_over or status in _PAST_DUE:
        return False
    return absence != "leave" or status != Status.MET


def _derive_submitted(facts: WayFacts, today: date) -> Stage | None:
    """The stage by a submission or its audit; None if it was returned, and says nothing."""
    if facts.submission == Stage.RETURNED and facts.audit not in _DECIDED:
        return None
    if facts.audit in _AUDITED:
        is_over = facts.audit == Stage.NOT_PASSED and facts.status == Status.LAPSED
        return None if is_over else Stage(facts.audit)
    if facts.submission == Stage.SUBMITTED:
        is_accepted_next = facts.status == Status.MET and not facts.failed_audit
        return Stage.SUBMITTED if is_accepted_next else Stage.NEEDS_ATTENTION
    return _derive_accepted(facts, today)


def _derive_accepted(facts: WayFacts, today: date) -> Stage:
    if facts.cycle_ends_on is not None and facts.cycle_ends_on < today:
        return Stage.RENEWED
    return Stage.PASSED if facts.audit == Stage.PASSED else Stage.ACCEPTED


def _derive_unsubmitted(facts: WayFacts, today: date, *, is_over: bool) -> Stage | None:
    status = facts.status
    if status == Status.NO_RULES:
        return None
    if status == Status.LAPSED:
        return Stage.LAPSED
    if status == Status.EXCUSED:
        return Stage.ON_LEAVE
    if status == Status.MET:
        return Stage.RENEWED if is_over else Stage.COMPLETE
    return Stage.OPEN if facts.window is None else find_stage(facts.window, facts.submission, today)


def as_endorsees_see(stage: Stage | None) -> Stage | None:
    """The stage as its endorsee sees it.

    Nobody knows of a draw until documents are requested, and only coordinators have to attend to
    what is submitted.
    """
    if stage is Stage.NEEDS_ATTENTION:
        return Stage.SUBMITTED
    return Stage.ACCEPTED if stage is Stage.DRAWN else stage
