"""Why an entry can no longer be written, in words."""

from tracker.records.closing import Closed
from tracker.rules.providers import say_day
from tracker.web.words import capital, say_cycle


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
