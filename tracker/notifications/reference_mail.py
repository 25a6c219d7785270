"""The emails that ask a referee for a reference: the first one, and the reminders."""

from datetime import datetime
from typing import Any

from sqlmodel import Session

from tracker.clock import local_day
from tracker.formatting import format_date
from tracker.mail.contents import Action, ReferenceMail, ReferenceReminderMail
from tracker.mail.outbox import Message, enqueue
from tracker.notifications.context import Envelope, MailContext, create_message, use_locale_of
from tracker.notifications.notices_mail import fit_subject
from tracker.rules.application.references import format_role
from tracker.services.message_subjects import About
from tracker.services.reference_submission import (
    ReferenceLink,
    list_ratings,
    open_link,
    request_key,
)


def ask_referee(context: MailContext, session: Session, reference_id: int, now: datetime) -> None:
    """Give a stored reference its link, and write the mail that asks for it, in one transaction."""
    link = open_link(session, reference_id, now)
    applicant = link.request.applicant
    mail = ReferenceMail(
        subject=fit_subject(
            [
                f"{applicant} is asking you for a reference",
                f"Reference for {applicant}",
                "Reference request",
            ]
        ),
        **_list_common_fields(context, link),
        asks_ratings=bool(list_ratings(context.rulebooks, link.request.application, now)),
    )
    enqueue(session, [_create_message(context, link, mail, now)], now)


def write_reminder(
    context: MailContext, link: ReferenceLink, now: datetime, *, is_last: bool
) -> Message:
    """A reminder to a referee who has not answered; ``is_last``: no other follows."""
    request, kind = link.request, "Reminder"
    fields = _list_common_fields(context, link)
    if is_last:
        kind = "Last reminder"
        fields["why"] += " This is the last reminder."
    zone = context.rulebooks.associations[request.application.association].time_zone
    with use_locale_of(context, request.application.association):
        asked_on = format_date(local_day(request.asked_at, zone))
    mail = ReferenceReminderMail(
        subject=fit_subject(
            [
                f"{kind}: a reference for {request.applicant}",
                f"{kind}: reference request",
            ]
        ),
        **fields,
        again=f"They asked you for it on {asked_on}.",
    )
    return _create_message(context, link, mail, now)


def _list_common_fields(context: MailContext, link: ReferenceLink) -> dict[str, Any]:
    reference, applicant, application = link.request
    rulebook = context.rulebooks.associations[application.association]
    category_id = application.category
    category = rulebook.categories.get(category_id)
    return {
        "greeting_name": reference.name,
        "applicant": applicant,
        "is_reinstatement": application.is_reinstatement,
        "association": rulebook.name,
        "endorsement": f"{category.name} ({category_id})" if category else category_id,
        "role": format_role(rulebook, reference.role),
        "action": Action("Open the form", f"{context.settings.base_url}/reference/{link.token}"),
        "why": f"You get this email because {applicant} named you as a reference. "
        "Reminders stop when you have answered.",
    }


def _create_message(
    context: MailContext, link: ReferenceLink, mail: ReferenceMail, now: datetime
) -> Message:
    reference, association = link.request.reference, link.request.application.association
    envelope = Envelope(
        dedupe_key=request_key(reference.id, reference.token_hash or "", reference.reminders),
        name=reference.name,
        address=reference.email,
        association=association,
        about=About("reference", reference.id),
    )
    return create_message(context, envelope, mail, now)
