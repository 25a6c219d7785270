"""Checks the messages of mailings before they leave, like notices: see `tracker.jobs.recheck`.

A message of a mailing that was stopped is dropped. One that has waited is written again: if that
gives the same mail, it leaves. Otherwise it is dropped, and the newer mail takes its place if there
is still something to say to the person. The mailing's ledger says so.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session

from tracker.db.mailings import SENT, Mailing
from tracker.mail.outbox import Claimed, Message, Occasion, enqueue, list_occasions, mark_dropped
from tracker.notifications.context import JobContext
from tracker.notifications.mailing_mail import MailingWriter, Sender, open_letter, plan_letter
from tracker.notifications.mailing_text import SKIP_TEXTS
from tracker.services.mailing_rules import SkipReason
from tracker.services.mailings import read_draft, replace_message, skip_messages

_REPLACED = "a newer email says what is true now"


class _Fresh(NamedTuple):
    """What a person would get now: a message with its content, or a reason for none."""

    message: Message | None
    content: str
    reason: SkipReason


_STOPPED = _Fresh(None, "", SkipReason.STOPPED)


def recheck_mailings(
    context: JobContext,
    session: Session,
    messages: Sequence[Claimed],
    recent: Collection[int],
    now: datetime,
) -> list[Claimed]:
    """The messages that may leave; the others are settled in the outbox and the ledger.

    The ``recent`` ones (their ids) were written a moment ago and are not written again.
    """
    occasions = list_occasions(session, messages)
    by_mailing: defaultdict[int, list[Claimed]] = defaultdict(list)
    for message in messages:
        if about := occasions[message.id].about:
            by_mailing[about.id].append(message)
    kept: list[Claimed] = []
    for mailing_id, group in sorted(by_mailing.items()):
        waited = [message for message in group if message.id not in recent]
        fresh = _write_fresh(context, session, (mailing_id, waited), now)
        for message in group:
            instead = _find_replacement(message, fresh)
            if instead is None:
                kept.append(message)
            else:
                _drop(session, message, occasions[message.id], instead, now)
    return kept


def _find_replacement(message: Claimed, fresh: Mapping[int, _Fresh] | None) -> _Fresh | None:
    """What takes the place of a message; None if it may leave."""
    if fresh is None:
        return _STOPPED
    own = fresh.get(message.person_id or 0)
    # Recent messages have no fresh one.
    return None if own is None or _is_same(message, own) else own


def _write_fresh(
    context: JobContext, session: Session, waited: tuple[int, Sequence[Claimed]], now: datetime
) -> dict[int, _Fresh] | None:
    """What the people of a mailing (its id and their messages) would get; None if it stopped."""
    mailing_id, messages = waited
    mailing = session.get(Mailing, mailing_id)
    if mailing is None or mailing.state != SENT:
        return None
    people = {message.person_id for message in messages if message.person_id is not None}
    if not people:
        return {}
    sender = Sender(mailing.sender_name, mailing.created_by)
    opened = open_letter(context, read_draft(mailing), sender, now, is_recheck=True)
    planned = plan_letter(session, opened, people)
    fresh = {person_id: _Fresh(None, "", SkipReason.CHANGED) for person_id in people}
    for recipient, reason in planned.plan.skipped:
        fresh[recipient.person_id] = _Fresh(None, "", reason)
    written = MailingWriter(session, planned, mailing.id).write(planned.plan.to_send)
    for person_id, (message, content) in written.items():
        fresh[person_id] = _Fresh(message, content, SkipReason.CHANGED)
    return fresh


def _is_same(message: Claimed, fresh: _Fresh) -> bool:
    """Whether the words are the same; the headers differ each time a mail is written."""
    if fresh.message is None:
        return False
    before, after = (body.partition(b"\r\n\r\n")[2] for body in (message.body, fresh.message.body))
    return before == after


def _drop(
    session: Session, message: Claimed, occasion: Occasion, fresh: _Fresh, now: datetime
) -> None:
    """Drop a message, put the newer one in its place if there is one, and record it.

    A copy to a second address does not speak for its original, unless that one has failed.
    """
    reason = SKIP_TEXTS[fresh.reason] if fresh.message is None else _REPLACED
    is_ours = mark_dropped(session, message, now, reason)
    if not is_ours or (occasion.is_copy and occasion.original_state != "failed"):
        return
    original_id = (occasion.original_id if occasion.is_copy else None) or message.message_id
    if fresh.message is not None and enqueue(session, [fresh.message], now):
        replace_message(session, original_id, fresh.message.message_id, fresh.content)
    else:
        skip_messages(session, [original_id], fresh.reason)
