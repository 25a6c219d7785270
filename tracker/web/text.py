"""Standings in words: what is missing, how things go, and by when."""

import re
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from sqlmodel import Session

from tracker.formatting import (
    MINUTES_IN_HOUR,
    capitalize_first,
    format_cycle_span,
    format_date,
    format_hours,
    format_hours_with_unit,
    format_list,
    format_month,
)
from tracker.refusal_text import format_refusal
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle
from tracker.rules.model import Requirement
from tracker.services.cycle_locks import CycleLock, refusal_of_lock
from tracker.services.entry_rules import DAILY_LIMIT
from tracker.services.profile import profile_of
from tracker.web.dependencies import Viewer
from tracker.web.time_zones import format_instant, zone_of

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


def format_missing(missing: Sequence[Missing], *, membership: str = "your membership") -> str:
    """All that is missing: "5 training hours (one on DEIA) and 3.5 RSC hours"."""
    missing = sorted(missing, key=_place)
    whole = {m.counts: m.minutes for m in missing if m.topic is None}
    parts = []
    for item in missing:
        if item.counts == "membership":
            parts.append(membership)
        elif item.topic is None:
            inside = [m for m in missing if m.counts == item.counts and _is_inside(m, item.minutes)]
            topics = format_list([f"{_number(m.minutes)} on {m.topic}" for m in inside])
            parts.append(_hours(item) + (f" ({topics})" if topics else ""))
        elif not _is_inside(item, whole.get(item.counts, 0)):
            parts.append(_hours(item))
    return format_list(parts)


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
    return "one" if minutes == MINUTES_IN_HOUR else format_hours(minutes)


def format_cycle(cycle: Cycle) -> str:
    """A cycle's name: its year or years where it follows the calendar, else both days."""
    return format_cycle_span(cycle.starts_on, cycle.ends_on)


def format_week(day: date, today: date) -> str:
    """About when: "in the last week of November", with the year where it is another one."""
    week = _WEEKS[min((day.day - 1) // _DAYS_IN_WEEK, len(_WEEKS) - 1)]
    year = "" if day.year == today.year else f" {day.year}"
    return f"in the {week} week of {format_month(day)}{year}"


def format_progress(counted: int, required: int) -> str:
    """``8.5 of 12 hours`` from minutes."""
    return f"{format_hours(counted)} of {format_hours_with_unit(required)}"


def format_when_closed(closed: CycleLock) -> str:
    """What closed it, without a full stop."""
    return (
        f"{capitalize_first(format_cycle(closed.cycle))} is closed at {closed.association}: "
        f"its grace period ended on {format_date(closed.last_day)}"
    )


def format_closed(closed: CycleLock) -> str:
    """Why nothing in a closed cycle can change, and whom to ask."""
    refusal = refusal_of_lock("", closed)
    return format_refusal(refusal.code, refusal.facts)


def format_most() -> str:
    """That the daily limit of sessions is reached."""
    return format_refusal("daily-limit-reached", {"limit": DAILY_LIMIT})


class Bounced(NamedTuple):
    """The first address, the second (None: there is none), and since when, in words."""

    email: str
    second_email: str | None
    since: str


def bounced_of(session: Session, rulebooks: Rulebooks, who: Viewer) -> Bounced | None:
    """What to say; None while the first address takes mail."""
    if who.person_id is None or not who.mail_comes_back:
        return None
    profile = profile_of(session, who.person_id)
    if profile.email_refused_at is None:
        return None
    since = format_instant(profile.email_refused_at, zone_of(session, rulebooks, who.person_id))
    return Bounced(profile.email, profile.second_email, since)


# The first that is named counts: nearly all call themselves Chrome or Safari as well.
_BROWSERS = {
    "Edge": r"Edg(?:e|A|iOS)?/",
    "Opera": r"OPR/|OPiOS/|Opera[ /]",
    "Samsung Internet": r"SamsungBrowser/",
    "DuckDuckGo": r"DuckDuckGo/|Ddg/",
    "Vivaldi": r"Vivaldi/",
    "Firefox": r"Firefox/|FxiOS/",
    "Chrome": r"CriOS/|Chrome/|Chromium/",
    "Safari": r"Version/[\d.]+ .*Safari/",
}
_SYSTEMS = {
    "Android": r"Android",
    "iPhone": r"iPhone",
    "iPad": r"iPad",
    "Windows": r"Windows",
    "ChromeOS": r"CrOS",
    "Mac": r"Macintosh|Mac OS X",
    "Linux": r"Linux|X11",
}
_LONGEST_READ = 500


def format_browser(user_agent: str) -> str | None:
    """``Firefox on Android``; None where it says nothing that we know. Only our own words."""
    text = user_agent[:_LONGEST_READ]
    browser, system = _first(_BROWSERS, text), _first(_SYSTEMS, text)
    if browser and system:
        return f"{browser} on {system}"
    return browser or (f"A browser on {system}" if system else None)


def _first(patterns: dict[str, str], text: str) -> str | None:
    return next((name for name, pattern in patterns.items() if re.search(pattern, text)), None)
