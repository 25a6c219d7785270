"""Dates and hours as people type them, or choose them from a few common ones."""

import calendar
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Literal, NamedTuple

from tracker.formatting import (
    MINUTES_IN_DAY,
    MINUTES_IN_HOUR,
    format_date,
    format_hours,
    format_hours_with_unit,
    format_short_month_day,
    parse_hours,
)

DatePart = Literal["day", "month", "year"]
# What can be chosen instead of typing a day, in days before today; and instead of both, that the
# day or the hours are typed.
DAYS_AGO = {"today": 0, "yesterday": 1}
DAY_LABELS = {
    "today": "Today",
    "yesterday": "Yesterday",
    "other": "Another day",
    "several": "Several days",
}
TYPED = "other"
# Of a training: each of its days is typed.
SEVERAL = "several"
LIMIT_WORDS = "must be at most"
_PARTS: tuple[DatePart, ...] = ("day", "month", "year")
_YEARS_BACK = 50
_YEAR_DIGITS, _SHORT_YEAR_DIGITS = 4, 2
_MIN_MONTH_LETTERS = 3
_MONTHS = 12
# As people write the day of a month: "4", "4th".
_DAY = re.compile(r"([0-9]{1,4})(?:st|nd|rd|th)?", re.IGNORECASE)
_NUMBER = re.compile(rf"[0-9]{{1,{_YEAR_DIGITS}}}")


class DateError(ValueError):
    """What is wrong with a typed or chosen date, and in which of its fields (``part``)."""

    def __init__(self, part: DatePart | Literal["when"], message: str) -> None:
        super().__init__(message)
        self.part = part


class HoursError(ValueError):
    """What is wrong with typed hours."""


class DateWording(NamedTuple):
    """How messages speak of a date: what to enter, its name, and a year as an example."""

    enter: str
    subject: str
    example: int


def format_date_fields(day: date | None, prefix: str = "") -> dict[str, str]:
    """A day as a person would type it into the fields day, month, and year; nothing for None."""
    if day is None:
        return {}
    parts = {"day": day.day, "month": day.month, "year": day.year}
    return {f"{prefix}{part}": str(number) for part, number in parts.items()}


def parse_past_date(
    day: str,
    month: str,
    year: str,
    today: date,
    *,
    named: str = "session",
    years_back: int = _YEARS_BACK,
) -> date:
    """The typed date of what is ``named``, from ``years_back`` to ``today``. Raises DateError."""
    wording = DateWording(f"Enter the day of the {named}", f"The {named} date", today.year)
    first_year = today.year - years_back
    parsed = parse_date(day, month, year, wording, range(first_year, today.year + 1))
    if parsed > today:
        raise DateError("day", f"The {named} date must be today or earlier")
    if parsed.year < first_year:
        raise DateError("year", f"The year must be {first_year} or later")
    return parsed


def parse_date(day: str, month: str, year: str, wording: DateWording, years: range) -> date:
    """The date that is typed in three fields, with a month as a number or a name.

    A year of two digits is the one of ``years``, a hundred at most. Raises DateError.
    """
    parts: dict[DatePart, str] = {"day": day, "month": month, "year": year}
    missing = [name for name, text in parts.items() if not text]
    if len(missing) == len(parts):
        raise DateError("day", wording.enter)
    if missing:
        names = " and ".join(f"a {name}" for name in missing)
        raise DateError(missing[0], f"{wording.subject} must have {names}")
    whole_year = _parse_year(year, wording, years)
    whole_month = _parse_month(month)
    last = calendar.monthrange(whole_year, whole_month)[1]
    number = _DAY.fullmatch(day)
    if number is None:
        raise DateError("day", "The day must be a number, like 4")
    if not 1 <= int(number[1]) <= last:
        name = calendar.month_name[whole_month]
        raise DateError("day", f"{name} {whole_year} has days 1 to {last}")
    return date(whole_year, whole_month, int(number[1]))


def _parse_year(text: str, wording: DateWording, years: range) -> int:
    if _NUMBER.fullmatch(text) and len(text) == _SHORT_YEAR_DIGITS:
        for year in years:
            if year % 100 == int(text):
                return year
        message = f"For the year {text} write all four digits, like {wording.example}"
        raise DateError("year", message)
    if not _NUMBER.fullmatch(text) or len(text) != _YEAR_DIGITS or int(text) == 0:
        raise DateError("year", f"The year must have four digits, like {wording.example}")
    return int(text)


def _parse_month(text: str) -> int:
    if _NUMBER.fullmatch(text) and 1 <= int(text) <= _MONTHS:
        return int(text)
    typed = text.casefold().rstrip(".")
    for number, name in enumerate(calendar.month_name):
        if len(typed) >= _MIN_MONTH_LETTERS and name.casefold().startswith(typed):
            return number
    raise DateError("month", "The month must be 1 to 12, or a name like Jan")


def list_day_choices(today: date, *, takes_course: bool = False) -> list[tuple[str, str, str]]:
    """The days to choose from: value, label, and the day itself if it is known.

    ``takes_course``: also the several days of a course.
    """
    choices = []
    for value, label in DAY_LABELS.items():
        if value == SEVERAL and not takes_course:
            continue
        day = ""
        if value in DAYS_AGO:
            day = format_short_month_day(today - timedelta(days=DAYS_AGO[value]))
        choices.append((value, label, day))
    return choices


def list_hour_choices(hours: Sequence[float]) -> list[tuple[str, str, str]]:
    """The lengths to choose from, and that another one is typed: value, label, and nothing."""
    choices = []
    for length in hours:
        text = format_hours(round(length * MINUTES_IN_HOUR))
        choices.append((text, text, ""))
    return [*choices, (TYPED, "Other", "")]


def parse_chosen_day(fields: Mapping[str, str | None], today: date) -> date:
    """The day of the choice ``when``. Raises DateError if it can be doubted.

    ``as_of`` is the day on which the form was shown, and ``prefilled_day`` the typed date with
    which it was shown, as of `join_date_fields`: the choice counts more than that one, but not more
    than a date typed since.
    """
    when = _text(fields, "when")
    if _is_outdated(fields, today):
        message = "A new day has begun since you opened this form. Choose the day again."
        raise DateError("when", f"{message} Today is {format_date(today)}.")
    day = today - timedelta(days=DAYS_AGO[when])
    typed = join_date_fields(fields)
    own = (
        {fields.get("prefilled_day"), join_date_fields(format_date_fields(day))} if typed else {""}
    )
    if typed not in own:
        message = f"You chose {DAY_LABELS[when]} ({format_date(day)}) and also typed a date."
        raise DateError("when", f"{message} For the typed date, choose “Another day.” {_KEEP}")
    return day


_KEEP = "To keep what you chose, save again."


def _text(fields: Mapping[str, str | None], name: str) -> str:
    """What a field has; empty if it was not sent."""
    return fields.get(name) or ""


def _is_outdated(fields: Mapping[str, str | None], today: date) -> bool:
    """Whether the form was shown on another day, so that "today" can be doubted."""
    return _text(fields, "as_of") not in {"", today.isoformat()}


def join_date_fields(fields: Mapping[str, str | None]) -> str:
    """The typed parts of a date in one text; empty if nothing is typed."""
    return "/".join(_text(fields, part) for part in _PARTS).strip("/")


def parse_chosen_hours(fields: Mapping[str, str | None], label: str) -> int:
    """The minutes of the choice ``length``. Raises HoursError.

    ``prefilled_hours`` are the typed hours with which the form was shown: the choice counts more
    than those, but not more than hours typed since.
    """
    chosen = _text(fields, "length")
    minutes = parse_session_hours(chosen, label)
    if _text(fields, "hours") in {"", chosen, fields.get("prefilled_hours")}:
        return minutes
    message = f"You chose {format_hours_with_unit(minutes)} and also typed hours."
    raise HoursError(f"{message} For the typed hours, choose “Other.” {_KEEP}")


def settle_choices(
    fields: Mapping[str, str | None], today: date, hour_choices: Collection[str]
) -> dict[str, str]:
    """What a form that is shown has for the choices, and what it notes for when it is sent."""
    typed, hours = join_date_fields(fields), _text(fields, "hours")
    when, length = _text(fields, "when"), _text(fields, "length")
    if when in DAYS_AGO and _is_outdated(fields, today):
        # Today is another day by now.
        when = ""
    if not hours and length not in {"", TYPED, *hour_choices}:
        length, hours = TYPED, length
    return {
        "as_of": today.isoformat(),
        "when": when or (TYPED if typed else ""),
        "prefilled_day": typed,
        "length": length or (TYPED if hours else ""),
        "hours": hours,
        "prefilled_hours": hours,
    }


def parse_session_hours(text: str, label: str) -> int:
    """The minutes typed for ``label``, more than 0 and at most 24 hours. Raises HoursError."""
    if not text:
        message = f"Enter {label}, like 1.5, 1:30, or 90 min"
        raise HoursError(message)
    try:
        minutes = parse_hours(text)
    except ValueError as error:
        message = f"Write {label} like 1.5, 1:30, or 90 min"
        raise HoursError(message) from error
    subject = f"{label[0].upper()}{label[1:]}"
    if minutes <= 0:
        raise HoursError(f"{subject} must be more than 0")
    if minutes <= MINUTES_IN_DAY:
        return minutes
    message = f"{subject} {LIMIT_WORDS} {format_hours(MINUTES_IN_DAY)}"
    if text.isdecimal() and int(text) <= MINUTES_IN_DAY:
        message = f"{message}. For minutes, write {text} min"
    raise HoursError(message)
