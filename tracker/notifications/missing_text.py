"""What a renewal still lacks, in words."""

from collections.abc import Sequence

from tracker.formatting import MINUTES_IN_HOUR, format_hours, format_list, hours_word
from tracker.services.dashboard import ShortRequirement


def format_missing(short: Sequence[ShortRequirement], *, membership: str = "membership") -> str:
    """All that is missing: "5 training hours (one on DEIA), 3.5 RSC hours, and membership".

    A topic stands in parentheses if its hours fit into the hours that are missing anyway.
    """
    whole, parts, memberships = [], [], []
    minutes = {item.counts: item.minutes for item in short if item.topic is None}
    for item in short:
        if item.counts == "membership":
            memberships.append(membership)
        elif item.topic is None:
            whole.append(format_short(item) + _format_topics(item, short))
        elif item.minutes > minutes.get(item.counts, 0):
            parts.append(format_short(item))
    return format_list([*whole, *parts, *memberships])


def format_short(item: ShortRequirement) -> str:
    """One missing requirement: "3.5 RSC hours", "one DEIA hour", "membership"."""
    if item.counts == "membership":
        return "membership"
    unit = "hour" if item.minutes == MINUTES_IN_HOUR else "hours"
    return f"{_number(item.minutes)} {hours_word(item.counts, item.topic or '')} {unit}"


def _format_topics(whole: ShortRequirement, short: Sequence[ShortRequirement]) -> str:
    """The topics whose hours fit into those of ``whole``: " (one on DEIA)"; empty if none do."""
    topics = []
    for part in short:
        if part.topic and part.counts == whole.counts and part.minutes <= whole.minutes:
            topics.append(f"{_number(part.minutes)} on {part.topic}")
    return f" ({format_list(topics)})" if topics else ""


def _number(minutes: int) -> str:
    return "one" if minutes == MINUTES_IN_HOUR else format_hours(minutes)
