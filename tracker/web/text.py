"""Phrases that several pages use: what is missing, cycles, and bounced mail."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from sqlmodel import Session

from tracker.formatting import (
    MINUTES_IN_HOUR,
    format_cycle_span,
    format_hours,
    format_list,
    hours_word,
)
from tracker.refusal_text import format_refusal
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle
from tracker.rules.requirement import Requirement
from tracker.services.cycle_locks import CycleLock, refusal_of_lock
from tracker.services.entry_rules import DAILY_LIMIT
from tracker.services.profile import get_person
from tracker.web.dependencies import Viewer
from tracker.web.time_zones import format_instant, zone_of


class Missing(NamedTuple):
    """What a requirement lacks: ``minutes``, or 0 for a membership.

    ``topic`` is None for hours of any topic.
    """

    counts: str
    topic: str | None
    minutes: int


def missing_of(requirement: Requirement, short: int) -> Missing:
    """What a requirement lacks, from its ``short`` minutes."""
    is_membership = requirement.counts == "membership"
    return Missing(requirement.counts, requirement.topic, 0 if is_membership else short)


def format_missing(missing: Sequence[Missing], *, membership: str = "your membership") -> str:
    """Everything missing: "5 training hours (one on DEIA) and 3.5 RSC hours".

    A topic stands in parentheses if its hours fit into the hours that are missing anyway.
    """
    whole, parts, memberships = [], [], []
    available = {item.counts: item.minutes for item in missing if item.topic is None}
    for item in missing:
        if item.counts == "membership":
            memberships.append(membership)
        elif item.topic is None:
            topics = _format_topics(item, missing)
            whole.append(f"{_format_hours(item)} ({topics})" if topics else _format_hours(item))
        elif item.minutes > available.get(item.counts, 0):
            parts.append(_format_hours(item))
    return format_list([*whole, *parts, *memberships])


def _format_topics(whole: Missing, missing: Sequence[Missing]) -> str:
    """The topics whose hours fit into those of ``whole``: "one on DEIA"."""
    topics = []
    for part in missing:
        is_part = part.topic is not None and part.counts == whole.counts
        if is_part and part.minutes <= whole.minutes:
            topics.append(f"{_format_number(part.minutes)} on {part.topic}")
    return format_list(topics)


def _format_hours(item: Missing) -> str:
    unit = "hour" if item.minutes == MINUTES_IN_HOUR else "hours"
    return f"{_format_number(item.minutes)} {hours_word(item.counts, item.topic or '')} {unit}"


def _format_number(minutes: int) -> str:
    return "one" if minutes == MINUTES_IN_HOUR else format_hours(minutes)


def format_cycle(cycle: Cycle) -> str:
    """A cycle's name: its year or years if it follows the calendar, else its first and last day."""
    return format_cycle_span(cycle.starts_on, cycle.ends_on)


def format_closed(lock: CycleLock) -> str:
    """Why nothing in a closed cycle can change, and whom to ask."""
    refusal = refusal_of_lock("", lock)
    return format_refusal(refusal.code, refusal.facts)


def format_most() -> str:
    """That the daily limit of sessions is reached."""
    return format_refusal("daily-limit-reached", {"limit": DAILY_LIMIT})


class BounceBanner(NamedTuple):
    """The first address, which bounces; the second, if there is one; and since when, in words."""

    email: str
    second_email: str | None
    since: str


def get_bounce_banner(
    session: Session, rulebooks: Rulebooks, viewer: Viewer
) -> BounceBanner | None:
    """What to tell a viewer whose mail bounces; None if it arrives."""
    if viewer.person_id is None or not viewer.mail_comes_back:
        return None
    profile = get_person(session, viewer.person_id)
    if profile.email_refused_at is None:
        return None
    zone = zone_of(session, rulebooks, viewer.person_id)
    since = format_instant(profile.email_refused_at, zone)
    return BounceBanner(profile.email, profile.second_email, since)


# In this order, because nearly all browsers call themselves Chrome or Safari, too.
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
    """``Firefox on Android``, from a fixed list of names; None if none of them is in it."""
    text = user_agent[:_LONGEST_READ]
    browser, system = _find_name(_BROWSERS, text), _find_name(_SYSTEMS, text)
    if browser and system:
        return f"{browser} on {system}"
    return browser or (f"A browser on {system}" if system else None)


def _find_name(patterns: dict[str, str], text: str) -> str | None:
    return next((name for name, pattern in patterns.items() if re.search(pattern, text)), None)
