"""Dates as people type them: day, month (a number or a name) and year in three fields."""

import calendar
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, NamedTuple

from dateutil.relativedelta import relativedelta
from starlette.datastructures import FormData

from tracker.formatting import MINUTES_IN_DAY, format_date, format_hours, parse_hours
from tracker.rules.application.work import PLAUSIBLE_YEARS
from tracker.web.forms.body import add_problem

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


def date_fields_of(day: date) -> dict[str, str]:
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


class HoursWrong(ValueError):  # noqa: N818 - reads as the sentence it prints
    """What is wrong with typed hours."""


def read_hours(typed: str, what: str) -> int:
    """The minutes that are typed for ``what``, more than none and a day at most.

    Raises HoursWrong, in words for the person who typed it.
    """
    if not typed:
        words = f"Enter {what}, like 1.5, 1:30 or 90 min"
        raise HoursWrong(words)
    try:
        minutes = parse_hours(typed)
    except ValueError as error:
        words = f"Write {what} like 1.5, 1:30 or 90 min"
        raise HoursWrong(words) from error
    if 0 < minutes <= MINUTES_IN_DAY:
        return minutes
    limit = "more than 0" if minutes <= 0 else f"{format_hours(MINUTES_IN_DAY)} at most"
    words = f"{what[0].upper()}{what[1:]} must be {limit}"
    is_bare = minutes > MINUTES_IN_DAY and typed.isdecimal() and int(typed) <= MINUTES_IN_DAY
    raise HoursWrong(f"{words}: for minutes write {typed} min" if is_bare else words)


_PARTS = ("day", "month", "year")


@dataclass(frozen=True, slots=True)
class DayAsked:
    """One day of a form: its fields' ``prefix``, what it is called ("first day"), and today."""

    prefix: str
    called: str
    today: date


def format_day_fields(prefix: str, day: date | None) -> dict[str, str]:
    """A day as one would type it into the fields of ``prefix``; nothing for None."""
    return {f"{prefix}_{part}": text for part, text in date_fields_of(day).items()} if day else {}


def with_today(typed: FormData, prefix: str, today: date) -> FormData:
    """What was typed, with today in the fields of ``prefix``."""
    parts = format_day_fields(prefix, today)
    kept = [(name, text) for name, text in typed.multi_items() if name not in parts]
    return FormData([*kept, *parts.items()])


def is_blank(form: Any, prefix: str) -> bool:  # noqa: ANN401 - wtforms ships no types
    """Whether nothing is typed in any of the three fields."""
    return not any(form[f"{prefix}_{part}"].data for part in _PARTS)


def read_day(form: Any, asked: DayAsked) -> date | None:  # noqa: ANN401
    """The day that was typed; None with its problem, which stands at one of the fields.

    Ten years back and ahead are taken, both ends included: what lies outside is a slip.
    """
    parts = [form[f"{asked.prefix}_{part}"].data or "" for part in _PARTS]
    this_year = asked.today.year
    said = Said(f"Enter the {asked.called}", f"The {asked.called}", this_year)
    years = range(this_year - PLAUSIBLE_YEARS, this_year + PLAUSIBLE_YEARS + 1)
    try:
        found = read_any_date(*parts, said=said, years=years)
    except DateWrong as wrong:
        add_problem(form[f"{asked.prefix}_{wrong.part}"], str(wrong))
        return None
    span = relativedelta(years=PLAUSIBLE_YEARS)
    first, last = asked.today - span, asked.today + span
    if not first <= found <= last:
        words = f"The {asked.called} must lie between {format_date(first)} and {format_date(last)}"
        add_problem(form[f"{asked.prefix}_year"], words)
        return None
    return found
