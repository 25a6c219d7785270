"""The form of a payment: when, how much, by whom, and how much of it is for each fee."""

from collections.abc import Sequence

from wtforms import HiddenField, StringField, TextAreaField

from tracker.formatting import parse_money
from tracker.web.forms.body import add_problem, clean, keep_form_key
from tracker.web.forms.days import PastDayForm

_ENTER_AMOUNT = "Enter an amount like 75 or 87.50, in {}"


class PaymentForm(PastDayForm):
    """A payment; the parts of each fee are fields of their own, named by the fee's key."""

    first_field = "payer"

    form_key = HiddenField(filters=[keep_form_key])
    payer = StringField("Who paid?", filters=[clean])
    amount = StringField("Amount", filters=[clean])
    reference = StringField("Check number or reference", filters=[clean])
    note = StringField("Note", filters=[clean])
    reason = TextAreaField("Why is it corrected?", filters=[clean])

    def parse_amount(self, parts: Sequence[int], currency: str) -> int:
        """The cents, those of all ``parts`` if the field is blank; 0, with a problem, if wrong."""
        if not self.amount.data:
            return sum(parts)
        try:
            return parse_amount(self.amount.data, currency)
        except ValueError as error:
            add_problem(self.amount, str(error))
            return 0


def parse_amount(text: str, currency: str) -> int:
    """The cents of one amount; 0 for a blank one. Raises ValueError, in words, for what is none."""
    try:
        return parse_money(text, currency) if text else 0
    except ValueError:
        raise ValueError(_ENTER_AMOUNT.format(currency)) from None
