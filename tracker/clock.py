"""The only file that reads the time.

Everything else takes an instant (aware, UTC) or a legal day (``date``) as an argument.
"""

import datetime as dt
import time
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo


def now() -> datetime:
    """The present instant: aware, in UTC."""
    return datetime.now(UTC)


def today(time_zone: str) -> date:
    """The legal day it is now in ``time_zone`` (an IANA name such as ``America/New_York``)."""
    return local_day(now(), time_zone)


def local_day(instant: datetime, time_zone: str) -> date:
    """The legal day on which ``instant`` (aware) falls in ``time_zone``.

    Raises ValueError for a naive instant: its day cannot be known.
    """
    if instant.tzinfo is None:
        message = f"an instant needs a time zone, and {instant.isoformat()} has none"
        raise ValueError(message)
    return instant.astimezone(ZoneInfo(time_zone)).date()


def stopwatch() -> float:
    """Seconds from an arbitrary start that never runs backwards: for durations only."""
    return time.monotonic()


class ReferenceClock:
    """A clock that is set by another one, and runs on by itself until it is set again.

    Changing the machine's own time does not move it. Raises ValueError before it is set.
    """

    def __init__(self) -> None:
        self._set_to: tuple[datetime, float] | None = None

    def set(self, reference: datetime, read_at: float) -> None:
        """Set it to what the other clock showed at ``read_at`` by `uptime`."""
        self._set_to = reference, read_at

    def now(self) -> datetime:
        """The present instant by the other clock: aware, in UTC."""
        if self._set_to is None:
            raise ValueError("a reference clock must be set before it is read")
        reference, read_at = self._set_to
        return (reference + timedelta(seconds=uptime() - read_at)).astimezone(UTC)


def uptime() -> float:
    """Seconds since the machine started, including those for which it was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def instant_of(day: date, at: dt.time, zone: str) -> datetime:
    """When it is ``at`` on the local ``day``: aware, in UTC.

    An hour that daylight saving skips is taken as it would have been before the change, one
    that comes twice as the first.
    """
    return datetime.combine(day, at, ZoneInfo(zone)).astimezone(UTC)


@cache
def known_zones() -> frozenset[str]:
    """Every time zone that people live in, by its current IANA name."""
    table = (files("tzdata") / "zoneinfo" / "zone.tab").read_text("utf-8")
    lines = [line.split("\t") for line in table.splitlines() if not line.startswith("#")]
    return frozenset(line[2] for line in lines)
