"""Pace: the day from which a renewal is behind if nothing more is logged, and the forecast."""

from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from tracker.rules.cycles import Cycle
from tracker.rules.standing import Outcome, Result, Standing, Status

# An even pace needs the same amount each day. Nobody logs evenly, so a requirement is behind only
# if less is counted than the even pace had reached a sixth of the cycle ago (two months of a year).
_SLACK = 6
# Before two months, a pace says more about one busy week than about the year.
_MIN_DAYS_FOR_FORECAST = 60


class Pace(StrEnum):
    """The pace of one requirement; `NEARLY` on pace will be complete a little late."""

    BEHIND = "behind"
    NEARLY = "nearly on pace"
    ON = "on pace"


class Forecast(NamedTuple):
    """A requirement's pace, and the day on which it will be complete at this pace."""

    pace: Pace
    done_on: date | None


def falls_behind_on(standing: Standing) -> date | None:
    """The first day on which the renewal is behind an even pace; None if it never is.

    Only open renewals have a pace; memberships have none.
    """
    cycle = standing.plan.cycle
    if cycle is None or standing.status is not Status.OPEN:
        return None
    days = [_behind_on(result, cycle) for result in standing.results]
    return min((day for day in days if day and day <= cycle.ends_on), default=None)


def forecast(standing: Standing, result: Result, today: date) -> Forecast | None:
    """The forecast for one requirement; None if it has no pace, or if it is too early to tell.

    Hours count only if they are held within the cycle: an extension changes nothing here.
    """
    cycle = standing.plan.cycle
    if cycle is None or standing.status is not Status.OPEN or today > cycle.ends_on:
        return None
    behind_on = _behind_on(result, cycle)
    if behind_on is None:
        return None
    done_on = _done_on(standing, result, cycle, today)
    if behind_on <= today:
        return Forecast(Pace.BEHIND, done_on)
    if done_on is None:
        return None
    return Forecast(Pace.ON if done_on <= cycle.ends_on else Pace.NEARLY, done_on)


def _done_on(standing: Standing, result: Result, cycle: Cycle, today: date) -> date | None:
    days = (today - max(cycle.starts_on, standing.facts.starts_on)).days
    if days < _MIN_DAYS_FOR_FORECAST or not result.counted:
        return None
    days_left = -(-result.short * days // result.counted)
    return today + timedelta(days=days_left) if days_left < (date.max - today).days else None


def _behind_on(result: Result, cycle: Cycle) -> date | None:
    """The first day on which one requirement is behind an even pace; None if it has no pace."""
    # Hours about a topic come with the right training, not with the months.
    is_whole_hours = result.requirement.counts != "membership" and result.requirement.topic is None
    if not is_whole_hours or result.outcome is not Outcome.SHORT:
        return None
    days = (cycle.ends_on - cycle.starts_on).days + 1
    reached = result.counted * days // result.required
    return cycle.starts_on + timedelta(days=reached + days // _SLACK)
