"""What one renewal owes of a fee on a day, and what many come to: without a database."""

from datetime import date
from typing import Any

import pytest

from tests.rules.case_data import IMAGINED
from tests.rules.planned import change_rulebook
from tests.rules.test_notices import alice
from tracker.db.payments import PaymentShare
from tracker.rulebooks import with_rulebook
from tracker.rules.fees import FeeAccount, PaidShare
from tracker.services.fees import (
    FeeLine,
    FeeState,
    FeeTotals,
    ShareInput,
    add_up,
    find_state,
    key_of_share,
    view_fees,
)

CYCLE, CYCLE_ENDS = date(2026, 1, 1), date(2026, 12, 31)
SUMMER, LATE, LAPSED = date(2026, 6, 1), date(2027, 1, 1), date(2027, 2, 1)


def list_lines(
    today: date = SUMMER,
    *paid: PaidShare,
    category: str = "IFS",
    association: str = "PAYING",
    **facts: Any,  # noqa: ANN401 - fields of Facts, and other rulebooks
) -> list[FeeLine]:
    """The fees of Alice's renewal of 2026, with what was paid of them."""
    standing = alice(
        today,
        cycle=SUMMER,
        category=category,
        association=association,
        **{"rulebooks": IMAGINED, "memberships": (), "payments": paid, **facts},
    )
    return list(view_fees(standing, {(1, CYCLE): paid}, today))


def view_line(today: date = SUMMER, *paid: PaidShare, **facts: Any) -> FeeLine:  # noqa: ANN401
    (line,) = list_lines(today, *paid, **facts)
    return line


def pay(cents: int, day: date = SUMMER) -> PaidShare:
    return PaidShare("renewal", day, cents)


def test_line_names_renewal_and_person() -> None:
    line = view_line(SUMMER, pay(2500))
    assert line == FeeLine(
        1,
        "Alice",
        1,
        "PAYING",
        "IFS",
        CYCLE,
        CYCLE_ENDS,
        CYCLE_ENDS,
        line.fee,
        FeeAccount(7500, 2500, CYCLE_ENDS, is_late=False),
        FeeState.OPEN,
        "USD",
    )
    assert (line.fee.id, line.due, line.owed, line.year) == ("renewal", 7500, 5000, 2026)
    assert not line.is_reinstatement


def test_other_endorsements_and_cycles_pay_for_themselves() -> None:
    standing = alice(SUMMER, cycle=SUMMER, rulebooks=IMAGINED, association="PAYING", memberships=())
    others = {(2, CYCLE): (pay(7500),), (1, date(2025, 1, 1)): (pay(7500),)}
    assert [line.owed for line in view_fees(standing, others, SUMMER)] == [7500]


def test_category_without_renewals_has_no_fees() -> None:
    assert list_lines(association="PROVIDING", category="IFRS") == []


def test_extended_due_date_keeps_the_amount() -> None:
    line = view_line(LATE, extended_due_on=date(2027, 1, 15))
    assert (line.due_on, line.state, line.owed) == (date(2027, 1, 15), FeeState.OPEN, 7500)


def test_extension_moves_no_day_of_the_year() -> None:
    line = view_line(date(2026, 12, 1), category="IMHS", extended_due_on=date(2027, 11, 30))
    assert (line.account.on_time_through, line.state) == (date(2026, 11, 30), FeeState.LATE)


def test_waived_fee_is_not_owed() -> None:
    line = view_line(LATE, pay(2500), waived=("fee",))
    assert (line.state, line.due, line.owed) == (FeeState.WAIVED, 0, 0)
    assert line.account.paid == 2500


def test_fee_of_a_lapsed_renewal_is_late() -> None:
    assert view_line(LATE).state is FeeState.LATE
    line = view_line(LAPSED)
    assert (line.state, line.owed) == (FeeState.LAPSED, 10000)


@pytest.mark.parametrize(
    ("today", "ends_on", "count"),
    [
        (LAPSED, date(2027, 1, 31), 0),
        (LAPSED, LAPSED, 1),
        (LAPSED, None, 1),
        (date(2027, 1, 31), date(2027, 1, 30), 1),
    ],
)
def test_ended_endorsement_owes_nothing_of_what_lapsed(
    today: date, ends_on: date | None, count: int
) -> None:
    assert len(list_lines(today, ends_on=ends_on)) == count


def test_part_that_was_paid_of_an_ended_endorsement_stays() -> None:
    line = view_line(LAPSED, pay(1), ends_on=date(2027, 1, 31))
    assert (line.account.paid, line.state) == (1, FeeState.LAPSED)


def test_each_fee_of_an_ended_endorsement_is_on_its_own() -> None:
    dues = """[[fees]]
id = "dues"
label = "Dues"
categories = ["IFS"]
how_to_pay = "Mail a check"
values = [{ from = 2024-01-01, amount = 10, source = { document = "guide", section = "Fees" } }]

[[requirements]]
id = "training"
"""
    rulebook = change_rulebook("paying", ('[[requirements]]\nid = "training"\n', dues))
    rulebooks = with_rulebook(IMAGINED, rulebook)
    last_day = date(2027, 1, 31)
    assert [line.fee.id for line in list_lines(SUMMER, rulebooks=rulebooks)] == ["dues", "renewal"]
    lines = list_lines(LAPSED, pay(7500), ends_on=last_day, rulebooks=rulebooks)
    assert [line.fee.id for line in lines] == ["renewal"]


@pytest.mark.parametrize(
    ("paid", "is_late", "is_freed", "has_lapsed", "state"),
    [
        (7500, False, True, True, FeeState.PAID),
        (7499, True, True, True, FeeState.WAIVED),
        (7499, True, False, True, FeeState.LAPSED),
        (7499, True, False, False, FeeState.LATE),
        (7499, False, False, False, FeeState.OPEN),
    ],
)
def test_state_is_the_first_that_fits(
    paid: int, *, is_late: bool, is_freed: bool, has_lapsed: bool, state: FeeState
) -> None:
    account = FeeAccount(7500, paid, CYCLE_ENDS, is_late)
    assert find_state(account, is_freed=is_freed, has_lapsed=has_lapsed) is state


def test_fee_is_not_lapsed_unless_said() -> None:
    account = FeeAccount(7500, 0, CYCLE_ENDS, is_late=False)
    assert find_state(account, is_freed=False) is FeeState.OPEN


def test_reinstatement_belongs_to_the_year_of_the_removal() -> None:
    line = view_line()._replace(cycle_ends_on=date(2027, 6, 30))
    assert line.year == 2027
    assert line._replace(is_reinstatement=True).year == 2026


def test_line_and_its_share_have_one_key() -> None:
    share = ShareInput(1, CYCLE, "renewal", 7500)
    row = PaymentShare(
        payment_id=1, endorsement_id=1, cycle_starts_on=CYCLE, fee="renewal", cents=7500
    )
    keys = {view_line().key, key_of_share(share), key_of_share(row)}
    assert keys == {"1.2026-01-01.renewal"}


def test_totals_are_the_sums_of_lines() -> None:
    lines = [view_line(), view_line(SUMMER, pay(8000)), view_line(LATE, pay(2500), waived=("fee",))]
    totals = add_up(lines)
    assert totals == FeeTotals(15000, 10500, 7500)
    assert totals.overpaid == 3000
    assert add_up([]) == FeeTotals(0, 0, 0)
