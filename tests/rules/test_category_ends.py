"""When endorsements end by the rules of their category, against a walk over the days."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.case_data import IMAGINED
from tests.rules.planned import change_rulebook
from tracker.rules.category_ends import RecordedTerm, explain_ends, find_ends, list_bases
from tracker.rules.description import describe_ends
from tracker.rules.reasons import format_reason
from tracker.rules.renewal import judge_renewal
from tracker.rules.standing import Facts
from tracker.web.pages.renewal_text import format_lead

DAY = timedelta(days=1)
RULEBOOK = IMAGINED.associations["ADDING"]
FIRST = date(2024, 1, 1)


def term(number: int, category: str, first: str, last: str = "9999-12-31") -> RecordedTerm:
    return RecordedTerm(number, category, date.fromisoformat(first), date.fromisoformat(last))


def ends(*terms: RecordedTerm) -> dict[int, str]:
    return {number: str(day) for number, day in find_ends(RULEBOOK, terms).items()}


@st.composite
def held(draw: st.DrawFn) -> list[RecordedTerm]:
    """Terms of bases and add-ons; those of one category do not overlap."""
    terms: list[RecordedTerm] = []
    for category in ("IFS", "IMHS", "ERS", "MENTOR"):
        day = FIRST + timedelta(days=draw(st.integers(0, 20)))
        for _ in range(draw(st.integers(0, 2))):
            last = day + timedelta(days=draw(st.integers(0, 15)))
            terms.append(RecordedTerm(len(terms), category, day, last))
            day = last + timedelta(days=draw(st.integers(1, 8)))
    return terms


def is_valid(terms: list[RecordedTerm], category: str, day: date) -> bool:
    """Whether a category is held on a day, with all beside it since its first day."""
    beside = RULEBOOK.categories[category].beside
    for each in terms:
        if each.category == category and each.starts_on <= day <= each.ends_on:
            # From the first day on which something is beside it, not a day is without.
            walked, begun = each.starts_on, not beside
            while walked <= day:
                has_base = any(is_valid(terms, base, walked) for base in beside)
                if begun and beside and not has_base:
                    return False
                begun = begun or has_base
                walked += DAY
            if begun:
                return True
    return False


@given(terms=held())
def test_add_ons_last_as_long_as_their_bases(terms: list[RecordedTerm]) -> None:
    found = find_ends(RULEBOOK, terms)
    for each in terms:
        if each.category == "ERS":
            last = found.get(each.id, each.ends_on)
            others = [other for other in terms if other.category != "ERS" or other is each]
            valid = [
                day
                for n in range((each.ends_on - each.starts_on).days + 1)
                if is_valid(others, "ERS", day := each.starts_on + n * DAY)
            ]
            assert (max(valid) if valid else each.starts_on - DAY) == last


@pytest.mark.parametrize(
    ("starts_on", "ends_on"),
    [
        ("2024-02-28", "2026-02-27"),
        ("2024-02-29", "2026-02-27"),
        ("2024-03-01", "2026-02-28"),
        ("2022-03-01", "2024-02-29"),
    ],
)
def test_two_years_end_like_cycles_and_memberships(starts_on: str, ends_on: str) -> None:
    assert ends(term(1, "EIFS", starts_on)) == {1: ends_on}


def test_an_earlier_last_day_on_record_stays() -> None:
    assert ends(term(1, "EIFS", "2024-01-01", "2025-12-31")) == {}
    assert ends(term(1, "EIFS", "2024-01-01", "2026-01-01")) == {1: "2025-12-31"}


def test_a_term_is_over_when_it_has_become_another() -> None:
    becoming = term(1, "EIFS", "2024-01-01"), term(2, "IFS", "2025-05-01")
    assert ends(*becoming) == {1: "2025-04-30"}
    late = term(1, "EIFS", "2024-01-01"), term(2, "IFS", "2026-05-01")
    assert ends(*late) == {1: "2025-12-31"}
    before = term(1, "EIFS", "2024-01-01"), term(2, "IFS", "2020-05-01")
    assert ends(*before) == {1: "2025-12-31"}


def test_terms_without_a_break_are_one_in_any_order() -> None:
    second, first = term(1, "EIFS", "2024-07-01"), term(2, "EIFS", "2024-01-01", "2024-06-30")
    assert ends(second, first) == ends(first, second) == {1: "2025-12-31"}


def test_what_began_on_the_same_day_is_no_conversion() -> None:
    assert ends(term(1, "EIFS", "2024-01-01"), term(2, "IFS", "2024-01-01")) == {1: "2025-12-31"}


def test_category_that_the_rulebook_lost_does_not_end() -> None:
    assert ends(term(1, "GONE", "2024-01-01"), term(2, "EIFS", "2024-01-01")) == {2: "2025-12-31"}
    assert list_bases(RULEBOOK, "GONE") == []


def test_bases_of_an_add_on_have_bases_of_their_own() -> None:
    assert list_bases(RULEBOOK, "MENTOR") == ["IFS", "IMHS", "EIFS", "ERS"]


def test_limited_term_that_becomes_nothing_is_said_so() -> None:
    alone = ', becomes = ["IFS", "IMHS"]', ""
    rulebook = change_rulebook("adding", alone)
    assert [format_reason(reason) for reason in explain_ends(rulebook, "EIFS")] == [
        "an endorsement as EIFS lasts 2 years at most"
    ]


def test_ends_in_words() -> None:
    assert list(describe_ends(RULEBOOK, ["IFS", "EIFS", "ERS"])) == [
        (
            "An endorsement as EIFS lasts 2 years at most: to go on, it must become one as IFS or "
            "IMHS by then."
        ),
        "An endorsement as ERS lasts as long as the one beside it, as IFS, IMHS, or EIFS.",
    ]
    assert [format_reason(reason) for reason in explain_ends(RULEBOOK, "IFS")] == []


@pytest.mark.parametrize(
    ("category", "ends_on", "expected"),
    [
        (
            "EIFS",
            date(2027, 6, 29),
            "This endorsement ends on June 29, 2027. An endorsement as EIFS",
        ),
        ("ERS", None, "An endorsement as ERS lasts as long as the one beside it"),
        ("ERS", date(2027, 3, 1), "This endorsement ends on March 1, 2027. An endorsement as ERS"),
    ],
)
def test_people_read_when_an_endorsement_ends(
    category: str, ends_on: date | None, expected: str
) -> None:
    begun, today = date(2025, 6, 30), date(2026, 6, 1)
    plan = IMAGINED.plan("ADDING", category, begun, today)
    assert plan
    facts = Facts(1, 1, "", "", begun, ends_on, provides_rsc=False, minutes={})
    standing = judge_renewal(plan, facts, today)
    assert standing
    assert expected in format_lead(standing, today)
    ordinary = IMAGINED.plan("ADDING", "IFS", begun, today)
    assert ordinary
    standing = judge_renewal(ordinary, facts, today)
    assert standing
    assert "endorsement" not in format_lead(standing, today)
