"""The mails about an RSC provider whom an endorsee named: known now, or declined."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date

from sqlmodel import Session, col, select

from tracker.db.log import Entry
from tracker.db.people import Endorsement, Person
from tracker.db.providers import DeclinedProvider
from tracker.formatting import format_date, format_hours_with_unit
from tracker.mail.contents import Action, RequestMail, Row
from tracker.mail.outbox import Message, enqueue, withdraw_about
from tracker.notifications.context import (
    Envelope,
    MailContext,
    change_prefix,
    create_message,
    use_locale_of,
)
from tracker.notifications.notices_mail import fit_subject
from tracker.services.context import ServiceContext
from tracker.services.message_subjects import About
from tracker.services.provider_names import LinkedSession, find_settled_days
from tracker.services.waiting_names import WaitingEntry, WaitingName

_MOST_ROWS = 12


def notify_known_providers(
    mail_context: MailContext,
    context: ServiceContext,
    linked: Iterable[LinkedSession],
    association: str | None = None,
) -> None:
    """Queue a mail for each endorsee and provider, about the sessions that the endorsee logged.

    Replies go to the ``association`` (default: that of the newest endorsement). Sessions of
    settled cycles are left out: nothing changes for the endorsee.
    """
    sessions = defaultdict[tuple[int, int], list[LinkedSession]](list)
    for each in linked:
        if each.is_logged and not each.is_settled:
            sessions[each.person_id, each.provider_id].append(each)
    messages = [
        _create_message(mail_context, context, own, association)
        for _, own in sorted(sessions.items())
    ]
    enqueue(context.session, messages, context.now)


def notify_relinked(
    mail_context: MailContext, context: ServiceContext, linked: list[LinkedSession], former: str
) -> None:
    """Queue a mail for an endorsee about sessions that a coordinator linked to another provider.

    ``former`` is the name of the provider whom they named before.
    """
    person = context.session.get_one(Person, linked[0].person_id)
    provider = context.session.get_one(Person, linked[0].provider_id).name
    association = _association_of(context.session, person.id)
    with use_locale_of(mail_context, association):
        rows = _list_rows([(each.held_on, each.minutes) for each in linked])
    mail = RequestMail(
        subject=fit_subject(
            [f"RSC provider corrected to {provider}", "Your RSC provider was corrected"]
        ),
        greeting_name=person.name,
        headline=f"These sessions were with {provider}.",
        intro=f"Your log said {former}, and your coordinator corrected that. My year shows which "
        "sessions count. If this is wrong, reply to this email.",
        rows=rows,
        action=Action("View my renewal", f"{mail_context.settings.base_url}/my-year"),
        why=f"You get this email because you logged RSC sessions with {former}.",
    )
    key = f"{change_prefix(person.id, context.now)}relinked:{linked[0].provider_id}"
    envelope = Envelope.to_person(person, association, key)
    enqueue(
        context.session, [create_message(mail_context, envelope, mail, context.now)], context.now
    )


def _create_message(
    mail_context: MailContext,
    context: ServiceContext,
    linked: list[LinkedSession],
    association: str | None,
) -> Message:
    linked = sorted(linked, key=lambda each: (each.held_on, each.entry_id), reverse=True)
    person = context.session.get_one(Person, linked[0].person_id)
    provider = context.session.get_one(Person, linked[0].provider_id).name
    association = association or _association_of(context.session, person.id)
    with use_locale_of(mail_context, association):
        rows = _list_rows([(each.held_on, each.minutes) for each in linked])
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
        rows=rows,
        action=Action("View my renewal", f"{mail_context.settings.base_url}/my-year"),
        why=f"You get this email because you logged RSC sessions with {provider}.",
    )
    key = f"provider:{person.id}:{linked[0].provider_id}:{linked[0].entry_id}"
    about = About(str(Entry.__tablename__), linked[0].entry_id)
    envelope = Envelope.to_person(person, association, key, about)
    return create_message(mail_context, envelope, mail, context.now)


def notify_declined(
    mail_context: MailContext,
    context: ServiceContext,
    association: str,
    declined: Iterable[tuple[WaitingName, int]],
) -> None:
    """Queue a mail for each person and declined name, about the sessions that they logged.

    ``declined`` are names with the ids of their rows. Sessions of settled cycles are left out.
    """
    messages = []
    for name, number in declined:
        about = About(str(DeclinedProvider.__tablename__), number)
        for person_id, logged in _list_logged(name).items():
            settled = find_settled_days(context, person_id, [each.held_on for each in logged])
            entries = [each for each in logged if each.held_on not in settled]
            if entries:
                message = _create_declined(mail_context, context, association, entries, about)
                messages.append(message)
    enqueue(context.session, messages, context.now)


def notify_taken_back(
    mail_context: MailContext,
    context: ServiceContext,
    association: str,
    name: str,
    declined_ids: Iterable[int],
) -> None:
    """Drop the mails about a name that is no longer declined; correct those that have left."""
    abouts = [(str(DeclinedProvider.__tablename__), number) for number in declined_ids]
    reason = "the name is no longer declined"
    left = withdraw_about(context.session, abouts, context.now, reason)
    messages = []
    for person_id in dict.fromkeys(letter.person_id for letter in left if letter.person_id):
        person = context.session.get_one(Person, person_id)
        mail = RequestMail(
            subject=fit_subject([f"We will check {name} again", "We will check a provider again"]),
            greeting_name=person.name,
            headline=f"{association} will check again whether {name} is an RSC provider.",
            intro=(
                "Please disregard our last email about this. Your sessions wait for the answer, "
                "and you will get another email then. There is nothing for you to do."
            ),
            rows=(),
            action=Action("View my renewal", f"{mail_context.settings.base_url}/my-year"),
            why=f"You get this email because {association} sent you the earlier one.",
        )
        key = f"declined-again:{abouts[0][1]}:{person_id}"
        envelope = Envelope.to_person(person, association, key)
        messages.append(create_message(mail_context, envelope, mail, context.now))
    enqueue(context.session, messages, context.now)


def _list_logged(name: WaitingName) -> dict[int, list[WaitingEntry]]:
    """The sessions that people logged themselves, by person, the newest first."""
    logged = defaultdict[int, list[WaitingEntry]](list)
    for entry in reversed(name.entries):
        if entry.logged_at is not None:
            logged[entry.person_id].append(entry)
    return logged


def _create_declined(
    mail_context: MailContext,
    context: ServiceContext,
    association: str,
    entries: Sequence[WaitingEntry],
    about: About,
) -> Message:
    person = context.session.get_one(Person, entries[0].person_id)
    reason = context.session.get_one(DeclinedProvider, about.id).reason
    name = entries[0].provider_name
    with use_locale_of(mail_context, association):
        rows = _list_rows([(each.held_on, each.minutes) for each in entries])
    mail = RequestMail(
        subject=fit_subject([f"RSC hours with {name} don't count", "Some RSC hours don't count"]),
        greeting_name=person.name,
        headline=f"{association} did not confirm {name} as an RSC provider.",
        intro=(
            "These sessions do not count toward your renewal or application. If the name is wrong, "
            "correct it in the entry."
        ),
        rows=rows,
        answer=reason,
        answered_by=association,
        action=Action("View my renewal", f"{mail_context.settings.base_url}/my-year"),
        why=f"You get this email because you logged RSC sessions with {name}.",
    )
    key = f"declined-provider:{about.id}:{person.id}:{context.now.isoformat()}"
    envelope = Envelope.to_person(person, association, key, about)
    return create_message(mail_context, envelope, mail, context.now)


def _list_rows(sessions: Sequence[tuple[date, int]]) -> tuple[Row, ...]:
    """One row for each day with its minutes, the latest first."""
    ordered = sorted(sessions, reverse=True)
    rows = [Row(format_date(day), format_hours_with_unit(minutes)) for day, minutes in ordered]
    if len(rows) > _MOST_ROWS:
        rows[_MOST_ROWS:] = [Row("Earlier sessions", str(len(rows) - _MOST_ROWS))]
    return tuple(rows)


def _association_of(session: Session, person_id: int) -> str | None:
    """The association whose coordinators get replies: that of the newest endorsement."""
    query = select(Endorsement.association).where(Endorsement.person_id == person_id)
    return session.exec(query.order_by(col(Endorsement.id).desc())).first()
