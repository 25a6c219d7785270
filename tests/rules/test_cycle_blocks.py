"""How blocks of cycles follow each other, and the dates of all cycles that they have."""

import pytest

from tests.rules.test_cycle_dates import ANNIVERSARY, FIXED, FOLLOWING, problems

GRACE = "grace_days = 31"
SHORT = 'short_cycle = "no hours"'
HALF = FOLLOWING.replace("2028-01-01", "YEAR-07-01").replace("2030-12-31", "2030-06-30")
LONG = 'long_cycle = "all hours"'


@pytest.mark.parametrize(("year", "next_year"), [("2003", "2004"), ("2027", "2028")])
def test_the_last_cycle_can_have_another_grace_period(year: str, next_year: str) -> None:
    """It is cut short, so that the day of the year is nearly a year after its due date."""
    june = FIXED + f'{SHORT}\ngrace_until = "06-15"'
    half = HALF.replace("YEAR", year)
    assert problems(june) == []
    assert problems(june, half) == [
        (
            f"cycles[1].grace_until: the grace period of the renewal that is due on {year}-06-30 "
            f"would end on {next_year}-06-15, 351 days later: write grace_days = 0 for no "
            "grace period, or grace_days = 351 if so long a one is meant"
        )
    ]


def test_a_grace_period_is_at_most_half_a_year() -> None:
    assert problems(FIXED + 'grace_until = "07-01"') == []
    assert problems(FIXED + 'grace_until = "07-02"') == [
        (
            "cycles[1].grace_until: the grace period of the renewal that is due on 2003-12-31 "
            "would end on 2004-07-02, 184 days later: write grace_days = 0 for no grace period, or "
            "grace_days = 184 if so long a one is meant"
        )
    ]


def test_dates_are_those_of_each_block_alone() -> None:
    march = FIXED + 'grace_until = "03-31"'
    december = FIXED.replace("2000", "2003") + 'grace_until = "12-31"'
    (found,) = problems(march, december)
    assert found.startswith(
        "cycles[2].grace_until: the grace period of the renewal that is due on 2003-12-31"
    )


@pytest.mark.parametrize(
    ("closes", "day"), [('"02-01"', "2001-02-01"), ("-100", "2000-09-22"), ("32", "2001-02-01")]
)
def test_a_submission_closes_before_the_grace_period_ends(closes: str, day: str) -> None:
    opens = f'{GRACE}\nsubmission_opens = "10-01"'
    assert problems(f"{FIXED}{opens}\nsubmission_closes = 31") == []
    assert problems(f"{FIXED}{opens}\nsubmission_closes = -91") == []
    assert problems(f"{FIXED}{opens}\nsubmission_closes = {closes}") == [
        (
            "cycles[1].submission_closes: the submission of the cycle through 2000-12-31 would "
            f"close on {day}, which is not between its opening on 2000-10-01 and the end of the "
            "grace period on 2001-01-31"
        )
    ]


def test_hours_count_until_an_anniversary_cycle_ends() -> None:
    assert problems(f"{ANNIVERSARY}due_days_before_end = 30\ngrace_days = 30") == []
    assert problems(f"{ANNIVERSARY}due_days_before_end = 30\ngrace_days = 29") == [
        (
            "cycles[1].grace_days: hours held through 2000-12-31 count, but renewals would lapse "
            "after 2000-12-30: write grace_days = 30 or more, or cycles that end on their due "
            "date, so that later hours count in the next one"
        )
    ]


@pytest.mark.parametrize("day", ["1999-12-31", "2028-01-01"])
def test_a_lengthened_cycle_is_one_of_the_block_before(day: str) -> None:
    assert problems(FIXED + GRACE, f"{FOLLOWING}lengthens_on = {day}\n{LONG}") == [
        (
            f"cycles[2].lengthens_on: {day} must be a day of the block before, whose cycles it "
            "lengthens: from 2000-01-01 through 2027-12-31"
        )
    ]


def test_a_lengthened_cycle_ends_later_than_it_would() -> None:
    assert problems(FIXED + GRACE, f"{FOLLOWING}lengthens_on = 2026-12-31\n{LONG}") == []
    assert problems(FIXED + GRACE, f"{FOLLOWING}lengthens_on = 2027-01-01\n{LONG}") == [
        (
            "cycles[2].lengthens_on: the cycle that runs on 2027-01-01 lasts through 2027-12-31 "
            "anyway, which is no earlier than 2027-12-31: remove lengthens_on and long_cycle, or "
            "write a day of the cycle that is lengthened"
        )
    ]
    assert problems(FIXED + GRACE, f"{FOLLOWING}lengthens_on = 2000-01-01\n{LONG}") == []


def test_a_block_fits_the_one_that_lengthens() -> None:
    lengthens = f"{FOLLOWING}lengthens_on = 2026-12-31\n{LONG}"
    third = HALF.replace("YEAR", "2032").replace("2030", "2035")
    (found,) = problems(FIXED + GRACE, lengthens, third)
    assert found.startswith("cycles[3].from: 2032-07-01 is within the cycle from 2031-01-01")


def test_anniversary_cycles_are_lengthened_or_cut_short() -> None:
    """Those that a block lengthens end later; all others it cuts short."""
    lengthens = f"{FOLLOWING}lengthens_on = 2026-01-01\n{LONG}"
    (found,) = problems(ANNIVERSARY + GRACE, lengthens)
    assert found.startswith("cycles[2].from: anniversary cycles would be cut short on 2028-01-01")
    assert problems(f"{ANNIVERSARY}{GRACE}\n{SHORT}", lengthens) == []


def test_each_block_fits_the_one_before() -> None:
    first, half = FIXED + GRACE, HALF.replace("YEAR", "2026")
    third = HALF.replace("YEAR", "2028").replace("2030-06-30", "2031-06-30")
    assert [each.partition(":")[0] for each in problems(first, half, third)] == [
        "cycles[2].ends_on",
        "cycles[2].from",
        "cycles[3].from",
    ]
