"""Reminds, once, of sessions that a provider has logged and a supervisee has not answered.

Tells on the next day, too, what was logged or corrected after that day's mail: as it stands then.

Part of the references job: both remind people of what they were asked. One mail a person, about
all that waits; whoever had another mail that day is reminded on the next one.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from tracker.clock import local_day
from tracker.jobs.office import Office
from tracker.jobs.session_mail import KIND, write_reminder
from tracker.mail.contents import NoticesMail
from tracker.records.groups.group_telling import (
    Telling,
    had_mail,
    mark_reminded,
    unanswered,
    untold,
)
from tracker.records.mailing.outbox import Message, enqueue


def remind_of_sessions(
    office: Office, connection: Connection, association: str, now: datetime
) -> int:
    """Write the reminders that are due in ``association`` on its local day; how many."""
    messages = list(_reminders(office, connection, association, now))
    return len(enqueue(connection, messages, now))


def _reminders(
    office: Office, connection: Connection, association: str, now: datetime
) -> Iterator[Message]:
    zone = office.books.associations[association].time_zone
    midnight = datetime.combine(local_day(now, zone), time(), ZoneInfo(zone))
    due = _due(office, connection, association, midnight)
    new = untold(connection, association, KIND, midnight - _NEWS_FOR, midnight)
    again = {t.member_id for t in due}
    rows = sorted({*due, *new}, key=lambda t: (t.person_id or 0, t.held_on, t.member_id))
    for person_id, of_one in groupby(rows, lambda t: t.person_id):
        waiting = list(of_one)
        if person_id is None or had_mail(connection, person_id, _OTHERS, midnight):
            continue
        reminded = [t.member_id for t in waiting if t.member_id in again]
        message = write_reminder(
            office, connection, _one_each(waiting), now, is_reminder=bool(reminded)
        )
        if message is not None:
            mark_reminded(connection, reminded, now)
            yield message


def _due(
    office: Office, connection: Connection, association: str, midnight: datetime
) -> list[Telling]:
    days = office.notices.sessions.remind_after_days
    if days is None:
        return []
    # Asked on a day so many days before today, or earlier: before that day's end.
    return unanswered(connection, association, midnight - timedelta(days=days - 1))


# News that could not be told for so long is left to My year and the reminder.
_NEWS_FOR = timedelta(days=7)
_OTHERS = (KIND, NoticesMail.kind)


def _one_each(waiting: Sequence[Telling]) -> list[Telling]:
    """One row for each session, whichever addresses it names somebody by."""
    return list({t.session_id: t for t in reversed(waiting)}.values())[::-1]
