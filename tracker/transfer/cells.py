"""Reading one cell: text to value, or a ValueError that says what would be right."""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import date
from functools import cache, lru_cache, partial
from typing import Any, TypeVar

from email_validator import EmailNotValidError, validate_email

from tracker.hours import MINUTES_IN_DAY, parse_hours
from tracker.records.people import DEGREES
from tracker.transfer.catalogue import Catalogue, what_is_known

T = TypeVar("T")
Parser = Callable[[str], Any]
Topics = tuple[tuple[str, int], ...]

ACTIVITIES = ("training", "rsc")
FORMATS = ("individual", "group")
_YES_NO = {"yes": True, "no": False}
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

    Raises ValueError for any other control character: no page or mail could show it.
    """
    if cell.isprintable():
        return cell.strip()
    text = _LINE_BREAKS.sub(" ", cell.strip())
    if found := _CONTROL.search(text):
        raise ValueError(f"holds the invisible character U+{ord(found[0]):04X}: remove it")
    return text


def parsers(catalogue: Catalogue, as_of: date) -> dict[str, Parser]:
    """How to read a cell that is not empty, by column; a column means the same in each file.

    ``as_of`` is the last day on which an entry may lie (inclusive), and the day from which
    the plausible years count. A category is read as text: it depends on the association.
    """
    day = cache(partial(read_day, as_of=as_of))
    email = cache(read_email)
    return {
        "email": email,
        "second_email": email,
        "provider_email": email,
        "name": partial(_read_text, longest=200),
        "title": partial(_read_text, longest=300),
        "reason": partial(_read_text, longest=500),
        "reference": partial(_read_text, longest=200),
        "category": partial(_read_text, longest=40),
        "association": partial(_read_name, known=catalogue.categories),
        "organization": partial(_read_name, known=catalogue.organizations),
        "highest_degree": partial(_read_choice, choices={each: each for each in DEGREES}),
        "provides_rsc": partial(_read_choice, choices=_YES_NO),
        "activity": partial(_read_choice, choices={each: each for each in ACTIVITIES}),
        "format": partial(_read_choice, choices={each: each for each in FORMATS}),
        "starts_on": day,
        "ends_on": day,
        "date": cache(partial(_read_past_day, as_of=as_of)),
        "hours": cache(read_session_hours),
        "topics": cache(partial(_read_topics, known=catalogue.topics)),
    }


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


def _read_past_day(text: str, as_of: date) -> date:
    day = read_day(text, as_of)
    if day > as_of:
        raise ValueError(f"a session must lie on {as_of} or earlier")
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


def _read_topics(text: str, known: Collection[str]) -> Topics:
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


def _read_text(text: str, longest: int) -> str:
    if len(text) > longest:
        raise ValueError(f"must have at most {longest} characters, and has {len(text)}")
    return text


def _read_name(text: str, known: Collection[str]) -> str:
    if text not in known:
        raise ValueError(f"is not known; {_known(text, tuple(known))}")
    return text


def _read_choice(text: str, choices: Mapping[str, T]) -> T:
    try:
        return choices[text.lower()]
    except KeyError:
        raise ValueError(f"must be {' or '.join(choices)}") from None


# A hundred thousand rows may hold the same slip.
_known = lru_cache(maxsize=1_000)(what_is_known)
