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
    assert judge(terms, fit).remarks == ()
    for reason, change in lacking.items():
        other = fit._replace(**change)
        assert reasons(judge(terms, other)) == [reason]


def notes(result: Result) -> list[str]:
    return [format_reason(note) for note in result.notes]


LEADERSHIP: Terms = {"services": ["leadership"], "paid": False, "beyond_paid": True}


def test_only_paid_leadership_is_for_the_reviewers() -> None:
    led = work(FIRST, None, services=frozenset(["leadership"]))
    other = work(FIRST, None)
    alone = judge(LEADERSHIP, led, other, many=1, unit="activities")
    assert (alone.counted, alone.short, alone.outcome) == (1, 0, Outcome.REVIEW)
    assert notes(alone) == [
        "only paid work is on record; the reviewers decide whether some was in addition to it"
    ]
    assert reasons(alone) == ["it offers none of: said"]
    both = judge(LEADERSHIP, led, led._replace(pay="volunteer"), many=1, unit="activities")
    assert (both.counted, both.outcome, notes(both)) == (2, Outcome.MET, [])
    free = judge(LEADERSHIP, led._replace(pay="volunteer"), other, many=1, unit="activities")
    assert (free.outcome, reasons(free)) == (Outcome.MET, ["it offers none of: said"])
    paid = judge({**LEADERSHIP, "beyond_paid": False}, led, many=1, unit="activities")
    assert paid.outcome is Outcome.MET


def test_work_that_needs_the_reviewers_says_so() -> None:
    terms = {**PAID, "volunteer": True}
    free = work(FIRST, date(2021, 12, 31), pay="volunteer", supervised=True, trained=True)
    enough = judge(terms, free)
    assert (enough.counted, enough.short, enough.outcome) == (24, 0, Outcome.REVIEW)
    assert notes(enough) == ["if the reviewers agree"]
    assert reasons(enough) == ["volunteer work counts if the reviewers agree"]
    short = judge(terms, free._replace(ends_on=date(2021, 12, 30)))
    assert (short.counted, short.short, short.outcome) == (23, 1, Outcome.SHORT)
    assert notes(short) == []
    nothing = judge(terms, free._replace(trained=False))
    assert reasons(nothing) == [
        "volunteer work counts only if it was supervised and came with training"
    ]
    assert nothing.counted == 0


def test_remarks_name_the_work_and_its_months() -> None:
    terms = {**PAID, "volunteer": True}
    free = work(FIRST, date(2020, 6, 30), pay="volunteer", supervised=True, trained=True)
    later = work(AS_OF + timedelta(days=90), None, title="Later", position_id=9)
    first, second = judge(terms, free._replace(position_id=8), later).remarks
    assert first[:3] == (FIRST, "W", 6)
    assert (first.needs_review, first.position_id) == (True, 8)
    assert second[:3] == (later.starts_on, "Later", 0)
    assert (second.needs_review, second.position_id) == (False, 9)
    (today,) = judge(terms, work(AS_OF, None, pay="internship")).remarks
    assert (today.amount, format_reason(today.reason)) == (0, "an internship does not count here")


def test_what_counts_is_listed_with_its_amount() -> None:
    after = work(date(2019, 6, 1), date(2020, 6, 30), families=7, position_id=3)
    (years,) = judge(AFTER, after, degree="master").counted_items
    assert years == (FIRST, "W", 6, "paid", 3)
    (families,) = judge(PAID, after, many=10, unit="families").counted_items
    assert families == (date(2019, 6, 1), "W", 7, "paid", 3)
    (activity,) = judge(PAID, after, many=1, unit="activities").counted_items
    assert activity.amount == 13


@pytest.mark.parametrize(
    ("ends_on", "counted", "why"),
    [
        (FIRST, 0, []),
        (FIRST - timedelta(days=1), 0, ["it ended before the master's degree"]),
        (date(2020, 1, 31), 1, []),
    ],
)
def test_work_counts_from_the_day_of_the_degree(
    ends_on: date, counted: int, why: list[str]
) -> None:
    result = judge(AFTER, work(date(2015, 1, 1), ends_on), degree="master")
    assert (result.counted, reasons(result)) == (counted, why)


def test_reasons_to_review_name_the_first() -> None:
    terms = {**AFTER, "or_after": ["other"], "volunteer": True}
    paid = work(FIRST, date(2021, 12, 31))
    free = paid._replace(pay="volunteer", supervised=True, trained=True)
    after = "it counts after D if the reviewers agree"
    assert reasons(judge(terms, paid, degree="other")) == [after]
    assert reasons(judge(terms, free, degree="other")) == [
        "volunteer work counts if the reviewers agree"
    ]
    assert reasons(judge(terms, free, degree="master")) == [
        "volunteer work counts if the reviewers agree"
    ]


def test_internship_fills_up_what_work_leaves() -> None:
    held = frozenset(["IMHS"])
    interned = work(FIRST, date(2021, 12, 31), pay="internship", supervisor_held=held)
    year = work(FIRST, date(2020, 12, 31))
    result = judge(INTERNSHIP, interned, year)
    assert (result.counted, result.outcome) == (24, Outcome.REVIEW)
    assert reasons(result) == ["an internship counts for 1 year if the reviewers agree"]
    within = judge(INTERNSHIP, interned._replace(ends_on=date(2021, 3, 31)), year)
    assert (within.counted, within.outcome) == (15, Outcome.SHORT)
    later = interned._replace(starts_on=AS_OF + timedelta(days=1), ends_on=None)
    assert reasons(judge(INTERNSHIP, later)) == ["it has not begun"]
    today = later._replace(starts_on=AS_OF)
    assert reasons(judge(INTERNSHIP, today)) == reasons(result)
    two = {**PAID, "internship": {"years": 1, "supervisors": ["IMHS", "IFS"]}}
    assert reasons(judge(two, interned._replace(supervisor_held=frozenset()))) == [
        "an internship counts only with a supervisor endorsed as IMHS or IFS"
    ]
    unpaid = judge({**INTERNSHIP, "paid": False}, interned)
    assert (unpaid.counted, unpaid.outcome) == (24, Outcome.MET)


def test_services_that_would_count_are_all_named() -> None:
    terms: Terms = {"services": ["prevention", "leadership"]}
    other = work(FIRST, None, services=frozenset(["student"]))
    assert reasons(judge(terms, other)) == ["it offers none of: said; said"]


def test_missing_statements_are_all_named() -> None:
    terms = {**PAID, "statements": {"f": "Focus", "g": "Goal", "h": "Here"}}
    lacking = work(FIRST, None, statements=frozenset(["g"]))
    assert reasons(judge(terms, lacking)) == ["not confirmed: Focus; Here"]
