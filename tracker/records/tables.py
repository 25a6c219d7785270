"""Every table, in one place to import: alembic compares a database with this metadata."""

from sqlmodel import SQLModel

from tracker.records.applying import (
    Application,
    Attestation,
    Degree,
    ExamResult,
    Position,
    Reference,
)
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
    "Application",
    "Attestation",
    "AuditEvent",
    "Degree",
    "Endorsement",
    "Entry",
    "EntryTopic",
    "ExamResult",
    "ImportedRow",
    "Leave",
    "Membership",
    "Notice",
    "Outbox",
    "Person",
    "Position",
    "ProviderSpan",
    "Reference",
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
