"""Undoing a decision together with its letter: dropped if it has not left, else corrected."""

from typing import NamedTuple

from tracker.db.corrections import Removal
from tracker.db.people import Person
from tracker.formatting import format_date
from tracker.mail.contents import Action, RequestMail, Row
from tracker.mail.outbox import enqueue, withdraw_messages
from tracker.notifications import application_mail, request_mail
from tracker.notifications.context import Envelope, MailContext, create_message
from tracker.notifications.notices_mail import fit_subject
from tracker.notifications.reference_mail import ask_referee
from tracker.services.applications import get_application, undo_application_decision
from tracker.services.context import NotFound, ServiceContext
from tracker.services.reference_submission import list_unsent_requests
from tracker.services.time_requests import LEAVE, undo_request_decision
from tracker.services.undo import get_decision

_REASON = "the decision was undone"


class _Correction(NamedTuple):
    """What the letter says that corrects an earlier one; ``told`` is what that one said."""

    subjects: list[str]
    told: str
    now: str
    rows: tuple[Row, ...]
    action: Action
    why: str


def undo_decision(
    mail_context: MailContext,
    context: ServiceContext,
    removal_id: int,
    subject_id: int | None = None,
) -> bool | None:
    """Undo a decision; whether its letter had left, so that a correction follows.

    If it was undone before, nothing happens, and None is returned. Raises NotFound if it is not
    the actor's to undo, or not about the row ``subject_id``; and Refused if it is too late, or
    something came after it.
    """
    removal = get_decision(context, removal_id)
    if subject_id is not None and removal.subject_id != subject_id:
        raise NotFound
    if removal.undone_at is not None:
        return None
    undo = _undo_application if removal.kind.endswith("application") else _undo_request
    key, correction = undo(mail_context, context, removal)
    has_left = withdraw_messages(context.session, key, context.now, _REASON)
    if has_left:
        _queue(mail_context, context, removal, correction)
    return has_left


def ask_again(mail_context: MailContext, context: ServiceContext, application_id: int) -> None:
    """Ask those referees whose mail was dropped while nobody wanted their answer."""
    for reference_id in list_unsent_requests(context.session, application_id):
        ask_referee(mail_context, context.session, reference_id, context.now)


def _undo_application(
    mail_context: MailContext, context: ServiceContext, removal: Removal
) -> tuple[str, _Correction]:
    _, _, subject_id, decided = undo_application_decision(context, removal)
    ask_again(mail_context, context, subject_id)
    application = get_application(context.session, subject_id)
    if application is None:
        raise NotFound
    name = f"{application.association} {application.category}"
    state = decided["state"]
    told = f"that you are endorsed ({name})"
    if state == "declined":
        told = f"that your application ({name}) was declined"
    path = f"{mail_context.settings.base_url}/application/{subject_id}"
    correction = _Correction(
        [f"Correction: your application ({name}) is not decided yet", "Correction"],
        told,
        "Your application is not decided yet. You will get another email when it is.",
        (Row("Application opened", format_date(application.opened_on)),),
        Action("View my application", path),
        f"You get this email because you applied to {application.association}.",
    )
    return application_mail.letter_key(subject_id, state, decided["decided_on"]), correction


def _undo_request(
    mail_context: MailContext, context: ServiceContext, removal: Removal
) -> tuple[str, _Correction]:
    undone, submitted = undo_request_decision(context, removal)
    what = "leave" if submitted.request.kind == LEAVE else "a later due date"
    name = submitted.endorsement_name
    correction = _Correction(
        [f"Correction: your request for {what} is not decided yet", "Correction"],
        f"that your request for {what} ({name}) was {undone.decided['state']}",
        "Your request is not decided yet. You will get another email when it is. Until then, due "
        "dates and reminders are as they were before.",
        (Row("Endorsement", name),),
        Action("View my requests", f"{mail_context.settings.base_url}/requests"),
        f"You get this email because you sent this request to {submitted.endorsement.association}.",
    )
    return request_mail.letter_key(undone.subject_id), correction


def _queue(
    mail_context: MailContext, context: ServiceContext, removal: Removal, correction: _Correction
) -> None:
    person = context.session.get_one(Person, removal.person_id)
    mail = RequestMail(
        subject=fit_subject(correction.subjects),
        greeting_name=person.name,
        headline="Please disregard our last email about this.",
        intro=f"It said {correction.told}. That was a mistake. {correction.now}",
        rows=correction.rows,
        answer="",
        answered_by="",
        action=correction.action,
        why=correction.why,
    )
    envelope = Envelope.to_person(person, removal.association, f"undone:{removal.id}")
    message = create_message(mail_context, envelope, mail, context.now)
    enqueue(context.session, [message], context.now)
