"""What an attempt to send came to, and what follows from it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import NamedTuple

from tracker.records.mailing.outbox import Claimed

# Minutes to the next attempt, by attempts made; after the last it stays hourly. No jitter:
# one outbox is drained by few senders, and a schedule that can be foretold can be tested.
_BACKOFF_MINUTES = (1, 2, 5, 15, 30, 60)
# The server's trouble is not a message's: once it is over, everything leaves at once. So waiting
# messages are tried again soon; a run stops at the first connections that fail.
_AFTER_SERVER_TROUBLE = timedelta(minutes=1)


class Fate(Enum):
    """What becomes of a message after an attempt."""

    SENT = auto()
    """The server took it."""
    AGAIN = auto()
    """Refused for now (4xx), or the connection broke."""
    REFUSED = auto()
    """Refused for good (5xx)."""
    RECIPIENT_REFUSED = auto()
    """Refused for good, for the recipient's sake."""


class Outcome(NamedTuple):
    """One message's fate and what the server said, stage first ("RCPT: 550 no such mailbox").

    ``broken`` says that the connection is of no more use.
    """

    fate: Fate
    reason: str = ""
    broken: bool = False


@dataclass(eq=False)
class ServerFaultError(Exception):
    """The server cannot be worked with at all, whatever the message.

    ``configuration``: it will stay so until somebody changes a setting (login, certificate, TLS).
    """

    reason: str
    configuration: bool

    def __str__(self) -> str:
        """The reason, as shown to people."""
        return self.reason


class Settlement(NamedTuple):
    """What is to be written about a message: sent, failed for good, or waiting until then."""

    message: Claimed
    fate: Fate
    reason: str
    at: datetime
    next_attempt_at: datetime | None = None
    tried: bool = True


def settle(
    message: Claimed, outcome: Outcome, now: datetime, give_up_after: timedelta
) -> Settlement:
    """What follows from an attempt: another one after 1, 2, 5, 15, 30, 60, 60 … minutes.

    A message that was written ``give_up_after`` ago or earlier is not tried again.
    """
    if outcome.fate is not Fate.AGAIN:
        return Settlement(message, outcome.fate, outcome.reason, now)
    if now - message.created_at >= give_up_after:
        return _given_up(message, outcome.reason, now, give_up_after)
    steps = len(_BACKOFF_MINUTES)
    pause = timedelta(minutes=_BACKOFF_MINUTES[min(message.attempts, steps) - 1])
    return Settlement(message, Fate.AGAIN, outcome.reason, now, now + pause)


def put_back(
    message: Claimed, trouble: ServerFaultError, now: datetime, give_up_after: timedelta
) -> Settlement:
    """What follows from a server's trouble for a message that was not tried: a minute's pause.

    A fault in the configuration keeps every message, however old: it is not theirs.
    """
    if not trouble.configuration and now - message.created_at >= give_up_after:
        return _given_up(message, trouble.reason, now, give_up_after)
    again = now + _AFTER_SERVER_TROUBLE
    return Settlement(message, Fate.AGAIN, trouble.reason, now, again, tried=False)


def _given_up(message: Claimed, reason: str, now: datetime, give_up_after: timedelta) -> Settlement:
    hours = give_up_after // timedelta(hours=1)
    return Settlement(message, Fate.REFUSED, f"given up after {hours} hours; last: {reason}", now)
