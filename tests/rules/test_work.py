"""How long work has lasted, and which of it counts: what overlaps counts once."""

from datetime import date, timedelta
from typing import Any

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.planned import plan_one
from tracker.rules.application.candidate import Candidate, CandidateDegree, CandidatePosition
from tracker.rules.application.work import judge_work
from tracker.rules.reasons import format_reason
from tracker.rules.standing import Outcome, Result

AS_OF = date(2025, 6, 1)
FIRST = date(2020, 1, 1)
Terms = dict[str, Any]
PAID: Terms = {"services": ["prevention"]}
AFTER: Terms = {**PAID, "after": "master"}
INTERNSHIP: Terms = {**PAID, "internship": {"years": 1, "supervisors": ["IMHS"]}}
spans = st.lists(
    st.tuples(st.integers(0, 1_500).map(lambda n: FIRST + timedelta(days=n)), st.integers(0, 900)),
    max_size=4,
)


def work(starts_on: date, ends_on: date | None, **others: Any) -> CandidatePosition:  # noqa: ANN401
    there = CandidatePosition(
        title="W",
        pay="paid",
        services=frozenset(["prevention"]),
        ages=None,
        families=0,
        supervised=False,
        trained=False,
        gives_rsc=False,
        statements=frozenset(),
        starts_on=starts_on,
        ends_on=ends_on,
    )
    return there._replace(**others)


def judge(terms: Terms, *found: CandidatePosition, **others: Any) -> Result:  # noqa: ANN401
    level = others.pop("degree", None)
    degrees = (CandidateDegree(str(level), "D", FIRST, "none"),) if level else ()
    candidate = Candidate("open", FIRST, None, degrees=degrees, positions=found)
    requirement = plan_one("work", terms, **(others or {"years": 2}))
    assert requirement.rule.work
    return judge_work(requirement, requirement.rule.work, candidate, AS_OF)


def reasons(result: Result) -> list[str]:
    return [format_reason(remark.reason) for remark in result.remarks]


@given(spans)
def test_order_of_positions_does_not_matter(found: list[tuple[date, int]]) -> None:
    positions = [work(day, day + timedelta(days=length)) for day, length in found]
    assert judge(PAID, *positions).counted == judge(PAID, *reversed(positions)).counted


@given(spans, st.integers(0, 900))
def test_overlapping_work_adds_nothing(found: list[tuple[date, int]], inside: int) -> None:
    positions = [work(day, day + timedelta(days=length)) for day, length in found]
    within = [
        work(p.starts_on, min(p.starts_on + timedelta(days=inside), p.ends_on or AS_OF))
        for p in positions
    ]
    assert judge(PAID, *positions, *within).counted == judge(PAID, *positions).counted


@pytest.mark.parametrize(("days", "outcome"), [(-1, "short"), (0, "met"), (1, "met")])
def test_two_years_are_met_on_their_last_day(days: int, outcome: str) -> None:
    starts_on = AS_OF + timedelta(days=1 - days) - relativedelta(years=2)
    assert judge(PAID, work(starts_on, None)).outcome == outcome


def test_future_work_does_not_count() -> None:
    result = judge(PAID, work(AS_OF + timedelta(days=1), None))
    assert (result.counted, reasons(result)) == (0, ["it has not begun"])


def test_work_counts_through_the_as_of_date() -> None:
    assert judge(PAID, work(date(2024, 6, 2), date(2030, 1, 1))).counted == 12


def test_work_without_a_degree_rule_always_counts() -> None:
    assert judge(PAID, work(date(2010, 1, 1), date(2011, 12, 31))).outcome is Outcome.MET


@pytest.mark.parametrize("level", ["master", "doctorate"])
def test_higher_degree_also_starts_the_years(level: str) -> None:
    both = work(date(2019, 1, 1), date(2021, 12, 31))
    assert judge(AFTER, both, degree=level).counted == 24


@pytest.mark.parametrize("level", ["bachelor", "certificate", "other"])
def test_other_education_does_not_start_the_years(level: str) -> None:
    both = work(date(2019, 1, 1), date(2021, 12, 31))
    result = judge(AFTER, both, degree=level)
    assert result.counted == 0
    reason = "it counts only after a master's degree, and none is on record"
    assert reasons(result) == [reason]


def test_alternative_education_needs_review() -> None:
    terms = {**AFTER, "or_after": ["other"]}
    both = work(date(2019, 1, 1), date(2021, 12, 31))
    result = judge(terms, both, degree="other")
    assert (result.counted, result.outcome) == (24, Outcome.REVIEW)
    assert judge(terms, both, degree="master").outcome is Outcome.MET


def test_review_is_skipped_if_the_rest_is_enough() -> None:
    terms = {**PAID, "volunteer": True}
    free = work(FIRST, None, pay="volunteer", supervised=True, trained=True)
    paid = work(FIRST, date(2021, 12, 31))
    assert judge(terms, free).outcome is Outcome.REVIEW
    result = judge(terms, free, paid)
    assert (result.counted, result.outcome) == (24, Outcome.MET)


def test_internship_counts_for_at_most_its_years() -> None:
    interned = work(FIRST, None, pay="internship", supervisor_held=frozenset(["IMHS"]))
    result = judge(INTERNSHIP, interned)
    assert (result.counted, result.outcome) == (12, Outcome.SHORT)


def test_an_internship_needs_its_supervisor() -> None:
    interned = work(FIRST, None, pay="internship", supervisor_held=frozenset(["IFRS"]))
    result = judge(INTERNSHIP, interned)
    assert result.counted == 0
    reason = "an internship counts only with a supervisor endorsed as IMHS"
    assert reasons(result) == [reason]


@pytest.mark.parametrize("pay", ["paid", "volunteer", "internship"])
def test_unpaid_work_counts_if_pay_does_not_matter(pay: str) -> None:
    two = work(FIRST, date(2021, 12, 31), pay=pay)
    assert judge({**PAID, "paid": False}, two).outcome is Outcome.MET


@pytest.mark.parametrize("ages", ["birth to 36 months", "3 up to 6 years"])
def test_work_for_both_ages_counts_for_each(ages: str) -> None:
    both = work(FIRST, date(2021, 12, 31), ages="birth to 36 months; 3 up to 6 years")
    assert judge({**PAID, "ages": ages}, both).outcome is Outcome.MET


def test_work_without_ages_serves_no_age_group() -> None:
    result = judge({**PAID, "ages": "birth to 36 months"}, work(FIRST, None))
    assert reasons(result) == ["it does not serve children birth to 36 months"]


def test_providing_rsc_is_a_service_beside_others() -> None:
    giving = work(FIRST, date(2021, 12, 31), gives_rsc=True)
    offering = giving._replace(gives_rsc=False, services=frozenset(["rsc"]))
    neither = giving._replace(gives_rsc=False)
    for position, outcomes in (
        (giving, (Outcome.MET, Outcome.MET)),
        (offering, (Outcome.MET, Outcome.SHORT)),
        (neither, (Outcome.SHORT, Outcome.MET)),
    ):
        found = judge({"services": ["rsc"]}, position), judge(PAID, position)
        assert tuple(result.outcome for result in found) == outcomes
        assert position.provides_rsc == (outcomes[0] is Outcome.MET)


def test_families_of_several_positions_add_up() -> None:
    four, six = work(FIRST, None, families=4), work(FIRST, None, families=6)
    assert judge(PAID, four, six, many=10, unit="families").outcome is Outcome.MET
    assert judge(PAID, six, many=10, unit="families").short == 4


def test_other_units_count_positions() -> None:
    assert judge(PAID, work(FIRST, None), many=1, unit="activities").outcome is Outcome.MET


def test_each_reason_names_what_is_missing() -> None:
    terms = {**PAID, "ages": "birth to 36 months", "supervised": True, "statements": {"f": "Focus"}}
    fit = work(FIRST, None, ages="birth to 36 months", supervised=True, statements=frozenset(["f"]))
    lacking: dict[str, Terms] = {
        "it offers none of: said": {"services": frozenset(["rsc"])},
        "it does not serve children birth to 36 months": {"ages": "3 up to 6 years"},
        "it was not paid": {"pay": "volunteer"},
        "it was not supervised": {"supervised": False},
        "not confirmed: Focus": {"statements": frozenset()},
    }
    assert judge(terms, fit).outcome is Outcome.MET
    for reason, change in lacking.items():
        other = fit._replace(**change)
        assert reasons(judge(terms, other)) == [reason]
