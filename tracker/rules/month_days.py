"""Days of the year as rulebooks name them, such as ``"03-31"``, in every year."""

from calendar import isleap
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, PlainValidator, Strict

# The longest one.
DAYS_IN_YEAR = 366
_LEAP_DAY = (2, 29)
# Days of the year are checked and named by a year that has all of them.
ANY_LEAP_YEAR = 4


def check_month_day(text: str) -> str:
    """Refuse what is no day of any year."""
    try:
        date.fromisoformat(f"{ANY_LEAP_YEAR:04}-{text}")
    except ValueError as error:
        message = 'is no day of a year: write the month and the day in quotes, such as "03-31"'
        raise ValueError(message) from error
    return text


# A day of every year: "03-31". "02-29" is February 28 in a year without February 29.
MonthDay = Annotated[str, Strict(), AfterValidator(check_month_day)]


def month_day_in(year: int, month_day: str) -> date:
    """The day of one year that a `MonthDay` names."""
    month, day = int(month_day[:2]), int(month_day[3:])
    if (month, day) == _LEAP_DAY and not isleap(year):
        day -= 1
    return date(year, month, day)


def is_leap_day(day: date) -> bool:
    """Whether a day is February 29."""
    return (day.month, day.day) == _LEAP_DAY


def first_month_day_after(month_day: str, day: date) -> date:
    """The first day of that name after ``day``; the day itself is not meant."""
    found = month_day_in(day.year, month_day)
    return found if found > day else month_day_in(day.year + 1, month_day)


def last_month_day_until(month_day: str, day: date) -> date:
    """The last day of that name on or before ``day``."""
    found = month_day_in(day.year, month_day)
    return found if found <= day else month_day_in(day.year - 1, month_day)


def _check_window_day(value: object) -> str | int:
    """A `MonthDay`, or a number of days; checked here, because a union has an error a member."""
    if isinstance(value, str):
        return check_month_day(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > DAYS_IN_YEAR:
        message = (
            'must be a day of the year, such as "10-01", or days from the due date, at most '
            f"{DAYS_IN_YEAR}: -90 is 90 days before it"
        )
        raise ValueError(message)
    return value


# A day of the year, or days from the due date: before it if negative.
WindowDay = Annotated[str | int, PlainValidator(_check_window_day)]
