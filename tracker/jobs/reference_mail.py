"""The mails that ask for a reference: the first, and the reminders; each goes to one referee."""

from datetime import datetime
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

from tracker.clock import local_day
from tracker.jobs.notice_mail import fit
from tracker.jobs.office import reply_to
from tracker.jobs.words import say_day
from tracker.mail.compose import Composer
from tracker.mail.contents import Action, ReferenceMail, ReferenceReminderMail, context_of
from tracker.records.applying.reference_answers import Link, Request, open_link
from tracker.records.applying.references import request_key
from tracker.records.mailing.outbox import Message, enqueue
from tracker.rulebooks import Rulebooks
from tracker.rules.reference_roles import say_role
from tracker.settings import Settings

_BUTTON = "Open the form"


class Stationery(Protocol):
    """What a mail is written with; the jobs' office has it, and so has the site."""

    @property
    def settings(self) -> Settings: ...  # noqa: D102 - named by what it is
    @property
    def books(self) -> Rulebooks: ...  # noqa: D102
    @property
    def composer(self) -> Composer: ...  # noqa: D102


class _Words(NamedTuple):
    """What a rulebook says of one request."""

    association: str
    endorsement: str
    role: str


def ask_referee(
    stationery: Stationery, connection: Connection, reference_id: int, now: datetime
) -> None:
    """Give a stored reference its link, and write the mail that asks for it, in one transaction."""
    link = open_link(connection, reference_id, now)
    enqueue(connection, [write_request(stationery, link, now)], now)


def write_request(stationery: Stationery, link: Link, now: datetime) -> Message:
    """The first mail about a reference."""
    request = link.request
    words = _words(stationery.books, request)
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
        action=_action(stationery, link),
        why=_why(request),
    )
    return _message(stationery, mail, link, now)


def write_reminder(stationery: Stationery, link: Link, now: datetime, *, last: bool) -> Message:
    """A reminder to a referee who has been asked; ``last``: no other one follows."""
    request = link.request
    words = _words(stationery.books, request)
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
        action=_action(stationery, link),
        why=f"{_why(request)} {'This is the last reminder.' if last else ''}".strip(),
        again=_again(stationery.books, request),
    )
    return _message(stationery, mail, link, now)


def _words(books: Rulebooks, request: Request) -> _Words:
    book = books.associations[request.association]
    category = book.categories.get(request.category)
    named = f"{category.name} ({request.category})" if category else request.category
    return _Words(book.name, named, say_role(book, request.role))


def _action(stationery: Stationery, link: Link) -> Action:
    return Action(_BUTTON, f"{stationery.settings.base_url}/reference/{link.token}")


def _why(request: Request) -> str:
    return (
        f"You get this because {request.applicant} gave your address as a referee's; "
        "reminders stop once you have answered."
    )


def _again(books: Rulebooks, request: Request) -> str:
    if request.asked_at is None:
        return ""
    zone = books.associations[request.association].time_zone
    return f"They asked you for it on {say_day(local_day(request.asked_at, zone))}."


def _message(stationery: Stationery, mail: ReferenceMail, link: Link, now: datetime) -> Message:
    request = link.request
    rendered = stationery.composer.compose(
        mail.kind,
        recipient=(request.name, request.email),
        context=context_of(mail),
        at=now,
        headers=reply_to(stationery.settings, request.association),
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
