"""Where a renewal that was drawn for an audit is on its way, and who can move it on. Pure."""

from datetime import date
from enum import StrEnum


class AuditState(StrEnum):
    """The state of one audited renewal."""

    DRAWN = "drawn"
    ASKED = "asked"
    SENT = "sent"
    PASSED = "passed"
    NOT_PASSED = "not passed"
    APPEALED = "appealed"


class AuditVerdict(StrEnum):
    """What a coordinator finds about one entry."""

    SUPPORTED = "supported"
    NOT_SUPPORTED = "not supported"


# In which states a coordinator can ask for documents, and allow more time.
MAY_ASK = {AuditState.DRAWN}
MAY_EXTEND = {AuditState.ASKED}
# In which states an endorsee can add documents, send them, and appeal (once).
MAY_ADD = {AuditState.ASKED, AuditState.NOT_PASSED}
MAY_SEND = {AuditState.ASKED}
MAY_APPEAL = {AuditState.NOT_PASSED}
# What waits for the coordinator.
ANSWERED = {AuditState.SENT, AuditState.APPEALED}


def may_decide(state: str, due_on: date | None, today: date) -> bool:
    """Whether a coordinator can decide: something came, or nothing by ``due_on``, its whole day."""
    if state == AuditState.ASKED:
        return due_on is not None and due_on < today
    return state in ANSWERED
