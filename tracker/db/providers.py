"""Tables of what associations know of RSC providers. Every ``ends_on`` includes its day."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from tracker.db.types import IDS_NEVER_REUSED, Instant


class OutsideEndorsement(SQLModel, table=True):
    """A provider's endorsement at another association, as an association's coordinator knows it.

    Without a ``category`` (an empty text) it is vetting by the other association. It counts for the
    rules of the association that it is ``known_to``, and for no other. It is not an `Endorsement`:
    nobody has to renew it here. ``association`` is an organization's id, or a name if it has none.
    """

    __tablename__ = "outside_endorsement"
    __table_args__ = (
        UniqueConstraint(
            "known_to", "person_id", "association", "category", "starts_on", name="outside_once"
        ),
        CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name="outside_endorsement_ends"),
        Index("outside_endorsement_person", "person_id"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id")
    known_to: str = Field(max_length=40)
    association: str = Field(max_length=100)
    category: str = Field(max_length=40)
    starts_on: date
    ends_on: date | None = None
    recorded_by: str = Field(max_length=254)


class DeclinedProvider(SQLModel, table=True):
    """A provider's name that an association does not confirm, and the reason for the endorsees.

    It belongs to the person who used the name first, but holds for everyone. ``name_key`` is the
    name as names are compared (`tracker.plain_text.plain_name`).
    """

    __tablename__ = "declined_provider"
    __table_args__ = (
        UniqueConstraint("association", "name_key", name="declined_provider_once"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    person_id: int = Field(index=True, foreign_key="person.id")
    association: str = Field(max_length=40)
    name_key: str = Field(max_length=400)
    name: str = Field(max_length=200)
    reason: str = Field(max_length=500)
    declined_at: datetime = Field(sa_type=Instant)
    declined_by: str = Field(max_length=254)
