"""Phrases that several pages use: cycles, bounced mail, and names of browsers."""

import re

from sqlmodel import Session

from tracker.formatting import format_cycle_span
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle
from tracker.services.profile import get_person
from tracker.web.dependencies import Viewer
from tracker.web.time_zones import format_instant, zone_of


def format_cycle(cycle: Cycle) -> str:
    """A cycle's name: its year or years if it follows the calendar, else its first and last day."""
    return format_cycle_span(cycle.starts_on, cycle.ends_on)


def get_bounce_banner(
    session: Session, rulebooks: Rulebooks, viewer: Viewer
) -> dict[str, str | None] | None:
    """The viewer's addresses, and since when mail bounces; None if it arrives."""
    if viewer.person_id is None or not viewer.mail_comes_back:
        return None
    person = get_person(session, viewer.person_id)
    if person.email_refused_at is None:
        return None
    zone = zone_of(session, rulebooks, viewer.person_id)
    since = format_instant(person.email_refused_at, zone)
    return {"email": person.email, "second_email": person.second_email, "since": since}


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
    if system:
        return f"A browser on {system}"
    return browser


def _find_name(patterns: dict[str, str], text: str) -> str | None:
    for name, pattern in patterns.items():
        if re.search(pattern, text):
            return name
    return None
