"""Does all that is due, for every association, in the order of the day."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session

from tracker.jobs.digest import run_digest
from tracker.jobs.notices import run_notices
from tracker.jobs.references import remind_of_sessions, run_references
from tracker.jobs.schedule import Due, Job, due
from tracker.notifications.context import JobContext
from tracker.rules.model import Rulebook
from tracker.services.evaluation import evaluate_due
from tracker.services.run_ledger import Caught, claim_run, finish_run, last_run, note_missed


class Ran(NamedTuple):
    """One job done for one association: for which date, and what it did."""

    job: Job
    association: str
    due: Due
    report: Mapping[str, object]


def run_due(context: JobContext, now: datetime, clock: Callable[[], datetime]) -> Iterator[Ran]:
    """Do everything due at ``now``; yields each job when it is done.

    ``clock`` only tells how long it took. Safe to call at any time, as often as one likes, and
    by several processes: what another one has done is not done again.
    """
    for job in Job:
        for rulebook in context.rulebooks.associations.values():
            with context.transaction() as session:
                last = last_run(session, job, rulebook.id)
            owed = due(context.settings.schedule, job, rulebook.time_zone, now, last)
            if owed is not None and (ran := _run(context, job, rulebook, owed, now, clock)):
                yield ran


def _run(
    context: JobContext,
    job: Job,
    rulebook: Rulebook,
    owed: Due,
    now: datetime,
    clock: Callable[[], datetime],
) -> Ran | None:
    started_at = clock()
    if job is Job.NOTICES:
        # Its batches commit one by one: each decision is unique, so that a run that is cut
        # short, or done twice at once, goes on where it is.
        report: Mapping[str, object] = run_notices(context, rulebook.id, now)._asdict()
        with context.transaction() as session:
            ours = claim_run(session, job, rulebook.id, owed.local_date, started_at)
            _finish(session, job, rulebook, owed, report, clock())
        return Ran(job, rulebook.id, owed, report) if ours else None
    with context.transaction() as session:
        # The row first: another process that does the same waits here, and then finds it.
        if not claim_run(session, job, rulebook.id, owed.local_date, started_at):
            return None
        if job is Job.EVALUATE:
            report = {
                "judged": evaluate_due(
                    session, context.rulebooks, rulebook.id, now, since=owed.last
                )
            }
        elif job is Job.REFERENCES:
            report = run_references(context, session, rulebook.id, now)
            sessions = remind_of_sessions(context, session, rulebook.id, now)
            report = {**report, "sessions": sessions} if sessions else report
        else:
            report = run_digest(context, session, rulebook.id, owed.local_date, now)
        _finish(session, job, rulebook, owed, report, clock())
    return Ran(job, rulebook.id, owed, report)


def _finish(
    session: Session,
    job: Job,
    rulebook: Rulebook,
    owed: Due,
    report: Mapping[str, object],
    at: datetime,
) -> None:
    finish_run(session, job, rulebook.id, owed.local_date, at, report)
    note_missed(session, job, rulebook.id, owed.missed, Caught(owed.local_date, at))
