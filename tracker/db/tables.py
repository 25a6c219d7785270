"""Every table, in one place to import: alembic compares a database with this metadata."""

from sqlmodel import SQLModel

from tracker.db.access import (
    ApiAnswer,
    ApiToken,
    BadgeKey,
    BrowserSession,
    CalendarFeed,
    KeyGeneration,
    Secret,
    SecurityEvent,
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
from tracker.db.audits import AuditCase, AuditDraw, AuditHours, AuditItem
from tracker.db.certificates import Certificate
from tracker.db.corrections import FormerEmail, Removal
from tracker.db.desk import (
    ChangedRow,
    DeskChange,
    SecondFactor,
    TeamRole,
    TeamSetting,
)
from tracker.db.desk_tasks import DeskTask, DeskTaskPiece
from tracker.db.drafts import RulebookDraft
from tracker.db.entry_reviews import (
    EntryConfirmation,
    EntryDecision,
    EntryMessage,
    EntryQuestion,
)
from tracker.db.imports import ImportMemory, ImportPlanRecord, ImportPlanRow, ImportProgress
from tracker.db.ledgers import (
    EndorsementEnd,
    Notice,
    Outbox,
    ProviderSpan,
    RunFailure,
    RunRow,
    SettledCycle,
    StandingHistory,
    StandingRow,
)
from tracker.db.lists import PeopleSelection, PersonMark, SavedFilter
from tracker.db.log import (
    AuditEvent,
    Entry,
    EntryTopic,
    Evidence,
    GroupMember,
    GroupSession,
    ImportedRow,
)
from tracker.db.mailings import Mailing, MailingRecipient
from tracker.db.operations import Maintenance, RestoreDrill
from tracker.db.payments import Payment, PaymentShare
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
from tracker.db.providers import DeclinedProvider, OutsideEndorsement
from tracker.db.registry import RegistryListing
from tracker.db.returned_mail import MailboxRead, ReturnedMail
from tracker.db.snoozes import Snooze
from tracker.db.submissions import Submission

METADATA = SQLModel.metadata

__all__ = [
    "METADATA",
    "ApiAnswer",
    "ApiToken",
    "Application",
    "AssociationStart",
    "Attestation",
    "AuditCase",
    "AuditDraw",
    "AuditEvent",
    "AuditHours",
    "AuditItem",
    "BadgeKey",
    "BrowserSession",
    "CalendarFeed",
    "Certificate",
    "ChangedRow",
    "DeclinedProvider",
    "Degree",
    "DeskChange",
    "DeskTask",
    "DeskTaskPiece",
    "Endorsement",
    "EndorsementEnd",
    "Entry",
    "EntryConfirmation",
    "EntryDecision",
    "EntryMessage",
    "EntryQuestion",
    "EntryTopic",
    "Evidence",
    "ExamResult",
    "FormerEmail",
    "GroupMember",
    "GroupSession",
    "ImportMemory",
    "ImportPlanRecord",
    "ImportPlanRow",
    "ImportProgress",
    "ImportedRow",
    "KeyGeneration",
    "Leave",
    "MailOff",
    "MailboxRead",
    "Mailing",
    "MailingRecipient",
    "Maintenance",
    "Membership",
    "Notice",
    "Outbox",
    "OutsideEndorsement",
    "Payment",
    "PaymentShare",
    "PeopleSelection",
    "Person",
    "PersonMark",
    "Position",
    "ProviderSpan",
    "Reference",
    "RegistryListing",
    "Removal",
    "Renewal",
    "RestoreDrill",
    "ReturnedMail",
    "Review",
    "RulebookDraft",
    "RunFailure",
    "RunRow",
    "SavedFilter",
    "SecondFactor",
    "Secret",
    "SecurityEvent",
    "SettledCycle",
    "SignIn",
    "SignInTry",
    "Snooze",
    "StandingHistory",
    "StandingRow",
    "Submission",
    "TeamRole",
    "TeamSetting",
    "TimeRequest",
    "Unsubscribed",
    "Vetting",
    "Waiver",
    "WithdrawnReference",
]
