"""Tables of the coordinator's desk."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field, SQLModel

from tracker.db.types import IDS_NEVER_REUSED, Instant


class DeskChange(SQLModel, table=True):
    """What a coordinator changed at once, for one person or many; it can be undone as a whole."""

    __tablename__ = "desk_change"
    __table_args__ = (
        CheckConstraint("(undone_at IS NULL) = (undone_by IS NULL)", name="desk_change_undone"),
        Index("desk_change_list", "association", "made_at"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    association: str = Field(max_length=40)
    title: str = Field(max_length=300)
    reason: str = Field(default="", max_length=500)
    made_at: datetime = Field(sa_type=Instant)
    made_by: str = Field(max_length=254)
    undone_at: datetime | None = Field(default=None, sa_type=Instant)
    undone_by: str | None = Field(default=None, max_length=254)


class ChangedRow(SQLModel, table=True):
    """A row that a change created, changed, or deleted, as JSON before and after.

    ``row_key`` is its table and primary key. ``person_id`` is the person it belongs to (None once
    that record is gone); ``name`` is what that person was called. ``outcome`` and ``note`` say what
    undoing did with the person's rows.
    """

    __tablename__ = "changed_row"
    __table_args__ = (
        CheckConstraint(
            "before IS NOT NULL OR after IS NOT NULL", name="changed_row_before_or_after"
        ),
        CheckConstraint(
            "outcome IN ('reversed', 'changed', 'refused')", name="changed_row_outcome"
        ),
        Index("changed_row_change", "change_id", "person_id"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    change_id: int = Field(foreign_key="desk_change.id", ondelete="CASCADE")
    person_id: int | None = Field(
        default=None, index=True, foreign_key="person.id", ondelete="SET NULL"
    )
    name: str = Field(max_length=200)
    row_key: str = Field(max_length=120)
    before: str | None = None
    after: str | None = None
    outcome: str | None = Field(default=None, max_length=10)
    note: str | None = Field(default=None, max_length=300)
