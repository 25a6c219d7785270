"""Tables of what is only tried out."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from tracker.db.types import IDS_NEVER_REUSED, Instant


class RulebookDraft(SQLModel, table=True):
    """A changed rulebook that a coordinator uploaded to see what it would do; it is never in force.

    It is kept for a while so that every process, and a page that is opened again, can compare.
    """

    __tablename__ = "rulebook_draft"
    __table_args__ = (IDS_NEVER_REUSED,)
    id: int = Field(default=None, primary_key=True)
    association: str = Field(max_length=40)
    file_name: str = Field(max_length=120)
    content: str
    uploaded_at: datetime = Field(sa_type=Instant)
    uploaded_by: str = Field(max_length=254)
