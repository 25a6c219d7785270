"""Sending mailings: a small one at once, a larger one in batches of the desk's long work.

Who gets a mailing is decided twice from the same rules: when the page shows it, and in the
transaction that stores a person's message. The second decision holds, and each is on record with
its reason, but not for people who are no longer there. Whom a mailing skips by the first plan is
recorded when it is sent; the others are written to in the order of that plan, each once
(`desk_tasks.advance_task`).
"""

from datetime import datetime

from sqlmodel import Session

from tracker.db.mailings import Mailing
from tracker.mail.outbox import enqueue
from tracker.notifications.context import JobContext, MailContext
from tracker.notifications.mailing_mail import (
    MailingWriter,
    PlannedMailing,
    Sender,
    open_letter,
    plan_letter,
)
from tracker.services.context import Refusal, Refused, ServiceContext
from tracker.services.desk_tasks import (
    MAILING,
    TaskInput,
    advance_task,
    create_task,
    list_next_ids,
    lock_task,
)
from tracker.services.mailing_rules import SkipReason
from tracker.services.mailings import (
    MailingInput,
    RecipientOutcome,
    begin_sending,
    read_draft,
    record_recipients,
)

# So many messages are written while the coordinator waits for the page, or in one batch.
BATCH = 50


def send_mailing(
    mail_context: MailContext, context: ServiceContext, typed: MailingInput, sender: Sender
) -> tuple[int, bool]:
    """Send a mailing to everyone who may get it; its id, and False if its form was sent before.

    The mailing and, if it has at most `BATCH` recipients, their messages are stored in the
    transaction of ``context``. A larger one is a task of the desk from then on. Raises Refused if
    something is wrong with it or nobody would get it.
    """
    mailing, is_new = begin_sending(context, typed, sender.name)
    if not is_new:
        return mailing.id, False
    session = context.session
    planned = plan_letter(session, open_letter(mail_context, typed, sender, context.now))
    recipients = planned.plan.to_send
    outcomes = _list_skipped(planned)
    if len(recipients) > BATCH:
        ids = [recipient.person_id for recipient in recipients]
        create_task(context, TaskInput(mailing.association, MAILING, ids, mailing.id))
    else:
        outcomes += _write_messages(session, planned, mailing.id)
        if all(outcome.reason for outcome in outcomes):
            raise Refused(Refusal("", "mailing-nobody"))
    record_recipients(session, mailing.id, outcomes)
    return mailing.id, True


def send_next_messages(context: JobContext, task_id: int, now: datetime) -> bool:
    """Write the next messages of a mailing; a `DeskBatch`."""
    with context.transaction() as session:
        task = lock_task(session, task_id)
        if task is None:
            return False
        mailing = session.get_one(Mailing, task.about_id)
        sender = Sender(mailing.sender_name, mailing.created_by)
        opened = open_letter(context, read_draft(mailing), sender, now)
        ids = list_next_ids(task, BATCH)
        planned = plan_letter(session, opened, ids)
        outcomes = _list_skipped(planned) + _write_messages(session, planned, mailing.id)
        record_recipients(session, mailing.id, outcomes)
        # Someone who is no longer on record has no outcome.
        written = sum(outcome.reason is None for outcome in outcomes)
        advance_task(session, task, len(ids), now, left_out=len(ids) - written)
    return True


def _write_messages(
    session: Session, planned: PlannedMailing, mailing_id: int
) -> list[RecipientOutcome]:
    """Store a message for each recipient of a plan; what came of it for each."""
    recipients = planned.plan.to_send
    written = MailingWriter(session, planned, mailing_id).write(recipients)
    messages = [message for message, _ in written.values()]
    accepted = enqueue(session, messages, planned.opened.now)
    outcomes = []
    for recipient in recipients:
        message, content = written.get(recipient.person_id, (None, None))
        if message is None:
            outcome = RecipientOutcome(recipient.person_id, reason=SkipReason.CHANGED)
        elif message.dedupe_key in accepted:
            outcome = RecipientOutcome(recipient.person_id, message.message_id, content)
        else:
            # Another mail of the day was stored since the plan was made.
            outcome = RecipientOutcome(recipient.person_id, reason=SkipReason.MAILED_TODAY)
        outcomes.append(outcome)
    return outcomes


def _list_skipped(planned: PlannedMailing) -> list[RecipientOutcome]:
    return [
        RecipientOutcome(recipient.person_id, reason=reason)
        for recipient, reason in planned.plan.skipped
    ]
