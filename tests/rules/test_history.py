"""Years held, by all endorsements of a person, against a walk over the days."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.case_data import IMAGINED
from tests.rules.test_cycles import calendar_years
from tracker.rules.explain import list_held_years
from tracker.rules.history import EndorsementTerm, count_years, find_held_since
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
