"""Tables of people and what they hold. Every ``ends_on`` includes its day; None has no end."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from tracker.records.types import Instant

DEGREES = ("none", "associate", "bachelor", "master", "doctorate")


def _ends_after_start(table: str) -> CheckConstraint:
    return CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name=f"{table}_ends")


class Person(SQLModel, table=True):
    """Anyone we know: an endorsee, a provider of RSC, or both. ``email`` is lower case."""

    __tablename__ = "person"
    __table_args__ = (
        CheckConstraint("email = lower(email)", name="person_email_lower"),
        CheckConstraint(f"highest_degree IN {DEGREES}", name="person_degree"),
    )
    id: int | None = Field(default=None, primary_key=True)
    email: str = Field(unique=True, max_length=254)
    name: str = Field(max_length=200)
    second_email: str | None = Field(default=None, max_length=254)
    highest_degree: str = Field(default="none", max_length=10)
    provides_rsc: bool = False
    email_refused_at: datetime | None = Field(default=None, sa_type=Instant)


class Endorsement(SQLModel, table=True):
    """One person's category at one association, and the days on which it is valid."""

    __tablename__ = "endorsement"
    __table_args__ = (
        UniqueConstraint("person_id", "association", "category", "starts_on"),
        _ends_after_start("endorsement"),
        Index("endorsement_window", "association", "category", "starts_on"),
    )
    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id")
    association: str = Field(max_length=40)
    category: str = Field(max_length=40)
    starts_on: date
    ends_on: date | None = None


class Vetting(SQLModel, table=True):
    """An association's own acceptance of a person as provider of RSC."""

    __tablename__ = "vetting"
    __table_args__ = (
        UniqueConstraint("person_id", "association", "starts_on"),
        _ends_after_start("vetting"),
    )
    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id")
    association: str = Field(max_length=40)
    starts_on: date
    ends_on: date | None = None


class Membership(SQLModel, table=True):
    """A person's paid membership in an organization."""

    __tablename__ = "membership"
    __table_args__ = (
        UniqueConstraint("person_id", "organization", "starts_on"),
        # All that an evaluation asks of a membership.
        Index("membership_facts", "person_id", "ends_on", "starts_on", "organization"),
        _ends_after_start("membership"),
    )
    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id")
    organization: str = Field(max_length=40)
    starts_on: date
    ends_on: date


class Leave(SQLModel, table=True):
    """Days on which an endorsee is excused: a renewal that falls due then asks nothing."""

    __tablename__ = "leave"
    __table_args__ = (
        UniqueConstraint("endorsement_id", "starts_on"),
        _ends_after_start("leave"),
    )
    id: int | None = Field(default=None, primary_key=True)
    endorsement_id: int = Field(foreign_key="endorsement.id")
    starts_on: date
    ends_on: date | None = None
    reason: str | None = Field(default=None, max_length=500)


class Waiver(SQLModel, table=True):
    """A requirement that the association does not ask of one renewal."""

    __tablename__ = "waiver"
    __table_args__ = (UniqueConstraint("endorsement_id", "cycle_starts_on", "requirement"),)
    id: int | None = Field(default=None, primary_key=True)
    endorsement_id: int = Field(foreign_key="endorsement.id")
    cycle_starts_on: date
    requirement: str = Field(max_length=80)
    reason: str = Field(max_length=500)


class Renewal(SQLModel, table=True):
    """What is special about one endorsement in one cycle: an extended due date."""

    __tablename__ = "renewal"
    __table_args__ = (UniqueConstraint("endorsement_id", "cycle_starts_on"),)
    id: int | None = Field(default=None, primary_key=True)
    endorsement_id: int = Field(foreign_key="endorsement.id")
    cycle_starts_on: date
    extended_due_on: date
    reason: str = Field(max_length=500)
