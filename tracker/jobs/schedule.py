"""What is due: dates, not ticks.

A job is due for a local date once that date's hour has come in the association's time zone. A tick
asks for the latest such date without a row in the run ledger; the same run catches up the dates
missed before it. So clock changes and daylight saving time neither skip nor repeat a run.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple, get_args

from tracker.clock import instant_of, local_day
from tracker.rules.model import Rulebook
from tracker.settings import Schedule, Settings, Weekday

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_WEEKDAYS: tuple[str, ...] = get_args(Weekday)


class Job(StrEnum):
    """The jobs, in the order in which they run on one day."""

    EVALUATE = "evaluate"
    NOTICES = "notices"
    REFERENCES = "references"
    DIGEST = "digest"


class Due(NamedTuple):
    """The local date that a job is due for, and the dates missed before it (oldest first).

    ``last`` is the date that the job last ran for, None if it never did.
    """

    local_date: date
    missed: tuple[date, ...]
    last: date | None = None


class DueJob(NamedTuple):
    """A job of one association that is due, or is a retry of what failed in its last run.

    ``has_failed``: all of it, or a part, failed at the last attempt.
    """

    job: Job
    rulebook: Rulebook
    due: Due
    is_retry: bool
    has_failed: bool


def list_due(
    settings: Settings,
    associations: Mapping[str, Rulebook],
    last_dates: Mapping[tuple[str, str], date],
    failed: Collection[tuple[str, str]],
    now: datetime,
) -> Iterator[DueJob]:
    """Everything that is due at ``now``, and what failed, in the order in which it runs.

    ``last_dates`` has the date for which each job last ran, by job and association; ``failed`` has
    the job and the association of each failure on record. The only rule for whether there is
    anything to do.
    """
    for job in Job:
        for rulebook in associations.values():
            last = last_dates.get((job, rulebook.id))
            schedule = settings.schedule_of(rulebook.id)
            due = find_due(schedule, job, rulebook.time_zone, now, last)
            has_failed = (job, rulebook.id) in failed
            if due is not None:
                yield DueJob(job, rulebook, due, is_retry=False, has_failed=has_failed)
            elif last is not None and has_failed:
                yield DueJob(job, rulebook, Due(last, (), last), is_retry=True, has_failed=True)


def find_last_credible_date(now: datetime) -> date:
    """The last local date that a run can be for at ``now``; a wrong clock recorded later ones.

    No time zone is more than one day ahead, and a clock that jumps by up to two days does no harm.
    """
    return (now + timedelta(days=2)).date()


def list_ahead(
    associations: Collection[str], last_dates: Mapping[tuple[str, str], date], now: datetime
) -> Iterator[tuple[Job, str, date]]:
    """The jobs that ran for a day too far ahead, before which they don't run again.

    Each with its association and that day. ``last_dates`` is that of `list_due`.
    """
    limit = find_last_credible_date(now)
    for job in Job:
        for association in associations:
            last = last_dates.get((job, association))
            if last is not None and last > limit:
                yield job, association, last


def find_due(
    schedule: Schedule, job: Job, zone: str, now: datetime, last: date | None
) -> Due | None:
    """What is due at ``now`` for a job that last ran for the date ``last``; None if nothing is."""
    hour, step = hour_of(schedule, job), _WEEK if job is Job.DIGEST else _DAY
    weekday = _WEEKDAYS.index(schedule.digest_on)
    latest = local_day(now, zone)
    while instant_of(latest, hour, zone) > now or (step == _WEEK and latest.weekday() != weekday):
        latest -= _DAY
    if last is not None and last >= latest:
        return None
    missed: list[date] = []
    day = latest - step
    while last is not None and day > last:
        missed.insert(0, day)
        day -= step
    return Due(latest, tuple(missed), last)


def find_next(schedule: Schedule, job: Job, zone: str, now: datetime) -> datetime:
    """The next instant after ``now`` at which a job becomes due."""
    weekday = _WEEKDAYS.index(schedule.digest_on)
    day, hour = local_day(now, zone), hour_of(schedule, job)
    while instant_of(day, hour, zone) <= now or (job is Job.DIGEST and day.weekday() != weekday):
        day += _DAY
    return instant_of(day, hour, zone)


def hour_of(schedule: Schedule, job: Job) -> time:
    """The time of day at which a job becomes due, in the association's time zone."""
    if job is Job.EVALUATE:
        return schedule.evaluate_at
    return schedule.digest_at if job is Job.DIGEST else schedule.notices_at
