"""The references job: reminders to referees and to supervisees who have not answered.

Each step in notices.toml is a number of days after the referee was asked. It is due once that day
has come and no reminder was sent since. So nothing is sent twice, and after an outage only the
latest step is sent. The reminders are part of the transaction that writes the run ledger's row.
"""

from datetime import date, datetime, time, timedelta
from itertools import groupby
from operator import attrgetter
from zoneinfo import ZoneInfo

from sqlmodel import Session

from tracker.clock import local_day
from tracker.jobs.isolation import isolate, savepoint
from tracker.mail.contents import NoticesMail, SessionMail
from tracker.mail.outbox import enqueue
from tracker.notifications import group_session_mail, reference_mail
from tracker.notifications.context import JobContext
from tracker.services.group_notifications import (
    GroupNotification,
    had_mail,
    list_unanswered,
    list_unnotified,
    mark_reminded,
)
from tracker.services.reference_submission import count_reminder, list_unanswered_requests
from tracker.services.run_ledger import Failure, JobResult

# No time zone's day begins more than a day before another's.
_MARGIN = timedelta(days=1)
# A request that could not be mailed for so long is left to My year and the reminder.
_LATE_FOR = timedelta(days=7)
_KINDS_A_DAY = (SessionMail.kind, NoticesMail.kind)


def run_references(
    context: JobContext, session: Session, association: str, now: datetime
) -> JobResult:
    """Write the reminders to referees of ``association`` that are due on its local day."""
    steps = context.notices.of(association).references.remind_after_days
    failures: list[Failure] = []
    written = 0
    if not steps:
        return JobResult({"messages": 0})
    asked_before = now - timedelta(days=min(steps)) + _MARGIN
    zone = context.rulebooks.associations[association].time_zone
    for request in list_unanswered_requests(session, association, asked_before):
        reminded_at = request.reference.reminded_at
        reminded_on = local_day(reminded_at, zone) if reminded_at else None
        asked_on = local_day(request.asked_at, zone)
        step = find_due_step(steps, asked_on, reminded_on, local_day(now, zone))
        if step is None:
            continue
        with isolate(failures, f"reference {request.reference.id}", savepoint(session)):
            link = count_reminder(session, request, now)
            if link is not None:
                is_last = step == max(steps)
                message = reference_mail.write_reminder(context, link, now, is_last=is_last)
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


def run_session_reminders(
    context: JobContext, session: Session, association: str, now: datetime
) -> JobResult:
    """Remind people of sessions that a provider has logged and they have not confirmed.

    One person gets at most one of these emails a day.
    """
    zone = context.rulebooks.associations[association].time_zone
    midnight = datetime.combine(local_day(now, zone), time(), ZoneInfo(zone))
    due: list[GroupNotification] = []
    if days := context.notices.of(association).sessions.remind_after_days:
        # Requests from the day so many days before today, or earlier: before that day's end.
        due = list_unanswered(session, association, midnight - timedelta(days=days - 1))
    due_ids = {request.member.id for request in due}
    late_from = midnight - _LATE_FOR
    unmailed = list_unnotified(session, association, SessionMail.kind, late_from, midnight)
    waiting = due + [request for request in unmailed if request.member.id not in due_ids]
    waiting.sort(key=attrgetter("member.person_id", "session.held_on", "member.id"))
    failures: list[Failure] = []
    written = 0
    for person_id, group in groupby(waiting, attrgetter("member.person_id")):
        if had_mail(session, person_id, _KINDS_A_DAY, midnight):
            continue
        requests = list(group)
        reminded = due_ids.intersection(r.member.id for r in requests)
        with isolate(failures, str(person_id), savepoint(session)):
            message = group_session_mail.write_reminder(
                context, session, requests, now, is_reminder=bool(reminded)
            )
            if message is not None:
                mark_reminded(session, reminded, now, asked_before=midnight)
                written += len(enqueue(session, [message], now))
    return JobResult({"sessions": written} if written else {}, failures)
