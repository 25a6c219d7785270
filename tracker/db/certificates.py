"""The table of certificates."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlmodel import Field, SQLModel

from tracker.db.types import IDS_NEVER_REUSED, Instant


class Certificate(SQLModel, table=True):
    """A certificate as it was issued; whether it is valid follows from today's other records.

    ``kind`` is "renewal" (``cycle_starts_on`` is the first day of the cycle that was renewed) or
    "endorsement" (the cycle is the one in which the endorsement began). ``valid_from`` and
    ``valid_through`` are both included. ``name`` is the person's as printed: once it is corrected,
    another certificate is issued. ``number`` is what anyone can verify it by; nobody can guess it.
    ``announced_at`` is when the email about it was queued (None: not yet, or another email names
    it, such as that about an accepted submission).
    Without ``endorsement_id`` the endorsement was removed as a wrong record.
    """

    __tablename__ = "certificate"
    __table_args__ = (
        UniqueConstraint(
            "endorsement_id", "kind", "cycle_starts_on", "name", name="certificate_once"
        ),
        CheckConstraint("kind IN ('endorsement', 'renewal')", name="certificate_kind"),
        CheckConstraint("valid_from <= valid_through", name="certificate_days"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    endorsement_id: int | None = Field(
        default=None, foreign_key="endorsement.id", ondelete="SET NULL"
    )
    kind: str = Field(max_length=11)
    cycle_starts_on: date
    number: str = Field(unique=True, max_length=19)
    name: str = Field(max_length=200)
    valid_from: date
    valid_through: date
    issued_at: datetime = Field(sa_type=Instant)
    announced_at: datetime | None = Field(default=None, sa_type=Instant)
