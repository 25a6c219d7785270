"""Tables of people and what they hold. Every ``ends_on`` includes its day; None has no end."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from tracker.db.types import IDS_NEVER_REUSED, Instant
from tracker.rules.requirement import INDIVIDUAL, MEMBERSHIP_KINDS

REMOVED = "removed"
# The name under which addresses are locked (`lock_names`): no two records get the same one.
EMAILS = "second email"
DEGREES = ("none", "associate", "bachelor", "master", "doctorate")


def _ends_after_start(table: str) -> CheckConstraint:
    return CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name=f"{table}_ends")


class Person(SQLModel, table=True):
    """Anyone we know: an endorsee, a provider of RSC, or both. ``email`` is lower case.

    ``time_zone`` (an IANA name) is their own choice; without one the association's holds. The
    second address is their own once they confirmed or removed one on the pages
    (``second_email_confirmed_at``), else the association's word. ``email_refused_at``: the first
    address has not worked since then; ``email_refused_reason`` is what the mail server said.
    ``dead_second_email`` is a second address that did not work. ``takes_supervisees_since`` (None:
    they take none) and ``provider_line``, for the public, are an RSC provider's own word.
    """

    __tablename__ = "person"
    __table_args__ = (
        CheckConstraint("email = lower(email)", name="person_email_lower"),
        CheckConstraint(f"highest_degree IN {DEGREES}", name="person_degree"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    email: str = Field(unique=True, max_length=254)
    name: str = Field(max_length=200)
    second_email: str | None = Field(default=None, max_length=254)
    second_email_confirmed_at: datetime | None = Field(default=None, sa_type=Instant)
    highest_degree: str = Field(default="none", max_length=10)
    provides_rsc: bool = False
    email_refused_at: datetime | None = Field(default=None, sa_type=Instant)
    email_refused_reason: str | None = Field(default=None, max_length=500)
    dead_second_email: str | None = Field(default=None, max_length=254)
    time_zone: str | None = Field(default=None, max_length=60)
    takes_supervisees_since: datetime | None = Field(default=None, sa_type=Instant)
    provider_line: str | None = Field(default=None, max_length=200)


class MailOff(SQLModel, table=True):
    """A kind of optional mail that a person does not want."""

    __tablename__ = "mail_off"
    person_id: int = Field(primary_key=True, foreign_key="person.id")
    kind: str = Field(primary_key=True, max_length=40)
    at: datetime = Field(sa_type=Instant)


class Endorsement(SQLModel, table=True):
    """One person's category at one association, and the days on which it is valid.

    ``ended_as`` is "removed" if the association removed it after a lapse; None if it goes on, or
    ended in any other way. One that is reinstated is another row.
    """

    __tablename__ = "endorsement"
    __table_args__ = (
        UniqueConstraint("person_id", "association", "category", "starts_on"),
        CheckConstraint(f"ended_as IN ('{REMOVED}')", name="endorsement_ended_as"),
        _ends_after_start("endorsement"),
        # A night looks for those that have begun since the last one.
        Index("endorsement_window", "association", "starts_on", "category"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id")
    association: str = Field(max_length=40)
    category: str = Field(max_length=40)
    starts_on: date
    ends_on: date | None = None
    ended_as: str | None = Field(default=None, max_length=10)


class AssociationStart(SQLModel, table=True):
    """An association's first day in this system: renewals due before it have no records here.

    Without ``first_day`` all records are here. ``is_chosen``: somebody said so; otherwise an
    upgrade left it as it was, and the setting `judge_renewals_due_from` can still give a day.
    """

    __tablename__ = "association_start"
    __table_args__ = (IDS_NEVER_REUSED,)
    id: int = Field(default=None, primary_key=True)
    association: str = Field(unique=True, max_length=40)
    first_day: date | None = None
    is_chosen: bool = True
    reason: str = Field(max_length=500)
    set_at: datetime = Field(sa_type=Instant)
    set_by: str = Field(max_length=254)


class Vetting(SQLModel, table=True):
    """An association's own acceptance of a person as provider of RSC."""

    __tablename__ = "vetting"
    __table_args__ = (
        UniqueConstraint("person_id", "association", "starts_on"),
        _ends_after_start("vetting"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id")
    association: str = Field(max_length=40)
    starts_on: date
    ends_on: date | None = None


class Membership(SQLModel, table=True):
    """A person's paid membership in an organization; without ``ends_on`` it is for life.

    ``kind`` is whether it is the person's own or their agency's. ``recorded_by`` is who entered it
    on the pages; None: it came in a file of the association's.
    """

    __tablename__ = "membership"
    __table_args__ = (
        UniqueConstraint("person_id", "organization", "starts_on"),
        # All that an evaluation asks of a membership.
        Index("membership_facts", "person_id", "ends_on", "starts_on", "organization", "kind"),
        _ends_after_start("membership"),
        CheckConstraint(f"kind IN {MEMBERSHIP_KINDS}", name="membership_kind"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id")
    organization: str = Field(max_length=40)
    # Rows removed before there were kinds come back without one.
    kind: str = Field(
        default=INDIVIDUAL, max_length=20, sa_column_kwargs={"server_default": INDIVIDUAL}
    )
    starts_on: date
    ends_on: date | None = None
    recorded_by: str | None = Field(default=None, max_length=254)


class Leave(SQLModel, table=True):
    """Days on which an endorsee is on leave, or (``kind``) the endorsement inactive or emeritus.

    What they excuse is in the rulebook.
    """

    __tablename__ = "leave"
    __table_args__ = (
        UniqueConstraint("endorsement_id", "starts_on"),
        CheckConstraint("kind IN ('leave', 'inactive', 'emeritus')", name="leave_kind"),
        _ends_after_start("leave"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    endorsement_id: int = Field(foreign_key="endorsement.id")
    kind: str = Field(default="leave", max_length=10)
    starts_on: date
    ends_on: date | None = None
    reason: str | None = Field(default=None, max_length=500)


class Waiver(SQLModel, table=True):
    """A requirement that the association does not ask of one renewal."""

    __tablename__ = "waiver"
    __table_args__ = (
        UniqueConstraint("endorsement_id", "cycle_starts_on", "requirement"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    endorsement_id: int = Field(foreign_key="endorsement.id")
    cycle_starts_on: date
    requirement: str = Field(max_length=80)
    reason: str = Field(max_length=500)


class Renewal(SQLModel, table=True):
    """What is special about one endorsement in one cycle: an extended due date."""

    __tablename__ = "renewal"
    __table_args__ = (
        UniqueConstraint("endorsement_id", "cycle_starts_on"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    endorsement_id: int = Field(foreign_key="endorsement.id")
    cycle_starts_on: date
    extended_due_on: date
    reason: str = Field(max_length=500)


class TimeRequest(SQLModel, table=True):
    """An endorsee asks for leave, inactive status, or a later due date; a coordinator decides.

    Of the first two ``starts_on`` and ``ends_on`` are the first and last day (None: not known yet).
    Of an extension ``starts_on`` is the first day of the cycle, ``ends_on`` the due date asked for,
    the whole day included.
    """

    __tablename__ = "time_request"
    __table_args__ = (
        UniqueConstraint("endorsement_id", "form_key", name="time_request_once"),
        CheckConstraint("kind IN ('leave', 'inactive', 'extension')", name="time_request_kind"),
        CheckConstraint(
            "state IN ('asked', 'granted', 'declined', 'withdrawn')", name="time_request_state"
        ),
        CheckConstraint("(state = 'asked') = (decided_at IS NULL)", name="time_request_decided_at"),
        CheckConstraint(
            "kind IN ('leave', 'inactive') OR ends_on IS NOT NULL",
            name="time_request_extension_ends",
        ),
        _ends_after_start("time_request"),
        Index("time_request_list", "state", "asked_at"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    endorsement_id: int = Field(index=True, foreign_key="endorsement.id")
    kind: str = Field(max_length=10)
    starts_on: date
    ends_on: date | None = None
    reason: str = Field(max_length=500)
    form_key: str = Field(max_length=64)
    asked_at: datetime = Field(sa_type=Instant)
    state: str = Field(default="asked", max_length=10)
    decided_at: datetime | None = Field(default=None, sa_type=Instant)
    decided_by: str | None = Field(default=None, max_length=254)
    answer: str | None = Field(default=None, max_length=500)
