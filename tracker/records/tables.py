"""Every table, in one place to import: alembic compares a database with this metadata."""

from sqlmodel import SQLModel

from tracker.records.ledgers import (
    Notice,
    Outbox,
    ProviderSpan,
    RunRow,
    Secret,
    Session,
    SignIn,
    StandingRow,
    Unsubscribed,
)
from tracker.records.log import AuditEvent, Entry, EntryTopic, ImportedRow
from tracker.records.people import (
    Endorsement,
    Leave,
    Membership,
    Person,
    Renewal,
    Vetting,
    Waiver,
)

METADATA = SQLModel.metadata

__all__ = [
    "METADATA",
    "AuditEvent",
    "Endorsement",
    "Entry",
    "EntryTopic",
    "ImportedRow",
    "Leave",
    "Membership",
    "Notice",
    "Outbox",
    "Person",
    "ProviderSpan",
    "Renewal",
    "RunRow",
    "Secret",
    "Session",
    "SignIn",
    "StandingRow",
    "Unsubscribed",
    "Vetting",
    "Waiver",
]
