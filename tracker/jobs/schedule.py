"""What is due: dates, not ticks.

A job is due for a local date once that date's hour has come in the association's zone. Whoever
asks is told the latest such date, if its row is missing from the run ledger; dates missed
before it are caught up by the same run. The clock's jumps and daylight saving thus neither
skip nor double anything.
"""

from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tracker.clock import instant_of
from tracker.settings import Schedule, Weekday

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_WEEKDAYS: dict[Weekday, int] = {
    "monday": 0,
    "tuesday": 1,
    "wednesday": 2,
    "thursday": 3,
    "friday": 4,
    "saturday": 5,
    "sunday": 6,
}


class Job(StrEnum):
    """The jobs, in the order in which they run on one day."""

    EVALUATE = "evaluate"
    NOTICES = "notices"
    REFERENCES = "references"
    DIGEST = "digest"


class Due(NamedTuple):
    """The local date that a job is due for, and the missed ones before it (oldest first).

    ``last`` is the date that the job last ran for, None if it never did.
    """

    local_date: date
    missed: tuple[date, ...]
    last: date | None = None


def due(schedule: Schedule, job: Job, zone: str, now: datetime, last: date | None) -> Due | None:
    """What the job owes at the instant ``now``, having last run for ``last``; None if nothing."""
    at, step = _rhythm(schedule, job)
    latest = _latest(schedule, job, at, zone, now)
    if last is not None and last >= latest:
        return None
    missed = []
    day = latest - step
    while last is not None and day > last:
        missed.append(day)
        day -= step
    return Due(latest, tuple(reversed(missed)), last)


def _rhythm(schedule: Schedule, job: Job) -> tuple[time, timedelta]:
    if job is Job.DIGEST:
        return schedule.digest_at, _WEEK
    return (schedule.evaluate_at if job is Job.EVALUATE else schedule.notices_at), _DAY


def _latest(schedule: Schedule, job: Job, at: time, zone: str, now: datetime) -> date:
    # The local day, and one more for a zone in which its hour has not come.
    day = now.astimezone(ZoneInfo(zone)).date()
    while (job is Job.DIGEST and day.weekday() != _WEEKDAYS[schedule.digest_on]) or instant_of(
        day, at, zone
    ) > now:
        day -= _DAY
    return day
