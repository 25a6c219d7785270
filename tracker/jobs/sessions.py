"""Reminds people of sessions that a provider has logged and they have not confirmed.

Part of the references job. One person gets at most one of these emails a day.
"""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from sqlmodel import Session

from tracker.clock import local_day
from tracker.jobs.isolation import isolate, savepoint
from tracker.mail.contents import NoticesMail, SessionMail
from tracker.mail.outbox import enqueue
from tracker.notifications.context import JobContext
from tracker.notifications.group_session_mail import write_reminder
from tracker.services.group_notifications import (
    GroupNotification,
    had_mail,
    list_unanswered,
    list_unnotified,
    mark_reminded,
)
from tracker.services.run_ledger import Failure, JobResult

# A request that could not be mailed for so long is left to My year and the reminder.
_LATE_FOR = timedelta(days=7)
_KINDS_A_DAY = (SessionMail.kind, NoticesMail.kind)


def run_session_reminders(
    context: JobContext, session: Session, association: str, now: datetime
) -> JobResult:
    """Write the emails that are due in ``association`` on its local day at ``now``."""
    zone = context.rulebooks.associations[association].time_zone
    midnight = datetime.combine(local_day(now, zone), time(), ZoneInfo(zone))
    due = _list_due_reminders(context, session, association, midnight)
    unmailed = list_unnotified(
        session, association, SessionMail.kind, midnight - _LATE_FOR, midnight
    )
    due_ids = {request.member.id for request in due}
    waiting = due + [request for request in unmailed if request.member.id not in due_ids]
    waiting.sort(key=lambda r: (r.member.person_id or 0, r.session.held_on, r.member.id))
    failures: list[Failure] = []
    written = 0
    for person_id, group in groupby(waiting, lambda request: request.member.person_id):
        requests = list(group)
        if person_id is None or had_mail(session, person_id, _KINDS_A_DAY, midnight):
            continue
        reminded = [r.member.id for r in requests if r.member.id in due_ids]
        with isolate(failures, str(person_id), savepoint(session)):
            message = write_reminder(
                context, session, _one_per_session(requests), now, is_reminder=bool(reminded)
            )
            if message is not None:
                mark_reminded(session, reminded, now)
                written += len(enqueue(session, [message], now))
    return JobResult({"sessions": written} if written else {}, failures)


def _list_due_reminders(
    context: JobContext, session: Session, association: str, midnight: datetime
) -> list[GroupNotification]:
    days = context.notices.sessions.remind_after_days
    if days is None:
        return []
    # Requests from the day so many days before today, or earlier: before that day's end.
    return list_unanswered(session, association, midnight - timedelta(days=days - 1))


def _one_per_session(requests: Sequence[GroupNotification]) -> list[GroupNotification]:
    """The first request of each session: a session may name a person by several addresses."""
    first: dict[int, GroupNotification] = {}
    for request in requests:
        first.setdefault(request.session.id, request)
    return list(first.values())
