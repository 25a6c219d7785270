"""Standings in words: what is missing, how things go, and by when."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from tracker.hours import MINUTES_IN_HOUR, count_hours, say_hours
from tracker.rules.cycles import Cycle
from tracker.rules.providers import say_day
from tracker.rules.schema import Requirement

_DAYS_IN_WEEK = 7
_WEEKS = ("first", "second", "third", "last")


class Missing(NamedTuple):
    """Something short: minutes, or 0 for a membership; ``topic`` is None for whole hours."""

    counts: str
    topic: str | None
    minutes: int


def name_of(counts: str, topic: str | None) -> str:
    """What the hours of a requirement are called in a sentence: "training", "RSC", a topic."""
    return topic or (counts.upper() if counts == "rsc" else counts)


def missing_of(requirement: Requirement, short: int) -> Missing:
    """What a requirement lacks, from its ``short`` minutes."""
    is_membership = requirement.counts == "membership"
    return Missing(requirement.counts, requirement.topic, 0 if is_membership else short)


def say_missing(missing: Sequence[Missing], *, membership: str = "your membership") -> str:
    """All that is missing: "5 training hours (one on DEIA) and 3.5 RSC hours"."""
    missing = sorted(missing, key=_place)
    whole = {m.counts: m.minutes for m in missing if m.topic is None}
    parts = []
    for item in missing:
        if item.counts == "membership":
            parts.append(membership)
        elif item.topic is None:
            inside = [m for m in missing if m.counts == item.counts and _is_inside(m, item.minutes)]
            topics = join([f"{_number(m.minutes)} on {m.topic}" for m in inside])
            parts.append(_hours(item) + (f" ({topics})" if topics else ""))
        elif not _is_inside(item, whole.get(item.counts, 0)):
            parts.append(_hours(item))
    return join(parts)


def _place(item: Missing) -> int:
    """Whole hours first, then those about a topic, then the membership."""
    if item.counts == "membership":
        return 2
    return 0 if item.topic is None else 1


def _is_inside(part: Missing, whole: int) -> bool:
    """Whether hours about a topic fit into the hours that are missing anyway."""
    return part.topic is not None and part.minutes <= whole


def _hours(item: Missing) -> str:
    unit = "hour" if item.minutes == MINUTES_IN_HOUR else "hours"
    return f"{_number(item.minutes)} {name_of(item.counts, item.topic)} {unit}"


def _number(minutes: int) -> str:
    return "one" if minutes == MINUTES_IN_HOUR else say_hours(minutes)


def join(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(parts) <= 1:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def capital(text: str) -> str:
    """The text with its first letter large, the others as they are."""
    return text[:1].upper() + text[1:]


def say_cycle(cycle: Cycle) -> str:
    """A cycle's name: its year or years where it follows the calendar, else both days."""
    first, last = cycle.starts_on, cycle.ends_on
    if (first.day, first.month, last.day, last.month) != (1, 1, 31, 12):
        return f"{say_day(first)} to {say_day(last)}"
    return str(last.year) if first.year == last.year else f"{first.year} to {last.year}"


def say_week(day: date, today: date) -> str:
    """About when: "in the last week of November", with the year where it is another one."""
    week = _WEEKS[min((day.day - 1) // _DAYS_IN_WEEK, len(_WEEKS) - 1)]
    year = "" if day.year == today.year else f" {day.year}"
    return f"in the {week} week of {day:%B}{year}"


def say_progress(counted: int, required: int) -> str:
    """``8.5 of 12 hours`` from minutes."""
    return f"{say_hours(counted)} of {count_hours(required)}"
