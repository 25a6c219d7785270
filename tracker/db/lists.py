"""Tables of the list of people: marks, saved filters, and what was chosen for an action."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from tracker.db.types import IDS_NEVER_REUSED, Instant


class PersonMark(SQLModel, table=True):
    """A label that coordinators of an association gave a person, such as "called"."""

    __tablename__ = "person_mark"
    __table_args__ = (
        UniqueConstraint("person_id", "association", "label", name="person_mark_once"),
        Index("person_mark_list", "association", "label"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id")
    association: str = Field(max_length=40)
    label: str = Field(max_length=40)
    marked_by: str = Field(max_length=254)
    marked_at: datetime = Field(sa_type=Instant)


class SavedFilter(SQLModel, table=True):
    """A filter of the list of people that a coordinator saved under a name.

    ``owner`` is the coordinator's address, ``query`` the part of the page's address that filters.
    """

    __tablename__ = "saved_filter"
    __table_args__ = (
        UniqueConstraint("owner", "association", "name", name="saved_filter_name"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    owner: str = Field(max_length=254)
    association: str = Field(max_length=40)
    name: str = Field(max_length=60)
    query: str = Field(max_length=2000)
    saved_at: datetime = Field(sa_type=Instant)


class PeopleSelection(SQLModel, table=True):
    """Rows of the list of people that a coordinator chose for an action, kept for a day.

    ``content`` is JSON, written and read by `tracker.services.selections`: exactly these rows are
    meant, whatever would match by the time of the action.
    """

    __tablename__ = "people_selection"
    __table_args__ = (Index("people_selection_age", "selected_at"), IDS_NEVER_REUSED)
    id: int = Field(default=None, primary_key=True)
    association: str = Field(max_length=40)
    selected_by: str = Field(max_length=254)
    selected_at: datetime = Field(sa_type=Instant)
    content: str
