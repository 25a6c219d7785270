"""Mailings: drafts, sending once, stopping what waits, and how far delivery has come.

A stolen session must not become a way to send spam. So a mailing reaches only people who have to do
with the association, each of them at most once a day (`tracker.services.notices.day_key`), and an
association can send only so many mailings a day. Texts are plain, and replies go to the sender.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, update
from sqlmodel import Session, col, func, select

from tracker.clock import local_day
from tracker.db.engine import lock_names
from tracker.db.ledgers import Outbox
from tracker.db.mailings import DRAFT, SENT, SKIPPED, STOPPED, Mailing, MailingRecipient
from tracker.db.people import Person
from tracker.db.statements import insert_rows, upsert
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext
from tracker.services.desk_access import check_association
from tracker.services.desk_tasks import MAILING, lock_unfinished, stop_task
from tracker.services.mailing_rules import MailingField, MailingTemplate, SkipReason

MAX_SUBJECT, MAX_TEXT = 77, 4_000
# A phone shows it in full.
GOOD_SUBJECT = 49
MAX_MAILINGS_A_DAY = 40
MAX_PEOPLE = 10_000
_DRAFTS_KEPT = timedelta(days=30)
# As the columns have room.
_MAX_KEPT_SUBJECT, _MAX_AUDIENCE = 200, 300
_AUDITED = ("association", "state", "template", "subject", "text", "audience", "sender_name")
_FIELD = re.compile(r"\{([^{}\n]*)\}")
# "<b>", "</p>", "<img src=x>"; but not "< 3 hours", nor "<someone@example.org>".
_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9]*(?:\s[^<>]*)?/?>|<!--")
_RANGES = re.compile(r"[0-9]{1,10}(?:-[0-9]{1,10})?(?:\.[0-9]{1,10}(?:-[0-9]{1,10})?)*")


class MailingInput(NamedTuple):
    """A mailing as typed; ``person_ids`` are frozen, ``audience`` describes them."""

    association: str
    template: MailingTemplate
    subject: str
    text: str
    audience: str
    person_ids: tuple[int, ...]
    form_key: str

    @property
    def fields(self) -> frozenset[MailingField]:
        """The fields that the subject and the text use; unknown ones are left out."""
        return frozenset(list_fields(f"{self.subject}\n{self.text}"))


def list_fields(text: str) -> Iterator[MailingField]:
    """The known fields of a text, as often as they stand there."""
    for match in _FIELD.finditer(text):
        if name := _find_field(match[1]):
            yield name


def fill_fields(text: str, values: Mapping[MailingField, str]) -> str:
    """The text with each field replaced by its value. Values are never read as fields."""

    def replace(match: re.Match[str]) -> str:
        name = _find_field(match[1])
        return match[0] if name is None else values[name]

    return _FIELD.sub(replace, text)


def _find_field(typed: str) -> MailingField | None:
    """The field that is meant: case and extra spaces do not matter."""
    name = " ".join(typed.casefold().split())
    return MailingField(name) if name in set(MailingField) else None


def check_mailing(typed: MailingInput) -> list[Refusal]:
    """Why a mailing can't be sent as it is typed: everything that is wrong at once."""
    refusals = [
        *_check_markup("subject", typed.subject),
        *_check_markup("text", typed.text),
    ]
    if not typed.subject:
        refusals.append(Refusal("subject", "mailing-subject-missing"))
    if len(typed.subject) > MAX_SUBJECT:
        facts = {"limit": MAX_SUBJECT, "length": len(typed.subject)}
        refusals.append(Refusal("subject", "mailing-too-long", facts))
    if len(typed.text) > MAX_TEXT:
        facts = {"limit": MAX_TEXT, "length": len(typed.text)}
        refusals.append(Refusal("text", "mailing-too-long", facts))
    if not typed.text and typed.template is MailingTemplate.FREE:
        refusals.append(Refusal("text", "mailing-text-missing"))
    return refusals


def _check_markup(field: str, text: str) -> Iterator[Refusal]:
    """Unknown fields, braces that belong to none, and HTML."""
    known = [f"{{{name.value}}}" for name in MailingField]
    for match in _FIELD.finditer(text):
        if _find_field(match[1]) is None:
            facts = {"name": match[0], "known": known}
            yield Refusal(field, "mailing-field-unknown", facts)
    if loose := re.search(r"[{}]", _FIELD.sub("", text)):
        yield Refusal(field, "mailing-brace", {"brace": loose[0]})
    if tag := _TAG.search(text):
        yield Refusal(field, "mailing-html", {"tag": tag[0]})


def format_ids(person_ids: Iterable[int]) -> str:
    """Ids as ranges, for a form and the database: ``3-5.9``."""
    spans: list[list[int]] = []
    for number in sorted(set(person_ids)):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ".".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def parse_ids(text: str) -> tuple[int, ...]:
    """The ids that `format_ids` wrote; none for any other text, or for too many."""
    if not _RANGES.fullmatch(text):
        return ()
    spans = []
    for part in text.split("."):
        first, _, last = part.partition("-")
        spans.append(range(int(first), int(last or first) + 1))
    if sum(map(len, spans)) > MAX_PEOPLE:
        return ()
    return tuple(sorted({number for span in spans for number in span}))


def save_draft(context: ServiceContext, typed: MailingInput, sender_name: str) -> Mailing:
    """Keep a mailing that is being written, whatever is still wrong with it.

    If its form was already sent, the mailing that was sent is returned. Raises NotFound for an
    association that the actor does not coordinate, or a key of another association's.
    """
    check_association(context.actor, typed.association)
    forget_old_drafts(context.session, context.now)
    mailing = _lock_mailing(context, typed, sender_name)
    # What was sent does not change.
    if mailing.state == DRAFT:
        mailing.sqlmodel_update(_values(typed))
        context.session.flush()
    return mailing


def begin_sending(
    context: ServiceContext, typed: MailingInput, sender_name: str
) -> tuple[Mailing, bool]:
    """Turn a form into a sent mailing without recipients; and False if it was sent before.

    Of several requests with one form, only one sends it. Raises Refused with everything that
    is wrong, and NotFound as `save_draft` does.
    """
    check_association(context.actor, typed.association)
    refusals = check_mailing(typed)
    # So that of two mailings at once the second one counts the first one.
    lock_names(context.session, [f"mailings {typed.association}"])
    mailing = _lock_mailing(context, typed, sender_name)
    if mailing.state != DRAFT:
        return mailing, False
    today = local_day(context.now, context.rulebooks.associations[typed.association].time_zone)
    if count_sent_on(context.session, typed.association, today) >= MAX_MAILINGS_A_DAY:
        refusals.append(Refusal("", "mailing-day-limit", {"limit": MAX_MAILINGS_A_DAY}))
    if refusals:
        raise Refused(*refusals)
    sent = {"state": SENT, "sent_at": context.now, "sent_on": today}
    sender = {"created_by": context.actor.label, "sender_name": sender_name}
    mailing.sqlmodel_update({**_values(typed), **sent, **sender})
    context.session.flush()
    after = mailing.model_dump(include=set(_AUDITED))
    context.record_change("mailing", mailing.id, after=after)
    return mailing, True


class RecipientOutcome(NamedTuple):
    """What a mailing decided for a person: a message with its content, or a reason to skip."""

    person_id: int
    message_id: str | None = None
    content: str | None = None
    reason: SkipReason | None = None


def record_recipients(
    session: Session, mailing_id: int, outcomes: Iterable[RecipientOutcome]
) -> None:
    """Write the ledger of a mailing that is being sent."""
    rows = [
        {
            "mailing_id": mailing_id,
            "person_id": outcome.person_id,
            "outcome": SKIPPED if outcome.reason else SENT,
            "reason": outcome.reason.value if outcome.reason else None,
            "message_id": outcome.message_id,
            "content": outcome.content,
        }
        for outcome in outcomes
    ]
    insert_rows(session, MailingRecipient, rows)


def discard_draft(context: ServiceContext, mailing_id: int) -> None:
    """Delete a draft. Raises NotFound if there is none of the actor's associations."""
    mailing = get_mailing(context.session, mailing_id, context.actor.coordinates)
    # It may be sent at this moment.
    context.session.refresh(mailing, with_for_update=True)
    if mailing.state != DRAFT:
        raise NotFound
    context.session.delete(mailing)
    context.session.flush()


def stop_mailing(context: ServiceContext, mailing_id: int) -> int:
    """Withdraw the messages that have not left, and write no more; to how many people they are.

    A message that is being sent at this moment may still leave. The people whose message was
    withdrawn can get another mail today. Raises NotFound for a mailing of another association.
    """
    session = context.session
    mailing = get_mailing(session, mailing_id, context.actor.coordinates)
    if mailing.state == DRAFT:
        raise NotFound
    # First, so that nobody stores more messages meanwhile.
    unwritten = _stop_writing(context, mailing_id)
    waiting = (
        update(Outbox)
        .where(
            col(Outbox.about_kind) == Mailing.__tablename__,
            col(Outbox.about_id) == mailing_id,
            col(Outbox.state) == "waiting",
        )
        .values(
            state="dropped",
            finished_at=context.now,
            last_error="stopped by the coordinator",
            body=b"",
            dedupe_key=Outbox.dedupe_key + ":stopped:" + mailing.form_key,
        )
        .returning(col(Outbox.message_id), col(Outbox.person_id))
    )
    stopped = session.connection().execute(waiting).all()
    if not stopped and not unwritten:
        return 0
    skip_messages(session, [message_id for message_id, _ in stopped], SkipReason.STOPPED)
    values = {"state": STOPPED, "stopped_at": context.now, "stopped_by": context.actor.label}
    context.update_row(mailing, _AUDITED, **values)
    return len({person_id for _, person_id in stopped}) + unwritten


def _stop_writing(context: ServiceContext, mailing_id: int) -> int:
    """End the work on a mailing, and record whom it has not written to; how many they are."""
    session = context.session
    task = lock_unfinished(session, MAILING, mailing_id)
    if task is None:
        return 0
    left = stop_task(session, task, context.now)
    known = set(session.exec(select(Person.id).where(col(Person.id).in_(left))))
    outcomes = [
        RecipientOutcome(person_id, reason=SkipReason.STOPPED)
        for person_id in left
        if person_id in known
    ]
    record_recipients(session, mailing_id, outcomes)
    return len(outcomes)


def skip_messages(session: Session, message_ids: Collection[str], reason: SkipReason) -> None:
    """Record that messages, which were dropped before they left, will not be sent, and why."""
    skipped = (
        update(MailingRecipient)
        .where(col(MailingRecipient.message_id).in_(message_ids))
        .values(outcome=SKIPPED, reason=reason.value, message_id=None)
    )
    session.connection().execute(skipped)


def replace_message(session: Session, old_id: str, new_id: str, content: str) -> None:
    """Record that a newer message was written in the place of one that was dropped."""
    replaced = (
        update(MailingRecipient)
        .where(col(MailingRecipient.message_id) == old_id)
        .values(message_id=new_id, content=content)
    )
    session.connection().execute(replaced)


def get_mailing(session: Session, mailing_id: int, associations: Collection[str]) -> Mailing:
    """A draft or a mailing of one of these associations. Raises NotFound."""
    mailing = session.get(Mailing, mailing_id)
    if mailing is None or mailing.association not in associations:
        raise NotFound
    return mailing


def read_draft(mailing: Mailing) -> MailingInput:
    """A stored mailing as it was typed."""
    return MailingInput(
        mailing.association,
        MailingTemplate(mailing.template),
        mailing.subject,
        mailing.text,
        mailing.audience,
        parse_ids(mailing.person_ids),
        mailing.form_key,
    )


def count_sent_on(session: Session, association: str, day: date) -> int:
    """How many mailings an association sent on a local day; stopped ones count."""
    query = select(func.count()).where(
        Mailing.association == association, col(Mailing.sent_on) == day
    )
    return session.exec(query).one()


def _lock_mailing(context: ServiceContext, typed: MailingInput, sender_name: str) -> Mailing:
    """The mailing of a form as it is now, or a new draft, locked until the transaction ends."""
    row = {
        "association": typed.association,
        **_values(typed),
        "form_key": typed.form_key,
        "created_at": context.now,
        "created_by": context.actor.label,
        "sender_name": sender_name,
    }
    # Another request may have just stored it, or be sending it.
    upsert(context.session, Mailing, [row], key=["form_key"])
    query = select(Mailing).where(Mailing.form_key == typed.form_key).with_for_update()
    mailing = context.session.exec(query.execution_options(populate_existing=True)).first()
    if mailing is None or mailing.association != typed.association:
        raise NotFound
    return mailing


def _values(typed: MailingInput) -> dict[str, str]:
    """The columns that a form sets; a draft keeps even what is too long, up to a limit."""
    return {
        "template": typed.template.value,
        "subject": typed.subject[:_MAX_KEPT_SUBJECT],
        "text": typed.text,
        "audience": typed.audience[:_MAX_AUDIENCE],
        "person_ids": format_ids(typed.person_ids),
    }


def forget_old_drafts(session: Session, now: datetime) -> int:
    """Delete drafts that were begun more than 30 days ago; return how many."""
    is_old = (col(Mailing.state) == DRAFT) & (col(Mailing.created_at) < now - _DRAFTS_KEPT)
    return session.exec(delete(Mailing).where(is_old)).rowcount
