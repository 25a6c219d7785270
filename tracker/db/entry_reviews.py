"""Tables of what associations say about entries: confirmed, decided, asked about, and answered."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from tracker.db.types import IDS_NEVER_REUSED, Instant


class EntryConfirmation(SQLModel, table=True):
    """An association has checked an entry and found it right, as it was then (``version``).

    ``version`` is as of `services.entries.entry_version`.
    """

    __tablename__ = "entry_confirmation"
    __table_args__ = (
        UniqueConstraint("entry_id", "association", name="entry_confirmed_once"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    entry_id: int = Field(foreign_key="entry.id", ondelete="CASCADE")
    association: str = Field(max_length=40)
    version: str = Field(max_length=32)
    confirmed_at: datetime = Field(sa_type=Instant)
    confirmed_by: str = Field(max_length=254)


class EntryDecision(SQLModel, table=True):
    """An association decided that an entry does not count there, or removed it, for a reason.

    The person sees it. Of a removed entry, which has no ``entry_id``, the rest says what it was.
    """

    __tablename__ = "entry_decision"
    __table_args__ = (
        UniqueConstraint("entry_id", "association", name="entry_decided_once"),
        CheckConstraint("kind IN ('excluded', 'removed')", name="entry_decision_kind"),
        CheckConstraint(
            "(kind = 'excluded') = (entry_id IS NOT NULL)", name="entry_decision_entry"
        ),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    person_id: int = Field(index=True, foreign_key="person.id")
    entry_id: int | None = Field(default=None, foreign_key="entry.id", ondelete="CASCADE")
    association: str = Field(max_length=40)
    kind: str = Field(max_length=10)
    title: str = Field(max_length=300)
    held_on: date
    minutes: int
    reason: str = Field(max_length=500)
    decided_at: datetime = Field(sa_type=Instant)
    decided_by: str = Field(max_length=254)


class EntryQuestion(SQLModel, table=True):
    """An association asks about an entry, and may propose a correction of it.

    Open: it waits for the person. Answered: it waits for the association. Settled: it is closed.
    ``proposal`` is the proposed entry as JSON, for the entry as it was in ``version``; nothing
    changes unless the person accepts it (``accepted``). ``mailed_at`` is when an email about it was
    queued.
    """

    __tablename__ = "entry_question"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'answered', 'settled')", name="entry_question_state"),
        CheckConstraint(
            "(state = 'settled') = (settled_at IS NOT NULL)", name="entry_question_settled_at"
        ),
        CheckConstraint(
            "accepted IS NULL OR proposal IS NOT NULL", name="entry_question_accepted_proposal"
        ),
        CheckConstraint(
            "(proposal IS NULL) = (version IS NULL)", name="entry_question_proposal_version"
        ),
        Index("entry_question_list", "association", "state"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    entry_id: int = Field(index=True, foreign_key="entry.id", ondelete="CASCADE")
    association: str = Field(max_length=40)
    state: str = Field(default="open", max_length=10)
    asked_at: datetime = Field(sa_type=Instant)
    asked_by: str = Field(max_length=254)
    proposal: str | None = None
    version: str | None = Field(default=None, max_length=32)
    accepted: bool | None = None
    mailed_at: datetime | None = Field(default=None, sa_type=Instant)
    settled_at: datetime | None = Field(default=None, sa_type=Instant)


class EntryMessage(SQLModel, table=True):
    """One message of the thread of a question; ``is_answer``: the person wrote it.

    ``entry_id`` is the question's, so that whatever belongs to an entry is found by it.
    """

    __tablename__ = "entry_message"
    __table_args__ = (IDS_NEVER_REUSED,)
    id: int = Field(default=None, primary_key=True)
    question_id: int = Field(index=True, foreign_key="entry_question.id", ondelete="CASCADE")
    entry_id: int = Field(index=True, foreign_key="entry.id", ondelete="CASCADE")
    written_at: datetime = Field(sa_type=Instant)
    written_by: str = Field(max_length=254)
    is_answer: bool
    text: str = Field(max_length=500)
