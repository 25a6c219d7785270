"""What a renewal still lacks, in words."""

from collections.abc import Sequence

from tracker.formatting import MINUTES_IN_HOUR, format_hours, format_list, hours_word
from tracker.services.dashboard import ShortRequirement


def format_missing(short: Sequence[ShortRequirement]) -> str:
    """All that is missing: "5 training hours (one on DEIA), 3.5 RSC hours, and membership"."""
    whole = {item.counts: item.minutes for item in short if item.topic is None}
    parts = []
    for item in sorted(short, key=_position):
        if item.topic and item.minutes <= whole.get(item.counts, 0):
            # These hours can be part of the whole hours that are missing anyway.
            continue
        part = format_short(item)
        if item.counts != "membership" and item.topic is None:
            topics = [
                f"{_number(other.minutes)} on {other.topic}"
                for other in short
                if other.topic and other.counts == item.counts and other.minutes <= item.minutes
            ]
            part += f" ({format_list(topics)})" if topics else ""
        parts.append(part)
    return format_list(parts)


def format_short(item: ShortRequirement) -> str:
    """One missing requirement: "3.5 RSC hours", "one DEIA hour", "membership"."""
    if item.counts == "membership":
        return "membership"
    unit = "hour" if item.minutes == MINUTES_IN_HOUR else "hours"
    return f"{_number(item.minutes)} {hours_word(item.counts, item.topic or '')} {unit}"


def _position(item: ShortRequirement) -> int:
    """Whole hours first, then hours on a topic, then the membership."""
    if item.counts == "membership":
        return 2
    return 1 if item.topic else 0


def _number(minutes: int) -> str:
    return "one" if minutes == MINUTES_IN_HOUR else format_hours(minutes)
