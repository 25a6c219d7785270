"""Years held, by all endorsements of a person, against a walk over the days."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.case_data import IMAGINED
from tests.rules.test_cycles import calendar_years
from tracker.rules.cycles import cycle_containing
from tracker.rules.explain import list_held_years
from tracker.rules.history import (
    EndorsementTerm,
    continue_cycle,
    count_from_application,
    count_years,
    find_held_since,
)
from tracker.rules.model import CycleScheme
from tracker.rules.reasons import format_reason

DAY = timedelta(days=1)
OWN = EndorsementTerm("A", "IFS", date(2024, 3, 1))
terms = st.builds(
    lambda association, category, starts_on, days: EndorsementTerm(
        association, category, starts_on, starts_on + timedelta(days=days)
    ),
    st.sampled_from(["A", "B"]),
    st.sampled_from(["IFS", "IMHS"]),
    st.dates(date(2023, 1, 1), date(2024, 3, 31)),
    st.integers(0, 90),
)
kinds = st.lists(
    st.sampled_from(["same category", "other category", "other association"]),
    min_size=1,
    unique=True,
)


def kind_of(term: EndorsementTerm) -> str:
    if term.association != "A":
        return "other association"
    return "same category" if term.category == "IFS" else "other category"


def walk_back(scheme: CycleScheme, others: list[EndorsementTerm]) -> date:
    """The first day held before the endorsement, without a longer break: a day at a time."""
    counted = [term for term in others if kind_of(term) in scheme.held_counts]
    first = day = OWN.starts_on
    while (first - day).days <= scheme.held_break_days:
        day -= DAY
        if any(term.starts_on <= day <= term.ends_on for term in counted):
            first = day
    return first


@given(held=st.lists(terms, max_size=5), counts=kinds, days=st.integers(0, 60))
def test_held_since_matches_a_walk_over_the_days(
    held: list[EndorsementTerm], counts: list[str], days: int
) -> None:
    scheme = calendar_years(held_counts=counts, held_break_days=days)
    assert find_held_since(scheme, OWN, held) == walk_back(scheme, held)


@pytest.mark.parametrize(("days", "since"), [(9, OWN.starts_on), (10, date(2023, 1, 1))])
def test_a_break_counts_up_to_its_last_day(days: int, since: date) -> None:
    ten_days_before = EndorsementTerm("A", "IFS", date(2023, 1, 1), OWN.starts_on - 11 * DAY)
    scheme = calendar_years(held_counts=["same category"], held_break_days=days)
    assert find_held_since(scheme, OWN, [ten_days_before]) == since


def test_earlier_endorsements_count_in_any_order() -> None:
    first = EndorsementTerm("B", "IFS", date(2022, 1, 1), date(2022, 12, 31))
    second = EndorsementTerm("A", "IFS", date(2023, 1, 1), OWN.starts_on - DAY)
    scheme = calendar_years(held_counts=["same category", "other association"], held_break_days=0)
    for others in ([first, second], [second, first]):
        assert find_held_since(scheme, OWN, others) == first.starts_on


def test_another_category_counts_only_if_the_scheme_says_so() -> None:
    other = EndorsementTerm("A", "IMHS", date(2023, 1, 1), OWN.starts_on - DAY)
    for counts, since in (("same category", OWN.starts_on), ("other category", other.starts_on)):
        scheme = calendar_years(held_counts=[counts], held_break_days=0)
        assert find_held_since(scheme, OWN, [other]) == since


@given(since=st.dates(date(2000, 1, 1), date(2030, 12, 31)), years=st.integers(1, 12))
def test_a_year_is_over_on_its_day(since: date, years: int) -> None:
    try:
        day = since.replace(year=since.year + years)
    except ValueError:
        day = date(since.year + years, 2, 28)
    assert [count_years(since, day + DAY * off) for off in (-1, 0, 1)] == [years - 1, years, years]


def test_three_years_from_february_29_are_over_on_february_28() -> None:
    leap = date(2024, 2, 29)
    days = [date(2027, 2, 27), date(2027, 2, 28), date(2028, 2, 28), date(2028, 2, 29)]
    assert [count_years(leap, day) for day in days] == [2, 3, 3, 4]


def test_years_before_the_first_day_are_none() -> None:
    assert count_years(date(2026, 5, 1), date(2026, 1, 1)) == 0
    assert count_years(date(2026, 5, 1), date(2020, 1, 1)) == 0


@pytest.mark.parametrize(
    ("endorsed_on", "expected"),
    [
        (
            date(2022, 1, 1),
            (
                "“Reflective supervision” is 6 hours, because the endorsement had been held for 3 "
                "years when the cycle began on January 1, 2026"
            ),
        ),
        (date(2024, 1, 1), ""),
    ],
)
def test_fewer_hours_have_a_reason(endorsed_on: date, expected: str) -> None:
    plan = IMAGINED.plan("HISTORY", "IMHM", endorsed_on, date(2026, 6, 1))
    assert plan
    assert "; ".join(map(format_reason, list_held_years(plan))) == expected


def test_plans_differ_only_where_years_matter() -> None:
    day = date(2026, 6, 1)
    three = IMAGINED.plan("HISTORY", "IMHM", date(2022, 1, 1), day)
    four = IMAGINED.plan("HISTORY", "IMHM", date(2021, 6, 1), day)
    assert three is four
    assert three is not IMAGINED.plan("HISTORY", "IMHM", date(2024, 1, 1), day)


@pytest.mark.parametrize(
    ("applied_on", "is_first", "share"),
    [
        (None, True, Fraction(2, 12)),
        (date(2026, 2, 1), True, Fraction(11, 12)),
        (date(2026, 1, 1), True, Fraction(1)),
        (date(2025, 12, 31), False, Fraction(1)),
    ],
)
def test_first_cycle_counts_from_the_application(
    applied_on: date | None, *, is_first: bool, share: Fraction
) -> None:
    schemes = IMAGINED.associations["FIRST-A"].cycles
    cycle = cycle_containing(schemes, date(2026, 11, 1), date(2026, 11, 1))
    assert cycle is not None
    counted = count_from_application(schemes, cycle, applied_on)
    assert (counted.is_first, counted.share) == (is_first, share)


@pytest.mark.parametrize(
    ("endorsed_on", "starts_on", "ends_on", "is_continued"),
    [
        # Thirty days without, and one more.
        (date(2026, 6, 1), date(2020, 1, 1), date(2026, 5, 1), True),
        (date(2026, 6, 1), date(2020, 1, 1), date(2026, 4, 30), False),
        # One that ends on the due date is still renewed, and what began on that day not earlier.
        (date(2026, 6, 1), date(2020, 1, 1), date(2026, 11, 29), True),
        (date(2026, 6, 1), date(2020, 1, 1), date(2026, 11, 30), False),
        (date(2026, 6, 1), date(2026, 5, 31), date(2026, 11, 29), True),
        (date(2026, 6, 1), date(2026, 6, 1), date(2026, 11, 29), False),
        # Endorsed after the due date, which the earlier one had.
        (date(2026, 12, 10), date(2020, 1, 1), date(2026, 11, 29), True),
        (date(2026, 12, 10), date(2020, 1, 1), date(2026, 11, 30), False),
    ],
)
def test_endorsement_continues_what_ended_a_short_time_before(
    endorsed_on: date, starts_on: date, ends_on: date, *, is_continued: bool
) -> None:
    scheme = calendar_years(
        due_on="11-30",
        first_cycle="fraction by month",
        first_cycle_exempts=["membership"],
        first_cycle_months_before=6,
        continues=["same category"],
        continues_within_days=30,
    )
    cycle = cycle_containing([scheme], endorsed_on, endorsed_on)
    assert cycle is not None
    own = EndorsementTerm("A", "IFS", endorsed_on)
    continued = continue_cycle(
        [scheme], cycle, own, [own._replace(starts_on=starts_on, ends_on=ends_on)]
    )
    assert (continued != cycle) == is_continued
    assert continued.due_on == cycle.due_on
    if is_continued:
        assert (continued.is_first, continued.exempts) == (False, ())
        assert continued.share == 1
        assert continued.counts_from == date(2026, 1, 1)


def test_anniversary_endorsement_can_continue_another() -> None:
    endorsed_on = date(2026, 6, 1)
    scheme = calendar_years(
        kind="anniversary", ends_on=None, first_cycle="no hours", continues=["other association"]
    )
    cycle = cycle_containing([scheme], endorsed_on, endorsed_on)
    assert cycle is not None
    earlier = EndorsementTerm("B", "IFS", date(2020, 1, 1), endorsed_on - DAY)
    own = EndorsementTerm("A", "IFS", endorsed_on)
    continued = continue_cycle([scheme], cycle, own, [earlier])
    assert [each.share for each in (cycle, continued)] == [0, 1]
    assert (continued.starts_on, continued.ends_on) == (cycle.starts_on, cycle.ends_on)
