"""Runs every job that is due, for every association, in the order of the day."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session

from tracker.formatting import use_locale
from tracker.jobs.audits import run_audits
from tracker.jobs.digest import run_digest
from tracker.jobs.evaluation import run_evaluation
from tracker.jobs.isolation import isolate
from tracker.jobs.notices import retry_notices, run_notices
from tracker.jobs.questions import run_questions
from tracker.jobs.references import run_references, run_session_reminders
from tracker.jobs.removals import run_removals
from tracker.jobs.renewals import run_renewals
from tracker.jobs.schedule import Due, DueJob, Job, list_due
from tracker.notifications.context import JobContext
from tracker.rules.model import Rulebook
from tracker.services import run_ledger
from tracker.services.context import Actor, ServiceContext
from tracker.services.first_days import adopt_first_days
from tracker.services.maintenance import find_maintenance
from tracker.services.run_ledger import Failure, JobResult, RunKey


class JobRun(NamedTuple):
    """One job of one association: for which date, what it did, and what failed."""

    job: Job
    association: str
    due: Due
    report: Mapping[str, object]
    failures: Sequence[Failure] = ()


def list_owed(context: JobContext, session: Session, now: datetime) -> list[DueJob]:
    """What is due at ``now`` and what failed, in the order of the day; nothing in maintenance."""
    if find_maintenance(session) is not None:
        return []
    context.team.refresh(session)
    last_dates = run_ledger.list_last_run_dates(session)
    failed = {(failure.job, failure.association) for failure in run_ledger.list_failures(session)}
    associations = context.rulebooks.associations
    return list(list_due(context.settings, associations, last_dates, failed, now))


def run_due(context: JobContext, now: datetime, clock: Callable[[], datetime]) -> Iterator[JobRun]:
    """Run everything that is due at ``now``, and try again what failed; yields each run.

    A run that fails is recorded, and the others go on. ``clock`` only measures how long a run
    takes. In maintenance everything waits. Any number of processes may call this at any time: none
    repeats what another has done.
    """
    with context.transaction() as session:
        owed = list_owed(context, session, now)
    for each in owed:
        run = _execute(context, each, now, clock)
        if run is not None:
            yield run


def run_one(
    context: JobContext, job: Job, association: str, clock: Callable[[], datetime]
) -> JobRun | None:
    """Run one job of one association, if it is owed now; None if it is not, or no longer.

    None also if an earlier job of the day has yet to run there: a digest that is written before
    the evaluation would say that there was none. A job that failed keeps no other from running.
    """
    now = clock()
    with context.transaction() as session:
        owed = list_owed(context, session, now)
    for each in owed:
        if each.rulebook.id == association:
            if each.job is job:
                return _execute(context, each, now, clock)
            if not each.has_failed:
                return None
    return None


def _execute(
    context: JobContext, owed: DueJob, now: datetime, clock: Callable[[], datetime]
) -> JobRun | None:
    task = _Task(context, owed.job, owed.rulebook, owed.due, now, clock)
    return task.execute(is_retry=owed.is_retry)


@dataclass(frozen=True)
class _Task:
    """One job of one association."""

    context: JobContext
    job: Job
    rulebook: Rulebook
    due: Due
    now: datetime
    clock: Callable[[], datetime]

    def execute(self, *, is_retry: bool) -> JobRun | None:
        """Do the work in the association's locale; an error is recorded as the job's failure.

        None if another process has done it.
        """
        failures: list[Failure] = []
        result = None
        with use_locale(self.rulebook.locale), isolate(failures, "", nullcontext()):
            result = self.retry() if is_retry else self.run()
        if failures:
            with self.context.transaction() as session:
                run_ledger.record_failure(session, self.key, failures[0], self.clock())
            result = JobResult({}, failures)
        if result is None:
            return None
        return JobRun(self.job, self.rulebook.id, self.due, result.report, result.failures)

    def run(self) -> JobResult | None:
        """Run the job for its date; None if another process did so first."""
        self._adopt_first_day()
        if self.job is Job.NOTICES:
            # Its batches commit one by one. Each decision is unique, so a run that is cut short,
            # or done twice at once, loses and doubles nothing.
            result = run_notices(self.context, self.rulebook.id, self.now)
            with self.context.transaction() as session:
                is_ours = run_ledger.claim_run(session, self.key, self.clock())
                self._finish(session, result)
            return result if is_ours else None
        judged = self._evaluate(self.key)
        if judged is None:
            return None
        with self.context.transaction() as session:
            # The row comes first: another process with the same job waits here, then finds it.
            if not run_ledger.claim_run(session, self.key, self.clock()):
                return None
            result = self._work(session, judged)
            self._finish(session, result)
        return result

    def retry(self) -> JobResult:
        """Try again what failed in the last run."""
        if self.job is Job.NOTICES:
            result = retry_notices(self.context, self.rulebook.id, self.now)
        judged = self._evaluate(None)
        with self.context.transaction() as session:
            if self.job is not Job.NOTICES:
                result = self._work(session, judged or 0)
            run_ledger.replace_failures(session, self.key, result.failures, self.clock())
        return result

    def _adopt_first_day(self) -> None:
        """Take the setting's first day if nobody has chosen one, before anybody is judged."""
        association = self.rulebook.id
        configured = self.context.settings.judge_renewals_due_from
        if association in configured:
            with self.context.transaction() as session:
                service = ServiceContext(
                    session, self.context.rulebooks, Actor("tracker.toml"), self.now
                )
                adopt_first_days(service, {association: configured[association]})

    @property
    def key(self) -> RunKey:
        """The job's row in the run ledger."""
        return RunKey(self.job, self.rulebook.id, self.due.local_date)

    def _evaluate(self, key: RunKey | None) -> int | None:
        """Judge what is due, in batches that commit; 0 for other jobs.

        None if another process has recorded the run ``key``.
        """
        if self.job is not Job.EVALUATE:
            return 0
        return run_evaluation(self.context, self.rulebook.id, self.now, self.due.last, key)

    def _work(self, session: Session, judged: int) -> JobResult:
        context, association = self.context, self.rulebook.id
        if self.job is Job.EVALUATE:
            removals = run_removals(context, session, association, self.now)
            return JobResult({"judged": judged, **removals.report}, removals.failures)
        if self.job is Job.DIGEST:
            return run_digest(context, session, association, self.due.local_date, self.now)
        references = run_references(context, session, association, self.now)
        sessions = run_session_reminders(context, session, association, self.now)
        questions = run_questions(context, session, association, self.now)
        renewals = run_renewals(context, session, association, self.now)
        audits = run_audits(context, session, association, self.now)
        parts = (references, sessions, questions, renewals, audits)
        report = {name: count for part in parts for name, count in part.report.items()}
        return JobResult(report, [failure for part in parts for failure in part.failures])

    def _finish(self, session: Session, result: JobResult) -> None:
        now = self.clock()
        run_ledger.finish_run(session, self.key, result, now)
        run_ledger.record_missed(session, self.key, self.due.missed, now)
