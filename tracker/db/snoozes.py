"""The table of what coordinators put off."""

from datetime import date, datetime

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from tracker.db.types import IDS_NEVER_REUSED, Instant


class Snooze(SQLModel, table=True):
    """A cause that is left out of *Needs attention* until a day.

    ``cause`` is the key of the cause (`tracker.services.attention`); it is about the person
    ``person_id``, if it is about one. ``kind`` and ``gravity`` are what it was then: once it is
    graver it is shown again. ``until`` is the first day on which it is shown in any case.
    """

    __tablename__ = "snooze"
    __table_args__ = (
        UniqueConstraint("association", "cause", name="snooze_once"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    association: str = Field(max_length=40)
    cause: str = Field(max_length=100)
    kind: str = Field(max_length=40)
    gravity: int
    person_id: int | None = Field(default=None, index=True, foreign_key="person.id")
    until: date
    note: str = Field(default="", max_length=500)
    snoozed_at: datetime = Field(sa_type=Instant)
    snoozed_by: str = Field(max_length=254)
