"""The form of "What if": what to try, and as of which day."""

from datetime import date

from wtforms import HiddenField, StringField

from tracker.web.forms.body import OwnForm, add_problem, clean
from tracker.web.forms.fields import DateError, DateWording, parse_date

_PARTS = ("day", "month", "year")
_YEARS_AHEAD, _YEARS_BACK = 10, 2


def list_years(today: date) -> range:
    """The years of the days for which a comparison makes sense."""
    return range(today.year - _YEARS_BACK, today.year + _YEARS_AHEAD + 1)


class WhatIfForm(OwnForm):
    """What to try, and as of which day."""

    first_field = "files"
    association = HiddenField(filters=[clean])
    reading = StringField("Reading", filters=[clean])
    files = HiddenField("A changed rulebook")
    as_of_day = StringField("Day", filters=[clean])
    as_of_month = StringField("Month", filters=[clean])
    as_of_year = StringField("Year", filters=[clean])

    def parse_day(self, today: date) -> date | None:
        """The day to compare for; None, with a problem at a field, if it is wrong."""
        day, month, year = (self[f"as_of_{part}"].data or "" for part in _PARTS)
        wording = DateWording("Enter the day to compare for", "The day", today.year)
        years = list_years(today)
        try:
            parsed = parse_date(day, month, year, wording, years)
        except DateError as error:
            add_problem(self[f"as_of_{error.part}"], str(error))
            return None
        if parsed.year not in years:
            message = f"The year must be from {years[0]} to {years[-1]}"
            add_problem(self.as_of_year, message)
            return None
        return parsed
