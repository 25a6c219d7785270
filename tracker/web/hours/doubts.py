"""What looks like a slip though nothing is wrong with it: asked about once, and then saved."""

from collections.abc import Iterable
from typing import NamedTuple

from tracker.hours import MINUTES_IN_HOUR, count_hours, is_unusual
from tracker.records.entries.entry_writes import Content
from tracker.records.entries.twins import Logged, find_twin


class Doubts(NamedTuple):
    """What is asked: about an entry that looks like the same session, and about the ``minutes``.

    ``minutes`` is 0 where they are usual. Without either there is nothing to ask.
    """

    twin: Logged | None = None
    minutes: int = 0

    @property
    def keys(self) -> tuple[str, ...]:
        """What the form says of each once it was asked."""
        twin = (str(self.twin.id),) if self.twin else ()
        return (*twin, length_key(self.minutes)) if self.minutes else twin

    @property
    def about_length(self) -> str:
        """The question about the minutes."""
        return ask_length(self.minutes)

    def __bool__(self) -> bool:
        return bool(self.keys)


NO_DOUBTS = Doubts()


def doubts_about(content: Content, logged: Iterable[Logged], seen: str) -> Doubts:
    """What to ask before it is saved, beside the day's other entries; not what was ``seen``."""
    keys = seen.split()
    twin = find_twin(content, logged)
    if twin is not None and str(twin.id) in keys:
        twin = None
    return Doubts(twin, unusual(content.minutes, seen))


def unusual(minutes: int, seen: str) -> int:
    """The minutes, if so few or so many are to be asked about and were not ``seen``; else 0."""
    return minutes if is_unusual(minutes) and length_key(minutes) not in seen.split() else 0


def ask_length(minutes: int) -> str:
    """Asks about hours that are unusually few or many."""
    if minutes < MINUTES_IN_HOUR:
        return f"Was it only {minutes} minute{'' if minutes == 1 else 's'}?"
    return f"Was it really {count_hours(minutes)}?"


def length_key(minutes: int) -> str:
    """What a form says that was asked about its minutes."""
    return f"{minutes}min"
