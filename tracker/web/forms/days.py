"""Forms that ask for days, each in three fields."""

from collections.abc import Collection
from datetime import date, timedelta
from typing import ClassVar

from dateutil.relativedelta import relativedelta
from wtforms import HiddenField, StringField

from tracker.formatting import format_date
from tracker.rules.application.work import PLAUSIBLE_YEARS
from tracker.web.forms.body import OwnForm, add_problem, clean
from tracker.web.forms.fields import (
    DAYS_AGO,
    TYPED,
    DateError,
    DateWording,
    HoursError,
    join_date_fields,
    parse_chosen_day,
    parse_chosen_hours,
    parse_date,
    parse_past_date,
    parse_session_hours,
    settle_choices,
)

_ONE_DAY = timedelta(days=1)
_PARTS = ("day", "month", "year")
_DAY_NAMES = {"starts": "first day", "ends": "last day"}


class PastDayForm(OwnForm):
    """A form with the day of something that has happened."""

    day = StringField("Day", filters=[clean])
    month = StringField("Month", filters=[clean])
    year = StringField("Year", filters=[clean])

    years_back: ClassVar[int] = 50

    def parse_past_day(self, today: date, *, named: str) -> date | None:
        """The day, ``today`` at the latest; None, with a problem at a field, if it is wrong."""
        day, month, year = (self[part].data or "" for part in _PARTS)
        try:
            return parse_past_date(day, month, year, today, named=named, years_back=self.years_back)
        except DateError as error:
            add_problem(self[error.part], str(error))
            return None


class SessionForm(PastDayForm):
    """A form with the day and the length of a session, each chosen or typed.

    ``as_of``, ``prefilled_day``, and ``prefilled_hours`` are as of `parse_chosen_day` and
    `parse_chosen_hours`.
    """

    as_of = HiddenField(filters=[clean])
    prefilled_day = HiddenField(filters=[clean])
    prefilled_hours = HiddenField(filters=[clean])
    when = StringField("When was it?", filters=[clean])
    length = StringField("How many hours?", filters=[clean])
    hours = StringField("Hours", filters=[clean])

    def parse_day(self, today: date) -> date | None:
        """The day, ``today`` at the latest; None, with a problem at a field, if it is wrong."""
        if self.when.data not in DAYS_AGO:
            is_missing = not self.when.data and not join_date_fields(self.data)
            day = self.parse_past_day(today, named="session")
            if is_missing:
                self.when.errors, self.day.errors = self.day.errors, []
            return day
        try:
            return parse_chosen_day(self.data, today)
        except DateError as error:
            add_problem(self.when, str(error))
            return None

    def parse_minutes(self) -> int | None:
        """The length in minutes; None, with a problem at a field, if it is wrong."""
        length = self.length.data or (TYPED if self.hours.data else "")
        field = self.hours if length == TYPED else self.length
        try:
            if field is self.hours:
                return parse_session_hours(str(self.hours.data), "the hours")
            return parse_chosen_hours(self.data, "the hours")
        except HoursError as error:
            add_problem(field, str(error))
            return None

    def fill_choices(self, today: date, hour_choices: Collection[str]) -> None:
        """Choose what is typed or stored, and note it for when the form is sent."""
        for name, text in settle_choices(self.data, today, hour_choices).items():
            self[name].data = text


class ApplicationDecisionForm(PastDayForm):
    """The day of a decision and, if the application is declined, the reason."""

    first_field = "day"

    refusal_fields: ClassVar = {"answer": "answer"}

    answer = StringField("Reason", filters=[clean])


class PeriodForm(OwnForm):
    """A form with a first and a last day, in the fields ``starts_day`` to ``ends_year``.

    ``starts_today``, a box to check, sends the day that was today when the page was shown, so
    that a form sent after midnight means what it says. ``today`` is the day that it offers.
    """

    refusal_fields: ClassVar = {
        "starts_on": "starts_day",
        "ends_on": "ends_day",
        "endorsement_id": "subject",
    }
    today: date | None = None
    starts_today = StringField("Today", filters=[clean])
    starts_day = StringField("Day", filters=[clean])
    starts_month = StringField("Month", filters=[clean])
    starts_year = StringField("Year", filters=[clean])
    ends_day = StringField("Day", filters=[clean])
    ends_month = StringField("Month", filters=[clean])
    ends_year = StringField("Year", filters=[clean])

    def is_blank(self, prefix: str) -> bool:
        """Whether the three fields of a day ("starts" or "ends") are empty."""
        return not any(self[f"{prefix}_{part}"].data for part in _PARTS)

    def parse_first_day(self, today: date, *, years_back: int = PLAUSIBLE_YEARS) -> date | None:
        """The first day, checked or typed; None, with a problem, if it is wrong or both differ."""
        if not self.starts_today.data:
            return self.parse_day("starts", today, years_back=years_back)
        checked = {(today - _ONE_DAY).isoformat(), today.isoformat()} & {self.starts_today.data}
        if not checked:
            add_problem(self.starts_today, "This page is old. Enter the first day")
            return None
        day = date.fromisoformat(checked.pop())
        if self.is_blank("starts") or self.parse_day("starts", today) == day:
            return day
        message = f"Uncheck {format_date(day)}, or leave the other first day empty"
        add_problem(self.starts_today, message)
        return None

    def parse_day(
        self, prefix: str, today: date, *, name: str = "", years_back: int = PLAUSIBLE_YEARS
    ) -> date | None:
        """The day in the fields of ``prefix``; None, with a problem at a field, if it is wrong.

        A day more than ten years after ``today``, or more than ``years_back`` before it, is taken
        for a typing error.
        """
        name = name or _DAY_NAMES[prefix]
        day, month, year = (self[f"{prefix}_{part}"].data or "" for part in _PARTS)
        wording = DateWording(f"Enter the {name}", f"The {name}", today.year)
        years = range(today.year - years_back, today.year + PLAUSIBLE_YEARS + 1)
        try:
            parsed = parse_date(day, month, year, wording, years)
        except DateError as error:
            add_problem(self[f"{prefix}_{error.part}"], str(error))
            return None
        first = today - relativedelta(years=years_back)
        last = today + relativedelta(years=PLAUSIBLE_YEARS)
        if not first <= parsed <= last:
            message = f"The {name} must be between {format_date(first)} and {format_date(last)}"
            add_problem(self[f"{prefix}_year"], message)
            return None
        return parsed
