"""Emails about sessions that a provider has logged: the first one, and a reminder.

They are optional. One person gets at most one a day, however often a session is corrected:
everything that waits is on My year, and tomorrow's mail lists what no mail has listed yet.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlmodel import Session

from tracker.formatting import (
    format_count,
    format_date,
    format_hours_with_unit,
    format_short_month_day,
)
from tracker.mail.contents import Action, SessionItem, SessionMail
from tracker.mail.outbox import Message, enqueue
from tracker.notifications.context import Envelope, MailContext, create_message, use_locale_of
from tracker.notifications.notices_mail import fit_subject
from tracker.plain_text import contains_link
from tracker.rules.notification_preferences import OptionalNotice
from tracker.services.group_notifications import (
    GroupNotification,
    find_association,
    had_mail,
    list_group_notifications,
)
from tracker.services.notification_preferences import create_choice_token, list_disabled_kinds

_A_DAY = timedelta(days=1)
_NOBODY = 0
_NO_ADDRESS = "nobody@example.invalid"


def notify_members(
    context: MailContext, session: Session, member_ids: Collection[int], now: datetime
) -> None:
    """Write a mail to each person whom these rows name, unless they had one within a day.

    The next day's mail (jobs/references.py) tells those what then still waits.

    For a row without a known person, a mail is rendered and discarded, so that the time it
    takes does not show who is known.
    """
    notified: set[int] = set()
    messages = []
    for request in list_group_notifications(session, member_ids):
        person_id = request.member.person_id
        if person_id in notified:
            continue
        message = _write_message(context, session, [request], now, is_reminder=False)
        if person_id is None:
            continue
        notified.add(person_id)
        had_one = had_mail(session, person_id, [SessionMail.kind], now - _A_DAY)
        if not had_one and _wants_mail(session, person_id):
            messages.append(message)
    enqueue(session, messages, now)


def write_reminder(
    context: MailContext,
    session: Session,
    requests: Sequence[GroupNotification],
    now: datetime,
    *,
    is_reminder: bool,
) -> Message | None:
    """One mail about everything that waits for one person; None if they switched such mail off.

    ``is_reminder``: an earlier mail listed some of it already.
    """
    person_id = requests[0].member.person_id
    if person_id is None or not _wants_mail(session, person_id):
        return None
    # A session may name a person by several addresses.
    first: dict[int, GroupNotification] = {}
    for request in requests:
        first.setdefault(request.session.id, request)
    return _write_message(context, session, [*first.values()], now, is_reminder=is_reminder)


def _wants_mail(session: Session, person_id: int) -> bool:
    return OptionalNotice.SESSIONS.value not in list_disabled_kinds(session, person_id)


def _write_message(
    context: MailContext,
    session: Session,
    requests: Sequence[GroupNotification],
    now: datetime,
    *,
    is_reminder: bool,
) -> Message:
    member, person = requests[0].member, requests[0].person
    association = find_association(session, person.id) if person else None
    if association not in context.rulebooks.associations:
        association = None
    base_url = context.settings.base_url
    name, address, person_id = "", _NO_ADDRESS, None
    if person:
        name, address, person_id = person.name, person.email, person.id
    token = create_choice_token(session, person_id or _NOBODY, [OptionalNotice.SESSIONS.value])
    url = f"{base_url}/unsubscribe/mail/{token}"
    with use_locale_of(context, association):
        mail = _write_mail(base_url, requests, url, is_reminder=is_reminder)
    occasion = "reminder" if is_reminder else "asked"
    envelope = Envelope(
        # With the instant: a corrected session is another occasion.
        dedupe_key=f"session:{member.id}:{occasion}:{now.timestamp():.6f}",
        name=name,
        address=address,
        association=association,
        person_id=person_id,
        unsubscribe_url=url,
    )
    return create_message(context, envelope, mail, now)


def _write_mail(
    base_url: str, requests: Sequence[GroupNotification], unsubscribe_url: str, *, is_reminder: bool
) -> SessionMail:
    first = requests[0]
    items = []
    for request in requests:
        logged = request.session
        day, hours = format_date(logged.held_on), format_hours_with_unit(logged.minutes)
        # Mail programs make links of what looks like one: a title is the provider's own text.
        title = "RSC" if contains_link(logged.title) else logged.title
        items.append(SessionItem(day, hours, title, request.provider))
    if len(items) == 1:
        confirm, which = "confirm it. It will then be", "the same page"
        action = Action(
            "Confirm or report a problem", f"{base_url}/sessions/asked/{first.member.id}"
        )
        why = f"You get this email because {first.provider} listed you as a participant."
    else:
        confirm, which = "confirm each one. They will then be", "the same pages"
        action = Action("View them on My year", f"{base_url}/my-year")
        why = "You get this email because the providers listed you as a participant."
    subjects, headline = _format_subjects(requests, is_reminder=is_reminder)
    return SessionMail(
        subject=fit_subject(subjects),
        greeting_name=first.person.name if first.person else "",
        headline=headline,
        intro=(
            f"If this is right, sign in and {confirm} in your log, which shows whether they count. "
            f"If something is wrong, report the problem on {which}."
        ),
        items=tuple(items),
        action=action,
        why=why,
        unsubscribe_url=unsubscribe_url,
    )


def _format_subjects(
    requests: Sequence[GroupNotification], *, is_reminder: bool
) -> tuple[list[str], str]:
    """The subjects, the fullest first, and the headline."""
    if len(requests) > 1:
        subject = f"{len(requests)} RSC sessions wait for your answer"
        return [subject], f"{format_count(len(requests), 'session')} wait for your answer."
    provider, logged = requests[0].provider, requests[0].session
    hours, day = format_hours_with_unit(logged.minutes), format_short_month_day(logged.held_on)
    headline = f"{provider} logged Reflective Supervision/Consultation (RSC) with you."
    if is_reminder:
        subject = f"Still to confirm: {hours} of RSC on {day}"
        return [subject], f"{headline} You have not answered yet."
    subjects = [f"{provider}: confirm {hours} of RSC, {day}", f"Confirm {hours} of RSC on {day}"]
    return subjects, headline
