"""First cycles: a table against the months of the calendar, and what people read about them."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.case_data import IMAGINED
from tests.rules.test_cycles import calendar_years
from tracker.rules.cycle_text import format_scheme
from tracker.rules.cycles import cycle_containing, cycle_counting
from tracker.rules.history import EndorsementTerm, continue_cycle
from tracker.rules.reasons import format_reason
from tracker.rules.renewal import judge_renewal
from tracker.rules.standing import Facts, list_exemptions
from tracker.web.pages.renewal_text import format_lead

DAY = timedelta(days=1)
QUARTERS = [
    {"months": 3, "share": "1"},
    {"months": 6, "share": "3/4"},
    {"months": 9, "share": "1/2"},
    {"months": 12, "share": "1/4"},
]


@given(endorsed_on=st.dates(date(2020, 1, 1), date(2029, 12, 31)))
def test_table_of_a_calendar_year_follows_its_quarters(endorsed_on: date) -> None:
    scheme = calendar_years(first_cycle="fraction by table", first_cycle_shares=QUARTERS)
    cycle = cycle_containing([scheme], endorsed_on, endorsed_on)
    assert cycle
    assert cycle.share == Fraction(4 - (endorsed_on.month - 1) // 3, 4)


@pytest.mark.parametrize(
    ("endorsed_on", "share"),
    [
        (date(2024, 2, 28), Fraction(1, 2)),
        (date(2024, 2, 29), Fraction(1)),
        (date(2024, 8, 28), Fraction(1)),
        (date(2024, 8, 29), Fraction(1, 2)),
        (date(2025, 2, 27), Fraction(1, 2)),
    ],
)
def test_table_of_a_cycle_from_february_29(endorsed_on: date, share: Fraction) -> None:
    rows = [{"months": 6, "share": "1"}, {"months": 12, "share": "1/2"}]
    scheme = calendar_years(
        ends_on=date(2024, 2, 28), first_cycle="fraction by table", first_cycle_shares=rows
    )
    cycle = cycle_containing([scheme], endorsed_on, endorsed_on)
    assert cycle
    assert cycle.share == share


@pytest.mark.parametrize(("months", "first"), [(1, date(2026, 2, 28)), (6, date(2025, 9, 30))])
def test_months_before_an_anniversary_cycle_count_in_it(months: int, first: date) -> None:
    scheme = calendar_years(kind="anniversary", ends_on=None, first_cycle_months_before=months)
    endorsed_on = date(2026, 3, 30) if months == 6 else date(2026, 3, 28)
    cycle = cycle_counting([scheme], endorsed_on, first)
    assert cycle
    assert (cycle.starts_on, cycle.counts_from) == (endorsed_on, first)
    assert cycle_counting([scheme], endorsed_on, first - DAY) is None
    second = cycle_counting([scheme], endorsed_on, cycle.ends_on + DAY)
    assert second
    assert second.counts_from == second.starts_on


def test_continued_shortened_cycle_requires_what_shortened_ones_do() -> None:
    june = calendar_years(starts_from=date(2024, 7, 1), ends_on=date(2025, 6, 30))
    scheme = calendar_years(short_cycle="fraction by month", continues=["same category"])
    endorsed_on = date(2024, 3, 1)
    cycle = cycle_containing([scheme, june], endorsed_on, endorsed_on)
    assert cycle
    before = EndorsementTerm("A", "IFS", date(2020, 1, 1), endorsed_on - DAY)
    own = EndorsementTerm("A", "IFS", endorsed_on)
    continued = continue_cycle([scheme, june], cycle, own, [before])
    assert (continued.is_first, continued.share) == (False, Fraction(1, 2))
    other = cycle_containing([scheme, june], date(2020, 1, 1), endorsed_on)
    assert continued == other


def lead(association: str, endorsed_on: date) -> str:
    day = date(2026, 12, 1)
    plan = IMAGINED.plan(association, "IFS", endorsed_on, day)
    assert plan
    facts = Facts(1, 1, "", "", endorsed_on, None, provides_rsc=False, minutes={})
    standing = judge_renewal(plan, facts, day)
    assert standing
    return format_lead(standing, day)


def test_exempt_requirements_are_named() -> None:
    text = lead("FIRST", date(2026, 5, 1))
    assert "Not required in the cycle of endorsement: DEIA training and Membership." in text
    assert "all hours held since September 1, 2025 count" in text
    plan = IMAGINED.plan("FIRST", "IFS", date(2026, 5, 1), date(2026, 12, 1))
    assert plan
    found = list_exemptions(plan, None)
    assert {name: format_reason(reason) for name, reason in found.items()} == dict.fromkeys(
        ("training.deia", "membership"), "not required in the cycle of endorsement"
    )


def test_part_by_the_application_says_so() -> None:
    text = lead("FIRST-A", date(2026, 11, 1))
    assert "A part of the hours is required, counted from the day of the application" in text


def test_first_cycle_in_words() -> None:
    rulebook = IMAGINED.associations["FIRST"]
    assert format_scheme(rulebook.cycles[0], rulebook).endswith(
        "In the cycle in which an endorsement begins, a part of the hours is required; hours held "
        "in it before that day count. By the month of the cycle in which the endorsement began: "
        "all hours through month 3, 3/4 of the hours through month 6, 1/2 of the hours through "
        "month 9, and no hours through month 12. Not required in the first cycle: DEIA training "
        "and Membership. Hours held up to 4 months before the first cycle begins count in it. All "
        "hours are required if the endorsement continues one of the same category that ended at "
        "most 0 days before."
    )
