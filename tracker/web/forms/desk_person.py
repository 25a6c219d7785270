"""The forms with which a coordinator changes a person's record: one fact each, with a reason."""

from collections.abc import Mapping
from datetime import date
from typing import ClassVar

from wtforms import RadioField, SelectChoice, SelectField, StringField, TextAreaField

from tracker.refusal_text import format_refusal
from tracker.services.context import check_text
from tracker.services.holdings import Term
from tracker.services.time_requests import RequestedDays
from tracker.web.forms.body import OwnForm, add_problem, clean
from tracker.web.forms.days import PeriodForm

DEGREE_LABELS = {
    "none": "None on file",
    "associate": "Associate",
    "bachelor": "Bachelor's",
    "master": "Master's",
    "doctorate": "Doctorate",
}
# As far back as a person's first endorsement or membership can be, and a last day can be ahead.
_YEARS_BACK = 60
# A field, or the three fields of a day, as the template lays it out: how, and its name.
Part = tuple[str, str]


class ReasonForm(OwnForm):
    """A form with a reason. ``parts`` are its other fields in the page's order, each with how.

    ``hints`` are shown below labels, ``legends`` name the days.
    """

    parts: ClassVar[tuple[Part, ...]] = ()
    hints: ClassVar[Mapping[str, str]] = {}
    legends: ClassVar[Mapping[str, str]] = {}
    first_field: ClassVar = "reason"

    reason = TextAreaField("Reason", filters=[clean])

    def check_reason(self) -> None:
        """Add a problem if there is no reason, or it is too long."""
        for refusal in check_text("reason", self.reason.data or ""):
            add_problem(self.reason, format_refusal(refusal.code, refusal.facts))


class NameForm(ReasonForm):
    """A person's name."""

    parts = (("text", "name"),)
    first_field = "name"
    name = StringField("Full name", filters=[clean])


class EmailForm(ReasonForm):
    """A person's first or second address."""

    parts = (("email", "email"),)
    first_field = "email"
    email = StringField("Email address", filters=[clean])


class RemovalForm(ReasonForm):
    """Nothing but the reason for removing something."""


class HighestDegreeForm(ReasonForm):
    """A person's highest degree."""

    parts = (("choices", "degree"),)
    first_field = "degree"
    degree = RadioField(
        "Highest degree",
        choices=[SelectChoice(*each) for each in DEGREE_LABELS.items()],
        validate_choice=False,
    )


class ProvidesRscForm(ReasonForm):
    """Whether a person provides RSC."""

    parts = (("choices", "provides"),)
    first_field = "provides"
    provides = RadioField(
        "Does this person provide Reflective Supervision/Consultation (RSC)?",
        choices=[SelectChoice("yes", "Yes"), SelectChoice("no", "No")],
        validate_choice=False,
    )


class TermForm(ReasonForm, PeriodForm):
    """What somebody holds, and its days; the last day is empty while it has none.

    ``what`` is the category, the association, or the organization.
    """

    parts: ClassVar[tuple[Part, ...]] = (("select", "what"), ("day", "starts"), ("day", "ends"))
    first_field: ClassVar = "what"
    hints: ClassVar = {"ends": "This day is included. Leave it empty if there is none."}
    legends: ClassVar = {"starts": "First day", "ends": "Last day"}
    refusal_fields: ClassVar = {
        **PeriodForm.refusal_fields,
        "category": "what",
        "association": "what",
        "organization": "what",
    }
    what = SelectField("Endorsement", validate_choice=False)

    def parse_term(self, today: date) -> Term | None:
        """The days; None if one is wrong, which its problem explains."""
        starts_on = self.parse_first_day(today, years_back=_YEARS_BACK)
        ends_on = None
        if not self.is_blank("ends"):
            ends_on = self.parse_day("ends", today, years_back=_YEARS_BACK)
        if self.errors or starts_on is None:
            return None
        return Term(starts_on, ends_on)


class DaysForm(TermForm):
    """The days alone of what somebody holds."""

    parts: ClassVar[tuple[Part, ...]] = (("day", "starts"), ("day", "ends"))
    first_field = "starts_day"


class LeaveForm(DaysForm):
    """The days of a leave; the last day is empty while it is not known."""

    hints: ClassVar = {"ends": "This day is included. Leave it empty if it is not known yet."}

    def parse_days(self, today: date) -> RequestedDays | None:
        """The days; None if one is wrong, which its problem explains."""
        term = self.parse_term(today)
        return None if term is None else RequestedDays(*term)


class AbsenceForm(LeaveForm):
    """The days of a leave, or of the other kinds of days away that the rulebook has."""

    parts = (("select", "what"), ("day", "starts"), ("day", "ends"))
    first_field = "what"
    what = SelectField("What to record", validate_choice=False)


class ExtensionForm(ReasonForm, PeriodForm):
    """The new due date of a renewal, in the fields of a last day."""

    parts: ClassVar[tuple[Part, ...]] = (("day", "ends"),)
    first_field: ClassVar = "ends_day"
    legends: ClassVar = {"ends": "New due date"}
    refusal_fields: ClassVar = {"due_on": "ends_day", "cycle_starts_on": "ends_day"}


class WaiverForm(ReasonForm):
    """The requirement of a renewal that is waived."""

    parts: ClassVar[tuple[Part, ...]] = (("select", "requirement"),)
    first_field: ClassVar = "requirement"
    refusal_fields: ClassVar = {"cycle_starts_on": "requirement"}
    requirement = SelectField("Requirement", validate_choice=False)
