"""A reminder of Alice's renewal of 2026 in Connecticut, and its email, as the timeline has them."""

from dataclasses import replace
from datetime import UTC, date, datetime

from tracker.services.timeline import DecidedNotice, SentEmail

_NOTICE = DecidedNotice(
    id=1,
    decided_on=date(2026, 6, 2),
    association="CT-AIMH",
    category="IFS",
    kind="renewal",
    step=-180,
    due_on=date(2026, 12, 31),
    cycle_starts_on=date(2026, 1, 1),
    reason=None,
    message_id=None,
    subject_key="",
)
_EMAIL = SentEmail(
    id=1,
    kind="notices",
    association="CT-AIMH",
    recipient="alice@example.org",
    subject="Renewal",
    state="sent",
    created_at=datetime(2026, 6, 2, 12, tzinfo=UTC),
    finished_at=None,
    bounced=None,
    error=None,
    is_copy=False,
    notices=(),
)


def make_notice(number: int, **other: object) -> DecidedNotice:
    """A decision to remind her; ``other`` are fields with other values."""
    return replace(_NOTICE, id=number, **other)  # type: ignore[arg-type]


def make_email(number: int, *notices: DecidedNotice, state: str = "sent") -> SentEmail:
    """The email that tells of these reminders."""
    return replace(_EMAIL, id=number, notices=notices, state=state)
