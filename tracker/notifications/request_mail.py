"""The mail that tells what a coordinator decided about a request for time."""

from datetime import date, datetime
from typing import NamedTuple

from sqlmodel import Session

from tracker.formatting import format_date
from tracker.mail.contents import Action, RequestMail, Row, context_of
from tracker.mail.outbox import Message, enqueue
from tracker.notifications.context import reply_to
from tracker.notifications.notices_mail import fit
from tracker.notifications.reference_mail import MailContext
from tracker.services.time_requests import LEAVE, Grant, Request


class Decided(NamedTuple):
    """What was decided: the days granted (None: declined), the words for it, and whose they are.

    ``held_by`` is the last day of the cycle that an extension is granted for: what was held later
    does not count for it. None where nothing is to be said of it.
    """

    given: Grant | None
    answer: str
    answered_by: str
    held_by: date | None = None


def notify_decision(
    mail_context: MailContext,
    session: Session,
    request: Request,
    decided: Decided,
    now: datetime,
) -> None:
    """Write the mail, in the transaction that decides; once for each request."""
    mail = write_decision(mail_context.settings.base_url, request, decided)
    rendered = mail_context.composer.compose(
        mail.kind,
        recipient=(request.name, request.email),
        context=context_of(mail),
        at=now,
        headers=reply_to(mail_context.settings, request.association),
    )
    message = Message(
        dedupe_key=f"request:{request.id}",
        message_id=rendered.message_id,
        kind=mail.kind,
        association=request.association,
        person_id=request.person_id,
        recipient=request.email,
        subject=rendered.subject,
        body=rendered.body,
    )
    enqueue(session, [message], now)


def write_decision(base_url: str, request: Request, decided: Decided) -> RequestMail:
    """The words of the mail."""
    if request.kind == LEAVE:
        subjects, headline, intro, rows = _format_leave(request, decided.given)
    else:
        subjects, headline, intro, rows = _format_extension(request, decided.given, decided.held_by)
    asked = Grant(request.starts_on, request.ends_on)
    if decided.given is not None and decided.given != asked:
        intro = f"Your coordinator changed the days that you asked for. {intro}"
    return RequestMail(
        subject=fit(subjects),
        greeting_name=request.name,
        headline=headline,
        intro=intro,
        rows=rows,
        answer=decided.answer,
        answered_by=decided.answered_by,
        action=Action("See my requests", f"{base_url}/requests"),
        why=(
            f"You get this because you asked {request.association} for it; "
            "every request is answered once."
        ),
    )


_Said = tuple[list[str], str, str, tuple[Row, ...]]


_NO_END = (
    " The leave has no last day yet: once you are back, reply to this mail, and your coordinator "
    "enters it."
)


def _format_leave(request: Request, given: Grant | None) -> _Said:
    what = f"{request.association} {request.category}"
    if given is None:
        return (
            [
                f"Your leave from {format_date(request.starts_on)} is declined",
                "Your leave is declined",
            ],
            "Your request for leave is declined.",
            f"Nothing changes for {what}: due dates and reminders stay as they are. You asked for:",
            _leave_rows(request.starts_on, request.ends_on),
        )
    return (
        [f"Your leave is granted from {format_date(given.starts_on)}", "Your leave is granted"],
        "Your leave is granted.",
        f"A renewal of {what} that falls due on one of these days asks nothing of you then."
        + ("" if given.ends_on else _NO_END),
        _leave_rows(given.starts_on, given.ends_on),
    )


def _leave_rows(starts_on: date, ends_on: date | None) -> tuple[Row, ...]:
    last = format_date(ends_on) if ends_on else "not known yet"
    return Row("First day", format_date(starts_on)), Row("Last day", last)


def _format_extension(request: Request, given: Grant | None, held_by: date | None) -> _Said:
    what = f"{request.association} {request.category}"
    asked = Row("You asked for", format_date(request.ends_on or request.starts_on))
    if given is None or given.ends_on is None:
        return (
            [f"Your later due date ({what}) is declined", "Your later due date is declined"],
            "Your request for a later due date is declined.",
            f"Your renewal of {what} stays due on the day on which it was due.",
            (asked,),
        )
    return (
        [f"Your new due date: {format_date(given.ends_on)}"],
        f"Your renewal is now due on {format_date(given.ends_on)}.",
        f"Hours for your renewal of {what} can be logged to the end of that day"
        + (f", if they were held by {format_date(held_by)}. " if held_by else ". ")
        + "Reminders follow the new date.",
        (
            Row("New due date", format_date(given.ends_on)),
            *([Row("Hours held by", format_date(held_by))] if held_by else ()),
        ),
    )
