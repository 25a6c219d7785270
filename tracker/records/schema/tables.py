"""Every table, in one place to import: alembic compares a database with this metadata."""

from sqlmodel import SQLModel

from tracker.records.schema.access import (
    ApiAnswer,
    ApiToken,
    CalendarFeed,
    Secret,
    Session,
    SignIn,
    SignInTry,
    Unsubscribed,
)
from tracker.records.schema.applying import (
    Application,
    Attestation,
    Degree,
    ExamResult,
    Position,
    Reference,
)
from tracker.records.schema.ledgers import (
    Notice,
    Outbox,
    ProviderSpan,
    RunRow,
    StandingRow,
)
from tracker.records.schema.log import (
    AuditEvent,
    Entry,
    EntryTopic,
    Evidence,
    GroupMember,
    GroupSession,
    ImportedRow,
)
from tracker.records.schema.people import (
    Endorsement,
    Leave,
    MailOff,
    Membership,
    Person,
    Renewal,
    TimeRequest,
    Vetting,
    Waiver,
)

METADATA = SQLModel.metadata

__all__ = [
    "METADATA",
    "ApiAnswer",
    "ApiToken",
    "Application",
    "Attestation",
    "AuditEvent",
    "CalendarFeed",
    "Degree",
    "Endorsement",
    "Entry",
    "EntryTopic",
    "Evidence",
    "ExamResult",
    "GroupMember",
    "GroupSession",
    "ImportedRow",
    "Leave",
    "MailOff",
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
    "SignInTry",
    "StandingRow",
    "TimeRequest",
    "Unsubscribed",
    "Vetting",
    "Waiver",
]
