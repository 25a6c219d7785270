"""The email that welcomes an endorsee whom a coordinator has added."""

from datetime import datetime
from typing import NamedTuple

from tracker.db.people import Endorsement
from tracker.formatting import (
    capitalize_first,
    format_date,
    format_list,
    format_measure,
    format_short_date,
    use_locale,
)
from tracker.mail.compose import Rendered
from tracker.mail.contents import Action, Row, WelcomeMail
from tracker.mail.outbox import enqueue
from tracker.notifications.context import Envelope, MailContext, create_message
from tracker.notifications.notices_mail import fit_subject
from tracker.rules.standing import Outcome, Standing
from tracker.services.context import ServiceContext
from tracker.services.evaluation import days_at, judge_current
from tracker.services.message_subjects import About
from tracker.services.new_endorsees import AddedEndorsee

_NEEDED = {Outcome.MET, Outcome.SHORT}
# A sample is for nobody.
_NOBODY = "nobody@example.org"


def welcome_endorsee(
    mail_context: MailContext, context: ServiceContext, added: AddedEndorsee
) -> None:
    """Queue the welcome mail, in the transaction that adds the endorsee."""
    person, endorsement = added.person, added.endorsement
    rulebook = context.rulebooks.associations[endorsement.association]
    with use_locale(rulebook.locale):
        welcomed = _Welcomed(
            endorsement.association, endorsement.category, person.name, person.email
        )
        mail = _write(mail_context, welcomed, _describe_renewal(context, endorsement))
        about = About(str(Endorsement.__tablename__), endorsement.id)
        key = f"welcome:{endorsement.id}"
        envelope = Envelope.to_person(person, endorsement.association, key, about)
        message = create_message(mail_context, envelope, mail, context.now)
    enqueue(context.session, [message], context.now)


def render_welcome_sample(
    mail_context: MailContext, association: str, typed: tuple[str, str], now: datetime
) -> Rendered:
    """The welcome mail before the endorsee is known: in braces what is filled in for them.

    ``typed`` are their name and address, empty if they are not known yet.
    """
    name, email = typed
    welcomed = _Welcomed(association, "{category}", name or "{name}", email or "{email}")
    with use_locale(mail_context.rulebooks.associations[association].locale):
        renewal = _Renewal("{due date}", "{due date}", (Row("{requirement}", "{hours}"),))
        mail = _write(mail_context, welcomed, renewal)
        sender = mail_context.settings.mail_of(association).sender
        return mail_context.composer.compose(mail, sender=sender, recipient=("", _NOBODY), at=now)


class _Welcomed(NamedTuple):
    """Whom the mail is for, and the endorsement that it is about."""

    association: str
    category: str
    name: str
    email: str


class _Renewal(NamedTuple):
    """The next renewal in words: its due date, in short too, and what it needs."""

    due_on: str
    due_briefly: str
    rows: tuple[Row, ...]


def _describe_renewal(context: ServiceContext, endorsement: Endorsement) -> _Renewal | None:
    standing = _find_standing(context, endorsement)
    if standing is None or standing.due_on is None:
        return None
    day = standing.due_on
    return _Renewal(format_date(day), format_short_date(day), _list_needed(standing))


def _write(mail_context: MailContext, welcomed: _Welcomed, renewal: _Renewal | None) -> WelcomeMail:
    association = welcomed.association
    name = f"{association} {welcomed.category}"
    subjects = [f"Your {name} endorsement is on record here", "Your endorsement is on record here"]
    due, rows = "", tuple[Row, ...]()
    if renewal is not None:
        due, rows = f"Your next renewal is due {renewal.due_on}. It needs:", renewal.rows
        if not rows:
            due = f"Your next renewal is due {renewal.due_on}. Nothing is needed for it."
        subjects.insert(0, f"Your {name} renewal is due {renewal.due_briefly}")
    base_url = mail_context.settings.base_url
    return WelcomeMail(
        subject=fit_subject(subjects),
        greeting_name=welcomed.name,
        headline=f"Your {name} endorsement is on record.",
        intro=f"{association} keeps renewals here. Log your training and Reflective Supervision/"
        "Consultation (RSC) hours in half a minute, see what counts and why, and get a reminder "
        "before anything is due.",
        due=due,
        rows=rows,
        action=Action("Sign in", f"{base_url}/sign-in"),
        sign_in=f"There is no password. Enter {welcomed.email} and we email you a code.",
        contact=_format_contact(mail_context, association),
        why=f"You get this email because {association} recorded your endorsement.",
    )


def _find_standing(context: ServiceContext, endorsement: Endorsement) -> Standing | None:
    """The standing in the current cycle; None if the endorsement has nothing to renew now."""
    day_of = days_at(context.rulebooks, context.now)
    judged = judge_current(
        context.session, context.rulebooks, day_of, endorsement_ids=[endorsement.id]
    )
    today = day_of(endorsement.association)
    for standing in judged:
        cycle = standing.plan.cycle
        if cycle is not None and cycle.starts_on <= today <= cycle.ends_on:
            return standing
    return None


def _list_needed(standing: Standing) -> tuple[Row, ...]:
    rows = []
    for result in standing.results:
        requirement = result.requirement
        if result.outcome in _NEEDED:
            amount = requirement.about
            if requirement.is_of_sessions:
                amount = format_measure(result.required, requirement.unit)
            rows.append(Row(capitalize_first(requirement.label), amount))
    return tuple(rows)


def _format_contact(mail_context: MailContext, association: str) -> str:
    """Whom to write to: replies reach the coordinators."""
    coordinators = mail_context.settings.coordinators_of(association)
    if not coordinators:
        return f"Questions? Ask {association}."
    names = format_list([f"{each.name} ({each.email})" for each in coordinators])
    return f"Questions, or something is wrong? Reply to this email. It goes to {names}."
