"""Where a renewal is on its way: still open, submitted, accepted, returned. Pure.

A renewal that is not submitted has no stage: its status says everything.
"""

from datetime import date
from enum import StrEnum
from typing import NamedTuple

from tracker.rules.cycles import Cycle


class Stage(StrEnum):
    """The stage of a renewal that is submitted."""

    EARLY = "not open yet"
    OPEN = "open"
    RETURNED = "returned"
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    CLOSED = "closed"


# In which stages an endorsee can submit a renewal, and from which a coordinator can move it on.
MAY_SUBMIT = {Stage.OPEN, Stage.RETURNED}
MAY_ACCEPT = {Stage.SUBMITTED}
MAY_RETURN = {Stage.SUBMITTED, Stage.ACCEPTED}


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
    """The stage of a renewal; ``last_state`` is that of its last submission, None without one."""
    if last_state in (Stage.SUBMITTED, Stage.ACCEPTED):
        return Stage(last_state)
    if today < window.opens_on:
        return Stage.EARLY
    if today > window.closes_on:
        return Stage.CLOSED
    return Stage.RETURNED if last_state == Stage.RETURNED else Stage.OPEN
