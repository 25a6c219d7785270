"""The run ledger: which job ran for which association on which local date."""

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import NamedTuple

from sqlmodel import Session, col, func, select

from tracker.db.ledgers import RunRow
from tracker.db.statements import upsert

# The report's key where a date had no run of its own: its work was done by a later date's run.
CAUGHT_UP = "caught up by the run for"
_KEY = ("job", "association", "local_date")


class Caught(NamedTuple):
    """The run that does the work of dates that were missed: its own local date, and its end."""

    local_date: date
    at: datetime


def last_run(session: Session, job: str, association: str) -> date | None:
    """Return the latest local date for which the job ran; None if it never did."""
    query = select(func.max(RunRow.local_date))
    return session.exec(query.where(RunRow.job == job, RunRow.association == association)).one()


def last_finished(session: Session) -> dict[tuple[str, str], datetime]:
    """Return when the last run ended by job and association; a run that failed has no row."""
    query = select(RunRow.job, RunRow.association, func.max(RunRow.finished_at)).group_by(
        col(RunRow.job), col(RunRow.association)
    )
    return {(job, association): ended for job, association, ended in session.exec(query)}


def claim_run(session: Session, job: str, association: str, local_date: date, at: datetime) -> bool:
    """Write that the job runs; False if another process has written it before.

    The row is part of the transaction: a run that fails has none.
    """
    return upsert(session, RunRow, [_row(job, association, local_date, at)], key=_KEY) == 1


def note_missed(
    session: Session, job: str, association: str, missed: Iterable[date], by: Caught
) -> None:
    """Write for dates without a run of their own that a later date's run did their work."""
    report = json.dumps({CAUGHT_UP: by.local_date.isoformat()})
    rows = [_row(job, association, day, by.at) | {"report": report} for day in missed]
    upsert(session, RunRow, rows, key=_KEY)


def _row(job: str, association: str, local_date: date, at: datetime) -> dict[str, object]:
    return {
        "job": job,
        "association": association,
        "local_date": local_date,
        "started_at": at,
        "finished_at": at,
        "report": "{}",
    }


def finish_run(
    session: Session,
    job: str,
    association: str,
    local_date: date,
    at: datetime,
    report: Mapping[str, object],
) -> None:
    """Write when a claimed run ended, and what it did."""
    run = session.get_one(RunRow, (job, association, local_date))
    run.finished_at = at
    run.report = json.dumps(report)


def runs_since(session: Session, association: str, first: date) -> list[RunRow]:
    """Return the association's runs for local dates from ``first`` on, newest first."""
    query = (
        select(RunRow)
        .where(RunRow.association == association, RunRow.local_date >= first)
        .order_by(col(RunRow.local_date).desc(), col(RunRow.job))
    )
    return list(session.exec(query))
