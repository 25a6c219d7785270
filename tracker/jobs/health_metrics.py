"""The figures that monitoring watches: when jobs last ran, what failed, and how the mail stands."""

from collections import Counter
from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session, func, select

from tracker.db.ledgers import Outbox
from tracker.mail.outbox import count_by_state, get_oldest_waiting
from tracker.services.restore_drill import DrillRecord, read_drills
from tracker.services.run_ledger import list_failures, list_last_finished


class HealthMetrics(NamedTuple):
    """Read in one transaction, so that every process and machine reports the same.

    ``last_finished`` holds the end of the last good run, and ``failures`` how many parts of the
    job wait to be tried again, both by job and association. ``mails`` counts messages by state;
    ``retried`` counts the waiting ones that were tried before. ``drills`` are restored backups.
    """

    last_finished: dict[tuple[str, str], datetime]
    failures: Counter[tuple[str, str]]
    mails: dict[str, int]
    oldest_waiting: datetime | None
    retried: int
    drills: DrillRecord


def read_health_metrics(session: Session) -> HealthMetrics:
    """Read all of them."""
    retried = (
        select(func.count())
        .select_from(Outbox)
        .where(Outbox.state == "waiting", Outbox.attempts > 0)
    )
    failures = Counter((failure.job, failure.association) for failure in list_failures(session))
    return HealthMetrics(
        list_last_finished(session),
        failures,
        count_by_state(session),
        get_oldest_waiting(session),
        session.exec(retried).one(),
        read_drills(session),
    )
