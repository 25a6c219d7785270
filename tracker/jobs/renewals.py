"""Mails the decisions about renewals, and those that closed, without anybody looking at a page."""

from datetime import datetime

from sqlmodel import Session

from tracker.jobs.isolation import isolate, savepoint
from tracker.notifications.context import JobContext
from tracker.notifications.renewal_mail import announce, announce_certificate
from tracker.services.certificates import list_unannounced as list_unannounced_certificates
from tracker.services.run_ledger import Failure, JobResult
from tracker.services.submissions import list_unannounced


def run_renewals(
    context: JobContext, session: Session, association: str, now: datetime
) -> JobResult:
    """One email about each renewal that was decided, or closed as renewed, and has none yet."""
    failures: list[Failure] = []
    written = 0
    for renewal in list_unannounced(session, association):
        with isolate(failures, f"submission {renewal.submission.id}", savepoint(session)):
            written += announce(context, session, [renewal], now)
    for renewed in list_unannounced_certificates(session, association):
        name = f"certificate {renewed.certificate.id}"
        with isolate(failures, name, savepoint(session)):
            written += announce_certificate(context, session, renewed, now)
    return JobResult({"renewals": written} if written else {}, failures)
