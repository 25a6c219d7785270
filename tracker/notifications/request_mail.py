"""Mail about requests for leave or a later due date: the new one, and what was decided."""

from datetime import date, datetime
from typing import NamedTuple

from tracker.db.people import Endorsement
from tracker.formatting import format_date
from tracker.mail.contents import Action, NewRequestMail, RequestMail, Row
from tracker.mail.outbox import Message, enqueue
from tracker.notifications.context import Envelope, MailContext, create_message, use_locale_of
from tracker.notifications.notices_mail import fit_subject
from tracker.rules.absence_description import describe_excuse
from tracker.rules.absence_rules import ABSENCE_NOUNS, AbsenceKind
from tracker.services.context import ServiceContext
from tracker.services.message_subjects import About
from tracker.services.time_requests import (
    EXTENSION,
    DecidedRequest,
    Grant,
    SubmittedRequest,
    absence_kind,
    find_grant,
    list_own_requests,
)
from tracker.settings import Coordinator


class Wording(NamedTuple):
    """What the mail says; the first of ``subjects`` that is short enough is used."""

    subjects: list[str]
    headline: str
    intro: str
    rows: tuple[Row, ...]


def letter_key(request_id: int) -> str:
    """The outbox key of the mail about a decision."""
    return f"request:{request_id}"


def notify_decision(
    mail_context: MailContext, context: ServiceContext, decided: DecidedRequest, answered_by: str
) -> None:
    """Queue the mail, in the transaction of the decision; ``answered_by`` is who decided."""
    request, person, endorsement = decided.submitted
    with use_locale_of(mail_context, endorsement.association):
        if request.kind == EXTENSION:
            wording = _word_extension(decided)
        else:
            wording = _word_leave(mail_context, decided)
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
    about = _find_about(context, decided)
    key = letter_key(request.id)
    envelope = Envelope.to_person(person, endorsement.association, key, about)
    message = create_message(mail_context, envelope, mail, context.now)
    enqueue(context.session, [message], context.now)


def _find_about(context: ServiceContext, decided: DecidedRequest) -> About | None:
    request = decided.submitted.request
    if decided.granted is None:
        return About("time_request", request.id, request.state)
    is_extension = request.kind == EXTENSION
    days = decided.granted
    grant = Grant(request.endorsement_id, *days, is_extension=is_extension)
    return find_grant(context.session, grant)


def notify_coordinators(
    mail_context: MailContext, context: ServiceContext, request_id: int
) -> None:
    """Queue a mail to each coordinator about a new request, in the transaction that stores it.

    A request that was submitted twice is mailed once.
    """
    for submitted in list_own_requests(context.session, context.person_id):
        if submitted.request.id == request_id:
            messages = [
                _write_new_request(mail_context, submitted, coordinator, context.now)
                for coordinator in mail_context.settings.coordinators_of(
                    submitted.endorsement.association
                )
            ]
            enqueue(context.session, messages, context.now)


def _write_new_request(
    mail_context: MailContext, submitted: SubmittedRequest, coordinator: Coordinator, now: datetime
) -> Message:
    request, person, endorsement = submitted
    name = submitted.endorsement_name
    with use_locale_of(mail_context, endorsement.association):
        what, days = "a later due date", [Row("New due date", _format_day(request.ends_on))]
        if request.kind != EXTENSION:
            what = ABSENCE_NOUNS[absence_kind(request.kind)]
            days = [
                Row("First day", format_date(request.starts_on)),
                Row("Last day", _format_day(request.ends_on)),
            ]
    mail = NewRequestMail(
        subject=fit_subject([f"{person.name} requests {what} ({name})", f"New request for {what}"]),
        greeting_name=coordinator.name,
        headline=f"{person.name} requests {what}.",
        applicant=person.name,
        rows=(Row("Endorsement", name), Row("Email", person.email), *days),
        reason=request.reason,
        action=Action(
            "Decide", f"{mail_context.settings.base_url}/coordinator/requests/{request.id}"
        ),
        why=f"You get this email because you coordinate {endorsement.association}.",
    )
    envelope = Envelope(
        dedupe_key=f"new-request:{request.id}:{coordinator.email}",
        name=coordinator.name,
        address=coordinator.email,
        association=endorsement.association,
        to_coordinator=True,
        about=About("time_request", request.id, request.state),
    )
    return create_message(mail_context, envelope, mail, now)


def _format_day(day: date | None) -> str:
    return format_date(day) if day else "not known yet"


def _word_leave(mail_context: MailContext, decided: DecidedRequest) -> Wording:
    request, _, endorsement = decided.submitted
    name, noun = decided.submitted.endorsement_name, ABSENCE_NOUNS[absence_kind(request.kind)]
    starts_on, ends_on = decided.granted or decided.requested
    rows = (
        Row("First day", format_date(starts_on)),
        Row("Last day", format_date(ends_on) if ends_on else "not known yet"),
    )
    if decided.granted is None:
        return Wording(
            [
                f"Your {noun} from {format_date(starts_on)} was declined",
                f"Your {noun} was declined",
            ],
            f"Your request for {noun} was declined.",
            f"Due dates and reminders for {name} stay the same. You requested:",
            rows,
        )
    intro = word_excuse(mail_context, endorsement, absence_kind(request.kind), starts_on)
    if ends_on is None:
        intro += (
            f" Your {noun} has no last day yet. Once you are back, reply to this email, and your "
            "coordinator will enter it."
        )
    return Wording(
        [f"Your {noun} is granted from {format_date(starts_on)}", f"Your {noun} is granted"],
        f"Your {noun} is granted.",
        intro,
        rows,
    )


def word_excuse(
    mail_context: MailContext, endorsement: Endorsement, kind: AbsenceKind, starts_on: date
) -> str:
    """What a leave or inactive status means for the renewal of the cycle in which it begins."""
    rulebooks = mail_context.rulebooks
    name = f"{endorsement.association} {endorsement.category}"
    plan = None
    if endorsement.association in rulebooks.associations:
        day = max(starts_on, endorsement.starts_on)
        triple = (endorsement.association, endorsement.category, endorsement.starts_on)
        plan = rulebooks.plan(*triple, day)
    return describe_excuse(plan, name, kind)


def _word_extension(decided: DecidedRequest) -> Wording:
    name = decided.submitted.endorsement_name
    due_on = (decided.granted or decided.requested).ends_on
    new_date = format_date(due_on) if due_on else ""
    if decided.granted is None:
        return Wording(
            [f"Your later due date ({name}) was declined", "Your later due date was declined"],
            "Your request for a later due date was declined.",
            f"The due date of your {name} renewal stays the same.",
            (Row("You requested", new_date),),
        )
    return word_due_date(name, due_on, decided.hours_until)


def word_due_date(name: str, due_on: date | None, hours_until: date | None) -> Wording:
    """The words about a later due date; ``hours_until`` is the last day of sessions that count."""
    new_date = format_date(due_on) if due_on else ""
    rows = [Row("New due date", new_date)]
    intro = f"You can log hours for your {name} renewal until the end of that day"
    if hours_until is not None:
        last_day = format_date(hours_until)
        rows.append(Row("Sessions through", last_day))
        intro += f", for sessions on or before {last_day}"
    return Wording(
        [f"Your new due date: {new_date}"],
        f"Your renewal is now due on {new_date}.",
        f"{intro}. Reminders follow the new date.",
        tuple(rows),
    )
