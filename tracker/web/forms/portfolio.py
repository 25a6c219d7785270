"""The forms in which applicants enter degrees, jobs, statements, and exams."""

import re
from collections.abc import Mapping
from datetime import date
from typing import ClassVar

from wtforms import (
    BooleanField,
    RadioField,
    SelectChoice,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.validators import AnyOf

from tracker.db.applications import Degree, Position
from tracker.formatting import capitalize_first
from tracker.rules.description import LEVEL_NAMES
from tracker.rules.requirement import AGES
from tracker.services.portfolio import DegreeInput, PositionInput
from tracker.services.portfolio_terms import PortfolioTerms
from tracker.services.rsc_providers import ProviderChoice
from tracker.web.forms.body import OwnForm, add_problem, clean, parse_id
from tracker.web.forms.days import PastDayForm, PeriodForm
from tracker.web.forms.fields import format_date_fields

# How long ago someone may have begun to work.
_WORKING_YEARS = 80
# "12", "1,200".
_COUNT = re.compile(r"[0-9]{1,6}|[0-9]{1,3},[0-9]{3}")
_PASSED = "passed"
_PAY_NAMES = {
    "paid": "Paid",
    "volunteer": "Volunteer",
    "internship": "Internship in a graduate program",
}
_TRANSCRIPTS = {
    "none": "Not yet",
    "unofficial": "I have sent or uploaded a copy",
}


def format_level(level: str) -> str:
    """The name of an education: "Master's degree"."""
    return capitalize_first(LEVEL_NAMES[level].removeprefix("a ").removeprefix("an "))


def format_pay(pay: str) -> str:
    """How work was paid: "Paid"."""
    return _PAY_NAMES[pay]


def _choices(words: Mapping[str, str]) -> list[SelectChoice]:
    return [SelectChoice(key, label) for key, label in words.items()]


class DegreeForm(PastDayForm):
    """A degree or other education."""

    first_field = "level"
    years_back = _WORKING_YEARS
    page_order = ("level", "title")
    refusal_fields: ClassVar = {"awarded_on": "day"}

    level = RadioField(
        "What did you complete?",
        choices=_choices({level: format_level(level) for level in LEVEL_NAMES}),
        validate_choice=False,
    )
    title = StringField("Degree or credential, and subject", filters=[clean])
    transcript = RadioField(
        "Has your association seen a transcript?",
        choices=_choices(_TRANSCRIPTS),
        default="none",
        validate_choice=False,
    )

    def parse(self, today: date) -> DegreeInput:
        """The degree as entered, which the service checks."""
        return DegreeInput(
            self.level.data or "",
            self.title.data or "",
            self.parse_past_day(today, named="award"),
            self.transcript.data or "none",
        )

    @staticmethod
    def values_of(degree: Degree) -> dict[str, object]:
        """A stored degree as the form shows it."""
        return {**degree.model_dump(), **format_date_fields(degree.awarded_on)}


class JobForm(PeriodForm):
    """Work, paid or not, with what it offers and whom it serves."""

    first_field = "title"
    page_order = (
        "title",
        "employer",
        "pay",
        *(f"starts_{part}" for part in ("month", "day", "year")),
        "is_current",
    )

    title = StringField("Job title", filters=[clean])
    employer = StringField("Employer or program", filters=[clean])
    pay = RadioField("Was it paid?", choices=_choices(_PAY_NAMES), validate_choice=False)
    is_current = BooleanField("I still work there")
    services = SelectMultipleField("What does the work offer?", validate_choice=False)
    ages = SelectMultipleField(
        "Which children does it serve?",
        choices=_choices({ages: capitalize_first(ages) for ages in AGES}),
        validate_choice=False,
    )
    families = StringField("How many families have you served there?", filters=[clean])
    supervised = BooleanField("My work there is or was supervised")
    trained = BooleanField("I was trained for it (volunteers)")
    statements = SelectMultipleField("What is true of this work?", validate_choice=False)
    supervisor = SelectField("Who supervised the internship?", default="", validate_choice=False)

    def offer(self, terms: PortfolioTerms, supervisors: list[ProviderChoice]) -> None:
        """Set the choices that an application offers."""
        self.services.choices = _choices(terms.services)
        self.statements.choices = _choices(terms.statements)
        names = {str(one.id): one.name for one in supervisors}
        self.supervisor.choices = _choices({"": "Nobody of these", **names})

    def parse(self, today: date) -> PositionInput:
        """The work as entered, which the service checks."""
        starts_on = self.parse_day("starts", today, years_back=_WORKING_YEARS)
        ends_on = None
        if not self.is_current.data:
            ends_on = self._parse_end(today)
        elif not self.is_blank("ends"):
            message = "Uncheck “I still work there,” or leave the last day empty"
            add_problem(self.is_current, message)
        return PositionInput(
            title=self.title.data or "",
            employer=self.employer.data or "",
            pay=self.pay.data or "",
            services=tuple(self.services.data or ()),
            ages=tuple(self.ages.data or ()),
            families=self._parse_families(),
            supervised=self.supervised.data,
            trained=self.trained.data,
            statements=tuple(self.statements.data or ()),
            supervisor_id=parse_id(self.supervisor.data) if self.supervisor.data else None,
            starts_on=starts_on,
            ends_on=ends_on,
        )

    def _parse_end(self, today: date) -> date | None:
        if self.is_blank("ends"):
            add_problem(self.ends_day, "Enter the last day, or check “I still work there”")
            return None
        return self.parse_day("ends", today, years_back=_WORKING_YEARS)

    def _parse_families(self) -> int | None:
        text = self.families.data or "0"
        if _COUNT.fullmatch(text):
            return int(text.replace(",", ""))
        add_problem(self.families, "Write the number of families in digits, like 12")
        return None

    @staticmethod
    def values_of(position: Position) -> dict[str, object]:
        """A stored position as the form shows it."""
        return {
            **position.model_dump(),
            "is_current": position.ends_on is None,
            "services": split_keys(position.services),
            "statements": split_keys(position.statements),
            "ages": split_keys(position.ages),
            "families": str(position.families) if position.families else "",
            "supervisor": str(position.supervisor_id or ""),
            **format_date_fields(position.starts_on, "starts_"),
            **format_date_fields(position.ends_on, "ends_"),
        }


def split_keys(text: str | None) -> list[str]:
    """The keys in a column that has them with semicolons between."""
    return [key.strip() for key in (text or "").split(";") if key.strip()]


class ExamForm(PastDayForm):
    """A written exam that the applicant has taken."""

    first_field = "day"

    result = RadioField(
        "What was the result?",
        choices=_choices({_PASSED: "Passed", "failed": "Not passed"}),
        validators=[AnyOf((_PASSED, "failed"), "Choose the result")],
        validate_choice=False,
    )

    @property
    def has_passed(self) -> bool:
        """Whether the result is that the exam was passed."""
        return bool(self.result.data == _PASSED)


class StatementsForm(OwnForm):
    """What an applicant signs, or confirms once."""

    first_field = "signed"

    signed = SelectMultipleField("What do you sign?", validate_choice=False)
