"""The mails about sessions that a provider has logged: the first, and a reminder after some days.

They are optional, and one person gets one a day at most, however often a session is corrected:
all that waits stands on My year, and what no mail has said yet is said by the next day's.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlmodel import Session

from tracker.formatting import format_date, format_hours_with_unit, format_short_month_day
from tracker.mail.contents import Action, SessionItem, SessionMail, context_of, unsubscribe_headers
from tracker.mail.outbox import Message, enqueue
from tracker.notifications.context import reply_to
from tracker.notifications.notices_mail import fit
from tracker.notifications.reference_mail import MailContext
from tracker.rules.notification_preferences import OptionalNotice
from tracker.services.group_notifications import (
    GroupNotification,
    find_association,
    had_mail,
    list_group_notifications,
)
from tracker.services.notification_preferences import create_choice_token, list_disabled_kinds

KIND = SessionMail.kind
_A_DAY = timedelta(days=1)
_NOBODY = 0


class _To(NamedTuple):
    """Who gets a mail, and what they may end it with; nobody known has no ``person_id``."""

    person_id: int | None
    name: str
    email: str
    association: str | None


def notify_members(
    mail_context: MailContext,
    session: Session,
    member_ids: Collection[int],
    now: datetime,
) -> None:
    """Write a mail to each person whom these rows name, unless they had one within a day.

    Whoever had one is told of what then stands by the next day's (jobs/sessions.py).

    A mail is written to nobody in particular, too, and thrown away, so that the time that it
    takes does not tell who is known.
    """
    people = set()
    messages = []
    for telling in list_group_notifications(session, member_ids):
        if telling.person_id is not None and telling.person_id in people:
            continue
        people.add(telling.person_id)
        to = _to(mail_context, session, telling)
        message = write_session_mail(mail_context, session, to, [telling], now)
        if to.person_id is None or not wants_mail(session, to.person_id):
            continue
        if not had_mail(session, to.person_id, [KIND], now - _A_DAY):
            messages.append(message)
    enqueue(session, messages, now)


def write_reminder(
    mail_context: MailContext,
    session: Session,
    waiting: Sequence[GroupNotification],
    now: datetime,
    *,
    is_reminder: bool = True,
) -> Message | None:
    """One mail about all that waits for one known person; None where they want none.

    ``is_reminder``: a mail told them of it already.
    """
    to = _to(mail_context, session, waiting[0])
    if to.person_id is None or not wants_mail(session, to.person_id):
        return None
    return write_session_mail(mail_context, session, to, waiting, now, is_reminder=is_reminder)


def wants_mail(session: Session, person_id: int) -> bool:
    """Whether the person has not switched off mail of this kind."""
    return OptionalNotice.SESSIONS.value not in list_disabled_kinds(session, person_id)


def write_session_mail(
    mail_context: MailContext,
    session: Session,
    to: _To,
    tellings: Sequence[GroupNotification],
    now: datetime,
    *,
    is_reminder: bool = False,
) -> Message:
    """The mail about what waits, as a message for the outbox."""
    base_url = mail_context.settings.base_url
    token = create_choice_token(session, to.person_id or _NOBODY, [OptionalNotice.SESSIONS.value])
    url = f"{base_url}/unsubscribe/mail/{token}"
    mail = _words(base_url, to, tellings, url, is_reminder=is_reminder)
    replies = reply_to(mail_context.settings, to.association) if to.association else {}
    rendered = mail_context.composer.compose(
        KIND,
        recipient=(to.name, to.email),
        context=context_of(mail),
        at=now,
        headers={**replies, **unsubscribe_headers(url)},
    )
    first = tellings[0]
    which = "reminder" if is_reminder else "asked"
    return Message(
        # With the instant, because SQLite gives the id of one who was taken out to another.
        dedupe_key=f"session:{first.member_id}:{which}:{now.timestamp():.6f}",
        message_id=rendered.message_id,
        kind=KIND,
        association=to.association,
        person_id=to.person_id,
        recipient=to.email,
        subject=rendered.subject,
        body=rendered.body,
    )


def _to(mail_context: MailContext, session: Session, telling: GroupNotification) -> _To:
    if telling.person_id is None:
        return _To(None, "", "nobody@example.invalid", None)
    association = find_association(session, telling.person_id)
    known = association if association in mail_context.rulebooks.associations else None
    return _To(telling.person_id, telling.name or "", telling.email or "", known)


def _words(
    base_url: str, to: _To, tellings: Sequence[GroupNotification], url: str, *, is_reminder: bool
) -> SessionMail:
    first = tellings[0]
    items = [
        SessionItem(format_date(t.held_on), format_hours_with_unit(t.minutes), t.title, t.provider)
        for t in tellings
    ]
    one = len(items) == 1
    return SessionMail(
        subject=fit(_subjects(tellings, is_reminder=is_reminder)),
        greeting_name=to.name,
        headline=_headline(tellings, is_reminder=is_reminder),
        intro=(
            f"If that is right, sign in and confirm {'it' if one else 'each'}: only then it is in "
            "your log, which says whether it counts. If something is wrong, say so on the same "
            "page."
        ),
        items=tuple(items),
        action=Action(
            "Confirm, or say what is wrong" if one else "See them on My year",
            f"{base_url}/sessions/asked/{first.member_id}" if one else f"{base_url}/my-year",
        ),
        why=(
            f"You get this because {first.provider} named you as one who took part."
            if one
            else "You get this because those who provided them named you as one who took part."
        ),
        unsubscribe_url=url,
    )


def _subjects(tellings: Sequence[GroupNotification], *, is_reminder: bool) -> list[str]:
    first = tellings[0]
    hours, day = format_hours_with_unit(first.minutes), format_short_month_day(first.held_on)
    if len(tellings) > 1:
        return [f"{len(tellings)} RSC sessions wait for your answer"]
    if is_reminder:
        return [f"Still to confirm: {hours} of RSC on {day}"]
    return [
        f"{first.provider}: confirm {hours} of RSC, {day}",
        f"Confirm {hours} of RSC on {day}",
    ]


def _headline(tellings: Sequence[GroupNotification], *, is_reminder: bool) -> str:
    if len(tellings) > 1:
        return f"{len(tellings)} sessions wait for your answer."
    said = f"{tellings[0].provider} says that you took part in a session."
    return f"{said} You have not answered yet." if is_reminder else said
