"""The mail that tells an endorsee that we know the RSC provider whom they named."""

from collections import defaultdict
from collections.abc import Iterable

from sqlmodel import Session, col, select

from tracker.db.people import Endorsement, Person
from tracker.formatting import format_date, format_hours_with_unit
from tracker.mail.contents import Action, RequestMail, Row
from tracker.mail.outbox import Message, enqueue
from tracker.notifications.context import Envelope, MailContext, create_message
from tracker.notifications.notices_mail import fit_subject
from tracker.services.context import ServiceContext
from tracker.services.provider_names import LinkedSession

_MOST_ROWS = 12


def notify_known_providers(
    mail_context: MailContext, context: ServiceContext, linked: Iterable[LinkedSession]
) -> None:
    """Queue a mail for each endorsee and provider, about the sessions that the endorsee logged."""
    sessions = defaultdict[tuple[int, int], list[LinkedSession]](list)
    for each in linked:
        if each.is_logged:
            sessions[each.person_id, each.provider_id].append(each)
    messages = [_create_message(mail_context, context, own) for _, own in sorted(sessions.items())]
    enqueue(context.session, messages, context.now)


def _create_message(
    mail_context: MailContext, context: ServiceContext, linked: list[LinkedSession]
) -> Message:
    linked = sorted(linked, key=lambda each: (each.held_on, each.entry_id), reverse=True)
    person = context.session.get_one(Person, linked[0].person_id)
    provider = context.session.get_one(Person, linked[0].provider_id).name
    rows = [Row(format_date(s.held_on), format_hours_with_unit(s.minutes)) for s in linked]
    if len(rows) > _MOST_ROWS:
        rows[_MOST_ROWS:] = [Row("Earlier sessions", str(len(rows) - _MOST_ROWS))]
    mail = RequestMail(
        subject=fit_subject(
            [f"We know your RSC provider {provider} now", "We know your RSC provider now"]
        ),
        greeting_name=person.name,
        headline=f"We know your RSC provider {provider} now.",
        intro=(
            "These sessions waited for that. Each one counts now if your provider was qualified "
            "on its day; My year shows which do. There is nothing for you to do."
        ),
        rows=tuple(rows),
        answer="",
        answered_by="",
        action=Action("View my year", f"{mail_context.settings.base_url}/my-year"),
        why=f"You get this email because you logged RSC sessions with {provider}.",
    )
    key = f"provider:{person.id}:{linked[0].provider_id}:{linked[0].entry_id}"
    association = _association_of(context.session, person.id)
    envelope = Envelope.to_person(person, association, key)
    return create_message(mail_context, envelope, mail, context.now)


def _association_of(session: Session, person_id: int) -> str | None:
    """The association whose coordinators get replies: that of the newest endorsement."""
    query = select(Endorsement.association).where(Endorsement.person_id == person_id)
    return session.exec(query.order_by(col(Endorsement.id).desc())).first()
