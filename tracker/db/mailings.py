"""Tables of mailings: what a coordinator wrote to people, who got it, and who did not and why."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field, SQLModel

from tracker.db.types import IDS_NEVER_REUSED, Instant

DRAFT, SENT, STOPPED = "draft", "sent", "stopped"
SKIPPED = "skipped"


class Mailing(SQLModel, table=True):
    """One mail to one or many people of an association, written by a coordinator.

    ``subject`` and ``text`` are as typed, with fields in braces. ``audience`` describes for whom it
    was meant. ``person_ids`` are the people chosen when the draft was made, as ranges
    ("3-5.9"): the list is frozen, so later changes add nobody. ``form_key`` makes a form that is
    sent twice one mailing. ``sent_on`` is the association's local day. Replies go to
    ``created_by``. A ``stopped`` mailing was sent, and what still waited was withdrawn.
    """

    __tablename__ = "mailing"
    __table_args__ = (
        CheckConstraint("state IN ('draft', 'sent', 'stopped')", name="mailing_state"),
        CheckConstraint("(state = 'draft') = (sent_at IS NULL)", name="mailing_sent_at"),
        CheckConstraint("(sent_on IS NULL) = (sent_at IS NULL)", name="mailing_sent_on"),
        CheckConstraint("(state = 'stopped') = (stopped_at IS NOT NULL)", name="mailing_stopped"),
        Index("mailing_list", "association", "state", "id"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    association: str = Field(max_length=40)
    state: str = Field(default=DRAFT, max_length=10)
    template: str = Field(max_length=20)
    subject: str = Field(max_length=200)
    text: str
    audience: str = Field(max_length=300)
    person_ids: str
    form_key: str = Field(unique=True, max_length=64)
    created_at: datetime = Field(sa_type=Instant)
    created_by: str = Field(max_length=254)
    sender_name: str = Field(max_length=200)
    sent_at: datetime | None = Field(default=None, sa_type=Instant)
    sent_on: date | None = None
    stopped_at: datetime | None = Field(default=None, sa_type=Instant)
    stopped_by: str | None = Field(default=None, max_length=254)


class MailingRecipient(SQLModel, table=True):
    """What became of a sent mailing for one person: sent with a message, or skipped with a reason.

    ``reason`` is a code of `tracker.services.mailing_rules`, ``message_id`` that of the
    outbox, and ``content`` the mail in words as JSON, to show it later: the outbox empties its
    texts. A message that was stopped or dropped before it left becomes skipped.
    """

    __tablename__ = "mailing_recipient"
    __table_args__ = (
        CheckConstraint("outcome IN ('sent', 'skipped')", name="mailing_recipient_outcome"),
        CheckConstraint(
            "(outcome = 'sent') = (message_id IS NOT NULL)", name="mailing_recipient_message"
        ),
        CheckConstraint(
            "(outcome = 'skipped') = (reason IS NOT NULL)", name="mailing_recipient_reason"
        ),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    mailing_id: int = Field(index=True, foreign_key="mailing.id")
    person_id: int = Field(index=True, foreign_key="person.id")
    outcome: str = Field(max_length=10)
    reason: str | None = Field(default=None, max_length=40)
    message_id: str | None = Field(default=None, index=True, max_length=200)
    content: str | None = None
