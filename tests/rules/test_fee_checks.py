"""What `tracker rules check` says of fees that do not go with the requirements or the cycles."""

import pytest

from tests.rules.test_fees import TEXT
from tracker.rules.parse import parse_rulebook

FEE = "\n[[fees]]\n"
LATE_DAYS = "late_after_days = 15"
PAID = 'fee = "renewal"\n\n  [[requirements.values]]\n  from = 2024-01-01\n'
LATE_DAY = 'late_after = "11-30"'
OWN_CYCLES = 'kind = "anniversary"\nyears = 1\ngrace_days = 31\n'
CYCLES = 'kind = "fixed"\nyears = 1\nends_on = 2024-12-31\ngrace_days = 31\n'
RULE = 'source = { document = "guide", section = "Fees" }\n'
REINSTATEMENT = f"""
[[fees]]
of = "reinstatement"
id = "back"
label = "Reinstatement fee"
categories = ["IFS"]
how_to_pay = "Mail a check"
values = [{{ from = 2025-01-01, amount = 50, {RULE.strip()} }}]

[[removals]]
from = 2024-01-01
after_days = 1
{RULE}
[[reinstatements]]
from = 2025-01-01
{RULE}
[attestations]
ethics = "I follow the Code of Ethics"

[[requirements]]
of = "reinstatement"
id = "back.ethics"
label = "Code of Ethics"
about = "Signed anew"
categories = ["IFS"]
counts = "signed"
signed = ["ethics"]
values = [{{ from = 2025-01-01, {RULE.strip()} }}]
"""


def problems(*changes: tuple[str, str]) -> list[str]:
    """Every problem of the rulebook after changes of its text."""
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return [f"{problem.key}: {problem.reason}" for problem in parse_rulebook(text, "p.toml")[1]]


def test_an_id_is_that_of_one_fee_of_a_category() -> None:
    more = TEXT[TEXT.rindex(FEE) :]
    assert problems((more, more + more)) == ["fees of IMHS: 'renewal' is given more than once"]


def test_a_fee_of_a_reinstatement_has_its_own_id() -> None:
    assert problems((FEE, f"{REINSTATEMENT}{FEE}")) == []
    same = REINSTATEMENT.replace('id = "back"', 'id = "renewal"')
    assert problems((FEE, f"{same}{FEE}")) == ["fees of IFS: 'renewal' is given more than once"]


def test_a_fee_needs_a_renewal_to_be_due() -> None:
    (problem,) = problems(('["IFS", "IFRS", "IMHS"]', '["IFS", "IFRS"]'))
    assert problem == "fees of IMHS: IMHS has no renewal requirements, so that no fee is ever due"


def test_a_fee_needs_a_reinstatement_to_be_due() -> None:
    fee = REINSTATEMENT.replace('categories = ["IFS"]\nhow', 'categories = ["IFS", "IMHS"]\nhow')
    assert problems((FEE, f"{fee}{FEE}")) == [
        "fees of IMHS: IMHS has no reinstatement requirements, so that no fee is ever due"
    ]


def test_a_requirement_with_an_error_is_no_lack() -> None:
    (problem,) = problems(("  hours = 4\n", "  hours = -4\n"))
    assert problem.startswith("requirements[1].values[1].hours: ")


def test_a_fee_with_an_error_is_no_lack() -> None:
    (problem,) = problems(("  amount = 87.50\n", "  amount = -87.50\n"))
    assert problem.startswith("fees[2].values[1].amount: ")


def test_a_wrong_fee_hides_no_unknown_one() -> None:
    other = 'fee = "renewal"\n\n  [[requirements.values]]'
    found = problems(("amount = 87.50", "amount = -87.50"), (other, other.replace("wal", "wel")))
    reason = "fee.fee: 'renewel' is no fee of this category; it has"
    assert found[1:] == [
        f"renewal requirements of IFS: {reason} renewal",
        f"renewal requirements of IFRS: {reason} none",
    ]


def test_all_fees_of_a_category_are_named() -> None:
    fee = TEXT[TEXT.rindex(FEE) :].replace('id = "renewal"', 'id = "dues"')
    fee = fee.replace('"IMHS"', '"IFS"')
    found = problems((FEE, f"{fee}{FEE}"), (PAID, PAID.replace("wal", "wel")))
    assert found[0].endswith("it has dues, renewal")


def test_a_fee_is_paid_by_one_requirement() -> None:
    first = TEXT[TEXT.index('[[requirements]]\nid = "fee"') : TEXT.index("[[fees]]")]
    second = first.replace('id = "fee"', 'id = "again"').replace('["IFS", "IFRS"]', '["IFRS"]')
    assert problems((first, first + second)) == [
        "renewal requirements of IFRS: the fee 'renewal' is given more than once"
    ]


@pytest.mark.parametrize(
    ("changes", "days"),
    [
        ([("2024-01-01\n  amount = 50", "2025-01-01\n  amount = 50")], ["2024-01-01"]),
        (
            [("2026-01-01\n  amount = 75\n  late_amount = 100", "2026-01-01\n  asked = false")],
            ["2026-01-01"],
        ),
        (
            [
                (PAID, f'{PAID}  categories = ["IFS", "IFRS"]\n'),
                ("2024-01-01\n  amount = 50", "2025-01-01\n  amount = 50"),
            ],
            ["2024-01-01"],
        ),
    ],
)
def test_a_payment_is_required_while_there_is_a_fee(
    changes: list[tuple[str, str]], days: list[str]
) -> None:
    assert problems(*changes) == [
        f"renewal requirements of IFS: fee.fee: the fee 'renewal' is not asked on {day}, when its "
        "payment is required"
        for day in days
    ]


def test_a_payment_may_end_with_its_fee() -> None:
    ended = f"\n  [[requirements.values]]\n  from = 2026-01-01\n  asked = false\n  {RULE}"
    amount = "2026-01-01\n  amount = 75\n  late_amount = 100"
    end = (f"{RULE}{FEE}", f"{RULE}{ended}{FEE}")
    assert problems(end, (amount, "2026-01-01\n  asked = false")) == []


@pytest.mark.parametrize("cycles", [CYCLES, OWN_CYCLES])
def test_days_until_a_late_amount_end_with_grace(cycles: str) -> None:
    assert problems((CYCLES, cycles), (LATE_DAYS, "late_after_days = 31")) == []
    (problem,) = problems((CYCLES, cycles), (LATE_DAYS, "late_after_days = 32"))
    assert problem == (
        "fees[2].values[1].late_after_days: the grace period ends 31 days after the due date, so "
        "that the late amount is never due: write at most 31"
    )


@pytest.mark.parametrize("day", ["07-01", "11-30", "12-31", "01-31"])
def test_any_day_through_the_grace_period_begins_lateness(day: str) -> None:
    assert problems((LATE_DAY, f'late_after = "{day}"')) == []


@pytest.mark.parametrize("day", ["02-01", "06-30"])
def test_a_day_that_comes_after_the_grace_period_is_refused(day: str) -> None:
    (problem,) = problems((LATE_DAY, f'late_after = "{day}"'))
    assert problem == (
        f"fees[3].values[1].late_after: only what is paid through 2024-{day} would be on time for "
        "the renewal that is due on 2024-12-31, because its grace period ends on 2025-01-31: write "
        "a day up to the end of the grace period"
    )


def test_any_day_of_the_year_goes_with_own_cycles() -> None:
    assert problems((CYCLES, OWN_CYCLES), (LATE_DAY, 'late_after = "02-15"')) == []


def test_fees_before_the_first_cycle_are_not_late() -> None:
    assert problems((f"from = 2024-01-01\n{CYCLES}", f"from = 2026-01-01\n{CYCLES}")) == []


def test_places_of_late_amounts_are_those_of_the_file() -> None:
    changes = ("  amount = 75\n", "  amount = -75\n"), (LATE_DAYS, "late_after_days = 32")
    assert [each.partition(": ")[0] for each in problems(*changes)] == [
        "fees[1].values[2].amount",
        "fees[2].values[1].late_after_days",
    ]
