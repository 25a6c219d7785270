"""What is odd about a payment, in sentences for its preview."""

from collections.abc import Sequence

from tracker.formatting import format_date, format_money
from tracker.services.fees import FeeLine, PaymentInput, key_of_share, list_paid_for
from tracker.services.payment_checks import Oddity, PaymentWarning, find_oddities
from tracker.web.page_request import PageRequest
from tracker.web.pages.desk_fees import view_line


def list_oddities(
    page: PageRequest, new: PaymentInput, lines: Sequence[FeeLine], corrects: int
) -> Sequence[PaymentWarning]:
    """What a coordinator may have mistyped.

    ``lines`` are the fees that it is for, as they are now; it takes the place of the payment
    ``corrects`` (0: of none).
    """
    replaced: dict[str, int] = {}
    if corrects:
        with page.reading() as session:
            for each in list_paid_for(session, corrects):
                replaced[key_of_share(each.share)] = each.share.cents
    return list(find_oddities(new, lines, replaced, page.day_of(new.association)))


def describe_oddity(page: PageRequest, new: PaymentInput, warning: PaymentWarning) -> str:
    """A sentence about something odd."""
    currency = page.rulebooks.associations[new.association].currency_code
    day, line = format_date(new.paid_on), warning.line
    if line is None:
        return f"{day} is more than a year ago. Is the date right?"
    fee = f"{line.fee.label} ({line.name}, {view_line(line).renewal})"
    if warning.oddity is Oddity.BEFORE_CYCLE:
        begins = format_date(line.cycle_starts_on)
        return f"{day} is before the cycle of {line.name}, which begins on {begins}."
    more = format_money(warning.cents, currency)
    if warning.oddity is Oddity.PAID_ALREADY:
        paid = format_money(line.account.paid, currency)
        return f"Nothing is owed for {fee}: {paid} is paid. {more} would be overpaid."
    owed = format_money(line.owed, currency)
    return f"Only {owed} is owed for {fee}. {more} would be overpaid."
