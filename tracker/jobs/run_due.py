"""Does all that is due, for every association, in the order of the day."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from tracker.jobs.digest import run_digest
from tracker.jobs.notices import run_notices
from tracker.jobs.office import Office
from tracker.jobs.references import run_references
from tracker.jobs.schedule import Due, Job, due
from tracker.jobs.sessions import remind_of_sessions
from tracker.records.judging.evaluation import evaluate_due
from tracker.records.mailing.run_ledger import Caught, claim_run, finish_run, last_run, note_missed
from tracker.rules.schema import Rulebook


class Ran(NamedTuple):
    """One job done for one association: for which date, and what it did."""

    job: Job
    association: str
    due: Due
    report: Mapping[str, object]


def run_due(office: Office, now: datetime, clock: Callable[[], datetime]) -> Iterator[Ran]:
    """Do everything due at ``now``; yields each job when it is done.

    ``clock`` only tells how long it took. Safe to call at any time, as often as one likes, and
    by several processes: what another one has done is not done again.
    """
    for job in Job:
        for book in office.books.associations.values():
            with office.transaction() as connection:
                last = last_run(connection, job, book.id)
            owed = due(office.settings.schedule, job, book.time_zone, now, last)
            if owed is not None and (ran := _run(office, job, book, owed, now, clock)):
                yield ran


def _run(
    office: Office,
    job: Job,
    book: Rulebook,
    owed: Due,
    now: datetime,
    clock: Callable[[], datetime],
) -> Ran | None:
    started_at = clock()
    if job is Job.NOTICES:
        # Its batches commit one by one: each decision is unique, so that a run that is cut
        # short, or done twice at once, goes on where it is.
        report: Mapping[str, object] = run_notices(office, book.id, now)._asdict()
        with office.transaction() as connection:
            ours = claim_run(connection, job, book.id, owed.local_date, started_at)
            _finish(connection, job, book, owed, report, clock())
        return Ran(job, book.id, owed, report) if ours else None
    with office.transaction() as connection:
        # The row first: another process that does the same waits here, and then finds it.
        if not claim_run(connection, job, book.id, owed.local_date, started_at):
            return None
        if job is Job.EVALUATE:
            report = {
                "judged": evaluate_due(connection, office.books, book.id, now, since=owed.last)
            }
        elif job is Job.REFERENCES:
            report = run_references(office, connection, book.id, now)
            sessions = remind_of_sessions(office, connection, book.id, now)
            report = {**report, "sessions": sessions} if sessions else report
        else:
            report = run_digest(office, connection, book.id, owed.local_date, now)
        _finish(connection, job, book, owed, report, clock())
    return Ran(job, book.id, owed, report)


def _finish(
    connection: Connection,
    job: Job,
    book: Rulebook,
    owed: Due,
    report: Mapping[str, object],
    at: datetime,
) -> None:
    finish_run(connection, job, book.id, owed.local_date, at, report)
    note_missed(connection, job, book.id, owed.missed, Caught(owed.local_date, at))
