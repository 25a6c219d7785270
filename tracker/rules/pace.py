"""Pace: from which day on somebody is behind, if nothing more is logged, and how things go."""

from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from tracker.rules.cycles import Cycle
from tracker.rules.standing import Outcome, Result, Standing, Status

# An even pace asks the same of each day. Nobody logs evenly, so one is behind only when what is
# counted is less than the even pace had reached a sixth of the cycle (two months in a year) ago.
_SLACK = 6
# Two months: before that a pace says more about one busy week than about the year.
_DAYS_FOR_A_PACE = 60


class Pace(StrEnum):
    """How one requirement goes. `NEARLY`: if it goes on so it is complete a little late.

    Whoever is behind is so by `falls_behind_on`, on every page and in every mail.
    """

    BEHIND = "behind"
    NEARLY = "nearly on pace"
    ON = "on pace"


class Forecast(NamedTuple):
    """A requirement's pace, and the day on which it is complete if things go on so."""

    pace: Pace
    done_on: date | None


def falls_behind_on(standing: Standing) -> date | None:
    """The first day on which the renewal is behind an even pace; None if it never will be.

    A membership has no pace; neither has a renewal that is not open.
    """
    cycle = standing.plan.cycle
    if cycle is None or standing.status is not Status.OPEN:
        return None
    days = [_behind_on(r, cycle) for r in standing.results if _has_pace(r)]
    return min((d for d in days if d <= cycle.ends_on), default=None)


def forecast(standing: Standing, result: Result, today: date) -> Forecast | None:
    """How one requirement goes on ``today``; None where it has no pace, or none to speak of yet.

    Hours count only if they are held within the cycle: an extension changes nothing here.
    """
    cycle = standing.plan.cycle
    if cycle is None or standing.status is not Status.OPEN or not _has_pace(result):
        return None
    if today > cycle.ends_on:
        return None
    done_on = _done_on(standing, result, cycle, today)
    if _behind_on(result, cycle) <= today:
        return Forecast(Pace.BEHIND, done_on)
    if done_on is None:
        return None
    return Forecast(Pace.ON if done_on <= cycle.ends_on else Pace.NEARLY, done_on)


def _done_on(standing: Standing, result: Result, cycle: Cycle, today: date) -> date | None:
    days = (today - max(cycle.starts_on, standing.facts.starts_on)).days
    if days < _DAYS_FOR_A_PACE or not result.counted:
        return None
    left = -(-result.short * days // result.counted)
    return today + timedelta(days=left) if left < (date.max - today).days else None


def _has_pace(result: Result) -> bool:
    # A part of the hours (a topic) comes with the right training, not with the months.
    asks_hours = result.requirement.counts != "membership" and result.requirement.topic is None
    return asks_hours and result.outcome is Outcome.SHORT


def _behind_on(result: Result, cycle: Cycle) -> date:
    whole = (cycle.ends_on - cycle.starts_on).days + 1
    reached = result.counted * whole // result.required
    return cycle.starts_on + timedelta(days=reached + whole // _SLACK)
