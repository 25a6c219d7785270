"""Emails about renewals: accepted, returned for a correction, or closed as renewed."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from typing import NamedTuple

from sqlmodel import Session

from tracker.clock import local_day
from tracker.db.certificates import Certificate
from tracker.db.people import Endorsement
from tracker.formatting import format_cycle_span, format_date, use_locale
from tracker.mail.contents import Action, RequestMail, Row
from tracker.mail.outbox import enqueue
from tracker.notifications.attention_text import format_missing
from tracker.notifications.context import Envelope, MailContext, change_prefix, create_message
from tracker.notifications.notices_mail import fit_subject
from tracker.rules.cycles import cycle_containing
from tracker.rules.model import Rulebook
from tracker.rules.stages import Stage
from tracker.services.certificates import (
    RenewedEndorsement,
    claim_certificate_mail,
    find_renewal_certificate,
)
from tracker.services.dashboard import list_short
from tracker.services.message_subjects import About
from tracker.services.stages import find_last_day
from tracker.services.submissions import (
    SubmittedRenewal,
    claim_decision_mail,
    find_renewed_through,
)


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
        if not claim_decision_mail(session, submission, now):
            continue
        key = (submission.endorsement_id, submission.cycle_starts_on)
        certificate = find_renewal_certificate(session, *key)
        last_day = find_last_day(session, context.rulebooks, renewal.endorsement, key[1])
        if last_day is not None and last_day < local_day(now, rulebook.time_zone):
            last_day = None
        with use_locale(rulebook.locale):
            mail = _write_mail(context, renewal, by, certificate, last_day)
        dedupe_key = f"{change_prefix(person.id, now)}renewal:{submission.id}:{submission.state}"
        about = About("submission", submission.id, submission.state)
        envelope = Envelope.to_person(person, rulebook.id, dedupe_key, about)
        count += len(enqueue(session, [create_message(context, envelope, mail, now)], now))
    return count


def acknowledge(
    context: MailContext, session: Session, renewal: SubmittedRenewal, now: datetime
) -> int:
    """Queue an email that a renewal arrived that is not accepted yet, and why; return how many.

    It belongs into the transaction of the submission.
    """
    submission, endorsement, person = renewal.submission, renewal.endorsement, renewal.person
    rulebook = context.rulebooks.associations[endorsement.association]
    with use_locale(rulebook.locale):
        cycle = format_cycle_span(submission.cycle_starts_on, submission.cycle_ends_on)
        rows = _Renewal(person.name, endorsement, submission.cycle_starts_on, cycle, None).rows
        path = f"/my-year/{submission.endorsement_id}/{submission.cycle_starts_on}"
        mail = RequestMail(
            subject=fit_subject(
                [f"We received your renewal for {cycle}", "We received your renewal"]
            ),
            greeting_name=person.name,
            headline="We received your renewal.",
            intro=_describe_receipt(rulebook, renewal),
            rows=rows,
            action=Action("View my renewal", f"{context.settings.base_url}{path}"),
            why=f"You get this email because you submitted this renewal to {rulebook.id}.",
        )
    dedupe_key = f"{change_prefix(person.id, now)}renewal:{submission.id}:received"
    about = About("submission", submission.id, submission.state)
    envelope = Envelope.to_person(person, rulebook.id, dedupe_key, about)
    return len(enqueue(session, [create_message(context, envelope, mail, now)], now))


def _describe_receipt(rulebook: Rulebook, renewal: SubmittedRenewal) -> str:
    """What a submitted renewal lacks, how to pay what is owed, and what comes next."""
    short = list_short(renewal.requirements)
    if not short:
        return (
            f"{rulebook.id} is checking it, because the name with which you signed differs from "
            "the one on record. You will get an email with the decision."
        )
    words = f"Still missing: {format_missing(short)}."
    if any(item.counts == "paid" for item in short):
        fees = rulebook.fees_of(renewal.endorsement.category, "renewal")
        words += "".join(f" {fee.label}: {fee.how_to_pay.rstrip('.')}." for fee in fees)
    if renewal.lacks_only_fee:
        return f"{words} Once your payment is recorded, your renewal is accepted automatically."
    return f"{words} {rulebook.id} decides about it, and you will get an email."


def announce_certificate(
    context: MailContext, session: Session, renewed: RenewedEndorsement, now: datetime
) -> int:
    """Queue an email that a renewal closed as met, and note it; return how many.

    It is of a renewal that needed no submission.
    """
    certificate, endorsement, person = renewed
    if not claim_certificate_mail(session, certificate, now):
        return 0
    rulebook = context.rulebooks.associations[endorsement.association]
    cycle = cycle_containing(rulebook.cycles, endorsement.starts_on, certificate.cycle_starts_on)
    with use_locale(rulebook.locale):
        span = format_cycle_span(cycle.starts_on, cycle.ends_on) if cycle else ""
        mail = _write_renewed(
            context,
            _Renewal(person.name, endorsement, certificate.cycle_starts_on, span, certificate),
            intro=f"Your {endorsement.association} renewal for {span} is complete. "
            "There is nothing else to do.",
            why=f"You get this email because you hold this endorsement of "
            f"{endorsement.association}.",
        )
    dedupe_key = f"{change_prefix(person.id, now)}certificate:{certificate.id}"
    envelope = Envelope.to_person(
        person, rulebook.id, dedupe_key, About("certificate", certificate.id)
    )
    return len(enqueue(session, [create_message(context, envelope, mail, now)], now))


class _Renewal(NamedTuple):
    """What an email about a renewal says; ``cycle`` is how its dates are written."""

    name: str
    endorsement: Endorsement
    cycle_starts_on: date
    cycle: str
    certificate: Certificate | None

    @property
    def rows(self) -> tuple[Row, ...]:
        """The endorsement and the dates."""
        name = f"{self.endorsement.association} {self.endorsement.category}"
        return Row("Endorsement", name), Row("Renewal", self.cycle)


def _write_mail(
    context: MailContext,
    submitted: SubmittedRenewal,
    by: str,
    certificate: Certificate | None,
    last_day: date | None,
) -> RequestMail:
    """The email about a decision; ``last_day`` is the last one to submit it, None if it is over."""
    submission, endorsement = submitted.submission, submitted.endorsement
    cycle = format_cycle_span(submission.cycle_starts_on, submission.cycle_ends_on)
    renewal = _Renewal(
        submitted.person.name, endorsement, submission.cycle_starts_on, cycle, certificate
    )
    why = f"You get this email because you submitted this renewal to {endorsement.association}."
    answered_by = by or "Your coordinator"
    if submission.state == Stage.RETURNED:
        mail = _write_returned(
            context, renewal, why, submission.returned_because or "", answered_by
        )
        if last_day is None:
            intro = "Its window to be submitted is over: your coordinator can set a later due date."
            return replace(mail, intro=intro)
        return replace(mail, rows=(*mail.rows, Row("Last day to submit it", format_date(last_day))))
    return _write_renewed(
        context,
        renewal,
        intro=f"{endorsement.association} has accepted your renewal. There is nothing else to do.",
        why=why,
        answer=(submission.accepted_because or "") if submission.accepted_by else "",
        answered_by=answered_by,
    )


def _write_returned(
    context: MailContext, renewal: _Renewal, why: str, answer: str, answered_by: str
) -> RequestMail:
    endorsement = renewal.endorsement
    name = f"{endorsement.association} {endorsement.category}"
    path = f"/my-year/{endorsement.id}/{renewal.cycle_starts_on}"
    return RequestMail(
        subject=fit_subject(
            [
                f"Your {renewal.cycle} renewal was returned to you ({name})",
                f"Your renewal was returned to you ({name})",
                "Your renewal was returned to you",
            ]
        ),
        greeting_name=renewal.name,
        headline=f"{endorsement.association} returned your renewal to you.",
        intro="You can change your sessions again. Please correct what is missing, and submit "
        "it once more.",
        rows=renewal.rows,
        action=Action("Open the renewal", f"{context.settings.base_url}{path}"),
        why=why,
        answer=answer,
        answered_by=answered_by,
    )


def _write_renewed(
    context: MailContext,
    renewal: _Renewal,
    *,
    intro: str,
    why: str,
    answer: str = "",
    answered_by: str = "",
) -> RequestMail:
    base_url, certificate = context.settings.base_url, renewal.certificate
    last = find_renewed_through(context.rulebooks, renewal.endorsement, renewal.cycle_starts_on)
    renewed, rows = "You are renewed", renewal.rows
    if last is not None:
        renewed = f"You are renewed through {format_date(last)}"
        rows += (Row("Renewed through", format_date(last)),)
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
        greeting_name=renewal.name,
        headline=f"{renewed}.",
        intro=intro,
        rows=rows,
        action=action,
        why=why,
        answer=answer,
        answered_by=answered_by,
    )
