"""Dates as people type them: day, month (a number or a name) and year in three fields."""

import calendar
from datetime import date
from typing import Literal

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


def say_date(day: date) -> dict[str, str]:
    """A day as one would type it."""
    return {"day": str(day.day), "month": str(day.month), "year": str(day.year)}


def read_date(day: str, month: str, year: str, today: date, *, named: str = "session") -> date:
    """The date of what is ``named``; ``today`` is the last one it may have.

    Raises DateWrong, in words for the person who typed it.
    """
    enter, subject = f"Enter the day of the {named}", f"The {named} date"
    found = read_any_date(day, month, year, enter=enter, subject=subject, example=today.year)
    if found > today:
        raise DateWrong("day", f"The {named} date must be today or earlier")
    if found.year < today.year - _YEARS_BACK:
        raise DateWrong("year", f"The year must be {today.year - _YEARS_BACK} or later")
    return found


def read_any_date(
    day: str, month: str, year: str, *, enter: str, subject: str, example: int
) -> date:
    """Any date, past or to come; ``enter`` is said where nothing is typed.

    ``subject`` begins the sentence about a part that is missing, ``example`` is a year.
    Raises DateWrong.
    """
    _all_given(day, month, year, enter, subject)
    if _is_number(year) and len(year) == _DIGITS_OF_SHORT_YEAR:
        # "26" is the year of this century: nobody here has to do with another one.
        year = f"{example // 100}{year}"
    number = _month(month)
    if not _is_number(year) or len(year) != _DIGITS_OF_YEAR or int(year) == 0:
        raise DateWrong("year", f"The year must have four digits, like {example}")
    last = calendar.monthrange(int(year), number)[1]
    if not _is_number(day) or not 1 <= int(day) <= last:
        raise DateWrong("day", f"{calendar.month_name[number]} {year} has days 1 to {last}")
    return date(int(year), number, int(day))


def _all_given(day: str, month: str, year: str, enter: str, subject: str) -> None:
    parts: dict[Part, str] = {"day": day, "month": month, "year": year}
    absent = [name for name, text in parts.items() if not text]
    if len(absent) == len(parts):
        raise DateWrong("day", enter)
    if absent:
        words = " and ".join(f"a {name}" for name in absent)
        raise DateWrong(absent[0], f"{subject} must have {words}")


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
