"""The figures that monitoring watches: when jobs last ran, what failed, and how the mail stands."""

from collections import Counter
from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session, func, select

from tracker.db.ledgers import Outbox
from tracker.db.returned_mail import MailboxRead, ReturnedMail
from tracker.mail.outbox import count_by_state, get_oldest_waiting
from tracker.services.desk_tasks import list_failed_tasks
from tracker.services.restore_drill import DrillRecord, read_drills
from tracker.services.run_ledger import list_failures, list_last_finished


class HealthMetrics(NamedTuple):
    """Read in one transaction, so that every process and machine reports the same.

    ``last_finished`` holds the end of the last good run, and ``failures`` how many parts of the
    job wait to be tried again, both by job and association. ``mails`` counts messages by state;
    ``retried`` counts the waiting ones that were tried before. ``drills`` are restored backups.
    ``returned`` counts what came back, by outcome; the mailbox for it was last read at
    ``mailbox_read_at``, without an error if ``mailbox_works``, and ``mailbox_unclear`` messages lie
    there for a person to look at. ``failed_work`` counts the desk's long work that failed.
    """

    last_finished: dict[tuple[str, str], datetime]
    failures: Counter[tuple[str, str]]
    mails: dict[str, int]
    oldest_waiting: datetime | None
    retried: int
    drills: DrillRecord
    returned: dict[str, int]
    mailbox_read_at: datetime | None
    mailbox_works: bool
    mailbox_unclear: int
    failed_work: int


def read_health_metrics(session: Session) -> HealthMetrics:
    """Read all of them."""
    retried = (
        select(func.count())
        .select_from(Outbox)
        .where(Outbox.state == "waiting", Outbox.attempts > 0)
    )
    failures = Counter((failure.job, failure.association) for failure in list_failures(session))
    by_outcome = select(ReturnedMail.outcome, func.count()).group_by(ReturnedMail.outcome)
    mailbox = session.get(MailboxRead, 1)
    return HealthMetrics(
        list_last_finished(session),
        failures,
        count_by_state(session),
        get_oldest_waiting(session),
        session.exec(retried).one(),
        read_drills(session),
        dict(session.exec(by_outcome).all()),
        mailbox.read_at if mailbox else None,
        mailbox is not None and mailbox.error is None,
        mailbox.unclear if mailbox else 0,
        len(list_failed_tasks(session)),
    )
