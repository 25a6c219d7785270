"""The references job: reminds referees who have neither answered nor declined.

Each step of notices.toml is a number of days after the day on which somebody was asked. It is
due once that day has come and no reminder has been sent since; so nothing is sent twice, and
after an outage only the latest step is. All is part of the transaction that writes the run
ledger's row.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from tracker.clock import local_day
from tracker.jobs.office import Office
from tracker.jobs.reference_mail import write_reminder
from tracker.records.applying.reference_answers import Request, count_reminder, unanswered
from tracker.records.mailing.outbox import Message, enqueue

# No zone's day begins more than a day before another's.
_MARGIN = 1


class _Step(NamedTuple):
    """A reminder that is due; ``last``: no other one follows."""

    request: Request
    last: bool


def run_references(
    office: Office, connection: Connection, association: str, now: datetime
) -> Mapping[str, object]:
    """Write the reminders that are due in ``association`` on its local day at ``now``."""
    messages = list(_reminders(office, connection, association, now))
    return {"messages": len(enqueue(connection, messages, now))}


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
    office: Office, connection: Connection, association: str, now: datetime
) -> Iterator[Message]:
    for step in _due(office, connection, association, now):
        link = count_reminder(connection, step.request, now)
        if link is not None:
            yield write_reminder(office, link, now, last=step.last)


def _due(
    office: Office, connection: Connection, association: str, now: datetime
) -> Iterator[_Step]:
    steps = office.notices.references.remind_after_days
    if not steps:
        return
    zone = office.books.associations[association].time_zone
    today = local_day(now, zone)
    before = now - timedelta(days=min(steps) - _MARGIN)
    for request in unanswered(connection, association, before):
        if request.asked_at is None:
            continue
        reminded_on = local_day(request.reminded_at, zone) if request.reminded_at else None
        step = due_step(steps, local_day(request.asked_at, zone), reminded_on, today)
        if step is not None:
            yield _Step(request, step == max(steps))
