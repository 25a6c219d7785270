"""The fees of one renewal, apart from its standing: what is due by when, and what was paid."""

from datetime import date
from typing import NamedTuple

from tracker.formatting import format_date, format_money
from tracker.rules.standing import Standing
from tracker.services.fees import FeeLine, FeeState, view_fees
from tracker.services.payment_facts import Payments


class RenewalFee(NamedTuple):
    """One fee in words; ``how_to_pay`` is empty if nothing is owed, or the renewal lapsed."""

    id: str
    label: str
    words: str
    tone: str
    how_to_pay: str
    source: str
    is_owed: bool


def list_renewal_fees(standing: Standing, payments: Payments, today: date) -> list[RenewalFee]:
    """The fees of a renewal on a day; none if its rulebook has none."""
    views = []
    for line in view_fees(standing, payments, today):
        words, tone = _describe(line)
        source = f"{line.fee.source_document}, “{line.fee.source_section}”"
        is_asked = line.owed and line.state is not FeeState.LAPSED
        how_to_pay = line.fee.how_to_pay if is_asked else ""
        fee, owed = line.fee, bool(line.owed)
        views.append(RenewalFee(fee.id, fee.label, words, tone, how_to_pay, source, owed))
    return views


def _describe(line: FeeLine) -> tuple[str, str]:
    """What is due and what was paid, and the tone of it."""
    account, fee = line.account, line.fee
    if line.state is FeeState.WAIVED:
        return "Waived.", "plain"
    paid = f"{format_money(account.paid, line.currency)} paid"
    if line.state is FeeState.PAID:
        return f"{paid}.", "good"
    sentences = [f"{format_money(line.owed, line.currency)} to pay"]
    if line.state is FeeState.LAPSED:
        sentences = [f"{format_money(line.owed, line.currency)} not paid"]
    day = format_date(account.on_time_through)
    if line.state is FeeState.OPEN:
        sentences[0] += f" by {day}"
        if fee.late_amount is not None:
            late = format_money(fee.late_amount, line.currency)
            sentences.append(f"After that, the fee is {late}")
    else:
        sentences.append(f"It was due by {day}")
    if account.paid:
        sentences.append(f"{paid} so far")
    return f"{'. '.join(sentences)}.", "plain" if line.state is FeeState.OPEN else "warm"
