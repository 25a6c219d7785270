"""Who joined and who left: the sums of a report for the board reconcile."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.rules.movements import (
    HeldTerm,
    Movement,
    MovementCounts,
    MovementEvent,
    RenewalOutcome,
    report_movements,
)
from tracker.rules.standing import Status

DAY = timedelta(days=1)
FIRST, LAST = date(2020, 1, 1), date(2023, 12, 31)
DAYS = st.dates(FIRST, LAST)


def lapsed(year: int) -> RenewalOutcome:
    return RenewalOutcome(Status.LAPSED, date(year, 12, 31), date(year + 1, 1, 31))


def met(year: int) -> RenewalOutcome:
    return RenewalOutcome(Status.MET, date(year, 12, 31), date(year + 1, 1, 31))


def term(
    starts_on: date,
    ends_on: date | None = None,
    *outcomes: RenewalOutcome,
    person_id: int = 1,
    category: str = "IFS",
) -> HeldTerm:
    return HeldTerm(person_id, person_id, category, starts_on, ends_on, outcomes)


def year(number: int, *terms: HeldTerm) -> MovementCounts:
    report = report_movements(terms, date(number, 1, 1), date(number, 12, 31))
    assert report.total.adds_up
    return report.total


def test_first_endorsement_is_new() -> None:
    assert year(2021, term(date(2021, 3, 1))) == MovementCounts(new=1, closing=1)


def test_last_day_still_counts() -> None:
    held = term(date(2020, 3, 1), date(2021, 12, 31))
    assert year(2021, held) == MovementCounts(opening=1, closing=1)
    assert year(2022, held) == MovementCounts(opening=1, ended=1)


def test_lapse_begins_the_day_after_the_grace_period() -> None:
    held = term(date(2020, 3, 1), None, lapsed(2020))
    before = report_movements([held], date(2021, 1, 1), date(2021, 1, 31))
    after = report_movements([held], date(2021, 2, 1), date(2021, 2, 1))
    assert before.total == MovementCounts(opening=1, closing=1)
    assert after.total == MovementCounts(opening=1, lapsed=1)
    assert [event.day for event in after.events] == [date(2021, 2, 1)]


def test_later_completed_renewal_reinstates() -> None:
    held = term(date(2020, 3, 1), None, lapsed(2020), met(2021))
    assert year(2021, held) == MovementCounts(opening=1, lapsed=1)
    assert year(2022, held) == MovementCounts(reinstated=1, closing=1)


def test_second_missed_renewal_is_no_second_lapse() -> None:
    held = term(date(2020, 3, 1), None, lapsed(2020), lapsed(2021))
    assert year(2022, held) == MovementCounts()


def test_return_after_an_end_is_a_reinstatement() -> None:
    held = [term(date(2020, 3, 1), date(2021, 6, 30)), term(date(2021, 9, 1))]
    assert year(2021, *held) == MovementCounts(opening=1, ended=1, reinstated=1, closing=1)


def test_rows_without_a_gap_are_one_endorsement() -> None:
    held = [term(date(2020, 3, 1), date(2021, 6, 30)), term(date(2021, 7, 1))]
    assert year(2021, *held) == MovementCounts(opening=1, closing=1)


def test_end_of_a_lapsed_endorsement_is_not_counted_again() -> None:
    held = term(date(2020, 3, 1), date(2022, 5, 1), lapsed(2020))
    assert year(2022, held) == MovementCounts()


def test_other_category_is_an_endorsement_of_its_own() -> None:
    held = [
        term(date(2020, 3, 1), date(2021, 6, 30)),
        term(date(2021, 7, 1), category="IMHS"),
    ]
    report = report_movements(held, date(2021, 1, 1), date(2021, 12, 31))
    assert report.by_category == {
        "IFS": MovementCounts(opening=1, ended=1),
        "IMHS": MovementCounts(new=1, closing=1),
    }
    assert [event.movement for event in report.events] == [Movement.NEW, Movement.ENDED]


@st.composite
def histories(draw: st.DrawFn) -> list[HeldTerm]:
    terms = []
    for number in range(draw(st.integers(0, 8))):
        starts_on = draw(DAYS)
        ends_on = draw(st.none() | st.dates(starts_on, LAST))
        years = draw(st.lists(st.integers(2019, 2023), unique=True, max_size=4))
        outcomes = []
        for each in years:
            due_on = date(each, 12, 31) + draw(st.integers(0, 200)) * DAY
            status = draw(st.sampled_from([Status.LAPSED, Status.MET, Status.EXCUSED]))
            grace = due_on + draw(st.sampled_from([0, 31])) * DAY
            outcomes.append(RenewalOutcome(status, due_on, grace))
        person, category = draw(st.integers(1, 3)), draw(st.sampled_from(["IFS", "IMHS"]))
        terms.append(HeldTerm(number + 1, person, category, starts_on, ends_on, tuple(outcomes)))
    return terms


def is_active(term: HeldTerm, day: date) -> bool:
    """Independently: whether one row counts on a day."""
    if not term.starts_on <= day <= (term.ends_on or date.max):
        return False
    is_lapsed = False
    lapsed_on = date.max
    for outcome in sorted(term.outcomes, key=lambda each: each.due_on):
        if outcome.status is Status.LAPSED and not is_lapsed:
            lapsed_on, is_lapsed = outcome.grace_ends_on + DAY, True
        elif outcome.status is not Status.LAPSED and is_lapsed and outcome.due_on < day:
            is_lapsed = False
    return not (is_lapsed and day >= lapsed_on)


def count_active(terms: list[HeldTerm], day: date) -> int:
    return len({(each.person_id, each.category) for each in terms if is_active(each, day)})


@given(terms=histories(), days=st.tuples(DAYS, DAYS))
def test_sums_reconcile(terms: list[HeldTerm], days: tuple[date, date]) -> None:
    first, last = sorted(days)
    report = report_movements(terms, first, last)
    assert all(counts.adds_up for counts in report.by_category.values())
    assert report.total.adds_up
    assert report.total.opening == count_active(terms, first - DAY)
    assert report.total.closing == count_active(terms, last)
    assert len(report.events) == (
        report.total.new + report.total.reinstated + report.total.ended + report.total.lapsed
    )


@given(terms=histories(), days=st.tuples(DAYS, DAYS, DAYS))
def test_periods_that_follow_each_other_fit(
    terms: list[HeldTerm], days: tuple[date, date, date]
) -> None:
    first, middle, last = sorted(days)
    whole = report_movements(terms, first, last)
    one = report_movements(terms, first, middle)
    two = report_movements(terms, middle + DAY, max(last, middle + DAY))
    if last > middle:
        assert one.total.closing == two.total.opening
        assert two.total.closing == whole.total.closing
        assert whole.total.new == one.total.new + two.total.new
        assert whole.total.lapsed == one.total.lapsed + two.total.lapsed
        assert (*one.events, *two.events) == whole.events


@pytest.mark.parametrize("status", [Status.MET, Status.EXCUSED])
def test_lapse_ends_after_the_due_date_of_the_next_renewal(status: Status) -> None:
    later = RenewalOutcome(status, date(2021, 12, 31), date(2022, 1, 31))
    report = report_movements(
        [term(date(2020, 3, 1), None, lapsed(2020), later)], date(2022, 1, 1), date(2022, 1, 1)
    )
    assert report.total == MovementCounts(reinstated=1, closing=1)


def test_lapse_on_the_last_day_is_a_lapse() -> None:
    held = term(date(2020, 3, 1), date(2021, 2, 1), lapsed(2020))
    assert year(2021, held) == MovementCounts(opening=1, lapsed=1)


def test_term_begun_within_a_lapse_is_new_afterward() -> None:
    held = term(date(2021, 12, 31), None, lapsed(2020), met(2021))
    assert year(2021, held) == MovementCounts()
    report = report_movements([held], date(2021, 12, 31), date(2022, 1, 1))
    assert report.events == (MovementEvent(date(2022, 1, 1), Movement.NEW, 1, 1, "IFS"),)


def test_renewal_due_on_the_day_of_the_lapse_reinstates() -> None:
    kept = RenewalOutcome(Status.MET, date(2021, 2, 1), date(2021, 2, 1))
    held = term(date(2020, 3, 1), None, lapsed(2020), kept)
    assert year(2021, held) == MovementCounts(opening=1, lapsed=1, reinstated=1, closing=1)


def test_single_day_after_a_lapse_counts() -> None:
    held = term(date(2020, 3, 1), date(2022, 1, 1), lapsed(2020), met(2021))
    assert year(2022, held) == MovementCounts(reinstated=1, ended=1)


def test_events_name_the_row_they_belong_to() -> None:
    rows = [
        HeldTerm(5, 3, "IFS", date(2021, 9, 1), None),
        HeldTerm(8, 3, "IFS", date(2020, 3, 1), date(2021, 6, 30)),
    ]
    report = report_movements(rows, date(2021, 1, 1), date(2021, 12, 31))
    assert report.events == (
        MovementEvent(date(2021, 7, 1), Movement.ENDED, 8, 3, "IFS"),
        MovementEvent(date(2021, 9, 1), Movement.REINSTATED, 5, 3, "IFS"),
    )
    [event] = report_movements(rows, date(2020, 3, 1), date(2020, 3, 1)).events
    assert event == MovementEvent(date(2020, 3, 1), Movement.NEW, 8, 3, "IFS")
