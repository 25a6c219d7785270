"""Emails about audits: documents are asked for, are due soon, and what was decided."""

from dataclasses import replace
from datetime import datetime

from sqlmodel import Session

from tracker.clock import local_day
from tracker.formatting import format_cycle_span, format_date, use_locale
from tracker.mail.contents import Action, RequestMail, Row
from tracker.mail.outbox import enqueue
from tracker.notifications.context import Envelope, MailContext, change_prefix, create_message
from tracker.notifications.notices_mail import fit_subject
from tracker.rules.stages import Stage
from tracker.services.audits import AuditedRenewal
from tracker.services.certificates import find_renewal_certificate
from tracker.services.message_subjects import About
from tracker.services.stages import find_last_day
from tracker.services.submissions import find_renewed_through


def announce_audit(
    context: MailContext, session: Session, audited: AuditedRenewal, now: datetime, *, by: str
) -> None:
    """Queue an email about the state of an audit that a coordinator changed just now.

    It belongs into the transaction of the change; ``by`` is the name of the coordinator.
    """
    rulebook = context.rulebooks.associations[audited.endorsement.association]
    with use_locale(rulebook.locale):
        if audited.case.state == Stage.ASKED:
            mail = _write_request(context, audited, by)
        elif audited.case.state == Stage.PASSED:
            mail = _write_passed(context, session, audited, by)
        else:
            mail = _write_not_passed(context, audited, by)
            mail = _add_last_day(context, session, audited, mail, now)
    key = f"{change_prefix(audited.person.id, now)}audit:{audited.case.id}:{audited.case.state}"
    _queue(context, session, audited, mail, key, now)


def _add_last_day(
    context: MailContext,
    session: Session,
    audited: AuditedRenewal,
    mail: RequestMail,
    now: datetime,
) -> RequestMail:
    """The email with the last day to submit the renewal again, unless that is over."""
    endorsement = audited.endorsement
    zone = context.rulebooks.associations[endorsement.association].time_zone
    starts_on = audited.submission.cycle_starts_on
    last_day = find_last_day(session, context.rulebooks, endorsement, starts_on)
    if last_day is None or last_day < local_day(now, zone):
        return mail
    return replace(mail, rows=(*mail.rows, Row("Last day to submit it", format_date(last_day))))


def remind_of_audit(
    context: MailContext, session: Session, audited: AuditedRenewal, now: datetime
) -> None:
    """Queue a reminder that documents are due soon."""
    rulebook = context.rulebooks.associations[audited.endorsement.association]
    with use_locale(rulebook.locale):
        mail = _write_request(context, audited, is_reminder=True)
    key = f"audit-reminder:{audited.case.id}:{audited.case.due_on}"
    _queue(context, session, audited, mail, key, now)


def _queue(
    context: MailContext,
    session: Session,
    audited: AuditedRenewal,
    mail: RequestMail,
    key: str,
    now: datetime,
) -> None:
    about = About("audit_case", audited.case.id, audited.case.state)
    association = audited.endorsement.association
    envelope = Envelope.to_person(audited.person, association, key, about)
    enqueue(session, [create_message(context, envelope, mail, now)], now)


def _write_request(
    context: MailContext, audited: AuditedRenewal, by: str = "", *, is_reminder: bool = False
) -> RequestMail:
    """Documents are asked for, or due soon; with the reason if the due date was moved."""
    case, association = audited.case, audited.endorsement.association
    due = format_date(case.due_on) if case.due_on else ""
    subject = f"{association}: documents for your renewal by {due}"
    headline = f"{association} asks for documents that support your renewal."
    intro = (
        "Renewals are drawn at random for an audit, and yours was drawn. Please upload documents "
        "for what you attested to, such as certificates or letters, and send them."
    )
    if is_reminder:
        subject = f"Reminder: documents for your renewal are due {due}"
        headline = f"Your documents are due by {due}."
        intro = "We have not received documents for your audit. Please upload and send them."
    elif case.extended_because:
        subject = f"{association}: you have until {due} to send documents"
        headline = f"You have until {due} to send your documents."
        intro = "Your coordinator moved the due date of your audit."
    return RequestMail(
        subject=fit_subject([subject, f"Documents for your renewal by {due}"]),
        greeting_name=audited.person.name,
        headline=headline,
        intro=intro,
        rows=(*_rows(audited), Row("Send them by", due)),
        action=Action("Send documents", _url(context, audited)),
        why=_why(association),
        answer="" if is_reminder else case.extended_because or "",
        answered_by=by or "Your coordinator",
    )


def _write_passed(
    context: MailContext, session: Session, audited: AuditedRenewal, by: str
) -> RequestMail:
    """The renewal passed; it was returned before if the endorsee had to appeal for that."""
    submission, endorsement = audited.submission, audited.endorsement
    association, starts_on = endorsement.association, submission.cycle_starts_on
    intro, rows = "Your renewal stays accepted.", _rows(audited)
    if audited.case.appealed_at is not None:
        intro = f"{association} granted your appeal, and your renewal is accepted again."
        if find_renewal_certificate(session, endorsement.id, starts_on) is not None:
            intro += " Your certificate is valid again."
    last = find_renewed_through(context.rulebooks, endorsement, starts_on)
    if last is not None:
        rows = (*rows, Row("Renewed through", format_date(last)))
    intro += " There is nothing else to do."
    action = Action("View my renewal", f"{context.settings.base_url}/my-year")
    mail = _write_decision(audited, by, "Your renewal passed the audit", intro, action)
    return replace(mail, rows=rows)


def _write_not_passed(context: MailContext, audited: AuditedRenewal, by: str) -> RequestMail:
    association = audited.endorsement.association
    intro = f"{association} returned it to you. Its page says until when you can submit it."
    if audited.may_appeal:
        intro += " If you disagree, you can appeal once: open the audit, and write why."
    action = Action("Open the audit", _url(context, audited))
    return _write_decision(audited, by, "Your renewal did not pass the audit", intro, action)


def _write_decision(
    audited: AuditedRenewal, by: str, outcome: str, intro: str, action: Action
) -> RequestMail:
    """The email about a decision; ``outcome`` is a sentence without its period."""
    association = audited.endorsement.association
    return RequestMail(
        subject=fit_subject([f"{association}: {outcome[0].lower()}{outcome[1:]}", outcome]),
        greeting_name=audited.person.name,
        headline=f"{outcome}.",
        intro=intro,
        rows=_rows(audited),
        action=action,
        why=_why(association),
        answer=audited.case.decided_because or "",
        answered_by=by or "Your coordinator",
    )


def _rows(audited: AuditedRenewal) -> tuple[Row, ...]:
    submission, endorsement = audited.submission, audited.endorsement
    cycle = format_cycle_span(submission.cycle_starts_on, submission.cycle_ends_on)
    name = f"{endorsement.association} {endorsement.category}"
    return Row("Endorsement", name), Row("Renewal", cycle)


def _url(context: MailContext, audited: AuditedRenewal) -> str:
    return f"{context.settings.base_url}/audits/{audited.case.id}"


def _why(association: str) -> str:
    return f"You get this email because you submitted this renewal to {association}."
