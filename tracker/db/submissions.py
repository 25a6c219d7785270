"""The table of submitted renewals."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from tracker.db.types import IDS_NEVER_REUSED, Instant


class Submission(SQLModel, table=True):
    """A renewal as its endorsee submitted it, in force until a coordinator returns it.

    ``statements`` is JSON: the key and the words of each statement that was signed, with the name
    as typed in ``signed_name``. ``content`` is JSON of what the renewal came to by the records of
    that moment, written and read like that of a settled cycle. A renewal that meets every
    requirement is accepted by itself; ``accepted_by`` is the coordinator who accepted another one.
    ``announced_at`` is when an email about the acceptance, or about the return, was queued.

    While it is in force, triggers refuse to change or delete the person's sessions of the cycle,
    except those that were logged later; and to add one that no other endorsement needs.
    """

    __tablename__ = "submission"
    __table_args__ = (
        UniqueConstraint("endorsement_id", "form_key", name="submission_saved_once"),
        Index(
            "submission_in_force",
            "endorsement_id",
            "cycle_starts_on",
            unique=True,
            sqlite_where=text("returned_at IS NULL"),
            postgresql_where=text("returned_at IS NULL"),
        ),
        CheckConstraint("state IN ('submitted', 'accepted', 'returned')", name="submission_state"),
        CheckConstraint(
            "state <> 'accepted' OR accepted_at IS NOT NULL", name="submission_accepted"
        ),
        CheckConstraint(
            "(state = 'returned') = (returned_at IS NOT NULL)", name="submission_returned"
        ),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    endorsement_id: int = Field(foreign_key="endorsement.id", ondelete="CASCADE")
    cycle_starts_on: date
    cycle_ends_on: date
    form_key: str = Field(max_length=64)
    state: str = Field(default="submitted", max_length=10)
    submitted_at: datetime = Field(sa_type=Instant)
    signed_name: str = Field(max_length=200)
    statements: str
    content: str
    accepted_at: datetime | None = Field(default=None, sa_type=Instant)
    accepted_by: str | None = Field(default=None, max_length=254)
    accepted_because: str | None = Field(default=None, max_length=500)
    returned_at: datetime | None = Field(default=None, sa_type=Instant)
    returned_by: str | None = Field(default=None, max_length=254)
    returned_because: str | None = Field(default=None, max_length=500)
    announced_at: datetime | None = Field(default=None, sa_type=Instant)
