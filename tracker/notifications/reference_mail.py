"""The mails that ask for a reference: the first, and the reminders; each goes to one referee."""

from datetime import datetime
from typing import NamedTuple, Protocol

from sqlmodel import Session

from tracker.clock import local_day
from tracker.formatting import format_date
from tracker.mail.compose import Composer
from tracker.mail.contents import Action, ReferenceMail, ReferenceReminderMail, context_of
from tracker.mail.outbox import Message, enqueue
from tracker.notifications.context import reply_to
from tracker.notifications.notices_mail import fit
from tracker.rulebooks import Rulebooks
from tracker.rules.application.references import format_role
from tracker.services.reference_submission import (
    ReferenceLink,
    ReferenceRequest,
    open_link,
    request_key,
)
from tracker.settings import Settings

_BUTTON = "Open the form"


class MailContext(Protocol):
    """What a mail is written with; the jobs' context has it, and so has the site."""

    @property
    def settings(self) -> Settings: ...  # noqa: D102 - named by what it is
    @property
    def rulebooks(self) -> Rulebooks: ...  # noqa: D102
    @property
    def composer(self) -> Composer: ...  # noqa: D102


class _Words(NamedTuple):
    """What a rulebook says of one request."""

    association: str
    endorsement: str
    role: str


def ask_referee(
    mail_context: MailContext, session: Session, reference_id: int, now: datetime
) -> None:
    """Give a stored reference its link, and write the mail that asks for it, in one transaction."""
    link = open_link(session, reference_id, now)
    enqueue(session, [write_request(mail_context, link, now)], now)


def write_request(mail_context: MailContext, link: ReferenceLink, now: datetime) -> Message:
    """The first mail about a reference."""
    request = link.request
    words = _words(mail_context.rulebooks, request)
    mail = ReferenceMail(
        subject=fit(
            [
                f"{request.applicant} asks you for a reference",
                f"Reference for {request.applicant}",
                "You are asked for a reference",
            ]
        ),
        greeting_name=request.name,
        applicant=request.applicant,
        association=words.association,
        endorsement=words.endorsement,
        role=words.role,
        action=_action(mail_context, link),
        why=_why(request),
    )
    return _message(mail_context, mail, link, now)


def write_reminder(
    mail_context: MailContext, link: ReferenceLink, now: datetime, *, last: bool
) -> Message:
    """A reminder to a referee who has been asked; ``last``: no other one follows."""
    request = link.request
    words = _words(mail_context.rulebooks, request)
    which = "Last reminder" if last else "Reminder"
    mail = ReferenceReminderMail(
        subject=fit(
            [
                f"{which}: a reference for {request.applicant}",
                f"{which}: the reference that you are asked for",
            ]
        ),
        greeting_name=request.name,
        applicant=request.applicant,
        association=words.association,
        endorsement=words.endorsement,
        role=words.role,
        action=_action(mail_context, link),
        why=f"{_why(request)} {'This is the last reminder.' if last else ''}".strip(),
        again=_again(mail_context.rulebooks, request),
    )
    return _message(mail_context, mail, link, now)


def _words(rulebooks: Rulebooks, request: ReferenceRequest) -> _Words:
    rulebook = rulebooks.associations[request.association]
    category = rulebook.categories.get(request.category)
    named = f"{category.name} ({request.category})" if category else request.category
    return _Words(rulebook.name, named, format_role(rulebook, request.role))


def _action(mail_context: MailContext, link: ReferenceLink) -> Action:
    return Action(_BUTTON, f"{mail_context.settings.base_url}/reference/{link.token}")


def _why(request: ReferenceRequest) -> str:
    return (
        f"You get this because {request.applicant} gave your address as a referee's; "
        "reminders stop once you have answered."
    )


def _again(rulebooks: Rulebooks, request: ReferenceRequest) -> str:
    if request.asked_at is None:
        return ""
    zone = rulebooks.associations[request.association].time_zone
    return f"They asked you for it on {format_date(local_day(request.asked_at, zone))}."


def _message(
    mail_context: MailContext, mail: ReferenceMail, link: ReferenceLink, now: datetime
) -> Message:
    request = link.request
    rendered = mail_context.composer.compose(
        mail.kind,
        recipient=(request.name, request.email),
        context=context_of(mail),
        at=now,
        headers=reply_to(mail_context.settings, request.association),
    )
    return Message(
        dedupe_key=request_key(request.id, request.token_hash or "", request.reminders),
        message_id=rendered.message_id,
        kind=mail.kind,
        association=request.association,
        # A referee is not among the people: the mail is about somebody else's application.
        person_id=None,
        recipient=request.email,
        subject=rendered.subject,
        body=rendered.body,
    )
