"""The forms of audits on the desk: a new draw, and the day by which documents are due."""

from datetime import date
from typing import ClassVar

from wtforms import (
    HiddenField,
    RadioField,
    SelectChoice,
    SelectField,
    StringField,
    TextAreaField,
)

from tracker.rules.audit_sampling import Quota
from tracker.services.audit_draws import DrawInput
from tracker.web.forms.body import OwnForm, clean
from tracker.web.forms.days import PeriodForm

_LONGEST_NUMBER = 6


class DrawForm(OwnForm):
    """Which accepted renewals can be drawn, how many, and the seed."""

    first_field = "ends_from"
    page_order: ClassVar = ("ends_from", "ends_through", "category", "quota", "amount", "seed")

    association = HiddenField(filters=[clean])
    ends_from = SelectField("Cycles that end from", validate_choice=False)
    ends_through = SelectField("Through", validate_choice=False)
    category = SelectField("Category", validate_choice=False)
    quota = RadioField(
        "How many?",
        choices=[
            SelectChoice(Quota.SHARE.value, "A share of each category, in percent"),
            SelectChoice(Quota.NUMBER.value, "A number of each category"),
        ],
        default=Quota.SHARE.value,
        validate_choice=False,
    )
    amount = StringField("Percent or number", filters=[clean])
    seed = StringField("Seed", filters=[clean])

    def parse(self) -> DrawInput:
        """What is typed; what can't be read is 0 or the first day there is, which is refused."""
        is_count = self.quota.data == Quota.NUMBER.value
        typed = str(self.amount.data or "")
        # "10%" of a number of renewals is one of two mistakes, and not ten renewals.
        amount = typed if is_count else typed.removesuffix("%").strip()
        is_number = amount.isascii() and amount.isdigit() and len(amount) <= _LONGEST_NUMBER
        return DrawInput(
            self.association.data or "",
            _parse_day(self.ends_from.data),
            _parse_day(self.ends_through.data),
            Quota.NUMBER if is_count else Quota.SHARE,
            int(amount) if is_number else 0,
            self.seed.data or "",
            self.category.data or "",
        )


class AuditDueForm(PeriodForm):
    """The last day to send documents, in the fields of a last day, and why it was moved."""

    first_field = "ends_day"
    refusal_fields: ClassVar = {"due_on": "ends_day"}
    reason = TextAreaField("Reason", filters=[clean])

    def parse_due(self, today: date) -> date | None:
        """The day; None, with a problem at a field, if it is wrong."""
        return self.parse_day("ends", today, name="due date")


def _parse_day(text: str | None) -> date:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return date.min
