"""Pace: from which day on somebody is behind, if nothing more is logged."""

from datetime import date, timedelta

from tracker.rules.cycles import Cycle
from tracker.rules.standing import Outcome, Result, Standing, Status

# An even pace asks the same of each day. Nobody logs evenly, so one is behind only when what is
# counted is less than the even pace had reached a sixth of the cycle (two months in a year) ago.
_SLACK = 6


def falls_behind_on(standing: Standing) -> date | None:
    """The first day on which the renewal is behind an even pace; None if it never will be.

    A membership has no pace; neither has a renewal that is not open.
    """
    cycle = standing.plan.cycle
    if cycle is None or standing.status is not Status.OPEN:
        return None
    days = [_behind_on(r, cycle) for r in standing.results if _has_pace(r)]
    return min((d for d in days if d <= cycle.ends_on), default=None)


def _has_pace(result: Result) -> bool:
    # A part of the hours (a topic) comes with the right training, not with the months.
    asks_hours = result.ask.counts != "membership" and result.ask.topic is None
    return asks_hours and result.outcome is Outcome.SHORT


def _behind_on(result: Result, cycle: Cycle) -> date:
    whole = (cycle.ends_on - cycle.starts_on).days + 1
    reached = result.counted * whole // result.required
    return cycle.starts_on + timedelta(days=reached + whole // _SLACK)
