"""Why an entry can no longer be written, in words."""

from tracker.records.closing import Closed
from tracker.rules.providers import say_day
from tracker.web.words import capital, say_cycle


def say_closed(closed: Closed) -> str:
    """What closed it, and whom to ask; no full stop: the sentence also stands beside a field."""
    what = capital(say_cycle(closed.cycle))
    return (
        f"{what} is closed at {closed.association}: its days of grace ended with "
        f"{say_day(closed.last_day)}. Ask your {closed.association} coordinator if something "
        "of it has to be corrected"
    )
