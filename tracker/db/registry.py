"""The table of those who agreed to be listed in a public registry."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from tracker.db.types import IDS_NEVER_REUSED, Instant


class RegistryListing(SQLModel, table=True):
    """A person's consent to be listed in the public registry of one association.

    Without a row, or with ``withdrawn_at``, the person is not listed. ``withdrawn_by`` is the label
    of the actor: the person, or a coordinator who removed the listing. With ``removal_reason``, the
    association has removed it, and the person can't list themselves until it allows that again.
    """

    __tablename__ = "registry_listing"
    __table_args__ = (
        UniqueConstraint("person_id", "association", name="registry_listing_once"),
        CheckConstraint(
            "(withdrawn_at IS NULL) = (withdrawn_by IS NULL)", name="registry_listing_withdrawn"
        ),
        CheckConstraint(
            "removal_reason IS NULL OR withdrawn_at IS NOT NULL", name="registry_listing_removed"
        ),
        Index("registry_listing_public", "association", "withdrawn_at"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id")
    association: str = Field(max_length=40)
    listed_at: datetime = Field(sa_type=Instant)
    withdrawn_at: datetime | None = Field(default=None, sa_type=Instant)
    withdrawn_by: str | None = Field(default=None, max_length=254)
    removal_reason: str | None = Field(default=None, max_length=500)
