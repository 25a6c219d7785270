"""Tables of audits: draws, the renewals that were drawn, and the verdicts about what is shown."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from tracker.db.types import IDS_NEVER_REUSED, Instant


class AuditDraw(SQLModel, table=True):
    """A draw of accepted renewals whose cycles end within days that both count.

    ``frame`` is the text of `tracker.rules.audit_sampling.format_frame`, ``strata`` its strata as
    JSON, and ``amount`` a percentage if ``quota`` is "share". All of it is fixed before anything is
    drawn: a trigger refuses to change it, and no row is ever deleted. A draw that was discarded
    draws nobody any more, and another one may have the same renewals in its frame.
    """

    __tablename__ = "audit_draw"
    __table_args__ = (
        CheckConstraint("quota IN ('share', 'number')", name="audit_draw_quota"),
        CheckConstraint("amount > 0 AND (quota <> 'share' OR amount <= 100)", name="audit_amount"),
        CheckConstraint("ends_from <= ends_through", name="audit_draw_days"),
        CheckConstraint("(drawn_at IS NULL) = (drawn_by IS NULL)", name="audit_draw_drawn"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    association: str = Field(max_length=40, index=True)
    ends_from: date
    ends_through: date
    quota: str = Field(max_length=10)
    amount: int
    strata: str
    frame: str
    frame_hash: str = Field(max_length=64)
    seed: str = Field(max_length=200)
    frozen_at: datetime = Field(sa_type=Instant)
    frozen_by: str = Field(max_length=254)
    drawn_at: datetime | None = Field(default=None, sa_type=Instant)
    drawn_by: str | None = Field(default=None, max_length=254)
    discarded_at: datetime | None = Field(default=None, sa_type=Instant)
    discarded_by: str | None = Field(default=None, max_length=254)
    discarded_because: str | None = Field(default=None, max_length=500)


class AuditCase(SQLModel, table=True):
    """A renewal that was drawn, the ``position``-th of its draw, and what became of it.

    ``submission_id`` is the last submission of the renewal until the audit is decided: one that is
    returned and submitted again stays in its audit.
    ``due_on`` is the last day to send documents. ``note`` came with them, and ``appeal`` says why
    the endorsee disagrees. ``reminded_at`` is when a reminder of ``due_on`` was queued.
    """

    __tablename__ = "audit_case"
    __table_args__ = (
        UniqueConstraint("submission_id", name="audit_case_once"),
        CheckConstraint(
            "state IN ('drawn', 'asked', 'sent', 'passed', 'not passed', 'appealed')",
            name="audit_case_state",
        ),
        CheckConstraint("state = 'drawn' OR due_on IS NOT NULL", name="audit_case_due"),
        CheckConstraint(
            "state NOT IN ('passed', 'not passed') OR decided_at IS NOT NULL",
            name="audit_case_decided",
        ),
        CheckConstraint("(appealed_at IS NULL) = (appeal IS NULL)", name="audit_case_appeal"),
        Index("audit_case_list", "draw_id", "state"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    draw_id: int = Field(foreign_key="audit_draw.id")
    endorsement_id: int = Field(index=True, foreign_key="endorsement.id", ondelete="CASCADE")
    submission_id: int = Field(foreign_key="submission.id", ondelete="CASCADE")
    position: int
    state: str = Field(default="drawn", max_length=10)
    due_on: date | None = None
    asked_at: datetime | None = Field(default=None, sa_type=Instant)
    asked_by: str | None = Field(default=None, max_length=254)
    reminded_at: datetime | None = Field(default=None, sa_type=Instant)
    extended_because: str | None = Field(default=None, max_length=500)
    sent_at: datetime | None = Field(default=None, sa_type=Instant)
    note: str | None = Field(default=None, max_length=500)
    decided_at: datetime | None = Field(default=None, sa_type=Instant)
    decided_by: str | None = Field(default=None, max_length=254)
    decided_because: str | None = Field(default=None, max_length=500)
    appealed_at: datetime | None = Field(default=None, sa_type=Instant)
    appeal: str | None = Field(default=None, max_length=500)


class AuditItem(SQLModel, table=True):
    """The verdict about one entry of an audited renewal; one without support has a reason.

    ``title``, ``held_on``, and ``minutes`` say what the entry was, also once the person deleted it
    (``entry_id`` is None then): the verdict stays in the audit file.
    """

    __tablename__ = "audit_item"
    __table_args__ = (
        UniqueConstraint("case_id", "entry_id", name="audit_item_once"),
        CheckConstraint("verdict IN ('supported', 'not supported')", name="audit_item_verdict"),
        CheckConstraint("verdict = 'supported' OR reason <> ''", name="audit_item_reason"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    case_id: int = Field(index=True, foreign_key="audit_case.id", ondelete="CASCADE")
    endorsement_id: int = Field(index=True, foreign_key="endorsement.id", ondelete="CASCADE")
    entry_id: int | None = Field(
        default=None, index=True, foreign_key="entry.id", ondelete="SET NULL"
    )
    title: str = Field(max_length=300)
    held_on: date
    minutes: int
    verdict: str = Field(max_length=13)
    reason: str = Field(default="", max_length=500)
    decided_at: datetime = Field(sa_type=Instant)
    decided_by: str = Field(max_length=254)


class AuditHours(SQLModel, table=True):
    """The verdict about a requirement to which an endorsee attested, beside the logged sessions.

    ``supported`` is how much of it the documents support that no logged session shows: whole
    minutes, or months of a requirement of months. Once the audit is decided, the statement no
    longer stands for the requirement; what is supported counts instead.
    """

    __tablename__ = "audit_hours"
    __table_args__ = (
        UniqueConstraint("case_id", "requirement", name="audit_hours_once"),
        CheckConstraint("supported >= 0", name="audit_hours_supported"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    case_id: int = Field(foreign_key="audit_case.id", ondelete="CASCADE")
    endorsement_id: int = Field(index=True, foreign_key="endorsement.id", ondelete="CASCADE")
    requirement: str = Field(max_length=80)
    supported: int
    decided_at: datetime = Field(sa_type=Instant)
    decided_by: str = Field(max_length=254)
