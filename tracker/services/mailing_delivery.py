"""How far the delivery of mailings has come, and what each recipient got."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, case
from sqlalchemy import select as select_columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, func, or_, select

from tracker.db.ledgers import SECOND_COPY, Outbox
from tracker.db.mailings import DRAFT, Mailing, MailingRecipient
from tracker.db.people import Person
from tracker.services.context import NotFound
from tracker.services.mailing_rules import SkipReason


class DeliveryCounts(NamedTuple):
    """How many people a mailing reached, has yet to reach, failed to reach, or skipped."""

    sent: int = 0
    waiting: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def addressed(self) -> int:
        """How many people have a message, whatever came of it."""
        return self.sent + self.waiting + self.failed


class RecipientLine(NamedTuple):
    """One person in a mailing; ``state`` is a field of `DeliveryCounts`.

    ``error`` is the mail server's answer. ``finished_at`` is when the message was sent or failed.
    """

    id: int
    person_id: int
    name: str
    email: str
    state: str
    reason: str | None
    error: str | None
    finished_at: datetime | None
    has_content: bool


def count_mailings(session: Session, association: str) -> int:
    """How many mailings an association has sent."""
    query = select(func.count()).where(
        Mailing.association == association, col(Mailing.state) != DRAFT
    )
    return session.exec(query).one()


def list_mailings(
    session: Session, association: str, *, skip: int, limit: int
) -> list[tuple[Mailing, DeliveryCounts]]:
    """The mailings that an association sent, the newest first, with what came of each."""
    query = (
        select(Mailing)
        .where(Mailing.association == association, col(Mailing.state) != DRAFT)
        .order_by(col(Mailing.sent_at).desc(), col(Mailing.id).desc())
        .offset(skip)
        .limit(limit)
    )
    mailings = session.exec(query).all()
    counts = count_deliveries(session, [mailing.id for mailing in mailings])
    return [(mailing, counts.get(mailing.id, DeliveryCounts())) for mailing in mailings]


def list_drafts(session: Session, association: str) -> list[Mailing]:
    """The drafts of an association, the newest first."""
    query = (
        select(Mailing)
        .where(Mailing.association == association, Mailing.state == DRAFT)
        .order_by(col(Mailing.created_at).desc(), col(Mailing.id).desc())
    )
    return list(session.exec(query))


def count_deliveries(session: Session, mailing_ids: Collection[int]) -> dict[int, DeliveryCounts]:
    """By mailing: what came of it so far."""
    # Without a label, PostgreSQL takes the two for different expressions.
    state = _delivery_state().label(None)
    query = (
        _with_messages(select_columns(col(MailingRecipient.mailing_id), state, func.count()))
        .where(col(MailingRecipient.mailing_id).in_(mailing_ids))
        .group_by(col(MailingRecipient.mailing_id), state)
    )
    counts: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for mailing_id, name, number in session.connection().execute(query):
        counts[mailing_id][name] = number
    return {mailing_id: DeliveryCounts(**each) for mailing_id, each in counts.items()}


def list_mailing_recipients(
    session: Session, mailing_id: int, *, state: str = "", skip: int = 0, limit: int | None = None
) -> list[RecipientLine]:
    """The people of a mailing, those whose message failed first, then waiting, sent, skipped."""
    order = case({"failed": 0, "waiting": 1, "sent": 2}, value=_delivery_state(), else_=3)
    query = (
        _select_lines(mailing_id)
        .order_by(order, func.lower(Person.name), col(MailingRecipient.id))
        .offset(skip)
        .limit(limit)
    )
    if state:
        query = query.where(_delivery_state() == state)
    return [RecipientLine(*row) for row in session.connection().execute(query)]


def find_line(session: Session, mailing_id: int, recipient_id: int) -> RecipientLine:
    """One person in a mailing. Raises NotFound."""
    query = _select_lines(mailing_id).where(col(MailingRecipient.id) == recipient_id)
    row = session.connection().execute(query).first()
    if row is None:
        raise NotFound
    return RecipientLine(*row)


def _select_lines(mailing_id: int) -> Any:  # noqa: ANN401 - a Select of the fields of a line
    columns = (
        col(MailingRecipient.id),
        col(MailingRecipient.person_id),
        col(Person.name),
        func.coalesce(Outbox.recipient, Person.email),
        _delivery_state(),
        col(MailingRecipient.reason),
        col(Outbox.last_error),
        func.coalesce(_SECOND.finished_at, Outbox.finished_at),
        col(MailingRecipient.content).is_not(None),
    )
    return (
        _with_messages(select_columns(*columns))
        .join(Person, col(Person.id) == MailingRecipient.person_id)
        .where(col(MailingRecipient.mailing_id) == mailing_id)
    )


def find_recipient(session: Session, mailing_id: int, recipient_id: int) -> MailingRecipient:
    """One person's part in a mailing. Raises NotFound."""
    recipient = session.get(MailingRecipient, recipient_id)
    if recipient is None or recipient.mailing_id != mailing_id:
        raise NotFound
    return recipient


def list_held_back(session: Session, mailing_id: int) -> list[int]:
    """The people whom a mailing skipped only for today, or whose message was stopped."""
    reasons = [SkipReason.MAILED_TODAY.value, SkipReason.STOPPED.value]
    query = select(MailingRecipient.person_id).where(
        MailingRecipient.mailing_id == mailing_id, col(MailingRecipient.reason).in_(reasons)
    )
    return list(session.exec(query))


# The copy that went to the second address.
_SECOND = aliased(Outbox)


def _with_messages(query: Any) -> Any:  # noqa: ANN401 - a Select of any columns
    """A query over recipients, with their messages and the copies to second addresses."""
    return (
        query.select_from(MailingRecipient)
        .outerjoin(Outbox, col(Outbox.message_id) == MailingRecipient.message_id)
        .outerjoin(_SECOND, col(_SECOND.dedupe_key) == col(Outbox.dedupe_key) + SECOND_COPY)
    )


def _delivery_state() -> ColumnElement[str]:
    """The state of one recipient: the copy counts if the first address refused the message."""
    on_its_way = ("waiting", "sending")
    first, second = col(Outbox.state), col(_SECOND.state)
    return case(
        (or_(first == "sent", second == "sent"), "sent"),
        (or_(first.in_(on_its_way), second.in_(on_its_way)), "waiting"),
        (first == "failed", "failed"),
        # There is none, or it was dropped: the mailing was stopped while it was being sent.
        else_="skipped",
    )
