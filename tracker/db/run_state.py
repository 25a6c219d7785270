"""What the run ledger says, by a driver alone.

Most calls of `tracker run-due` find nothing to do, and importing the tables takes them several
times as long as asking. `tracker.services.run_ledger` has the same questions for everybody else.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any, NamedTuple, Protocol

_VERSION = "SELECT version_num FROM alembic_version"
_LAST_DATES = "SELECT job, association, max(local_date) FROM run_ledger GROUP BY job, association"
_FAILED = "SELECT DISTINCT job, association FROM run_failure"


class DriverConnection(Protocol):
    """A connection of sqlite3 or psycopg."""

    def execute(self, query: Any, /) -> Iterable[tuple[Any, ...]]:  # noqa: ANN401 - each driver has its type
        """Run a statement, and return its rows."""


class RunState(NamedTuple):
    """The date for which each job last ran, and which jobs failed, by job and association."""

    last_dates: dict[tuple[str, str], date]
    failed: set[tuple[str, str]]


def read_run_state(connection: DriverConnection, schema: str) -> RunState | None:
    """What a database of the version ``schema`` has on record; None if it has another version."""
    if list(connection.execute(_VERSION)) != [(schema,)]:
        return None
    # SQLite has no type for dates.
    last_dates = {
        (job, association): date.fromisoformat(str(last))
        for job, association, last in connection.execute(_LAST_DATES)
    }
    return RunState(last_dates, {(job, name) for job, name in connection.execute(_FAILED)})
