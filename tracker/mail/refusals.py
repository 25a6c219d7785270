"""What a mail server's refusal says about the address: the codes of RFC 3463, and words for them.

A refusal is *hard* if the address cannot receive any mail, now or later. Everything else is *soft*:
a full mailbox, a policy, our own reputation. Soft ones say something about the address only once
there are several.
"""

import re
from enum import Enum

_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
# Not the 587 of a port.
_REPLY = re.compile(r"(?:^|[\s;(>])([45]\d\d)(?=[\s-]|$)")
_PERMANENT = "5"


class Cause(Enum):
    """Why mail was refused; the value is a part of a sentence after the address."""

    NO_MAILBOX = "the mailbox does not exist"
    NO_DOMAIN = "its domain receives no mail"
    DISABLED = "the mailbox is closed"
    FULL = "the mailbox is full"
    POLICY = "the mail server rejected the message"
    DELAY = "the mail server could not be reached"
    UNKNOWN = "the mail server returned the message"

    @property
    def is_hard(self) -> bool:
        """Whether no mail can reach the address."""
        return self in (Cause.NO_MAILBOX, Cause.NO_DOMAIN, Cause.DISABLED)


# By subject and detail of a permanent code. Of subject 1 (addressing), what is not listed is about
# the mailbox.
_CAUSES = {
    (1, 2): Cause.NO_DOMAIN,
    (1, 7): Cause.POLICY,  # the sender's address is wrong, which is ours
    (1, 8): Cause.POLICY,
    (1, 9): Cause.POLICY,
    (2, 1): Cause.DISABLED,
    (2, 2): Cause.FULL,
    (2, 3): Cause.POLICY,  # too long
    (4, 1): Cause.NO_MAILBOX,  # as Exchange Online says that there is no such recipient
    (4, 4): Cause.NO_DOMAIN,
    (4, 310): Cause.NO_DOMAIN,  # Exchange Online: the domain does not exist
    (4, 7): Cause.DELAY,  # given up after days
}
_ADDRESSING, _MAILBOX, _NETWORK = 1, 2, 4
# By reply code, where there is no other. 554 says that the transaction failed, without a reason.
_REPLIES = {"550": Cause.NO_MAILBOX, "551": Cause.NO_MAILBOX, "553": Cause.NO_MAILBOX}
_FULL = {"452", "552"}


def find_status(text: str) -> str | None:
    """The first code of RFC 3463 that says more than "something is wrong" in what a server said."""
    codes = [".".join(parts) for parts in _ENHANCED.findall(text)]
    telling = [code for code in codes if not code.endswith(".0.0")]
    return next(iter(telling or codes), None)


def find_cause(reason: str) -> Cause:
    """Why mail was refused, from what a mail server said when it refused it for good."""
    status = find_status(reason)
    if status is not None and not status.endswith(".0.0"):
        return _find_by_status(status)
    for code in _REPLY.findall(reason):
        if code in _FULL:
            return Cause.FULL
        if code[0] == _PERMANENT:
            return _REPLIES.get(code, Cause.POLICY)
        return Cause.DELAY
    # "5.0.0" alone, or words alone: the server is sure, and gives no other reason than the address.
    return Cause.DELAY if status and status[0] != _PERMANENT else Cause.NO_MAILBOX


def describe_refusal(reason: str | None) -> str:
    """Why an address does not work, as a part of a sentence."""
    return find_cause(reason).value if reason else Cause.UNKNOWN.value


def _find_by_status(status: str) -> Cause:
    level, subject, detail = (int(part) for part in status.split("."))
    if (subject, detail) == (_MAILBOX, 2):
        return Cause.FULL
    if str(level) != _PERMANENT:
        return Cause.DELAY
    if cause := _CAUSES.get((subject, detail)):
        return cause
    if subject == _ADDRESSING:
        return Cause.NO_MAILBOX
    return Cause.DELAY if subject == _NETWORK else Cause.POLICY
