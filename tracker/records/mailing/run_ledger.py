"""The run ledger: which job ran for which association on which local date."""

import json
from collections.abc import Mapping
from datetime import date, datetime

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tracker.records.schema.tables import RunRow

# The report's key where a date had no run of its own: its work was done by a later date's run.
CAUGHT_UP = "caught up by the run for"
_RUN = RunRow.__table__  # type: ignore[attr-defined]


def last_run(connection: Connection, job: str, association: str) -> date | None:
    """The latest local date for which the job ran; None if it never did."""
    return connection.scalar(
        select(func.max(_RUN.c.local_date)).where(
            _RUN.c.job == job, _RUN.c.association == association
        )
    )


def last_finished(connection: Connection) -> dict[tuple[str, str], datetime]:
    """When the last run ended, by job and association; a run that failed has no row."""
    query = select(_RUN.c.job, _RUN.c.association, func.max(_RUN.c.finished_at)).group_by(
        _RUN.c.job, _RUN.c.association
    )
    return {(job, association): at for job, association, at in connection.execute(query)}


def claim_run(
    connection: Connection, job: str, association: str, local_date: date, at: datetime
) -> bool:
    """Write that the job runs; False when another process had written it before.

    The row is part of the transaction: a run that fails has none.
    """
    # The inserted key is asked back: an INSERT's rowcount is -1 with psycopg.
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = (
        dialect.insert(_RUN)
        .values(
            job=job,
            association=association,
            local_date=local_date,
            started_at=at,
            finished_at=at,
            report="{}",
        )
        .on_conflict_do_nothing()
        .returning(_RUN.c.local_date)
    )
    return connection.scalar(statement) is not None


def finish_run(
    connection: Connection,
    job: str,
    association: str,
    local_date: date,
    at: datetime,
    report: Mapping[str, object],
) -> None:
    """Write when a claimed run ended, and what it did."""
    connection.execute(
        update(_RUN)
        .where(
            _RUN.c.job == job, _RUN.c.association == association, _RUN.c.local_date == local_date
        )
        .values(finished_at=at, report=json.dumps(report))
    )


def runs_since(connection: Connection, association: str, first: date) -> list[RunRow]:
    """The association's runs for local dates from ``first`` on, newest first."""
    query = (
        select(_RUN)
        .where(_RUN.c.association == association, _RUN.c.local_date >= first)
        .order_by(_RUN.c.local_date.desc(), _RUN.c.job)
    )
    return [RunRow.model_validate(row._asdict()) for row in connection.execute(query)]
