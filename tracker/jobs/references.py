"""The references job: reminds referees who have neither answered nor declined.

Each step of notices.toml is a number of days after the day on which somebody was asked. It is
due once that day has come and no reminder has been sent since; so nothing is sent twice, and
after an outage only the latest step is. All is part of the transaction that writes the run
ledger's row.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlmodel import Session

from tracker.clock import local_day
from tracker.mail.contents import NoticesMail
from tracker.mail.outbox import Message, enqueue
from tracker.notifications.context import JobContext
from tracker.notifications.group_session_mail import KIND
from tracker.notifications.group_session_mail import (
    write_reminder as write_reminder_of_group_session_mail,
)
from tracker.notifications.reference_mail import write_reminder
from tracker.services.group_notifications import (
    GroupNotification,
    had_mail,
    list_unanswered,
    list_unnotified,
    mark_reminded,
)
from tracker.services.reference_submission import (
    ReferenceRequest,
    count_reminder,
    list_unanswered_requests,
)

# No zone's day begins more than a day before another's.
_MARGIN = 1


class _Step(NamedTuple):
    """A reminder that is due; ``last``: no other one follows."""

    request: ReferenceRequest
    last: bool


def run_references(
    context: JobContext, session: Session, association: str, now: datetime
) -> Mapping[str, object]:
    """Write the reminders that are due in ``association`` on its local day at ``now``."""
    messages = list(_reminders(context, session, association, now))
    return {"messages": len(enqueue(session, messages, now))}


def due_step(
    steps: tuple[int, ...], asked_on: date, reminded_on: date | None, today: date
) -> int | None:
    """The latest step (days after ``asked_on``) that has come and was not reminded of; else None.

    A reminder on the very day of a step, or later, was that step's.
    """
    come = [step for step in steps if asked_on + timedelta(days=step) <= today]
    if not come or (reminded_on and reminded_on >= asked_on + timedelta(days=max(come))):
        return None
    return max(come)


def _reminders(
    context: JobContext, session: Session, association: str, now: datetime
) -> Iterator[Message]:
    for step in _due(context, session, association, now):
        link = count_reminder(session, step.request, now)
        if link is not None:
            yield write_reminder(context, link, now, last=step.last)


def _due(context: JobContext, session: Session, association: str, now: datetime) -> Iterator[_Step]:
    steps = context.notices.references.remind_after_days
    if not steps:
        return
    zone = context.rulebooks.associations[association].time_zone
    today = local_day(now, zone)
    before = now - timedelta(days=min(steps) - _MARGIN)
    for request in list_unanswered_requests(session, association, before):
        if request.asked_at is None:
            continue
        reminded_on = local_day(request.reminded_at, zone) if request.reminded_at else None
        step = due_step(steps, local_day(request.asked_at, zone), reminded_on, today)
        if step is not None:
            yield _Step(request, step == max(steps))


def remind_of_sessions(
    context: JobContext, session: Session, association: str, now: datetime
) -> int:
    """Write the reminders that are due in ``association`` on its local day; how many."""
    messages = list(_reminders_sessions(context, session, association, now))
    return len(enqueue(session, messages, now))


def _reminders_sessions(
    context: JobContext, session: Session, association: str, now: datetime
) -> Iterator[Message]:
    zone = context.rulebooks.associations[association].time_zone
    midnight = datetime.combine(local_day(now, zone), time(), ZoneInfo(zone))
    due = _due_sessions(context, session, association, midnight)
    new = list_unnotified(session, association, KIND, midnight - _NEWS_FOR, midnight)
    again = {t.member_id for t in due}
    rows = sorted({*due, *new}, key=lambda t: (t.person_id or 0, t.held_on, t.member_id))
    for person_id, of_one in groupby(rows, lambda t: t.person_id):
        waiting = list(of_one)
        if person_id is None or had_mail(session, person_id, _OTHERS, midnight):
            continue
        reminded = [t.member_id for t in waiting if t.member_id in again]
        message = write_reminder_of_group_session_mail(
            context, session, _one_each(waiting), now, is_reminder=bool(reminded)
        )
        if message is not None:
            mark_reminded(session, reminded, now)
            yield message


def _due_sessions(
    context: JobContext, session: Session, association: str, midnight: datetime
) -> list[GroupNotification]:
    days = context.notices.sessions.remind_after_days
    if days is None:
        return []
    # Asked on a day so many days before today, or earlier: before that day's end.
    return list_unanswered(session, association, midnight - timedelta(days=days - 1))


# NoticeText that could not be told for so long is left to My year and the reminder.
_NEWS_FOR = timedelta(days=7)
_OTHERS = (KIND, NoticesMail.kind)


def _one_each(waiting: Sequence[GroupNotification]) -> list[GroupNotification]:
    """One row for each session, whichever addresses it names somebody by."""
    return list({t.session_id: t for t in reversed(waiting)}.values())[::-1]
