"""The references job: reminds referees who have neither answered nor declined.

Each step in notices.toml is a number of days after the referee was asked. It is due once that day
has come and no reminder was sent since. So nothing is sent twice, and after an outage only the
latest step is sent. The reminders are part of the transaction that writes the run ledger's row.
"""

from datetime import date, datetime, timedelta

from sqlmodel import Session

from tracker.clock import local_day
from tracker.jobs.isolation import isolate, savepoint
from tracker.mail.outbox import enqueue
from tracker.notifications.context import JobContext
from tracker.notifications.reference_mail import write_reminder
from tracker.services.reference_submission import (
    ReferenceRequest,
    count_reminder,
    list_unanswered_requests,
)
from tracker.services.run_ledger import Failure, JobResult

# No time zone's day begins more than a day before another's.
_MARGIN = timedelta(days=1)


def run_references(
    context: JobContext, session: Session, association: str, now: datetime
) -> JobResult:
    """Write the reminders that are due in ``association`` on its local day at ``now``."""
    steps = context.notices.references.remind_after_days
    failures: list[Failure] = []
    written = 0
    if not steps:
        return JobResult({"messages": 0})
    asked_before = now - timedelta(days=min(steps)) + _MARGIN
    zone = context.rulebooks.associations[association].time_zone
    for request in list_unanswered_requests(session, association, asked_before):
        step = _find_step(steps, request, zone, local_day(now, zone))
        if step is None:
            continue
        with isolate(failures, f"reference {request.id}", savepoint(session)):
            link = count_reminder(session, request, now)
            if link is not None:
                is_last = step == max(steps)
                message = write_reminder(context, link, now, is_last=is_last)
                written += len(enqueue(session, [message], now))
    return JobResult({"messages": written}, failures)


def find_due_step(
    steps: tuple[int, ...], asked_on: date, reminded_on: date | None, today: date
) -> int | None:
    """The latest step (days after ``asked_on``) that has come and has no reminder yet, or None.

    A reminder on the day of a step or later was the reminder for that step.
    """
    reached = [step for step in steps if asked_on + timedelta(days=step) <= today]
    if not reached:
        return None
    if reminded_on and reminded_on >= asked_on + timedelta(days=max(reached)):
        return None
    return max(reached)


def _find_step(
    steps: tuple[int, ...], request: ReferenceRequest, zone: str, today: date
) -> int | None:
    if request.asked_at is None:
        return None
    reminded_on = local_day(request.reminded_at, zone) if request.reminded_at else None
    return find_due_step(steps, local_day(request.asked_at, zone), reminded_on, today)
