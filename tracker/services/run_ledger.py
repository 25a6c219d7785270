"""The run ledger: which job ran for which association on which local date."""

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from tracker.db.ledgers import RunRow

# The report's key where a date had no run of its own: its work was done by a later date's run.
CAUGHT_UP = "caught up by the run for"
_RUN = RunRow.__table__  # type: ignore[attr-defined]
_CLAIMS = {
    "postgresql": postgresql.insert(_RUN).on_conflict_do_nothing(),
    "sqlite": sqlite.insert(_RUN).on_conflict_do_nothing(),
}


class Caught(NamedTuple):
    """The run that does the work of dates that were missed: its own local date, and its end."""

    local_date: date
    at: datetime


def last_run(session: Session, job: str, association: str) -> date | None:
    """The latest local date for which the job ran; None if it never did."""
    return session.scalar(
        select(func.max(_RUN.c.local_date)).where(
            _RUN.c.job == job, _RUN.c.association == association
        )
    )


def last_finished(session: Session) -> dict[tuple[str, str], datetime]:
    """When the last run ended, by job and association; a run that failed has no row."""
    query = select(_RUN.c.job, _RUN.c.association, func.max(_RUN.c.finished_at)).group_by(
        _RUN.c.job, _RUN.c.association
    )
    return {(job, association): at for job, association, at in session.connection().execute(query)}


def claim_run(session: Session, job: str, association: str, local_date: date, at: datetime) -> bool:
    """Write that the job runs; False when another process had written it before.

    The row is part of the transaction: a run that fails has none.
    """
    # The inserted key is asked back: an INSERT's rowcount is -1 with psycopg.
    statement = _CLAIMS[session.connection().dialect.name].returning(_RUN.c.local_date)
    return session.scalar(statement, _row(job, association, local_date, at)) is not None


def note_missed(
    session: Session, job: str, association: str, missed: Iterable[date], by: Caught
) -> None:
    """Write for dates without a run of their own that a later date's run did their work."""
    report = json.dumps({CAUGHT_UP: by.local_date.isoformat()})
    rows = [_row(job, association, day, by.at) | {"report": report} for day in missed]
    if rows:
        session.connection().execute(_CLAIMS[session.connection().dialect.name], rows)


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
    session.connection().execute(
        update(_RUN)
        .where(
            _RUN.c.job == job, _RUN.c.association == association, _RUN.c.local_date == local_date
        )
        .values(finished_at=at, report=json.dumps(report))
    )


def runs_since(session: Session, association: str, first: date) -> list[RunRow]:
    """The association's runs for local dates from ``first`` on, newest first."""
    query = (
        select(_RUN)
        .where(_RUN.c.association == association, _RUN.c.local_date >= first)
        .order_by(_RUN.c.local_date.desc(), _RUN.c.job)
    )
    return [RunRow.model_validate(row._asdict()) for row in session.connection().execute(query)]
