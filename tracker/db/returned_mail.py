"""Tables of mail that came back: what was read in the mailbox for it, and when it was read."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field, SQLModel

from tracker.db.types import Instant

HARD, SOFT, DELAYED, COMPLAINT = "hard", "soft", "delayed", "complaint"
NO_BOUNCE, REFUSED, UNCLEAR = "no bounce", "refused", "not understood"
OUTCOMES = (HARD, SOFT, DELAYED, COMPLAINT, NO_BOUNCE, REFUSED, UNCLEAR)


class ReturnedMail(SQLModel, table=True):
    """A message of the mailbox for returned mail, each read once.

    ``digest`` is the SHA-256 of its bytes. ``outbox_id`` names the message of ours that it is
    about, ``person_id`` and ``recipient`` whose that was, if it could be told and proved.
    ``outcome`` is one of OUTCOMES, ``status`` a code of RFC 3463, and ``reason`` what the other
    mail server said, or why the report was refused.
    """

    __tablename__ = "returned_mail"
    __table_args__ = (
        CheckConstraint(f"outcome IN {OUTCOMES}", name="returned_mail_outcome"),
        Index("returned_mail_message", "outbox_id", "outcome", unique=True),
        Index("returned_mail_recipient", "recipient"),
        Index("returned_mail_read_at", "read_at"),
    )
    id: int = Field(default=None, primary_key=True)
    digest: str = Field(unique=True, max_length=64)
    outcome: str = Field(max_length=20)
    outbox_id: int | None = Field(default=None, foreign_key="outbox.id")
    person_id: int | None = Field(default=None, index=True, foreign_key="person.id")
    recipient: str | None = Field(default=None, max_length=254)
    status: str | None = Field(default=None, max_length=20)
    reason: str = Field(default="", max_length=500)
    read_at: datetime = Field(sa_type=Instant)


class MailboxRead(SQLModel, table=True):
    """The last time that the mailbox for returned mail was read: one row, with the ``id`` 1.

    ``error`` says why the last attempt failed (None: it did not); ``read_at`` is when one last
    succeeded. ``unclear`` messages lay in the mailbox then for a person to look at.
    """

    __tablename__ = "mailbox_read"
    __table_args__ = (CheckConstraint("id = 1", name="mailbox_read_once"),)
    id: int = Field(default=1, primary_key=True)
    tried_at: datetime = Field(sa_type=Instant)
    read_at: datetime | None = Field(default=None, sa_type=Instant)
    error: str | None = Field(default=None, max_length=500)
    unclear: int = 0
