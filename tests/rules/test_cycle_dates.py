"""The dates of cycles in rulebooks: what is refused, how it is read, and how it is worded."""

from datetime import date, timedelta

import pytest

from tests.rules.case_data import IMAGINED
from tests.rules.test_pace import stand
from tracker.rules.cycle_text import format_scheme
from tracker.rules.cycles import common_cycle, cycle_containing, find_grace_end, list_year_ends
from tracker.rules.description import describe_membership
from tracker.rules.month_days import first_month_day_after, last_month_day_until, month_day_in
from tracker.rules.parse import parse_rulebook
from tracker.rules.renewal import falls_behind_on
from tracker.rules.settlement import settle
from tracker.rules.stages import Stage, find_stage, find_window

EARLY = IMAGINED.associations["EARLY"].cycles
LEAP = IMAGINED.associations["LEAP"].cycles
RULEBOOK = """
id = "EX-AIMH"
name = "Example"
time_zone = "America/New_York"
[categories]
"IFS" = { name = "Infant Family Specialist" }
"""
FIXED = """
[[cycles]]
from = 2000-01-01
kind = "fixed"
years = 1
ends_on = 2000-12-31
"""
ANNIVERSARY = """
[[cycles]]
from = 2000-01-01
kind = "anniversary"
years = 1
"""
FOLLOWING = """
[[cycles]]
from = 2028-01-01
kind = "fixed"
years = 3
ends_on = 2030-12-31
grace_days = 31
"""


def problems(*blocks: str) -> list[str]:
    """What is wrong with a rulebook of these cycles."""
    _, found = parse_rulebook(RULEBOOK + "\n".join(blocks), "ex.toml")
    return [f"{problem.key}: {problem.reason}" for problem in found]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        pytest.param(
            'grace_until = "02-30"',
            "cycles[1].grace_until: is no day of a year: write the month and the day in quotes, "
            "such as \"03-31\" (found '02-30')",
            id="no day",
        ),
        pytest.param(
            "grace_until = 2027-03-31",
            'cycles[1].grace_until: write the words in quotes; a day of a year is "03-31" '
            "(found 2027-03-31)",
            id="a date",
        ),
        pytest.param(
            'grace_days = 31\ngrace_until = "03-31"',
            "cycles[1]: give either grace_days (0 for no grace period) or grace_until",
            id="two graces",
        ),
        pytest.param(
            'due_on = "11-30"\ndue_days_after_end = 10\ngrace_days = 31',
            "cycles[1]: give only one of due_days_after_end, due_days_before_end, and due_on",
            id="two due dates",
        ),
        pytest.param(
            "grace_days = 31\nsubmission_closes = 0",
            "cycles[1]: submission_closes needs submission_opens: when the submission opens",
            id="closes without opening",
        ),
        pytest.param(
            "grace_days = 31\nsubmission_opens = 90",
            "cycles[1]: submission_opens = 90 is after the due date: write -90 for 90 days "
            "before it",
            id="opens after the due date",
        ),
        pytest.param(
            "grace_days = 31\nsubmission_opens = -30\nsubmission_closes = -60",
            "cycles[1]: submission_closes = -60 is before submission_opens = -30",
            id="closes before it opens",
        ),
        pytest.param(
            "grace_days = 31\nsubmission_opens = true",
            'cycles[1].submission_opens: must be a day of the year, such as "10-01", or days from '
            "the due date, at most 366: -90 is 90 days before it (found True)",
            id="opens on a truth value",
        ),
        pytest.param(
            'grace_days = 31\nsubmission_opens = "13-01"',
            "cycles[1].submission_opens: is no day of a year: write the month and the day in "
            "quotes, such as \"03-31\" (found '13-01')",
            id="opens on no day",
        ),
        pytest.param(
            "grace_days = 31\nlengthens_on = 2026-10-01",
            "cycles[1]: lengthens_on (a day of the cycles that are lengthened) and long_cycle "
            "(what they require) go together: give both or neither",
            id="lengthens without hours",
        ),
        pytest.param(
            'grace_days = 31\nlengthens_on = 1999-10-01\nlong_cycle = "half"',
            "cycles[1].long_cycle: must be one of all hours, no hours, fraction by month, "
            "fraction by year, or how many times a full cycle's hours are required, such as 1.5 "
            "(at most 10) (found 'half')",
            id="lengthens with wrong hours",
        ),
        pytest.param(
            'grace_days = 31\nlengthens_on = 1999-10-01\nlong_cycle = "all hours"',
            "cycles[1].lengthens_on: lengthens the cycles of the block before, and there is none: "
            "remove it",
            id="lengthens nothing",
        ),
        pytest.param(
            'due_on = "11-30"\ngrace_days = 30',
            "cycles[1].grace_days: hours held through 2000-12-31 count, but renewals would lapse "
            "after 2000-12-30: write grace_days = 31 or more, or cycles that end on their due "
            "date, so that later hours count in the next one",
            id="grace too short",
        ),
        pytest.param(
            'due_days_before_end = 31\ngrace_until = "12-15"',
            "cycles[1].grace_until: hours held through 2000-12-31 count, but renewals would lapse "
            "after 2000-12-15: write grace_days = 31 or more, or cycles that end on their due "
            "date, so that later hours count in the next one",
            id="grace ends too early",
        ),
        pytest.param(
            'grace_until = "12-31"',
            "cycles[1].grace_until: the grace period of the renewal that is due on 2000-12-31 "
            "would end on 2001-12-31, 365 days later: write grace_days = 0 for no grace period, "
            "or grace_days = 365 if so long a one is meant",
            id="grace of a year",
        ),
        pytest.param(
            'grace_days = 31\nsubmission_opens = "10-01"\nsubmission_closes = "02-01"',
            "cycles[1].submission_closes: the submission of the cycle through 2000-12-31 would "
            "close on 2001-02-01, which is not between its opening on 2000-10-01 and the end of "
            "the grace period on 2001-01-31",
            id="closes after the grace",
        ),
    ],
)
def test_dates_that_would_be_silently_wrong_are_refused(keys: str, expected: str) -> None:
    assert problems(FIXED + keys) == [expected]


@pytest.mark.parametrize(
    "keys",
    [
        'due_on = "11-30"\ngrace_days = 31',
        'due_days_before_end = 31\ngrace_until = "12-31"',
        'grace_until = "02-29"\nsubmission_opens = "10-01"\nsubmission_closes = "02-29"',
        "grace_days = 0\nsubmission_opens = -90\nsubmission_closes = 0",
        'grace_days = 0\nsubmission_opens = "10-01"',
    ],
)
def test_dates_that_fit_are_accepted(keys: str) -> None:
    assert problems(FIXED + keys) == []


def test_a_day_of_the_year_does_not_fit_anniversary_cycles() -> None:
    (due_on,) = problems(ANNIVERSARY + 'due_on = "11-30"\ngrace_days = 31')
    assert due_on.endswith("write due_days_before_end")
    (grace,) = problems(ANNIVERSARY + 'due_days_before_end = 30\ngrace_until = "03-31"')
    assert "hours held through 2001-01-29 count, but renewals would lapse" not in grace
    assert grace.startswith("cycles[1].grace_until: hours held through ")
    assert problems(ANNIVERSARY + 'grace_until = "03-31"') == []


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        ("2028-01-01", "2028-01-01 must be a day of the block before, whose cycles it lengthens"),
        ("1999-12-31", "1999-12-31 must be a day of the block before, whose cycles it lengthens"),
        ("2027-01-01", "the cycle that runs on 2027-01-01 lasts through 2027-12-31 anyway"),
    ],
)
def test_a_block_lengthens_only_what_ends_too_early(day: str, reason: str) -> None:
    long = f'lengthens_on = {day}\nlong_cycle = "all hours"'
    (found,) = problems(FIXED + "grace_days = 31", FOLLOWING + long)
    assert found.startswith(f"cycles[2].lengthens_on: {reason}")


def test_a_fixed_cycle_that_is_lengthened_needs_no_short_cycle() -> None:
    july = FOLLOWING.replace("2028-01-01", "2027-07-01").replace("2030-12-31", "2030-06-30")
    long = "lengthens_on = 2026-12-31\nlong_cycle = 1.5"
    assert problems(FIXED + "grace_days = 31", july + long) == []


def test_a_value_within_a_lengthened_cycle_counts_from_the_next_one() -> None:
    cycle = common_cycle(EARLY, date(2027, 1, 1))
    assert cycle
    assert (cycle.starts_on, cycle.ends_on) == (date(2026, 1, 1), date(2027, 12, 31))


def test_a_window_that_had_closed_binds_nobody_who_came_later() -> None:
    keys = 'due_on = "11-30"\ngrace_days = 31\nsubmission_opens = "10-01"\n'
    closing = 'submission_closes = "11-30"'
    rulebook, _ = parse_rulebook(f"{RULEBOOK}{FIXED}{keys}{closing}", "ex.toml")
    assert rulebook
    windows = []
    for endorsed_on in (date(2024, 9, 30), date(2024, 11, 30), date(2024, 12, 1)):
        cycle = cycle_containing(rulebook.cycles, endorsed_on, endorsed_on)
        assert cycle
        windows.append((cycle.opens_on, cycle.closes_on))
    assert windows == [
        (date(2024, 10, 1), date(2024, 11, 30)),
        (date(2024, 11, 30), date(2024, 11, 30)),
        (None, None),
    ]


@pytest.mark.parametrize("day", [date(2024, 6, 1), date(2027, 6, 1), date(2029, 6, 1)])
def test_reports_find_the_same_grace_period(day: date) -> None:
    cycle = common_cycle(EARLY, day)
    assert cycle
    for due_on in (cycle.due_on, cycle.due_on + timedelta(days=200)):
        expected = cycle.grace_ends_on(due_on)
        assert find_grace_end(EARLY, date(2015, 1, 1), day, due_on) == expected


@pytest.mark.parametrize(
    ("today", "stage"),
    [
        (date(2024, 9, 30), Stage.EARLY),
        (date(2024, 10, 1), Stage.OPEN),
        (date(2025, 1, 31), Stage.OPEN),
        (date(2025, 2, 1), Stage.CLOSED),
    ],
)
def test_a_renewal_is_submitted_in_the_window_of_its_cycle(today: date, stage: Stage) -> None:
    cycle = common_cycle(EARLY, date(2024, 6, 1))
    assert cycle
    assert find_stage(find_window(cycle, cycle.due_on), None, today) is stage


def test_an_extension_keeps_the_window_open_through_its_due_date() -> None:
    cycle = common_cycle(EARLY, date(2024, 6, 1))
    assert cycle
    for due_on, closes_on in (
        (date(2025, 1, 31), date(2025, 1, 31)),
        (date(2025, 2, 1), date(2025, 2, 1)),
    ):
        assert find_window(cycle, due_on) == (date(2024, 10, 1), closes_on)


def test_february_29_is_february_28_in_other_years() -> None:
    assert month_day_in(2028, "02-29") == date(2028, 2, 29)
    assert month_day_in(2027, "02-29") == date(2027, 2, 28)
    assert first_month_day_after("02-29", date(2027, 2, 28)) == date(2028, 2, 29)
    assert last_month_day_until("02-29", date(2028, 2, 28)) == date(2027, 2, 28)


def test_next_and_last_days_of_the_year_meet() -> None:
    assert first_month_day_after("03-31", date(2027, 3, 30)) == date(2027, 3, 31)
    assert first_month_day_after("03-31", date(2027, 3, 31)) == date(2028, 3, 31)
    assert last_month_day_until("03-31", date(2027, 3, 31)) == date(2027, 3, 31)
    assert last_month_day_until("03-31", date(2027, 3, 30)) == date(2026, 3, 31)


def test_years_of_a_cycle_are_counted_from_february_29() -> None:
    cycle = cycle_containing(LEAP[:1], date(2020, 2, 29), date(2023, 6, 1))
    assert cycle
    ends = [date(2024, 2, 28), date(2025, 2, 27), date(2026, 2, 27)]
    assert list_year_ends(cycle) == ends
    yearly = [date(2023, 2, 28), date(2024, 2, 29), date(2025, 2, 28)]
    # The years of three cycles of one year that begin on the same day.
    assert [end - timedelta(days=1) for end in yearly[1:]] == ends[:2]


def test_a_continued_endorsement_owes_what_the_lengthened_cycle_requires() -> None:
    lengthened = common_cycle(EARLY, date(2027, 6, 1))
    first = cycle_containing(EARLY, date(2027, 6, 1), date(2027, 6, 1))
    assert lengthened
    assert first
    assert (first.is_first, first.share) == (True, lengthened.share)


def test_dates_are_worded_as_they_are_written() -> None:
    assert format_scheme(EARLY[0], IMAGINED.associations["EARLY"]) == (
        "A cycle lasts one year and ends on December 31. It is due on November 30, followed by a "
        "grace period through March 31. Hours held after the due date count through the cycle's "
        "last day. The submission opens on October 1; its last day is January 31. All hours are "
        "required starting with the first cycle."
    )
    assert format_scheme(EARLY[1], IMAGINED.associations["EARLY"]) == (
        "A cycle lasts 3 years; one ends on December 31, 2030. It is due 30 days before its last "
        "day, followed by a grace period of 45 days. Hours held after the due date count through "
        "the cycle's last day. The submission opens 90 days before the due date; its last day is "
        "the due date. All hours are required starting with the first cycle. This change "
        "lengthens the cycles that run on October 1, 2026: they last through December 31, 2027 and "
        "require 1.5 times as many hours."
    )
    assert "grace period through February 29 (February 28 in a year without it)" in (
        format_scheme(LEAP[1], IMAGINED.associations["LEAP"])
    )


def test_a_memberships_grace_is_worded_and_given_once() -> None:
    rules = IMAGINED.associations["GRACE"].memberships
    assert [line for rule in rules.values() for line in describe_membership(rule)] == [
        "a membership counts through the 30 days after its last day",
        "only individual memberships count",
        "a membership counts through the first January 31 after its last day",
    ]
    membership = """
[memberships.own]
says = "own"
any_infant_mental_health_association = true
grace_days = 30
grace_until = "01-31"
"""
    assert "memberships.own: give only one of grace_days and grace_until" in problems(membership)


def test_an_even_pace_leads_to_a_due_date_within_the_cycle() -> None:
    # 335 days through November 30, 2024 of a leap year; a sixth of them is 55.
    standing = stand(0, rulebooks=IMAGINED, whose=("EARLY", "IFS"), as_of=date(2025, 1, 1))
    assert standing.due_on == date(2025, 11, 30)
    assert falls_behind_on(standing) == date(2025, 1, 1) + timedelta(days=334 // 6)


@pytest.mark.parametrize(
    ("today", "is_settled"),
    [(date(2026, 3, 30), False), (date(2026, 3, 31), False), (date(2026, 4, 1), True)],
)
def test_a_cycle_is_settled_in_the_night_after_its_grace(*, today: date, is_settled: bool) -> None:
    standing = stand(0, rulebooks=IMAGINED, whose=("EARLY", "IFS"), as_of=today)
    settlement = settle(standing, today, "digest")
    assert (settlement is not None) == is_settled
