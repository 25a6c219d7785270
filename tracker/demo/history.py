"""The weeks before the demo starts, so that its first digests have something to compare with.

Nobody is written to about them: only the figures of each week are kept.
"""

from dataclasses import replace
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, select

from tracker.clock import local_day
from tracker.jobs.digest import run_digest
from tracker.jobs.office import Office
from tracker.jobs.schedule import Job, due, instant_of
from tracker.records.judging.evaluation import evaluate_people
from tracker.records.mailing.run_ledger import claim_run, finish_run
from tracker.records.schema.tables import METADATA

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_WEEKS = 4


def live_through(office: Office, now: datetime) -> None:
    """Evaluate everybody each week up to ``now``, and write the run ledger as if each night."""
    quiet = replace(office, settings=office.settings.model_copy(update={"coordinators": ()}))
    latest = max(
        instant_of(_latest(office, Job.DIGEST, book, now), office.settings.schedule.digest_at, zone)
        for book, zone in _zones(office)
    )
    with office.transaction() as connection:
        everyone = list(connection.scalars(select(METADATA.tables["person"].c.id)))
        for week in range(_WEEKS, -1, -1):
            # On the eve, so that what changed belongs to the week that the digest tells of.
            evaluate_people(connection, office.books, everyone, latest - week * _WEEK - _DAY)
            if week:
                _digest(quiet, connection, week, now)
        evaluate_people(connection, office.books, everyone, now)
        _nights(office, connection, now)


def _zones(office: Office) -> list[tuple[str, str]]:
    return [(book.id, book.time_zone) for book in office.books.associations.values()]


def _latest(office: Office, job: Job, association: str, now: datetime) -> date:
    """The latest date for which the job is due."""
    zone = office.books.associations[association].time_zone
    owed = due(office.settings.schedule, job, zone, now, None)
    return owed.local_date if owed else local_day(now, zone)


def _digest(office: Office, connection: Connection, week: int, now: datetime) -> None:
    """Keep the figures of the digests of so many weeks ago."""
    for association, zone in _zones(office):
        day = _latest(office, Job.DIGEST, association, now) - week * _WEEK
        at = instant_of(day, office.settings.schedule.digest_at, zone)
        claim_run(connection, Job.DIGEST, association, day, at)
        report = run_digest(office, connection, association, day, at)
        finish_run(connection, Job.DIGEST, association, day, at, report)


def _nights(office: Office, connection: Connection, now: datetime) -> None:
    """The evaluations before the latest one, which is still due."""
    for association, zone in _zones(office):
        latest = _latest(office, Job.EVALUATE, association, now)
        for number in range(1, (_WEEKS + 1) * _WEEK.days):
            day = latest - number * _DAY
            at = instant_of(day, office.settings.schedule.evaluate_at, zone)
            claim_run(connection, Job.EVALUATE, association, day, at)
