"""Tables of the coordinator's desk."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from tracker.db.types import IDS_NEVER_REUSED, Instant


class DeskChange(SQLModel, table=True):
    """What a coordinator changed at once, for one person or many; it can be undone as a whole.

    ``form`` is a digest of the form that saved it; None if it came otherwise. ``undo_ended_at`` is
    when something that undoing it needs was deleted.
    """

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
    form: str | None = Field(default=None, max_length=64)
    undo_ended_at: datetime | None = Field(default=None, sa_type=Instant)


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


class TeamRole(SQLModel, table=True):
    """What someone does for an association, from a first day to a last one (None: no end).

    Both days count, in the association's time zone. ``email`` is the address they sign in with.
    """

    __tablename__ = "team_role"
    __table_args__ = (
        UniqueConstraint("association", "email", "role", "starts_on"),
        CheckConstraint("email = lower(email)", name="team_role_email_lower"),
        CheckConstraint(
            "role IN ('coordinator', 'reviewer', 'treasurer', 'viewer')", name="team_role_role"
        ),
        CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name="team_role_ends"),
        Index("team_role_email", "email"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    association: str = Field(max_length=40)
    email: str = Field(max_length=254)
    name: str = Field(max_length=200)
    role: str = Field(max_length=12)
    starts_on: date
    ends_on: date | None = None
    added_at: datetime = Field(sa_type=Instant)
    added_by: str = Field(max_length=254)


class TeamSetting(SQLModel, table=True):
    """What a team decided for its desk: the second factor, and notes for the next coordinator."""

    __tablename__ = "team_setting"
    association: str = Field(primary_key=True, max_length=40)
    requires_second_factor: bool = False
    notes: str = Field(default="", max_length=4000)
    changed_at: datetime = Field(sa_type=Instant)
    changed_by: str = Field(max_length=254)


class SecondFactor(SQLModel, table=True):
    """The app with which a team member confirms a sign-in; ``secret`` is encrypted.

    ``last_step`` is the number of the last time step whose code was used, so that no code works
    twice. ``recovery`` holds hashes of the unused recovery codes, separated by spaces.
    """

    __tablename__ = "second_factor"
    email: str = Field(primary_key=True, max_length=254)
    secret: bytes
    created_at: datetime = Field(sa_type=Instant)
    confirmed_at: datetime | None = Field(default=None, sa_type=Instant)
    last_step: int = 0
    recovery: str = Field(default="", max_length=1000)
    wrong_codes: int = 0
    wrong_at: datetime | None = Field(default=None, sa_type=Instant)
