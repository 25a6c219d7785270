"""Where a renewal that was drawn for an audit is on its way, and who can move it on. Pure."""

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


# In which states a coordinator can ask for documents, allow more time, and decide.
MAY_ASK = {AuditState.DRAWN}
MAY_EXTEND = {AuditState.ASKED}
MAY_DECIDE = {AuditState.ASKED, AuditState.SENT, AuditState.APPEALED}
# In which states an endorsee can add documents, send them, and appeal (once).
MAY_ADD = {AuditState.ASKED, AuditState.NOT_PASSED}
MAY_SEND = {AuditState.ASKED}
MAY_APPEAL = {AuditState.NOT_PASSED}
# What waits for the coordinator.
ANSWERED = {AuditState.SENT, AuditState.APPEALED}
