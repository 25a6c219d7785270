"""The digest job: each coordinator's weekly mail, exactly one a coordinator and week."""

from datetime import date, datetime

from sqlmodel import Session

from tracker.jobs.isolation import isolate, savepoint
from tracker.mail.outbox import enqueue
from tracker.notifications.context import Envelope, JobContext, create_message
from tracker.notifications.digest_mail import digest_subscription, write_digest
from tracker.services.notification_preferences import (
    create_unsubscribe_token,
    is_unsubscribed,
)
from tracker.services.run_ledger import Failure, JobResult
from tracker.services.week import count_week


def run_digest(
    context: JobContext, session: Session, association: str, monday: date, now: datetime
) -> JobResult:
    """Write the digests that are due on ``monday`` (or the weekday that the settings name).

    Reports the week's figures, which later digests compare with. Part of the caller's
    transaction, which also writes the run ledger's row.
    """
    base_url = context.settings.base_url
    notices = context.notices.of(association)
    week = count_week(
        session,
        context.rulebooks,
        association,
        monday,
        now,
        recent_months=notices.provider_cutoff.used_within_months,
    )
    failures: list[Failure] = []
    written = 0
    for coordinator in context.settings.coordinators_of(association):
        subscription = digest_subscription(coordinator)
        if is_unsubscribed(session, subscription):
            continue
        with isolate(failures, coordinator.email, savepoint(session)):
            token = create_unsubscribe_token(session, subscription)
            url = f"{base_url}/unsubscribe/{token}"
            mail = write_digest(week, base_url, url, notices.digest.most_people)
            envelope = Envelope(
                dedupe_key=f"digest:{association}:{coordinator.email}:{monday}",
                name=coordinator.name,
                address=coordinator.email,
                association=association,
                to_coordinator=True,
                unsubscribe_url=url,
            )
            message = create_message(context, envelope, mail, now)
            written += len(enqueue(session, [message], now))
    figures = week.figures
    report = {"met": figures.met, "total": figures.total, "behind": figures.behind}
    return JobResult({"messages": written, **report}, failures)
