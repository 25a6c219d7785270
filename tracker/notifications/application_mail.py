"""The letter that tells an applicant what was decided about the application."""

from collections.abc import Iterable
from datetime import date

from sqlmodel import Session

from tracker.db.applications import Application
from tracker.db.people import Person
from tracker.formatting import format_date
from tracker.mail.contents import Action, NewRequestMail, RequestMail, Row
from tracker.mail.outbox import enqueue
from tracker.notifications.context import Envelope, MailContext, create_message, use_locale_of
from tracker.notifications.notices_mail import fit_subject
from tracker.rulebooks import Rulebooks
from tracker.services.application_decisions import Decided
from tracker.services.context import NotFound, ServiceContext
from tracker.services.evaluation import days_at, judge_current
from tracker.services.message_subjects import About


def letter_key(application_id: int, state: str, decided_on: date | None) -> str:
    """The outbox key of the letter about a decision."""
    return f"application:{application_id}:{state}:{decided_on}"


def notify_endorsed(
    mail_context: MailContext,
    context: ServiceContext,
    application_id: int,
    endorsement_id: int,
    answered_by: str,
) -> None:
    """Queue the letter to a new endorsee, in the transaction of the decision."""
    application, person = _get_applicant(context.session, application_id)
    name = _find_category(context.rulebooks, application)
    verb, first, due = "endorsed", "first", "First renewal due"
    if application.is_reinstatement:
        verb, first, due = "reinstated", "new", "Next renewal due"
    rows = [Row("Association", context.rulebooks.associations[application.association].name)]
    due_on = _find_first_due_date(context, endorsement_id)
    with use_locale_of(mail_context, application.association):
        if application.decided_on:
            rows.append(Row(f"{verb.capitalize()} since", format_date(application.decided_on)))
        if due_on is not None:
            rows.append(Row(due, format_date(due_on)))
    intro = "Your logged hours are kept. We have no renewal requirements on file for this category."
    if due_on is not None:
        intro = (
            f"Your {first} renewal cycle has started. My year shows what it requires, and what you "
            "have logged."
        )
    mail = RequestMail(
        subject=fit_subject([f"You are {verb} as {name}", f"You are {verb}"]),
        greeting_name=person.name,
        headline=f"You are {verb} as {name}.",
        intro=f"Congratulations! {intro}",
        rows=tuple(rows),
        answer="",
        answered_by=answered_by,
        action=Action("View my renewal", f"{mail_context.settings.base_url}/my-year"),
        why=_format_why(application),
    )
    _queue(mail_context, context, application, person, mail)


def notify_submitted(
    mail_context: MailContext, context: ServiceContext, application_id: int
) -> None:
    """Queue a mail about a new application to each coordinator, in the transaction that submits."""
    application, person = _get_applicant(context.session, application_id)
    name, noun = f"{application.association} {application.category}", _noun_of(application)
    did, article = "has applied", "an"
    if application.is_reinstatement:
        did, article = "asks for reinstatement", "a"
    messages = []
    for coordinator in mail_context.settings.coordinators_of(application.association):
        mail = NewRequestMail(
            subject=fit_subject([f"{person.name} {did} ({name})", f"New {noun} ({name})"]),
            greeting_name=coordinator.name,
            headline=f"{person.name} has submitted {article} {noun}.",
            applicant=person.name,
            rows=(
                Row("Endorsement", _find_category(context.rulebooks, application)),
                Row("Email", person.email),
            ),
            reason="",
            action=Action(
                "Review it",
                f"{mail_context.settings.base_url}/coordinator/applicants/{application.id}",
            ),
            why=f"You get this email because you coordinate {application.association}.",
        )
        envelope = Envelope(
            dedupe_key=f"submitted:{application.id}:{context.now.isoformat()}:{coordinator.email}",
            name=coordinator.name,
            address=coordinator.email,
            association=application.association,
            to_coordinator=True,
            about=About("application", application.id, application.state),
        )
        messages.append(create_message(mail_context, envelope, mail, context.now))
    enqueue(context.session, messages, context.now)


def notify_sent_back(
    mail_context: MailContext, context: ServiceContext, application_id: int, answered_by: str
) -> None:
    """Queue the letter that says what to change, in the transaction that sends it back."""
    application, person = _get_applicant(context.session, application_id)
    name, noun = f"{application.association} {application.category}", _noun_of(application)
    mail = RequestMail(
        subject=fit_subject([f"Please change your {noun} ({name})", f"Your {noun}"]),
        greeting_name=person.name,
        headline=f"{application.association} sent your {noun} back.",
        intro="You can change it, and submit it again when you are done.",
        rows=(Row("Endorsement", _find_category(context.rulebooks, application)),),
        answer=application.answer or "",
        answered_by=answered_by,
        action=Action(
            f"View my {noun}",
            f"{mail_context.settings.base_url}/application/{application.id}",
        ),
        why=_format_why(application),
    )
    _queue(mail_context, context, application, person, mail)


def notify_declined(
    mail_context: MailContext, context: ServiceContext, application_id: int, answered_by: str
) -> None:
    """Queue the letter with the reason, in the transaction of the decision."""
    application, person = _get_applicant(context.session, application_id)
    name, noun = f"{application.association} {application.category}", _noun_of(application)
    with use_locale_of(mail_context, application.association):
        rows = [Row(f"{noun.capitalize()} opened", format_date(application.opened_on))]
        if application.decided_on:
            rows.append(Row("Declined", format_date(application.decided_on)))
    mail = RequestMail(
        subject=fit_subject([f"Your {noun} ({name}) was declined", f"Your {noun} was declined"]),
        greeting_name=person.name,
        headline=f"Your {noun} for {name} was declined.",
        intro="Your logged hours are kept."
        if application.answer
        else "Your logged hours are kept. Reply to this email to find out the reason.",
        rows=tuple(rows),
        answer=application.answer or "",
        answered_by=answered_by,
        action=Action(
            f"View my {noun}",
            f"{mail_context.settings.base_url}/application/{application.id}",
        ),
        why=_format_why(application),
    )
    _queue(mail_context, context, application, person, mail)


def notify_imported_decisions(
    mail_context: MailContext, context: ServiceContext, decisions: Iterable[Decided]
) -> None:
    """Queue the letters about decisions that an import records, in its transaction."""
    for decided in decisions:
        application, _ = _get_applicant(context.session, decided.application_id)
        association, endorsement_id = application.association, decided.endorsement_id
        if endorsement_id is None:
            notify_declined(mail_context, context, application.id, association)
        else:
            notify_endorsed(mail_context, context, application.id, endorsement_id, association)


def _get_applicant(session: Session, application_id: int) -> tuple[Application, Person]:
    application = session.get(Application, application_id)
    person = session.get(Person, application.person_id) if application else None
    if application is None or person is None:
        raise NotFound
    return application, person


def _find_category(rulebooks: Rulebooks, application: Application) -> str:
    category = rulebooks.associations[application.association].categories.get(application.category)
    return category.name if category else application.category


def _find_first_due_date(context: ServiceContext, endorsement_id: int) -> date | None:
    day_of = days_at(context.rulebooks, context.now)
    due_dates = [
        standing.due_on
        for standing in judge_current(
            context.session, context.rulebooks, day_of, endorsement_ids=[endorsement_id]
        )
        if standing.due_on is not None
    ]
    return min(due_dates, default=None)


def _noun_of(application: Application) -> str:
    return "reinstatement request" if application.is_reinstatement else "application"


def _format_why(application: Application) -> str:
    did = "asked for reinstatement at" if application.is_reinstatement else "applied to"
    return f"You get this email because you {did} {application.association}."


def _queue(
    mail_context: MailContext,
    context: ServiceContext,
    application: Application,
    person: Person,
    mail: RequestMail,
) -> None:
    # The same decision, entered twice, is one letter; an application can be sent back many times.
    day = application.decided_on or context.now
    key = letter_key(application.id, application.state, day)
    about = About("application", application.id, application.state)
    envelope = Envelope.to_person(person, application.association, key, about)
    enqueue(
        context.session, [create_message(mail_context, envelope, mail, context.now)], context.now
    )
