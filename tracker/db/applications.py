"""Tables of applications for an endorsement. Every ``ends_on`` includes its day."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from tracker.db.types import IDS_NEVER_REUSED, Instant
from tracker.rules.requirement import LEVELS, PAY, POSITION_AGES, Purpose

UNDECIDED = ("open", "submitted")
APPLICATION, REINSTATEMENT = "application", "reinstatement"
STATES = (*UNDECIDED, "endorsed", "declined", "withdrawn")
TRANSCRIPTS = ("none", "unofficial", "official")


class Application(SQLModel, table=True):
    """One person's application for a category at one association.

    Its ``purpose`` is to become endorsed, or to be reinstated after a removal. ``decided_on`` is
    the day on which it was endorsed, declined or withdrawn; the endorsement that comes of it begins
    on that day. ``answer`` is the reason for the applicant if it was declined.
    """

    __tablename__ = "application"
    __table_args__ = (
        UniqueConstraint("person_id", "association", "category", "opened_on"),
        CheckConstraint(f"state IN {STATES}", name="application_state"),
        CheckConstraint(
            f"purpose IN ('{APPLICATION}', '{REINSTATEMENT}')", name="application_purpose"
        ),
        CheckConstraint(
            "(decided_on IS NULL) = (state IN ('open', 'submitted'))", name="application_decided"
        ),
        CheckConstraint(
            "decided_on IS NULL OR decided_on >= opened_on", name="application_decided_later"
        ),
        Index("application_list", "association", "state"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id", index=True)
    association: str = Field(max_length=40)
    category: str = Field(max_length=40)
    opened_on: date
    submitted_on: date | None = None
    decided_on: date | None = None
    state: str = Field(default="open", max_length=10)
    answer: str | None = Field(default=None, max_length=500)
    # Rows removed before there were reinstatements come back without one.
    purpose: str = Field(
        default=APPLICATION, max_length=20, sa_column_kwargs={"server_default": APPLICATION}
    )

    @property
    def is_reinstatement(self) -> bool:
        """Whether it asks for a reinstatement."""
        return self.purpose == REINSTATEMENT

    @property
    def plan_purpose(self) -> Purpose:
        """The purpose by whose requirements it is judged."""
        return "reinstatement" if self.is_reinstatement else "application"

    @property
    def is_decided(self) -> bool:
        """Whether it was endorsed, declined, or withdrawn."""
        return self.state not in UNDECIDED


class Degree(SQLModel, table=True):
    """What a person's education led to, on the day on which it was awarded.

    ``recorded_by`` is who entered it on the pages; None: it came in a file of the association's.
    """

    __tablename__ = "degree"
    __table_args__ = (
        UniqueConstraint("person_id", "level", "title"),
        CheckConstraint(f"level IN {LEVELS}", name="degree_level"),
        CheckConstraint(f"transcript IN {TRANSCRIPTS}", name="degree_transcript"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id")
    level: str = Field(max_length=20)
    title: str = Field(max_length=200)
    awarded_on: date
    transcript: str = Field(default="none", max_length=10)
    recorded_by: str | None = Field(default=None, max_length=254)


class Position(SQLModel, table=True):
    """Work that a person did or does; ``ends_on`` None: still does.

    ``employer`` tells apart jobs with one title that began on one day; empty if none is named.
    ``services`` are what it offers (semicolons between them) and ``statements`` what the person
    confirms of it, in the rulebooks' own keys. ``ages`` are one of `POSITION_AGES`. ``families``
    were served in all; a volunteer's or intern's work was ``supervised`` and, the volunteer's,
    ``trained`` for. ``gives_rsc``: the person provides RSC to others there. ``recorded_by`` is as
    of `Degree`.
    """

    __tablename__ = "position"
    __table_args__ = (
        UniqueConstraint("person_id", "title", "starts_on", "employer", name="position_once"),
        CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name="position_ends"),
        CheckConstraint(f"pay IN {PAY}", name="position_pay"),
        CheckConstraint(f"ages IS NULL OR ages IN {POSITION_AGES}", name="position_ages"),
        CheckConstraint("families >= 0", name="position_families"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id")
    title: str = Field(max_length=200)
    pay: str = Field(max_length=10)
    services: str = Field(max_length=200)
    ages: str | None = Field(default=None, max_length=40)
    families: int = 0
    supervised: bool = False
    trained: bool = False
    gives_rsc: bool = False
    statements: str = Field(default="", max_length=400)
    supervisor_id: int | None = Field(default=None, foreign_key="person.id")
    employer: str = Field(default="", max_length=200)
    starts_on: date
    ends_on: date | None = None
    recorded_by: str | None = Field(default=None, max_length=254)


class Reference(SQLModel, table=True):
    """Somebody whom an applicant asks for a reference, and what that person answered.

    ``endorsed_by`` is the id of a known organization or, of any other, the name as the referee
    typed it; ``endorsed_as`` is the category that they claim. ``ratings`` is JSON, written and
    read by `tracker.services.reference_submission`. ``received_at`` is when the answer came.
    ``token_hash`` is that of the link in the mail; ``answered_by_link``: the referee answered with
    it, so no import changes the answer. ``named_at`` is when the applicant named them on the pages,
    None if a file did. The applicant sees whether it has come, and never what it says.
    """

    __tablename__ = "reference"
    __table_args__ = (
        UniqueConstraint("application_id", "email"),
        CheckConstraint(
            "received_at IS NULL OR (signed_as IS NOT NULL AND relationship IS NOT NULL)",
            name="reference_signed",
        ),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    application_id: int = Field(foreign_key="application.id", index=True)
    email: str = Field(max_length=254)
    name: str = Field(max_length=200)
    role: str = Field(max_length=40)
    asked_at: datetime | None = Field(default=None, sa_type=Instant)
    reminded_at: datetime | None = Field(default=None, sa_type=Instant)
    reminders: int = 0
    token_hash: str | None = Field(default=None, unique=True, max_length=64)
    role_confirmed: bool | None = None
    relationship: str | None = Field(default=None, max_length=500)
    endorsed_by: str | None = Field(default=None, max_length=200)
    endorsed_as: str | None = Field(default=None, max_length=40)
    vetted: bool = False
    ratings: str | None = None
    signed_as: str | None = Field(default=None, max_length=200)
    received_at: datetime | None = Field(default=None, sa_type=Instant)
    declined_at: datetime | None = Field(default=None, sa_type=Instant)
    named_at: datetime | None = Field(default=None, sa_type=Instant)
    answered_by_link: bool = False

    @property
    def state(self) -> str:
        """Whether the reference was "received" or "declined", or is "waiting" for an answer."""
        if self.received_at is not None:
            return "received"
        return "declined" if self.declined_at is not None else "waiting"


class WithdrawnReference(SQLModel, table=True):
    """A referee whom the applicant removed: a later import does not bring them back.

    ``named_at`` is as of `Reference`.
    """

    __tablename__ = "withdrawn_reference"
    id: int = Field(default=None, primary_key=True)
    application_id: int = Field(foreign_key="application.id", index=True)
    email: str = Field(max_length=254)
    name: str = Field(max_length=200)
    role: str = Field(max_length=40)
    named_at: datetime | None = Field(default=None, sa_type=Instant)
    withdrawn_at: datetime = Field(sa_type=Instant)


class Attestation(SQLModel, table=True):
    """Something signed or confirmed for an application: a key of the rulebook, and the day.

    ``recorded_by`` is as of `Degree`.
    """

    __tablename__ = "attestation"
    __table_args__ = (
        UniqueConstraint("application_id", "what"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    application_id: int = Field(foreign_key="application.id")
    what: str = Field(max_length=40)
    signed_on: date
    recorded_by: str | None = Field(default=None, max_length=254)


class ExamResult(SQLModel, table=True):
    """A written examination taken for an application.

    ``recorded_by`` is as of `Degree`: what an applicant enters is for the association to confirm.
    """

    __tablename__ = "exam_result"
    __table_args__ = (
        UniqueConstraint("application_id", "taken_on"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    application_id: int = Field(foreign_key="application.id")
    taken_on: date
    passed: bool
    recorded_by: str | None = Field(default=None, max_length=254)


class Review(SQLModel, table=True):
    """What the reviewers decided about one requirement of a submitted application.

    ``requirement`` is its id in the rulebook; ``note`` is for the applicant to read.
    """

    __tablename__ = "review"
    __table_args__ = (
        UniqueConstraint("application_id", "requirement"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    application_id: int = Field(foreign_key="application.id")
    requirement: str = Field(max_length=40)
    accepted: bool
    note: str = Field(default="", max_length=500)
    reviewed_by: str = Field(max_length=254)
    reviewed_at: datetime = Field(sa_type=Instant)
