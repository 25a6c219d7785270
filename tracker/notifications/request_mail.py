"""The mail that tells an endorsee what was decided about leave or a later due date."""

from typing import NamedTuple

from tracker.formatting import format_date
from tracker.mail.contents import Action, RequestMail, Row
from tracker.mail.outbox import enqueue
from tracker.notifications.context import Envelope, MailContext, create_message
from tracker.notifications.notices_mail import fit_subject
from tracker.services.context import ServiceContext
from tracker.services.time_requests import LEAVE, DecidedRequest


class _Wording(NamedTuple):
    """What the mail says; the first of ``subjects`` that is short enough is used."""

    subjects: list[str]
    headline: str
    intro: str
    rows: tuple[Row, ...]


def notify_decision(
    mail_context: MailContext, context: ServiceContext, decided: DecidedRequest, answered_by: str
) -> None:
    """Queue the mail, in the transaction of the decision; ``answered_by`` is who decided."""
    request, person, endorsement = decided.submitted
    wording = _word_leave(decided) if request.kind == LEAVE else _word_extension(decided)
    intro = wording.intro
    if decided.granted not in (None, decided.requested):
        intro = f"Your coordinator changed the days that you requested. {intro}"
    mail = RequestMail(
        subject=fit_subject(wording.subjects),
        greeting_name=person.name,
        headline=wording.headline,
        intro=intro,
        rows=wording.rows,
        answer=request.answer or "",
        answered_by=answered_by,
        action=Action("View my requests", f"{mail_context.settings.base_url}/requests"),
        why=f"You get this email because you sent this request to {endorsement.association}.",
    )
    envelope = Envelope(
        dedupe_key=f"request:{request.id}",
        name=person.name,
        address=person.email,
        association=endorsement.association,
        person_id=person.id,
    )
    message = create_message(mail_context, envelope, mail, context.now)
    enqueue(context.session, [message], context.now)


def _word_leave(decided: DecidedRequest) -> _Wording:
    name = decided.submitted.endorsement_name
    starts_on, ends_on = decided.granted or decided.requested
    rows = (
        Row("First day", format_date(starts_on)),
        Row("Last day", format_date(ends_on) if ends_on else "not known yet"),
    )
    if decided.granted is None:
        return _Wording(
            [f"Your leave from {format_date(starts_on)} was declined", "Your leave was declined"],
            "Your request for leave was declined.",
            f"Due dates and reminders for {name} stay the same. You requested:",
            rows,
        )
    intro = f"If your {name} renewal is due during your leave, you don't need to submit anything."
    if ends_on is None:
        intro += (
            " Your leave has no last day yet. Once you are back, reply to this email, and your "
            "coordinator will enter it."
        )
    return _Wording(
        [f"Your leave is granted from {format_date(starts_on)}", "Your leave is granted"],
        "Your leave is granted.",
        intro,
        rows,
    )


def _word_extension(decided: DecidedRequest) -> _Wording:
    name = decided.submitted.endorsement_name
    due_on = (decided.granted or decided.requested).ends_on
    new_date = format_date(due_on) if due_on else ""
    if decided.granted is None:
        return _Wording(
            [f"Your later due date ({name}) was declined", "Your later due date was declined"],
            "Your request for a later due date was declined.",
            f"The due date of your {name} renewal stays the same.",
            (Row("You requested", new_date),),
        )
    rows = [Row("New due date", new_date)]
    intro = f"You can log hours for your {name} renewal until the end of that day"
    if decided.hours_until is not None:
        last_day = format_date(decided.hours_until)
        rows.append(Row("Sessions through", last_day))
        intro += f", for sessions on or before {last_day}"
    return _Wording(
        [f"Your new due date: {new_date}"],
        f"Your renewal is now due on {new_date}.",
        f"{intro}. Reminders follow the new date.",
        tuple(rows),
    )
