"""Reminds people of the documents that an audit of their renewal asks for."""

from datetime import datetime, timedelta

from sqlmodel import Session

from tracker.clock import local_day
from tracker.jobs.isolation import isolate, savepoint
from tracker.notifications.audit_mail import remind_of_audit
from tracker.notifications.context import JobContext
from tracker.services.audits import claim_reminder, list_to_remind
from tracker.services.run_ledger import Failure, JobResult

# How long before the due date people are reminded, once for each due date.
_REMIND_BEFORE = timedelta(days=7)


def run_audits(context: JobContext, session: Session, association: str, now: datetime) -> JobResult:
    """One reminder for each audit whose documents are due soon."""
    today = local_day(now, context.rulebooks.associations[association].time_zone)
    failures: list[Failure] = []
    reminded = 0
    for audited in list_to_remind(session, association, today, today + _REMIND_BEFORE):
        with isolate(failures, f"audit {audited.case.id}", savepoint(session)):
            if claim_reminder(session, audited, now):
                remind_of_audit(context, session, audited, now)
                reminded += 1
    return JobResult({"audit reminders": reminded} if reminded else {}, failures)
