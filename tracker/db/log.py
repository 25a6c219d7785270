"""Tables of logged hours. Minutes are whole; a day is a legal day."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, Relationship, SQLModel

from tracker.db.types import IDS_NEVER_REUSED, Instant


class Entry(SQLModel, table=True):
    """One logged session. It counts toward each endorsement of the person that it fits.

    A provider is a known person (``provider_id``) or, until a coordinator has confirmed who
    that is, a name (``provider_name``); a session with a mere name counts for nothing yet.
    ``logged_at`` is when a form or a program logged it, None for an imported one.
    """

    __tablename__ = "entry"
    __table_args__ = (
        # Not redundant: entry_topic's foreign key needs it, so that a topic's copies of
        # person and day follow the entry.
        UniqueConstraint("id", "person_id", "held_on", name="entry_identity"),
        UniqueConstraint("person_id", "form_key", name="entry_saved_once"),
        CheckConstraint("activity IN ('training', 'rsc')", name="entry_activity"),
        CheckConstraint("minutes BETWEEN 1 AND 1440", name="entry_minutes"),
        CheckConstraint("format IN ('individual', 'group', 'peer')", name="entry_format"),
        CheckConstraint("provider_id IS NULL OR provider_name IS NULL", name="entry_one_provider"),
        # Covers the evaluation: it never touches the table itself.
        Index("entry_facts", "person_id", "held_on", "activity", "provider_id", "minutes"),
        Index("entry_provider", "provider_id", "held_on"),
        Index("entry_day", "held_on"),
        # Few entries name somebody who is not known; a page finds those of a whole association.
        Index(
            "entry_named_provider",
            "person_id",
            "held_on",
            "provider_name",
            sqlite_where=text("provider_name IS NOT NULL"),
            postgresql_where=text("provider_name IS NOT NULL"),
        ),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id")
    activity: str = Field(max_length=10)
    held_on: date
    minutes: int
    title: str = Field(max_length=300)
    provider_id: int | None = Field(default=None, foreign_key="person.id")
    provider_name: str | None = Field(default=None, max_length=200)
    format: str | None = Field(default=None, max_length=10)
    reference: str | None = Field(default=None, max_length=200)
    form_key: str | None = Field(default=None, max_length=64)
    logged_at: datetime | None = Field(default=None, sa_type=Instant)


class EntryTopic(SQLModel, table=True):
    """How many of an entry's minutes were about a topic.

    ``person_id`` and ``held_on`` repeat the entry's so that one index answers the sums; the
    foreign key keeps them the entry's own.
    """

    __tablename__ = "entry_topic"
    __table_args__ = (
        ForeignKeyConstraint(
            ["entry_id", "person_id", "held_on"],
            ["entry.id", "entry.person_id", "entry.held_on"],
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        CheckConstraint("minutes BETWEEN 1 AND 1440", name="entry_topic_minutes"),
        Index("entry_topic_facts", "person_id", "topic", "held_on", "minutes"),
    )
    entry_id: int = Field(primary_key=True)
    topic: str = Field(primary_key=True, max_length=40)
    person_id: int
    held_on: date
    minutes: int


class ImportedRow(SQLModel, table=True):
    """Which entry a row of an imported file became, so that it is never taken in twice.

    ``key`` names the row within the person's imports, ``digest`` its content. ``entry_id`` is
    None once the entry was deleted: the same file does not bring it back. ``former_email`` is the
    former address that the row had, if it was imported after a merge or a change of the address.
    """

    __tablename__ = "imported_row"
    person_id: int = Field(primary_key=True, foreign_key="person.id")
    key: str = Field(primary_key=True, max_length=220)
    digest: str = Field(max_length=64)
    entry_id: int | None = Field(
        default=None, index=True, foreign_key="entry.id", ondelete="SET NULL"
    )
    former_email: str | None = Field(default=None, max_length=254)


class Evidence(SQLModel, table=True):
    """A file that proves an entry; its bytes are in the evidence folder as ``stored_as``.

    While the form that it came with is not yet saved, it has no entry, only the ``form_key``. A
    document for hours of a ``requirement`` that are not logged as sessions belongs to an audit.
    """

    __tablename__ = "evidence"
    __table_args__ = (
        Index("evidence_form", "person_id", "form_key"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id")
    entry_id: int | None = Field(
        default=None, index=True, foreign_key="entry.id", ondelete="SET NULL"
    )
    form_key: str = Field(max_length=64)
    name: str = Field(max_length=200)
    media_type: str = Field(max_length=40)
    size: int
    sha256: str = Field(max_length=64)
    stored_as: str = Field(unique=True, max_length=64)
    audit_case_id: int | None = Field(
        default=None, index=True, foreign_key="audit_case.id", ondelete="SET NULL"
    )
    requirement: str | None = Field(default=None, max_length=80)
    added_at: datetime = Field(sa_type=Instant)


class GroupSession(SQLModel, table=True):
    """An RSC session that its provider logged for those who took part."""

    __tablename__ = "group_session"
    __table_args__ = (
        UniqueConstraint("provider_id", "form_key", name="group_session_once"),
        CheckConstraint("minutes BETWEEN 1 AND 1440", name="group_session_minutes"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    provider_id: int = Field(foreign_key="person.id")
    held_on: date
    minutes: int
    title: str = Field(max_length=300)
    form_key: str = Field(max_length=64)
    logged_at: datetime = Field(sa_type=Instant)
    withdrawn_at: datetime | None = Field(default=None, sa_type=Instant)
    members: list["GroupMember"] = Relationship(
        sa_relationship_kwargs={"lazy": "raise", "order_by": "GroupMember.id", "viewonly": True}
    )


class GroupMember(SQLModel, table=True):
    """A person whom the provider named; the session is in their log once they confirm it.

    ``person_id`` is None if no known person has the address; the provider does not learn that.
    ``name`` is set if the provider chose the person from a list. Several addresses of one person
    are several rows, so that nobody learns that they belong together; all of them hold the
    answer, and the first one holds the entry.
    """

    __tablename__ = "group_member"
    __table_args__ = (
        UniqueConstraint("group_session_id", "email"),
        CheckConstraint("state IN ('asked', 'confirmed', 'disputed')", name="group_member_state"),
        CheckConstraint(
            "(state = 'asked') = (answered_at IS NULL)", name="group_member_answered_at"
        ),
        CheckConstraint(
            "entry_id IS NULL OR state = 'confirmed'", name="group_member_entry_confirmed"
        ),
        # A person whose address becomes known later finds what was sent to it before.
        Index("group_member_email", "email"),
        IDS_NEVER_REUSED,
    )
    id: int = Field(default=None, primary_key=True)
    group_session_id: int = Field(index=True, foreign_key="group_session.id", ondelete="CASCADE")
    email: str = Field(max_length=254)
    person_id: int | None = Field(default=None, index=True, foreign_key="person.id")
    state: str = Field(default="asked", max_length=10)
    answered_at: datetime | None = Field(default=None, sa_type=Instant)
    note: str | None = Field(default=None, max_length=500)
    entry_id: int | None = Field(
        default=None, index=True, foreign_key="entry.id", ondelete="SET NULL"
    )
    name: str | None = Field(default=None, max_length=200)
    asked_at: datetime = Field(sa_type=Instant)
    reminded_at: datetime | None = Field(default=None, sa_type=Instant)

    @property
    def label(self) -> str:
        """What the provider knows this person by: the name, or the address they entered."""
        return self.name or self.email


class AuditEvent(SQLModel, table=True):
    """Who changed which row, when, from what to what (JSON texts; None where there was none).

    ``person_id`` is whose row it was when it changed; None if it is nobody's. It is not a foreign
    key: an event outlives the record, and two merged records keep the events of both.
    """

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("audit_event_row", "table_name", "row_id"),
        Index("audit_event_person", "person_id"),
    )
    id: int = Field(default=None, primary_key=True)
    at: datetime = Field(sa_type=Instant)
    who: str = Field(max_length=254)
    table_name: str = Field(max_length=40)
    row_id: int
    before: str | None = None
    after: str | None = None
    person_id: int | None = None
