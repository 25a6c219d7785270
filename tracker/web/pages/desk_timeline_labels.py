"""What tables, columns, and states are called on a timeline."""

from tracker.rules.notices import Kind
from tracker.services.timeline import TimelineKind

KIND_LABELS = {
    TimelineKind.CHANGE: "Changes",
    TimelineKind.DECISION: "Decisions",
    TimelineKind.EMAIL: "Emails",
    TimelineKind.UNDELIVERED: "Not delivered",
    TimelineKind.SKIPPED: "Reminders not sent",
    TimelineKind.SIGN_IN: "Sign-ins",
}
# Columns that name a person by id.
PERSON_COLUMNS = {"provider_id", "supervisor_id"}
# What a row of each table is called.
NOUNS = {
    "entry": "Session",
    "evidence": "Supporting document",
    "endorsement": "Endorsement",
    "membership": "Membership",
    "vetting": "RSC provider vetting",
    "leave": "Leave",
    "waiver": "Waiver",
    "submission": "Renewal",
    "payment_share": "Payment",
    "renewal": "Later due date",
    "time_request": "Request",
    "settled_cycle": "Closed cycle",
    "application": "Application",
    "review": "Review of the application",
    "reference": "Reference",
    "attestation": "Signed statement",
    "exam_result": "Exam result",
    "degree": "Degree",
    "position": "Job",
    "person": "Personal details",
    "mail_off": "Optional emails turned off",
    "entry_confirmation": "Confirmation of a session",
    "entry_decision": "Decision about a session",
    "entry_question": "Question about a session",
}
# The columns that a change shows, in this order, each with its label.
COLUMN_LABELS = {
    "name": "Name",
    "email": "Email",
    "second_email": "Second email",
    "highest_degree": "Highest degree",
    "provides_rsc": "Provides RSC",
    "time_zone": "Time zone",
    "off": "Turned off",
    "association": "Association",
    "category": "Category",
    "organization": "Organization",
    "activity": "Kind",
    "title": "Title",
    "held_on": "Date",
    "minutes": "Hours",
    "topics": "Topics",
    "provider_id": "Provider",
    "provider_name": "Provider named",
    "format": "Format",
    "reference": "Reference number",
    "level": "Degree",
    "employer": "Employer",
    "role": "Role",
    "requirement": "Requirement",
    "what": "Statement",
    "cycle_starts_on": "Cycle that begins",
    "starts_on": "First day",
    "ends_on": "Last day",
    "extended_due_on": "New due date",
    "awarded_on": "Awarded",
    "opened_on": "Opened",
    "submitted_on": "Submitted",
    "decided_on": "Decided",
    "signed_on": "Signed",
    "taken_on": "Taken",
    "passed": "Passed",
    "asked_at": "Asked",
    "received_at": "Received",
    "settled_on": "Closed on",
    "reopened_at": "Reopened",
    "reopening_reason": "Reason for reopening",
    "state": "Status",
    "kind": "For",
    "reason": "Reason",
    "accepted": "Accepted",
    "answer": "Answer",
}
STATES = {
    "asked": "waiting for a decision",
    "answered": "answered",
}
KINDS = {
    "extension": "a later due date",
    "excluded": "does not count",
    "removed": "removed",
}
ACTORS = {
    "tracker import": "imported by an operator",
    "confirmation link": "by the link in an email",
    "unsubscribe link": "by the link in an email",
}
NOTICE_NAMES = {
    Kind.RENEWAL: "Renewal reminder",
    Kind.LAPSE: "Notice of the lapse",
    Kind.MEMBERSHIP: "Membership reminder",
    Kind.CUTOFF: "Provider reminder",
    Kind.RSC_WINDOW: "RSC window reminder",
    Kind.REFERENCES: "References reminder",
}
OUTCOMES = {
    "waiting": ("Waiting to be sent", "plain"),
    "sending": ("Being sent", "plain"),
    "sent": ("Delivered to the mail server", "good"),
    "failed": ("Not delivered", "warm"),
    "dropped": ("Not sent", "plain"),
}
# What happened to a session, by table, by whether a row was added, changed, or removed, and by its
# state or kind.
SESSION_EVENTS = {
    ("entry_confirmation", "added", ""): "Session confirmed",
    ("entry_confirmation", "changed", ""): "Session confirmed again",
    ("entry_confirmation", "removed", ""): "Confirmation withdrawn",
    ("entry_decision", "added", "excluded"): "Session not counted",
    ("entry_decision", "removed", "excluded"): "Session counted again",
    ("entry_decision", "added", "removed"): "Session removed by the association",
    ("entry_decision", "removed", "removed"): "Removal of a session undone",
    ("entry_question", "added", "open"): "Question asked",
    ("entry_question", "changed", "open"): "Question asked again",
    ("entry_question", "changed", "answered"): "Question answered",
    ("entry_question", "changed", "settled"): "Question settled",
    ("entry_question", "changed", "accepted"): "Correction accepted",
    ("entry_question", "removed", "open"): "Question withdrawn",
    ("submission", "added", "submitted"): "Renewal submitted",
    ("submission", "changed", "accepted"): "Renewal accepted",
    ("submission", "changed", "returned"): "Renewal returned",
    ("submission", "changed", "submitted"): "Decision about a renewal undone",
}
# The columns that tell a row from others of its kind.
IDENTITY = {
    "entry": ("title", "minutes", "held_on"),
    "evidence": ("name",),
    "endorsement": ("association", "category"),
    "membership": ("organization", "starts_on", "ends_on"),
    "vetting": ("association",),
    "waiver": ("requirement",),
    "submission": ("cycle_starts_on",),
    "payment_share": ("fee", "cycle_starts_on"),
    "renewal": ("extended_due_on",),
    "time_request": ("kind", "state"),
    "application": ("association", "category", "state"),
    "review": ("requirement",),
    "reference": ("name",),
    "attestation": ("what",),
    "exam_result": ("taken_on",),
    "degree": ("title",),
    "position": ("title", "employer"),
    "entry_confirmation": ("entry_id",),
    "entry_question": ("entry_id",),
    "entry_decision": ("title", "held_on"),
}
