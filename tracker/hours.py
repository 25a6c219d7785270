"""Hours at the edges, whole minutes inside."""

import re

MINUTES_IN_HOUR = 60
MINUTES_IN_DAY = 24 * MINUTES_IN_HOUR
# Outside of these, both included, hours are likelier a slip (of the point, or of minutes).
_USUAL_FROM, _USUAL_TO = 5, 12 * MINUTES_IN_HOUR
_PLACES, _WHOLE = 4, 10_000

_UNIT = r"\s*(?:(?:h|hrs?|hours?)\.?)?"
_DECIMAL = re.compile(rf"(\d{{1,4}})(?:[.,](\d{{0,4}}))?{_UNIT}", re.IGNORECASE)
_LEADING_POINT = re.compile(rf"[.,](\d{{1,4}}){_UNIT}", re.IGNORECASE)
_CLOCK = re.compile(r"(\d{1,3}):([0-5]\d)")
_MINUTES = re.compile(r"(\d{1,4})\s*(?:m|mins?|minutes?)\.?", re.IGNORECASE)
# "1h30" and "1 h 30 min": two digits, so that nobody can mean tenths of an hour.
_BOTH = re.compile(
    r"(\d{1,3})\s*h(?:ours?|rs?)?\s*([0-5]?\d(?=\s*m)|[0-5]\d)\s*(?:m(?:in(?:ute)?s?)?)?",
    re.IGNORECASE,
)
_FRACTION = re.compile(rf"(?:(\d{{1,3}})\s*)?([¼½¾]){_UNIT}", re.IGNORECASE)
_WRITTEN_FRACTION = re.compile(rf"(?:(\d{{1,3}})\s+)?(1/4|1/2|2/4|3/4){_UNIT}", re.IGNORECASE)
_QUARTERS = {"¼": 15, "½": 30, "¾": 45, "1/4": 15, "1/2": 30, "2/4": 30, "3/4": 45}


def parse_hours(text: str) -> int:
    """Read ``1.5``, ``1,5``, ``1:30``, ``90 min``, ``1h30`` or ``1 1/2`` as minutes.

    Decimal hours have four places at most and are rounded to the nearest minute.
    Raises ValueError when ``text`` is none of these (a sign is not; zero is read as 0).
    """
    text = text.strip()
    if match := _CLOCK.fullmatch(text) or _BOTH.fullmatch(text):
        return int(match[1]) * MINUTES_IN_HOUR + int(match[2])
    if match := _FRACTION.fullmatch(text) or _WRITTEN_FRACTION.fullmatch(text):
        return int(match[1] or 0) * MINUTES_IN_HOUR + _QUARTERS[match[2]]
    if match := _MINUTES.fullmatch(text):
        return int(match[1])
    if match := _LEADING_POINT.fullmatch(text):
        return _from_decimals(0, match[1])
    if match := _DECIMAL.fullmatch(text):
        return _from_decimals(int(match[1]), match[2])
    message = "hours are written like 1.5, 1:30 or 90 min"
    raise ValueError(message)


def _from_decimals(hours: int, places: str | None) -> int:
    part = int((places or "0").ljust(_PLACES, "0"))
    return hours * MINUTES_IN_HOUR + (part * MINUTES_IN_HOUR + _WHOLE // 2) // _WHOLE


def is_unusual(minutes: int) -> bool:
    """Whether a session is so short (under 5 minutes) or long (over 12 hours) that one asks."""
    return not _USUAL_FROM <= minutes <= _USUAL_TO


def as_hours(minutes: int) -> float:
    """Minutes as decimal hours, to two places, for JSON and CSV."""
    return round(minutes / MINUTES_IN_HOUR, 2)


def say_hours(minutes: int) -> str:
    """Minutes as a person writes hours: ``12``, ``3.5``, ``0.33`` (no unit word)."""
    return f"{minutes / MINUTES_IN_HOUR:.2f}".rstrip("0").rstrip(".")


def count_hours(minutes: int) -> str:
    """Minutes with their unit word: ``1 hour``, ``3.5 hours``."""
    return f"{say_hours(minutes)} hour{'' if minutes == MINUTES_IN_HOUR else 's'}"
