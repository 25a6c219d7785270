"""Reading one cell: text to value, or a ValueError that says what would be right."""

import re
from collections.abc import Collection, Mapping
from datetime import date
from functools import lru_cache
from typing import TypeVar

from dateutil.relativedelta import relativedelta
from email_validator import EmailNotValidError, validate_email

from tracker.formatting import MINUTES_IN_DAY, parse_hours
from tracker.importer.vocabulary import what_is_known
from tracker.rules.application.work import PLAUSIBLE_YEARS
from tracker.spreadsheet_csv import plain

T = TypeVar("T")
Topics = tuple[tuple[str, int], ...]

_ISO = re.compile(r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})", re.ASCII)
# What a spreadsheet makes of an ISO date where Americans use it.
_AMERICAN = re.compile(r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4})", re.ASCII)
_DAY_IS_WRITTEN = "a day is written YYYY-MM-DD or M/D/YYYY"
# No career that a file could tell of is longer; a day beyond is a slip of the finger.
_YEARS_BACK = 80
_YEARS_AHEAD = 100
_LINE_BREAKS = re.compile(r"\s*[\t\r\n]+\s*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def clean(cell: str) -> str:
    """A cell without the blanks around it; a line break or tab inside it becomes a blank.

    An apostrophe that keeps a spreadsheet from calculating is left out, as `safe_csv` says.
    Raises ValueError for any other control character: no page or mail could show it.
    """
    if cell.isprintable():
        return plain(cell.strip())
    text = _LINE_BREAKS.sub(" ", cell.strip())
    if found := _CONTROL.search(text):
        raise ValueError(f"holds the invisible character U+{ord(found[0]):04X}: remove it")
    return plain(text)


def read_day(text: str, as_of: date) -> date:
    """A day as ISO or as month/day/year, at most 80 years before or 100 after ``as_of``."""
    match = _ISO.fullmatch(text) or _AMERICAN.fullmatch(text)
    if not match:
        raise ValueError(_DAY_IS_WRITTEN)
    year, month, day = (int(match[part]) for part in ("year", "month", "day"))
    try:
        found = date(year, month, day)
    except ValueError:
        raise ValueError(f"there is no such day; {_DAY_IS_WRITTEN}") from None
    if not as_of.year - _YEARS_BACK <= year <= as_of.year + _YEARS_AHEAD:
        raise ValueError(
            f"the year must lie between {as_of.year - _YEARS_BACK} and {as_of.year + _YEARS_AHEAD}"
        )
    return found


def read_past_day(text: str, as_of: date, what: str = "") -> date:
    """A day on ``as_of`` or earlier; ``what`` names it where the column does not."""
    day = read_day(text, as_of)
    if day > as_of:
        raise ValueError(f"{what} must lie on {as_of} or earlier".strip())
    return day


def read_due_day(text: str, as_of: date) -> date:
    """A due date, at most ten years after ``as_of`` (inclusive), as whoever grants one can type."""
    day = read_day(text, as_of)
    last = as_of + relativedelta(years=PLAUSIBLE_YEARS)
    if day > last:
        raise ValueError(f"must lie on {last} or earlier: nobody is given so long a time")
    return day


def read_email(text: str) -> str:
    """An address in lower case, in the form in which mail servers carry it.

    Reserved example domains are fine; nothing is looked up. Raises ValueError.
    """
    try:
        found = validate_email(
            text, check_deliverability=False, test_environment=True, allow_smtputf8=False
        )
    except EmailNotValidError as error:
        raise ValueError(f"is no e-mail address: {error}") from None
    return (found.ascii_email or found.normalized).lower()


def read_session_hours(text: str) -> int:
    """A session's length as whole minutes, from 1 to a whole day."""
    minutes = parse_hours(text)
    if not 0 < minutes <= MINUTES_IN_DAY:
        raise ValueError("must be more than 0 and at most 24 hours")
    return minutes


def read_topics(text: str, known: Collection[str]) -> Topics:
    """Minutes by topic, in the order of the names."""
    topics = dict[str, int]()
    for part in filter(None, (each.strip() for each in text.split(";"))):
        name, colon, hours = (each.strip() for each in part.partition(":"))
        if not colon:
            raise ValueError("topics are written name:hours, with semicolons between them")
        if name not in known:
            raise ValueError(f"{name!r} is not a known topic; {_known(name, tuple(known))}")
        if name in topics:
            raise ValueError(f"{name} stands there twice: give its hours once")
        topics[name] = read_session_hours(hours)
    return tuple(sorted(topics.items()))


def read_keys(text: str, known: Collection[str], what: str, longest: int) -> str:
    """KnownRecords names, once each and in their order, with semicolons between them."""
    names = {each.strip() for each in text.split(";")} - {""}
    if not names:
        raise ValueError(f"names no {what}: they are written with semicolons between them")
    for name in sorted(names):
        if name not in known:
            raise ValueError(f"{name!r} is not a known {what}; {_known(name, tuple(known))}")
    return read_text("; ".join(sorted(names)), longest)


def read_number(text: str, most: int) -> int:
    """A whole number from 0 to ``most``."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most))):
        raise ValueError(f"must be a whole number from 0 to {most}")
    if int(text) > most:
        raise ValueError(f"must be at most {most}")
    return int(text)


def read_text(text: str, longest: int) -> str:
    """A text of at most ``longest`` characters."""
    if len(text) > longest:
        raise ValueError(f"must have at most {longest} characters, and has {len(text)}")
    return text


def read_name(text: str, known: Collection[str]) -> str:
    """One of the known names."""
    if text not in known:
        raise ValueError(f"is not known; {_known(text, tuple(known))}")
    return text


def read_choice(text: str, choices: Mapping[str, T]) -> T:
    """What one of a few words stands for, whatever its case."""
    try:
        return choices[text.lower()]
    except KeyError:
        raise ValueError(f"must be {' or '.join(choices)}") from None


# A hundred thousand rows may hold the same slip.
_known = lru_cache(maxsize=1_000)(what_is_known)
