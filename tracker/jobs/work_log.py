"""What a process that runs jobs logs about them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import structlog

from tracker.db.errors import is_busy, is_unavailable, name_error
from tracker.jobs.returned_mail import describe_totals, read_returned_mail
from tracker.jobs.runner import JobRun
from tracker.mail.delivery import DeliveryReport
from tracker.mail.mailboxes import MailboxError
from tracker.notifications.context import JobContext

_log = structlog.get_logger(__name__)


@contextmanager
def logged_failure(name: str) -> Iterator[None]:
    """Log what goes wrong in the block, and go on: the ledgers have no row of it.

    So the next tick tries again, whatever it was.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - logged with its traceback
        if is_busy(error):
            _log.warning("others are writing, the next tick tries again", work=name)
        elif is_unavailable(error):
            _log.warning(
                "the database can't be used, the next tick tries again",
                work=name,
                error=name_error(error),
            )
        else:
            _log.exception("a tick failed and will be tried again", work=name)


def log_run(ran: JobRun) -> None:
    """Log what a job did."""
    _log.info(
        "job done",
        job=ran.job.value,
        association=ran.association,
        local_date=ran.due.local_date.isoformat(),
        **ran.report,
    )


def log_delivery(report: DeliveryReport) -> None:
    """Log that the mail server has trouble, if it has."""
    if report.problems:
        # What servers say in words may name people; `tracker check` prints it.
        _log.warning("the mail server has trouble: see `tracker check`", times=len(report.problems))


def log_returned_mail(context: JobContext, now: datetime) -> None:
    """Read the mailbox for returned mail, if one is set, and log what was read."""
    try:
        result = read_returned_mail(context, now)
    except MailboxError:
        # What servers say in words may name people; `tracker check` prints it.
        _log.warning("the mailbox for returned mail can't be read: see `tracker check`")
        return
    if result and result.messages:
        _log.info("returned mail was read", **dict(describe_totals(result)))
