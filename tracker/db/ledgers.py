"""Tables of what the system worked out, decided, ran and sent."""

from datetime import date, datetime
from typing import Any

import sqlalchemy
from sqlalchemy import CheckConstraint, ColumnElement, Index, UniqueConstraint
from sqlmodel import Field, SQLModel, col, func

from tracker.db.people import Endorsement
from tracker.db.types import Instant

# Ends the dedupe key of a message's copy to a second address, so that each has at most one.
SECOND_COPY = ":second"


class ProviderSpan(SQLModel, table=True):
    """Days on which a person's RSC counts under a provider rule; spans of one never overlap.

    ``rule`` is ``<association>/<provider rule>``; both ends count; an open end is
    9999-12-31, so that one BETWEEN answers.
    """

    __tablename__ = "provider_span"
    __table_args__ = (
        # Covers the evaluation, which looks up the provider of every RSC session.
        Index("provider_span_provider", "provider_id", "rule", "starts_on", "ends_on"),
    )
    rule: str = Field(primary_key=True, max_length=100)
    provider_id: int = Field(primary_key=True, foreign_key="person.id")
    starts_on: date = Field(primary_key=True)
    ends_on: date


class StandingRow(SQLModel, table=True):
    """The last standing worked out for one endorsement in one cycle.

    ``recheck_on`` is the first day on which it, or the cycle that is current, could differ
    though nobody does anything (None: never). ``status_since`` is the local day on which the
    status last changed, ``membership_until`` the last day of the accepted membership in force (of
    the one before, when none is), ``falls_behind_on`` the first day on which an even pace is out of
    reach (None: on pace to the end). ``requirements`` is JSON, written and
    read by `tracker.services.evaluation`.
    """

    __tablename__ = "standing"
    __table_args__ = (
        Index("standing_due", "association", "recheck_on"),
        Index("standing_list", "association", "status"),
        # Its two ends say whether every standing comes of the same rulebooks.
        Index("standing_rules", "association", "rules_digest"),
        # A cycle without rules has no dates.
        CheckConstraint("(due_on IS NULL) = (status = 'no rules')", name="standing_due_on"),
    )
    endorsement_id: int = Field(primary_key=True, foreign_key="endorsement.id", ondelete="CASCADE")
    cycle_starts_on: date = Field(primary_key=True)
    association: str = Field(max_length=40)
    cycle_ends_on: date | None = None
    due_on: date | None = None
    status: str = Field(max_length=12)
    status_since: date
    falls_behind_on: date | None = None
    membership_until: date | None = None
    short_minutes: int = 0
    requirements: str
    recheck_on: date | None = None
    judged_on: date
    rules_digest: str = Field(max_length=64)


class StandingHistory(SQLModel, table=True):
    """A standing as it was stored from the local day ``since`` on, until the next row of its cycle.

    Written and read by `tracker.services.standing_history`.
    """

    __tablename__ = "standing_history"
    endorsement_id: int = Field(primary_key=True, foreign_key="endorsement.id", ondelete="CASCADE")
    cycle_starts_on: date = Field(primary_key=True)
    since: date = Field(primary_key=True)
    status: str = Field(max_length=12)
    due_on: date | None = None
    requirements: str


class EndorsementEnd(SQLModel, table=True):
    """The last day of an endorsement by the rules of its category, if earlier than on record.

    An add-on that has nothing beside it has the day before it begins. Written by
    `tracker.services.rule_ends`.
    """

    __tablename__ = "endorsement_end"
    endorsement_id: int = Field(primary_key=True, foreign_key="endorsement.id", ondelete="CASCADE")
    ends_on: date


# The last day on which an endorsement is valid, on record or by rule; NULL: it has no end.
LAST_DAY: ColumnElement[Any] = func.coalesce(
    sqlalchemy.select(col(EndorsementEnd.ends_on))
    .where(col(EndorsementEnd.endorsement_id) == col(Endorsement.id))
    .correlate(Endorsement)
    .scalar_subquery(),
    col(Endorsement.ends_on),
)


class SettledCycle(SQLModel, table=True):
    """What one endorsement's cycle came to when it closed; later changes do not move it.

    ``content`` is JSON, written and read by `tracker.services.facts`. A cycle that a
    coordinator has reopened is judged by today's records until it is settled again.
    ``differs_since`` is the first local day on which today's records would give another standing
    (None: they give the same).
    """

    __tablename__ = "settled_cycle"
    __table_args__ = (
        CheckConstraint(
            "(reopened_at IS NULL) = (reopened_by IS NULL)", name="settled_cycle_reopened"
        ),
    )
    endorsement_id: int = Field(primary_key=True, foreign_key="endorsement.id", ondelete="CASCADE")
    cycle_starts_on: date = Field(primary_key=True)
    settled_on: date
    content: str
    differs_since: date | None = None
    reopened_at: datetime | None = Field(default=None, sa_type=Instant)
    reopened_by: str | None = Field(default=None, max_length=254)
    reopening_reason: str | None = Field(default=None, max_length=500)


class Notice(SQLModel, table=True):
    """One decision about one step of one notice: sent, or skipped with its reason.

    ``subject_key`` says what it is about within the kind (a provider's id for a cutoff);
    ``due_on`` is the date that the step counts from, ``step`` the days from there (negative:
    before). A key is decided once, for ever. It is about a renewal (an endorsement and the
    ``cycle_starts_on``) or about an application, whose ``cycle_starts_on`` is the day it opened.
    """

    __tablename__ = "notice"
    __table_args__ = (
        UniqueConstraint("endorsement_id", "kind", "subject_key", "due_on", "step"),
        UniqueConstraint(
            "application_id", "kind", "subject_key", "due_on", "step", name="notice_application_key"
        ),
        CheckConstraint(
            "(endorsement_id IS NULL) <> (application_id IS NULL)", name="notice_about_one"
        ),
        CheckConstraint("outcome IN ('sent', 'skipped')", name="notice_outcome"),
        CheckConstraint(
            "(outcome = 'sent') = (message_id IS NOT NULL)", name="notice_sent_has_message"
        ),
        CheckConstraint("outcome = 'sent' OR reason IS NOT NULL", name="notice_skipped_has_reason"),
    )
    id: int = Field(default=None, primary_key=True)
    endorsement_id: int | None = Field(default=None, foreign_key="endorsement.id")
    application_id: int | None = Field(default=None, foreign_key="application.id")
    cycle_starts_on: date
    kind: str = Field(max_length=40)
    subject_key: str = Field(default="", max_length=40)
    due_on: date
    step: int
    decided_on: date
    outcome: str = Field(max_length=10)
    reason: str | None = Field(default=None, max_length=300)
    message_id: str | None = Field(default=None, index=True, max_length=200)


class Outbox(SQLModel, table=True):
    """A rendered message on its way: waiting, sending (leased), sent, failed for good, or dropped.

    A message is dropped if it is no longer true when it could leave. ``bounced`` says of a failed
    one whether its address refused it, at once or by a report later; otherwise the failure is the
    mail server's or ours.

    ``dedupe_key`` is unique: ``day:<person>:<local day>`` makes one mail a person a day,
    ``digest:<association>:<address>:<day>`` one digest a coordinator and week. ``fence`` grows
    with each lease; a sender whose fence is old may no longer write the outcome.

    ``body`` is encrypted while it waits (`tracker.db.signing_keys`) and empty afterward. ``text``
    is its plain text without secrets, encrypted; None for a copy, for an email with a code or a
    secret link, and after a year. Codes are masked in ``subject``. After ``expires_at`` the message
    is dropped: its code is no longer valid.

    ``about_kind`` and ``about_id`` name the row (its table and id) that the message is about, and
    ``about_state`` the state of it that makes the message true: see
    `tracker.services.message_subjects`. ``is_outdated`` says of a waiting message that a merge
    changed what it says, so that it is checked even if it was written a moment ago.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint(
            "state IN ('waiting', 'sending', 'sent', 'failed', 'dropped')", name="outbox_state"
        ),
        Index("outbox_due", "state", "next_attempt_at"),
        Index("outbox_about", "about_kind", "about_id"),
    )
    id: int = Field(default=None, primary_key=True)
    dedupe_key: str = Field(unique=True, max_length=400)
    message_id: str = Field(unique=True, max_length=200)
    kind: str = Field(max_length=40)
    association: str | None = Field(default=None, max_length=40)
    person_id: int | None = Field(default=None, index=True, foreign_key="person.id")
    recipient: str = Field(max_length=254)
    subject: str = Field(max_length=300)
    body: bytes
    state: str = Field(default="waiting", max_length=10)
    attempts: int = 0
    created_at: datetime = Field(sa_type=Instant)
    next_attempt_at: datetime = Field(sa_type=Instant)
    lease_until: datetime | None = Field(default=None, sa_type=Instant)
    fence: int = 0
    last_error: str | None = Field(default=None, max_length=500)
    finished_at: datetime | None = Field(default=None, sa_type=Instant)
    bounced: bool | None = None
    expires_at: datetime | None = Field(default=None, sa_type=Instant)
    about_kind: str | None = Field(default=None, max_length=40)
    about_id: int | None = None
    about_state: str | None = Field(default=None, max_length=10)
    is_outdated: bool | None = None
    text: bytes | None = None


class RunRow(SQLModel, table=True):
    """That a job ran for an association on a local day; written with the job's own rows."""

    __tablename__ = "run_ledger"
    job: str = Field(primary_key=True, max_length=40)
    association: str = Field(primary_key=True, max_length=40)
    local_date: date = Field(primary_key=True)
    started_at: datetime = Field(sa_type=Instant)
    finished_at: datetime = Field(sa_type=Instant)
    report: str


class RunFailure(SQLModel, table=True):
    """Part of a job that failed at its last attempt; the next tick tries it again.

    ``subject`` is what it was about: a person's id for notices, a coordinator's address for the
    digest; empty if the whole job failed. The row is deleted when the attempt succeeds.
    """

    __tablename__ = "run_failure"
    job: str = Field(primary_key=True, max_length=40)
    association: str = Field(primary_key=True, max_length=40)
    subject: str = Field(primary_key=True, max_length=254)
    error: str = Field(max_length=500)
    attempts: int
    first_failed_at: datetime = Field(sa_type=Instant)
    last_failed_at: datetime = Field(sa_type=Instant)
