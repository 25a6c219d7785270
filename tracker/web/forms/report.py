"""The form of a report: its first and last day, and the category."""

from datetime import date

from dateutil.relativedelta import relativedelta
from wtforms import HiddenField, StringField

from tracker.web.forms.body import add_problem, clean
from tracker.web.forms.days import PeriodForm

_LONGEST_YEARS = 20


class ReportForm(PeriodForm):
    """Which days a report is about, and which category (empty: all)."""

    association = HiddenField(filters=[clean])
    category = StringField("Category", filters=[clean])

    def parse_period(self, today: date) -> tuple[date, date] | None:
        """Both days, included; None, with problems at the fields, if they are wrong."""
        first = self.parse_day("starts", today)
        last = self.parse_day("ends", today)
        if first is None or last is None:
            return None
        if last > today:
            add_problem(self.ends_day, "The last day must be today or earlier")
        elif last < first:
            add_problem(self.ends_day, "The last day must be on the first day or later")
        elif first < last - relativedelta(years=_LONGEST_YEARS):
            message = f"A report can be about at most {_LONGEST_YEARS} years"
            add_problem(self.starts_year, message)
        else:
            return first, last
        return None
