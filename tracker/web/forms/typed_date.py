"""Dates as people type them: day, month (a number or a name) and year in three fields."""

import calendar
from datetime import date
from typing import Literal, NamedTuple

Part = Literal["day", "month", "year"]
_YEARS_BACK = 50
_DIGITS_OF_YEAR, _DIGITS_OF_SHORT_YEAR = 4, 2
_SHORTEST_MONTH = 3
_MONTHS_IN_YEAR = 12


class DateWrong(ValueError):  # noqa: N818 - reads as the sentence it prints
    """What is wrong with a typed date, and in which of its fields (``part``)."""

    def __init__(self, part: Part, words: str) -> None:
        super().__init__(words)
        self.part = part


class Said(NamedTuple):
    """What is said of a date: to ``enter`` it, its name as a subject, a year as an example."""

    enter: str
    subject: str
    example: int


def say_date(day: date) -> dict[str, str]:
    """A day as one would type it."""
    return {"day": str(day.day), "month": str(day.month), "year": str(day.year)}


def read_date(day: str, month: str, year: str, today: date, *, named: str = "session") -> date:
    """The date of what is ``named``; ``today`` is the last one it may have.

    Raises DateWrong, in words for the person who typed it.
    """
    said = Said(f"Enter the day of the {named}", f"The {named} date", today.year)
    years = range(today.year - _YEARS_BACK, today.year + 1)
    found = read_any_date(day, month, year, said=said, years=years)
    if found > today:
        raise DateWrong("day", f"The {named} date must be today or earlier")
    if found.year < today.year - _YEARS_BACK:
        raise DateWrong("year", f"The year must be {today.year - _YEARS_BACK} or later")
    return found


def read_any_date(day: str, month: str, year: str, *, said: Said, years: range) -> date:
    """Any date, past or to come; of two digits the year is that of ``years`` which ends so.

    ``years`` are those that the field can mean, a hundred at most. Raises DateWrong.
    """
    _all_given(day, month, year, said)
    if _is_number(year) and len(year) == _DIGITS_OF_SHORT_YEAR:
        year = _whole_year(year, said, years)
    number = _month(month)
    if not _is_number(year) or len(year) != _DIGITS_OF_YEAR or int(year) == 0:
        raise DateWrong("year", f"The year must have four digits, like {said.example}")
    last = calendar.monthrange(int(year), number)[1]
    if not _is_number(day) or not 1 <= int(day) <= last:
        raise DateWrong("day", f"{calendar.month_name[number]} {year} has days 1 to {last}")
    return date(int(year), number, int(day))


def _whole_year(short: str, said: Said, years: range) -> str:
    # No century that the field cannot mean: "98" is not 2098, nor is next year's "27" 1927.
    for year in years:
        if year % 100 == int(short):
            return str(year)
    words = f"For the year {short} write all four digits, like {said.example}"
    raise DateWrong("year", words)


def _all_given(day: str, month: str, year: str, said: Said) -> None:
    parts: dict[Part, str] = {"day": day, "month": month, "year": year}
    absent = [name for name, text in parts.items() if not text]
    if len(absent) == len(parts):
        raise DateWrong("day", said.enter)
    if absent:
        words = " and ".join(f"a {name}" for name in absent)
        raise DateWrong(absent[0], f"{said.subject} must have {words}")


def _month(text: str) -> int:
    if _is_number(text) and 1 <= int(text) <= _MONTHS_IN_YEAR:
        return int(text)
    typed = text.casefold().rstrip(".")
    for number, name in enumerate(calendar.month_name):
        if len(typed) >= _SHORTEST_MONTH and name.casefold().startswith(typed):
            return number
    raise DateWrong("month", "The month must be 1 to 12, or a name like Jan")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS_OF_YEAR
