"""Why an entry cannot be written now, in words."""

from tracker.records.entries.daily_most import MOST_A_DAY
from tracker.records.evidence.closing import Closed
from tracker.rules.providers import say_day
from tracker.web.frame.words import capital, say_cycle


def say_when_closed(closed: Closed) -> str:
    """What closed it, without a full stop."""
    return (
        f"{capital(say_cycle(closed.cycle))} is closed at {closed.association}: "
        f"its days of grace ended with {say_day(closed.last_day)}"
    )


def say_closed(closed: Closed) -> str:
    """The same to whoever logs the hours, with whom to ask; it may stand beside a field."""
    whom = f"your {closed.association} coordinator"
    return f"{say_when_closed(closed)}. If something has to be corrected, ask {whom}"


def say_most() -> str:
    """That as many sessions as can be are logged today; it may stand beside a field."""
    return f"You have logged {MOST_A_DAY} sessions within a day, which is the most: go on tomorrow"
