"""Every table, in one place to import: alembic compares a database with this metadata."""

from sqlmodel import SQLModel

from tracker.db.access import (
    ApiAnswer,
    ApiToken,
    BrowserSession,
    CalendarFeed,
    Secret,
    SignIn,
    SignInTry,
    Unsubscribed,
)
from tracker.db.applications import (
    Application,
    Attestation,
    Degree,
    ExamResult,
    Position,
    Reference,
    Review,
    WithdrawnReference,
)
from tracker.db.corrections import FormerEmail, Removal
from tracker.db.ledgers import (
    Notice,
    Outbox,
    ProviderSpan,
    RunFailure,
    RunRow,
    SettledCycle,
    StandingRow,
)
from tracker.db.log import (
    AuditEvent,
    Entry,
    EntryTopic,
    Evidence,
    GroupMember,
    GroupSession,
    ImportedRow,
)
from tracker.db.people import (
    AssociationStart,
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
    "AssociationStart",
    "Attestation",
    "AuditEvent",
    "BrowserSession",
    "CalendarFeed",
    "Degree",
    "Endorsement",
    "Entry",
    "EntryTopic",
    "Evidence",
    "ExamResult",
    "FormerEmail",
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
    "Removal",
    "Renewal",
    "Review",
    "RunFailure",
    "RunRow",
    "Secret",
    "SettledCycle",
    "SignIn",
    "SignInTry",
    "StandingRow",
    "TimeRequest",
    "Unsubscribed",
    "Vetting",
    "Waiver",
    "WithdrawnReference",
]
