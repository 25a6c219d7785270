"""The forms of what coordinators do for many people at once."""

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import ClassVar

from wtforms import SelectChoice, SelectField, StringField

from tracker.formatting import capitalize_first
from tracker.refusal_text import format_refusal
from tracker.services.context import check_text
from tracker.services.marks import check_label
from tracker.web.forms.body import OwnForm, add_problem, clean
from tracker.web.forms.days import PeriodForm


class BulkWaiverForm(OwnForm):
    """The requirement to waive, and why."""

    requirement = SelectField("Requirement", default="", validate_choice=False)
    reason = StringField("Reason", filters=[clean])

    labels: Mapping[str, str] = MappingProxyType({})

    def offer(self, labels: Mapping[str, str]) -> None:
        """Offer requirements: labels by id."""
        self.labels = labels
        choices = [SelectChoice(each, capitalize_first(label)) for each, label in labels.items()]
        self.requirement.choices = [SelectChoice("", "Choose"), *choices]

    def parse(self) -> tuple[str, str] | None:
        """The requirement's id and the reason; None if one is wrong, which its problem explains."""
        self.validate()
        if self.requirement.data not in self.labels:
            add_problem(self.requirement, format_refusal("requirement-not-offered", {}))
        self.add_refusals(check_text("reason", self.reason.data))
        return None if self.errors else (self.requirement.data, self.reason.data)


class BulkExtensionForm(PeriodForm):
    """The new due date, and why."""

    page_order: ClassVar = ("ends_month", "ends_day", "ends_year")
    reason = StringField("Reason", filters=[clean])

    def parse(self, today: date) -> tuple[date, str] | None:
        """The due date and the reason; None if one is wrong, which its problem explains."""
        self.validate()
        due_on = self.parse_day("ends", today, name="new due date")
        self.add_refusals(check_text("reason", self.reason.data))
        return None if self.errors or due_on is None else (due_on, self.reason.data)


class MarkForm(OwnForm):
    """A label in the coordinator's own words."""

    label = StringField("Mark", filters=[clean])

    def parse(self) -> str | None:
        """The label; None if it is wrong, which its problem explains."""
        self.validate()
        self.add_refusals(check_label(self.label.data))
        return None if self.errors else self.label.data
