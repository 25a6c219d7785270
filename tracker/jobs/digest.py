"""The digest job: each coordinator's Monday mail, exactly one a coordinator and week."""

from collections.abc import Mapping
from datetime import date, datetime

from sqlmodel import Session

from tracker.mail.contents import context_of, unsubscribe_headers
from tracker.mail.outbox import Message, enqueue
from tracker.notifications.context import JobContext
from tracker.notifications.digest_mail import Week, count_week, write_digest
from tracker.services.notification_preferences import (
    Subscription,
    create_unsubscribe_token,
    is_unsubscribed,
)
from tracker.settings import Coordinator

KIND = "digest"


def run_digest(
    context: JobContext, session: Session, association: str, monday: date, now: datetime
) -> Mapping[str, object]:
    """Write the digests that are due on ``monday`` (or the weekday in force instead).

    Gives the week's figures, which the next digests compare theirs with. Part of the caller's
    transaction, which also writes the run ledger's row.
    """
    week = count_week(context, session, association, monday, now)
    messages = [
        _message(context, session, coordinator, week, now)
        for coordinator in context.settings.coordinators_of(association)
        if not is_unsubscribed(session, Subscription(coordinator.email, KIND, association))
    ]
    taken = enqueue(session, messages, now)
    return {"messages": len(taken), **week.figures()}


def _message(
    context: JobContext, session: Session, coordinator: Coordinator, week: Week, now: datetime
) -> Message:
    subscription = Subscription(coordinator.email, KIND, coordinator.association)
    token = create_unsubscribe_token(session, subscription)
    url = f"{context.settings.base_url}/unsubscribe/{token}"
    mail = write_digest(week, context.settings.base_url, url, context.notices.digest.most_people)
    rendered = context.composer.compose(
        mail.kind,
        recipient=(coordinator.name, coordinator.email),
        context=context_of(mail),
        at=now,
        headers=unsubscribe_headers(url),
    )
    return Message(
        dedupe_key=f"digest:{coordinator.association}:{coordinator.email}:{week.monday}",
        message_id=rendered.message_id,
        kind=mail.kind,
        association=coordinator.association,
        person_id=None,
        recipient=coordinator.email,
        subject=rendered.subject,
        body=rendered.body,
    )
