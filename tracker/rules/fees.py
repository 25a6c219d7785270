"""Fees of renewals and reinstatements: their form in a rulebook, and what is due on a day. Pure.

Amounts are whole cents (hundredths of the currency). Whether a renewal's fee is paid can be one of
its requirements; how much money is owed is never part of its standing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

from pydantic import BeforeValidator, Field, StrictBool

from tracker.formatting import format_count, format_date, format_money, format_month_day
from tracker.rules.key_checks import require_order
from tracker.rules.month_days import (
    ANY_LEAP_YEAR,
    MonthDay,
    last_month_day_until,
    month_day_in,
)
from tracker.rules.requirement import (
    Day,
    Key,
    Source,
    Text,
)
from tracker.rules.strict_model import StrictModel, check

CENTS = 100


def _read_cents(amount: object) -> int:
    """An amount of TOML, such as 75 or 87.5, in cents. Raises ValueError for anything else."""
    if isinstance(amount, bool) or not isinstance(amount, int | float):
        message = "is an amount of money: write 75 or 87.50, without a currency or quotes"
        raise ValueError(message)  # noqa: TRY004 - pydantic reports ValueErrors with their place
    try:
        cents = Decimal(str(amount)) * CENTS
        if cents == int(cents):
            return int(cents)
    except (ArithmeticError, ValueError) as error:
        message = "is no amount of money"
        raise ValueError(message) from error
    message = "has a part of a cent: write two decimals at most"
    raise ValueError(message)


Cents = Annotated[int, BeforeValidator(_read_cents), Field(gt=0, le=1_000_000 * CENTS)]


class FeeValue(StrictModel):
    """What is due from a date on; ``asked = false`` ends the fee on that date.

    ``amount`` is enough for what is paid through ``late_after_days`` days after the due date in
    force (before it, if negative), or through the last day of the year ``late_after`` that is not
    after the grace period. Later, ``late_amount`` is due in its place.
    """

    starts_from: Day = Field(alias="from")
    amount: Cents | None = None
    late_amount: Cents | None = None
    late_after: MonthDay | None = None
    late_after_days: int | None = Field(strict=True, default=None, ge=-366, le=366)
    asked: StrictBool = True
    source: Source

    @check
    def _has_the_amounts_it_needs(self) -> None:
        is_late_only = self.late_amount is not None and not self.asked
        if (self.amount is not None) != self.asked or is_late_only:
            message = f"the value from {self.starts_from}: an amount goes with a fee that is asked"
            raise ValueError(message)
        if self.amount and self.late_amount and self.late_amount <= self.amount:
            message = f"the value from {self.starts_from}: late_amount must be more than amount"
            raise ValueError(message)

    @check
    def _is_late_in_one_way(self) -> None:
        has_late_day = self.late_after is not None or self.late_after_days is not None
        if self.late_amount is None and has_late_day:
            message = (
                f"the value from {self.starts_from}: late_after and late_after_days say when "
                "late_amount is due: add it"
            )
            raise ValueError(message)
        if self.late_after is not None and self.late_after_days is not None:
            message = f"the value from {self.starts_from}: leave late_after or late_after_days"
            raise ValueError(message)


class Fee(StrictModel):
    """A fee of the renewals, or of the reinstatements, of certain categories, by date.

    ``how_to_pay`` is shown to those who owe it. The same ``id`` may be given again for other
    categories that owe another amount.
    """

    id: Key
    of: Literal["renewal", "reinstatement"] = "renewal"
    label: Text
    categories: tuple[Key, ...] = Field(min_length=1)
    how_to_pay: Text
    interpretation: Key | None = None
    values: tuple[FeeValue, ...] = Field(min_length=1)

    @check
    def _values_in_order(self) -> None:
        require_order("values", [value.starts_from for value in self.values])

    @check
    def _is_late_only_if_due(self) -> None:
        if self.of == "reinstatement" and any(value.late_amount for value in self.values):
            message = "a reinstatement has no due date: remove late_amount and what goes with it"
            raise ValueError(message)

    def value_on(self, day: date) -> FeeValue | None:
        """The value in force on a day; None before the first, and after the fee has ended."""
        started = [value for value in self.values if value.starts_from <= day]
        return started[-1] if started and started[-1].asked else None


# Equal only to itself, as the requirements of a plan.
@dataclass(frozen=True, slots=True, eq=False)
class PlannedFee:
    """A fee of one category in one cycle; ``value`` has the amounts that the cycle requires."""

    id: str
    label: str
    how_to_pay: str
    amount: int
    value: FeeValue
    source_document: str

    @property
    def late_amount(self) -> int | None:
        """What is due if it is paid late; None if that changes nothing."""
        return self.value.late_amount

    @property
    def source_section(self) -> str:
        """The section of the document in which the amount stands."""
        return self.value.source.section

    def on_time_through(self, due_on: date, grace_ends_on: date) -> date:
        """The last day on which the plain amount is enough.

        ``due_on`` is the due date in force; ``grace_ends_on`` the end of the grace period without
        an extension, because a day of the year is the same for everyone.
        """
        if self.value.late_after is not None:
            return last_month_day_until(self.value.late_after, grace_ends_on)
        return due_on + timedelta(days=self.value.late_after_days or 0)


class PaidShare(NamedTuple):
    """What was paid of one fee for one renewal: the day, and the cents."""

    fee: str
    on: date
    cents: int


class FeeAccount(NamedTuple):
    """One fee of one renewal on one day, in cents.

    ``due`` is what has to be paid in all: the late amount as soon as too little was paid by
    ``on_time_through``, the last day on which the plain amount is enough.
    """

    due: int
    paid: int
    on_time_through: date
    is_late: bool

    @property
    def is_paid(self) -> bool:
        """Whether nothing more is owed."""
        return self.paid >= self.due

    @property
    def owed(self) -> int:
        """What is left to pay; 0 if more was paid than is due."""
        return max(0, self.due - self.paid)


def settle_fee(
    fee: PlannedFee, on_time_through: date, payments: Iterable[PaidShare], day: date
) -> FeeAccount:
    """What is due of a fee on a day, by the payments up to that day.

    Once the amount is paid it stays paid, so that no passing of time alone turns a paid fee into an
    unpaid one, or an unpaid one into a paid one.
    """
    own = [each for each in payments if each.fee == fee.id]
    paid = _add_up(own, day)
    is_late = day > on_time_through and _add_up(own, on_time_through) < fee.amount
    due = fee.late_amount if is_late and fee.late_amount else fee.amount
    return FeeAccount(due, paid, on_time_through, is_late)


def _add_up(payments: Iterable[PaidShare], day: date) -> int:
    """The cents that were paid through a day."""
    return sum(each.cents for each in payments if each.on <= day)


def format_fee(value: FeeValue, currency: str) -> str:
    """What a fee's value asks: ``$75.00; $100.00 if paid after the due date``."""
    if value.amount is None:
        return "no longer asked"
    amount = format_money(value.amount, currency)
    if value.late_amount is None:
        return amount
    late = format_money(value.late_amount, currency)
    if value.late_after is not None:
        when = format_month_day(month_day_in(ANY_LEAP_YEAR, value.late_after))
        return f"{amount}; {late} if paid after {when}"
    days = value.late_after_days or 0
    when = "after"
    if days > 0:
        when = f"more than {format_count(days, 'day')} after"
    elif days < 0:
        when = f"less than {format_count(-days, 'day')} before"
    return f"{amount}; {late} if paid {when} the due date"


def describe_fee(fee: Fee, here: Source, currency: str) -> Iterator[str]:
    """What a section of a document says about a fee; nothing if it says nothing."""
    values = [value for value in fee.values if value.source == here]
    if values:
        see = f" (interpretation: {fee.interpretation})" if fee.interpretation else ""
        purpose = f" ({fee.of})" if fee.of != "renewal" else ""
        yield f"fee {fee.id}{purpose}: {fee.label}{see}"
        for value in values:
            yield f"  from {format_date(value.starts_from)}: {format_fee(value, currency)}"
        yield f"  how to pay: {fee.how_to_pay}"
