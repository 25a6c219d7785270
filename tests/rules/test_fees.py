"""Fees in a rulebook: what is refused, what is due on which day, and how it is said."""

from datetime import date
from pathlib import Path

import pytest

from tests.rules.case_data import IMAGINED
from tracker.formatting import format_money, parse_money
from tracker.rules.description import describe_rulebook
from tracker.rules.fees import FeeAccount, FeeValue, PaidShare, describe_fee, format_fee, settle_fee
from tracker.rules.parse import parse_rulebook
from tracker.rules.requirement import Source
from tracker.rules.rule_changes import list_changes_ahead

PAYING = Path(__file__).parents[1] / "rulebooks/rulebooks/paying.toml"
TEXT = PAYING.read_text("utf-8")
DUE = date(2026, 12, 31)
MONEY = "is an amount of money: write 75 or 87.50, without a currency or quotes"


def problems(old: str, new: str) -> list[str]:
    """What is wrong with the rulebook after a change."""
    assert old in TEXT
    _, wrong = parse_rulebook(TEXT.replace(old, new, 1), "paying.toml")
    return [f"{problem.key}: {problem.reason}" for problem in wrong]


def reasons(old: str, new: str) -> list[str]:
    """What is wrong with the rulebook after a change, without where, and what was found."""
    assert old in TEXT
    _, wrong = parse_rulebook(TEXT.replace(old, new, 1), "paying.toml")
    return [problem.reason.partition(" (found ")[0] for problem in wrong]


def account(paid: list[tuple[date, int]], day: date) -> FeeAccount:
    """What is due of the fee of IFS: $75, and $100 after the due date."""
    plan = IMAGINED.plan("PAYING", "IFS", date(2020, 1, 1), date(2026, 6, 1))
    assert plan is not None
    assert plan.cycle is not None
    fee = plan.fees[0]
    through = fee.on_time_through(DUE, plan.cycle.grace_ends_on(DUE))
    return settle_fee(fee, through, [PaidShare("renewal", *one) for one in paid], day)


@pytest.mark.parametrize(
    ("day", "due"),
    [(date(2026, 12, 30), 7500), (DUE, 7500), (date(2027, 1, 1), 10000)],
)
def test_late_amount_is_due_from_the_day_after_the_due_date(day: date, due: int) -> None:
    assert account([], day).due == due


def test_a_day_that_comes_after_the_grace_period_is_refused() -> None:
    (problem,) = problems("late_amount = 100", 'late_amount = 100\n  late_after = "02-15"')
    assert problem == (
        "fees[1].values[2].late_after: only what is paid through 2026-02-15 would be on time for "
        "the renewal that is due on 2026-12-31, because its grace period ends on 2027-01-31: write "
        "a day up to the end of the grace period"
    )


def test_an_error_in_one_of_several_fees_of_an_id_is_the_only_one() -> None:
    (problem,) = problems("amount = 87.50", "amount = -87.50")
    assert problem.startswith("fees[2].values[1].amount: ")


def test_amount_paid_in_part_on_time_becomes_the_late_amount() -> None:
    assert account([(DUE, 7000)], date(2027, 1, 1)).owed == 3000


def test_amount_paid_on_time_stays_enough() -> None:
    assert account([(DUE, 7500)], date(2027, 6, 1)) == FeeAccount(7500, 7500, DUE, is_late=False)


def test_payment_after_the_day_does_not_count_yet() -> None:
    assert account([(DUE, 7500)], date(2026, 12, 30)).owed == 7500


def test_day_of_the_year_is_the_last_one_within_the_grace_period() -> None:
    plan = IMAGINED.plan("PAYING", "IMHS", date(2020, 1, 1), date(2026, 6, 1))
    assert plan is not None
    assert plan.cycle is not None
    grace_ends_on = plan.cycle.grace_ends_on(DUE)
    assert plan.fees[0].on_time_through(date(2027, 3, 1), grace_ends_on) == date(2026, 11, 30)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param('"11-30"', '"11-31"', "is no day of a year", id="no day"),
        pytest.param('fee = "renewal"', 'fee = "renewel"', "it has renewal", id="unknown fee"),
        pytest.param('fee = "renewal"', "", "fee goes with counts = 'paid'", id="no fee"),
        pytest.param(
            "from = 2024-01-01\n  amount = 50", "from = 2025-01-01\n  amount = 50",
            "the fee 'renewal' is not asked on 2024-01-01", id="payment before the fee",
        ),
        pytest.param(
            "from = 2026-01-01\n  amount = 75", "from = 2026-01-02\n  amount = 75",
            "is the second day of the cycle", id="second day of a cycle",
        ),
        pytest.param(
            'categories = ["IMHS"]\nhow', 'categories = ["IFS"]\nhow',
            "'renewal' is given more than once", id="same id twice",
        ),
        pytest.param(
            'time_zone = "America/Chicago"', 'time_zone = "America/Chicago"\ncurrency = "USX"',
            "is not a currency", id="unknown currency",
        ),
    ],
)  # fmt: skip
def test_wrong_fee_is_refused(old: str, new: str, expected: str) -> None:
    assert any(expected in problem for problem in problems(old, new))


VALUE = "the value from 2024-01-01: "
IS_ASKED = f"{VALUE}an amount goes with a fee that is asked"
LATE = "  late_amount = 80\n"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("amount = 75\n", "amount = 75.005\n", "has a part of a cent: write two decimals at most"),
        ("amount = 75\n", 'amount = "75"\n', MONEY),
        ("amount = 75\n", "amount = true\n", MONEY),
        ("amount = 75\n", "amount = nan\n", "is no amount of money"),
        ("amount = 75\n", "amount = inf\n", "is no amount of money"),
        ("  amount = 60\n", "", IS_ASKED),
        ("  amount = 60\n", "  amount = 60\n  asked = false\n", IS_ASKED),
        ("  amount = 60\n", "  asked = false\n", IS_ASKED),
        (LATE, "", f"{VALUE}late_after and late_after_days say when late_amount is due: add it"),
        (
            LATE, "  late_amount = 80\n  late_after_days = 3\n",
            f"{VALUE}leave late_after or late_after_days",
        ),
        (LATE, "  late_amount = 60\n", f"{VALUE}late_amount must be more than amount"),
        (
            "  from = 2026-01-01\n  amount = 75", "  from = 2024-01-01\n  amount = 75",
            "values must be in order of their from dates: 2024-01-01 follows 2024-01-01",
        ),
        (
            'categories = ["IMHS"]\nhow', 'categories = ["IMHS"]\nof = "reinstatement"\nhow',
            "a reinstatement has no due date: remove late_amount and what goes with it",
        ),
    ],
)  # fmt: skip
def test_amounts_that_make_no_sense_are_refused(old: str, new: str, reason: str) -> None:
    assert reason in reasons(old, new)


def test_late_amount_can_be_a_cent_more() -> None:
    assert reasons(LATE, "  late_amount = 60.01\n") == []


@pytest.mark.parametrize(
    ("late", "words"),
    [
        ({}, "$75.00"),
        ({"late_amount": 100}, "$75.00; $100.00 if paid after the due date"),
        ({"late_amount": 100, "late_after": "02-29"}, "$75.00; $100.00 if paid after February 29"),
        (
            {"late_amount": 100, "late_after_days": 1},
            "$75.00; $100.00 if paid more than 1 day after the due date",
        ),
        (
            {"late_amount": 100, "late_after_days": -10},
            "$75.00; $100.00 if paid less than 10 days before the due date",
        ),
    ],
)
def test_fee_says_what_it_costs_and_when(late: dict[str, object], words: str) -> None:
    source = {"document": "guide", "section": "Fees"}
    value = {"from": date(2026, 1, 1), "amount": 75, "source": source, **late}
    assert format_fee(FeeValue.model_validate(value), "USD") == words
    ended = {"from": date(2026, 1, 1), "asked": False, "source": source}
    assert format_fee(FeeValue.model_validate(ended), "USD") == "no longer asked"


def test_section_says_what_it_has_of_a_fee() -> None:
    fee = IMAGINED.associations["PAYING"].fees_of("IFS")[0]
    here = Source(document="guide", section="Fees")
    first, *lines = describe_fee(fee, here, "USD")
    assert first == "fee renewal: Renewal fee"
    assert lines == [
        "  from January 1, 2024: $50.00",
        "  from January 1, 2026: $75.00; $100.00 if paid after the due date",
        "  how to pay: Mail a check to the Association of Fees, 1 Main Street, Chicago",
    ]
    read = fee.model_copy(update={"of": "reinstatement", "interpretation": "late"})
    assert next(describe_fee(read, here, "USD")) == (
        "fee renewal (reinstatement): Renewal fee (interpretation: late)"
    )
    assert list(describe_fee(fee, Source(document="guide", section="Hours"), "USD")) == []


def test_nothing_is_owed_of_a_fee_that_is_paid_twice() -> None:
    assert account([(DUE, 7500), (DUE, 7500)], DUE).owed == 0


def test_rulebook_in_words_says_what_is_due_and_how_it_is_paid() -> None:
    words = "\n".join(describe_rulebook(IMAGINED.associations["PAYING"], {}))
    assert "from January 1, 2026: $75.00; $100.00 if paid after the due date" in words
    assert "$100.00 if paid more than 15 days after the due date" in words
    assert "$80.00 if paid after November 30" in words
    assert "how to pay: Mail a check" in words


def test_coming_amount_is_a_change_ahead() -> None:
    changes = list_changes_ahead(IMAGINED.associations["PAYING"], date(2025, 6, 1))
    assert [change.says for change in changes] == [
        "Renewal fee: $75.00; $100.00 if paid after the due date"
    ]


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("75", 7500),
        ("75.5", 7550),
        ("87,50", 8750),
        ("$1,200.00", 120000),
        ("1,200", 120000),
        ("USD 75", 7500),
    ],
)
def test_money_is_read_as_it_is_written(text: str, cents: int) -> None:
    assert parse_money(text, "USD") == cents


@pytest.mark.parametrize("text", ["", "-5", "7.555", "five", "1,20,0", "€60", "£60", "CAD 60"])
def test_what_is_no_money_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"money is written .* in USD"):
        parse_money(text, "USD")


def test_each_currency_is_typed_with_its_sign() -> None:
    assert [parse_money(text, "CAD") for text in ("$60", "CA$60", "CAD 60")] == 3 * [6000]
    assert parse_money("€60", "EUR") == 6000


def test_money_is_written_in_its_currency() -> None:
    assert format_money(123450, "USD") == "$1,234.50"
