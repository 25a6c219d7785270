"""Tables of what was corrected: rows that were removed, and addresses that people had before."""

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from tracker.db.types import IDS_NEVER_REUSED, Instant


class Removal(SQLModel, table=True):
    """What was removed or decided, with everything that is needed to undo it.

    ``kind`` is the kind of row as commands name it, with "own" before it if its owner deleted it,
    or "decided" if a coordinator decided about it. ``content`` is JSON: the ``rows`` that were
    deleted, each after those that it refers to, and the ``links`` of other rows to them; of a
    decision the rows that it ``changed``. A decision is about the row ``subject_id`` of its kind,
    at an ``association``. ``logged_at`` is that of an entry, which counts towards the limit of a
    day although it is deleted.
    """

    __tablename__ = "removal"
    __table_args__ = (Index("removal_subject", "kind", "subject_id"), IDS_NEVER_REUSED)
    id: int = Field(default=None, primary_key=True)
    person_id: int = Field(index=True, foreign_key="person.id")
    kind: str = Field(max_length=40)
    description: str = Field(max_length=500)
    reason: str = Field(max_length=500)
    removed_at: datetime = Field(sa_type=Instant)
    removed_by: str = Field(max_length=254)
    association: str | None = Field(default=None, max_length=40)
    subject_id: int | None = None
    logged_at: datetime | None = Field(default=None, sa_type=Instant)
    undone_at: datetime | None = Field(default=None, sa_type=Instant)
    undone_by: str | None = Field(default=None, max_length=254)
    content: str


class FormerEmail(SQLModel, table=True):
    """An address that was a person's first one, so that no file makes a second person of it."""

    __tablename__ = "former_email"
    email: str = Field(primary_key=True, max_length=254)
    person_id: int = Field(index=True, foreign_key="person.id")
    changed_at: datetime = Field(sa_type=Instant)
