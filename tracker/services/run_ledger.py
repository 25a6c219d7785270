"""The run ledger: which job ran for which association on which local date, and what failed."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import delete, update
from sqlmodel import Session, col, func, select

from tracker.db.ledgers import RunFailure, RunRow
from tracker.db.statements import upsert

# The report's key for a date without a run of its own: a later date's run did its work.
CAUGHT_UP = "caught up by the run for"
_KEY = ["job", "association", "local_date"]
_ERROR_LENGTH = 500


class RunKey(NamedTuple):
    """A job runs once for each association and local date."""

    job: str
    association: str
    local_date: date


class Failure(NamedTuple):
    """One thing that a run could not do.

    ``subject`` is what it was about: a person's id for notices, a coordinator's address for the
    digest. An empty subject means that the whole job failed.
    """

    subject: str
    error: str


class JobResult(NamedTuple):
    """What a run did, and what failed without stopping it."""

    report: Mapping[str, object]
    failures: Sequence[Failure] = ()


def find_first_run_date(session: Session, association: str) -> date | None:
    """The first local date of any job of an association."""
    query = select(func.min(RunRow.local_date)).where(RunRow.association == association)
    return session.exec(query).one()


def get_last_run_date(session: Session, job: str, association: str) -> date | None:
    """The latest local date for which the job ran; None if it never did."""
    query = select(func.max(RunRow.local_date)).where(
        RunRow.job == job, RunRow.association == association
    )
    return session.exec(query).one()


def list_last_run_dates(session: Session) -> dict[tuple[str, str], date]:
    """The latest local date for which each job ran, by job and association."""
    query = select(RunRow.job, RunRow.association, func.max(RunRow.local_date))
    rows = session.exec(query.group_by(col(RunRow.job), col(RunRow.association)))
    return {(job, association): local_date for job, association, local_date in rows}


def list_last_finished(session: Session) -> dict[tuple[str, str], datetime]:
    """When the last run ended, by job and association. A run that failed has no row."""
    query = select(RunRow.job, RunRow.association, func.max(RunRow.finished_at))
    rows = session.exec(query.group_by(col(RunRow.job), col(RunRow.association)))
    return {(job, association): finished_at for job, association, finished_at in rows}


def list_runs_since(session: Session, association: str, first: date) -> Sequence[RunRow]:
    """The association's runs for local dates from ``first`` on, newest first."""
    query = (
        select(RunRow)
        .where(RunRow.association == association, RunRow.local_date >= first)
        .order_by(col(RunRow.local_date).desc(), RunRow.job)
    )
    return session.exec(query).all()


def has_run(session: Session, key: RunKey) -> bool:
    """Whether a run is recorded."""
    query = select(RunRow.job).where(
        RunRow.job == key.job,
        RunRow.association == key.association,
        RunRow.local_date == key.local_date,
    )
    return session.exec(query).first() is not None


def claim_run(session: Session, key: RunKey, now: datetime) -> bool:
    """Record that a job runs; False if another process did so first.

    The row is part of the transaction, so a run that fails leaves none.
    """
    return upsert(session, RunRow, [_new_row(key, now, {})], key=_KEY) == 1


def finish_run(session: Session, key: RunKey, result: JobResult, now: datetime) -> None:
    """Record when a claimed run ended, what it did, and what failed."""
    statement = update(RunRow).where(
        col(RunRow.job) == key.job,
        col(RunRow.association) == key.association,
        col(RunRow.local_date) == key.local_date,
    )
    values = {"finished_at": now, "report": json.dumps(result.report)}
    session.connection().execute(statement.values(values))
    replace_failures(session, key, result.failures, now)


def record_missed(
    session: Session, run: RunKey, missed_dates: Iterable[date], now: datetime
) -> None:
    """Record for each missed date that ``run`` did its work."""
    report = {CAUGHT_UP: run.local_date.isoformat()}
    rows = [_new_row(run._replace(local_date=missed), now, report) for missed in missed_dates]
    upsert(session, RunRow, rows, key=_KEY)


def replace_failures(
    session: Session, key: RunKey, failures: Sequence[Failure], now: datetime
) -> None:
    """Record the failures of a run that ended, in place of those of the run before."""
    gone = delete(RunFailure).where(
        col(RunFailure.job) == key.job,
        col(RunFailure.association) == key.association,
        col(RunFailure.subject).not_in([failure.subject for failure in failures]),
    )
    session.connection().execute(gone)
    for failure in failures:
        record_failure(session, key, failure, now)


def record_failure(session: Session, key: RunKey, failure: Failure, now: datetime) -> None:
    """Record a failure, or one more attempt of one that is on record."""
    earlier = session.get(RunFailure, (key.job, key.association, failure.subject))
    row = {
        "job": key.job,
        "association": key.association,
        "subject": failure.subject,
        "error": failure.error[:_ERROR_LENGTH],
        "attempts": earlier.attempts + 1 if earlier else 1,
        "first_failed_at": now,
        "last_failed_at": now,
    }
    changing = ["error", "attempts", "last_failed_at"]
    upsert(session, RunFailure, [row], key=["job", "association", "subject"], update=changing)


def list_failures(session: Session, association: str | None = None) -> Sequence[RunFailure]:
    """What failed at the last attempt and will be tried again; of one association, or of all."""
    query = select(RunFailure).order_by(RunFailure.association, RunFailure.job, RunFailure.subject)
    if association is not None:
        query = query.where(RunFailure.association == association)
    return session.exec(query).all()


def _new_row(key: RunKey, now: datetime, report: Mapping[str, object]) -> dict[str, object]:
    return {
        **key._asdict(),
        "started_at": now,
        "finished_at": now,
        "report": json.dumps(report),
    }
