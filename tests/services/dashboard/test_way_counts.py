"""How many renewals are at each stage, when their windows open and close, and their fees."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import Session

from tests.rules.case_data import insert_row
from tests.support.auditing import store_submission
from tests.support.cast import ATTESTING, BOOKS, PAYING
from tracker.rulebooks import Rulebooks, with_rulebook
from tracker.rules.audit_sampling import FrameLine
from tracker.rules.model import Rulebook
from tracker.rules.stages import Stage
from tracker.services.fees import FeeTotals
from tracker.services.way_counts import WayCounts, count_way

DAY = timedelta(days=1)
CYCLE, DUE = date(2025, 1, 1), date(2027, 12, 31)
OPENS, CLOSES = date(2027, 10, 1), date(2027, 11, 30)


@pytest.fixture(scope="module")
def windows() -> Rulebooks:
    """ATTESTING, whose renewals are submitted in October and November, in Canadian dollars."""
    data = BOOKS.associations[ATTESTING].model_dump(by_alias=True, exclude_unset=True)
    [scheme] = data["cycles"]
    scheme |= {"submission_opens": "10-01", "submission_closes": "11-30"}
    return with_rulebook(BOOKS, Rulebook.model_validate({**data, "currency": "CAD"}))


def store(
    session: Session,
    name: str,
    association: str = ATTESTING,
    category: str = "IFS",
    submitted: str = "",
    ends_on: date | None = None,
    **values: object,
) -> None:
    """Store an endorsee, the standing of their renewal, and perhaps a submission in a state."""
    standing: dict[str, Any] = {"cycle_starts_on": CYCLE, "cycle_ends_on": DUE, "due_on": DUE}
    standing |= {"status": "open", **values}
    names = {"email": f"{name.lower()}@example.org", "name": name, "highest_degree": "none"}
    person_id = insert_row(session, "person", provides_rsc=False, **names)
    starts_on = standing["cycle_starts_on"]
    held = {"association": association, "category": category, "starts_on": starts_on}
    held_id = insert_row(session, "endorsement", person_id=person_id, ends_on=ends_on, **held)
    judged = {"status_since": CYCLE, "judged_on": CYCLE, "requirements": "[]", "rules_digest": ""}
    standing |= {"endorsement_id": held_id, "association": association}
    insert_row(session, "standing", **standing, **judged)
    if submitted:
        store_submission(session, FrameLine(category, held_id, starts_on), state=submitted)


def test_renewals_are_counted_by_stage(session: Session, windows: Rulebooks) -> None:
    # Neither those that nobody submits, nor those of other associations, nor what is over.
    store(session, "Zoe", category="IFRS")
    store(session, "Yan", PAYING)
    earlier: dict[str, Any] = {"cycle_starts_on": date(2022, 1, 1), "cycle_ends_on": CYCLE - DAY}
    store(session, "Xia", status="met", **earlier)
    for name in ("Ann", "Ben"):
        store(session, name)
    store(session, "Cleo", submitted="submitted")
    store(session, "Dora", submitted="accepted", status="met")
    store(session, "Eli", submitted="returned")
    store(session, "Fay", ends_on=OPENS - DAY)
    store(session, "Gil", status="lapsed", **earlier)
    store(session, "Hal", submitted="accepted", status="overdue", **earlier)
    way = count_way(session, windows, ATTESTING, OPENS)
    once = (Stage.NEEDS_ATTENTION, Stage.ACCEPTED, Stage.RETURNED)
    stages = {Stage.OPEN: 2, **dict.fromkeys((*once, Stage.ENDED, Stage.LAPSED, Stage.RENEWED), 1)}
    assert way == WayCounts(stages, {OPENS: 3}, {}, None, "CAD")
    assert way.count(Stage.OPEN, Stage.ACCEPTED, Stage.PASSED) == 3


@pytest.mark.parametrize(
    ("today", "opening", "closing"),
    [
        (OPENS - 29 * DAY, 0, 0),
        (OPENS - 28 * DAY, 1, 0),
        (OPENS, 1, 0),
        (OPENS + DAY, 0, 0),
        (CLOSES - 29 * DAY, 0, 0),
        (CLOSES - 28 * DAY, 0, 1),
        (CLOSES, 0, 1),
        (CLOSES + DAY, 0, 0),
    ],
)
def test_windows_of_the_next_four_weeks_are_named(
    session: Session, windows: Rulebooks, today: date, opening: int, closing: int
) -> None:
    store(session, "Ann")
    way = count_way(session, windows, ATTESTING, today)
    assert (way.opening, way.closing) == (
        {OPENS: opening} if opening else {},
        {CLOSES: closing} if closing else {},
    )


def test_an_extension_moves_the_last_day(session: Session, windows: Rulebooks) -> None:
    later = date(2028, 1, 15)
    store(session, "Ann", due_on=later)
    store(session, "Ben", status="excused")
    store(session, "Cleo", due_on=None, status="no rules")
    assert count_way(session, windows, ATTESTING, DUE).closing == {later: 1}


def test_renewals_without_a_window_have_no_days(session: Session) -> None:
    store(session, "Ann")
    way = count_way(session, BOOKS, ATTESTING, CYCLE)
    assert way == WayCounts({Stage.OPEN: 1}, {}, {}, None, "USD")


def test_fees_are_added_up(session: Session) -> None:
    year: dict[str, Any] = {
        "cycle_starts_on": date(2026, 1, 1),
        "cycle_ends_on": date(2026, 12, 31),
    }
    for name in ("Ann", "Ben"):
        store(session, name, PAYING, **year, due_on=date(2026, 12, 31))
    fees = FeeTotals(150_00, 0, 150_00)
    way = count_way(session, BOOKS, PAYING, date(2026, 11, 1))
    assert way == WayCounts({Stage.OPEN: 2}, {}, {}, fees, "USD")
    rules = BOOKS.associations[PAYING]
    unsubmitted = tuple(each for each in rules.requirements if each.counts != "submitted")
    changed = rules.model_copy(update={"requirements": unsubmitted})
    way = count_way(session, with_rulebook(BOOKS, changed), PAYING, date(2026, 11, 1))
    assert way == WayCounts(fees=fees, currency="USD")
