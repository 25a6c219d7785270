"""Emails about submitted renewals: accepted, or returned for a correction."""

from collections.abc import Iterable
from datetime import datetime

from sqlmodel import Session

from tracker.db.certificates import Certificate
from tracker.formatting import format_cycle_span, format_date, use_locale
from tracker.mail.contents import Action, RequestMail, Row
from tracker.mail.outbox import enqueue
from tracker.notifications.context import Envelope, MailContext, change_prefix, create_message
from tracker.notifications.notices_mail import fit_subject
from tracker.rules.stages import Stage
from tracker.services.certificates import find_renewal_certificate
from tracker.services.message_subjects import About
from tracker.services.submissions import SubmittedRenewal, find_renewed_through


def announce(
    context: MailContext,
    session: Session,
    renewals: Iterable[SubmittedRenewal],
    now: datetime,
    *,
    by: str = "",
) -> int:
    """Queue an email about each of these renewals, and note it; return how many.

    It belongs into the transaction of the decision. What the evaluation accepts overnight is
    announced by the next job. ``by`` is the name of the coordinator who decided.
    """
    count = 0
    for renewal in renewals:
        rulebook = context.rulebooks.associations[renewal.endorsement.association]
        submission, person = renewal.submission, renewal.person
        key = (submission.endorsement_id, submission.cycle_starts_on)
        certificate = find_renewal_certificate(session, *key)
        with use_locale(rulebook.locale):
            mail = _write_mail(context, renewal, by, certificate)
        dedupe_key = f"{change_prefix(person.id, now)}renewal:{submission.id}:{submission.state}"
        about = About("submission", submission.id, submission.state)
        envelope = Envelope.to_person(person, rulebook.id, dedupe_key, about)
        count += len(enqueue(session, [create_message(context, envelope, mail, now)], now))
        submission.announced_at = now
        session.add(submission)
    session.flush()
    return count


def _write_mail(
    context: MailContext, renewal: SubmittedRenewal, by: str, certificate: Certificate | None
) -> RequestMail:
    submission, endorsement = renewal.submission, renewal.endorsement
    name = f"{endorsement.association} {endorsement.category}"
    cycle = format_cycle_span(submission.cycle_starts_on, submission.cycle_ends_on)
    base_url = context.settings.base_url
    rows: tuple[Row, ...] = (Row("Endorsement", name), Row("Renewal", cycle))
    why = f"You get this email because you submitted this renewal to {endorsement.association}."
    if submission.state == Stage.RETURNED:
        path = f"/my-year/{endorsement.id}/{submission.cycle_starts_on}"
        return RequestMail(
            subject=fit_subject(
                [
                    f"Your {cycle} renewal was returned to you ({name})",
                    f"Your renewal was returned to you ({name})",
                    "Your renewal was returned to you",
                ]
            ),
            greeting_name=renewal.person.name,
            headline=f"{endorsement.association} returned your renewal to you.",
            intro="You can change your sessions again. Please correct what is missing, and submit "
            "it once more.",
            rows=rows,
            action=Action("Open the renewal", f"{base_url}{path}"),
            why=why,
            answer=submission.returned_because or "",
            answered_by=by or "Your coordinator",
        )
    last = find_renewed_through(context.rulebooks, endorsement, submission.cycle_starts_on)
    renewed = "You are renewed"
    if last is not None:
        renewed = f"You are renewed through {format_date(last)}"
        rows += (Row("Renewed through", format_date(last)),)
    intro = f"{endorsement.association} has accepted your renewal. There is nothing else to do."
    action = Action("View my renewal", f"{base_url}/my-year")
    if certificate is not None:
        rows += (Row("Certificate number", certificate.number),)
        intro += (
            " Your certificate is ready. Anyone to whom you give its number can verify it at "
            f"{base_url}/verify."
        )
        action = Action("Open my certificate", f"{base_url}/my-year#certificates")
    return RequestMail(
        subject=fit_subject([renewed, "You are renewed"]),
        greeting_name=renewal.person.name,
        headline=f"{renewed}.",
        intro=intro,
        rows=rows,
        action=action,
        why=why,
        answer=(submission.accepted_because or "") if submission.accepted_by else "",
        answered_by=by or "Your coordinator",
    )
