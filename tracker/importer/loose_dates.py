"""Dates as people and spreadsheets write them, and whether the month or the day comes first."""

import re
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Literal

DateOrder = Literal["month", "day"]
_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ][\d:.]+)?", re.ASCII)
_NUMBERS = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})", re.ASCII)
_MONTH_FIRST = re.compile(r"([a-z]{3,9})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4}|\d{2})")
_DAY_FIRST = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?[\s-]+([a-z]{3,9})\.?,?[\s-]+(\d{4}|\d{2})")
_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_LAST_MONTH = 12
_SHORTEST_MONTH = 3
# How spreadsheets count days, where a cell lost its format.
_SERIAL = re.compile(r"[2-7]\d{4}", re.ASCII)
_SERIAL_ZERO = date(1899, 12, 30)
# A year of two digits is at most this far ahead.
_YEARS_AHEAD, _CENTURY = 30, 100


def read_loose_date(text: str, order: DateOrder, today: date) -> str:
    """A date in ISO form; the text itself if it is no date.

    ``order`` is for three numbers; ``today`` says which century a year of two digits is in.
    """
    lowered = " ".join(text.lower().split())
    if _SERIAL.fullmatch(lowered):
        return (_SERIAL_ZERO + timedelta(days=int(lowered))).isoformat()
    parts = _find_parts(lowered, order)
    if parts is None:
        return text
    year, month, day = (int(part) for part in parts)
    if len(parts[0]) == len("26"):
        year = _complete_year(year, today)
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return text


def _find_parts(text: str, order: DateOrder) -> tuple[str, str, str] | None:
    """Year, month, and day of a date in lower case; None for any other text."""
    if match := _ISO.fullmatch(text):
        return match[1], match[2], match[3]
    if match := _NUMBERS.fullmatch(text):
        month, day = (match[1], match[3]) if order == "month" else (match[3], match[1])
        return match[4], month, day
    if match := _MONTH_FIRST.fullmatch(text):
        return match[3], _number_of_month(match[1]), match[2]
    if match := _DAY_FIRST.fullmatch(text):
        return match[3], _number_of_month(match[2]), match[1]
    return None


def _number_of_month(word: str) -> str:
    """The number of a month's name or of its beginning; 0, which no month has, for other words."""
    for number, name in enumerate(_MONTHS, start=1):
        if len(word) >= _SHORTEST_MONTH and (name.startswith(word) or word == "sept" == name[:4]):
            return str(number)
    return "0"


def _complete_year(year: int, today: date) -> int:
    century = today.year - today.year % _CENTURY
    complete = century + year
    return complete - _CENTURY if complete > today.year + _YEARS_AHEAD else complete


def find_order(texts: Iterable[str]) -> tuple[DateOrder | None, str]:
    """Which comes first in a column's dates, and a date that shows it or can be read both ways.

    None if the dates tell nothing and at least one of them could be either; without such a date
    it is the month.
    """
    ambiguous = ""
    for text in texts:
        match = _NUMBERS.fullmatch(text.strip())
        if match is None:
            continue
        first, second = int(match[1]), int(match[3])
        if first <= _LAST_MONTH < second:
            return "month", text
        if second <= _LAST_MONTH < first:
            return "day", text
        if first != second and not ambiguous:
            ambiguous = text
    return (None, ambiguous) if ambiguous else ("month", "")
