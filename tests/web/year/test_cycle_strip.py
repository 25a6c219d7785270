"""The strip of a cycle: where today, the due date and the end of grace lie."""

from datetime import date
from typing import Any

import pytest

from tests.support.cast import BOOKS
from tracker.rules.standing import Absence, Facts, Standing, Status
from tracker.web.pages.renewal_view import view_strip


def strip(today: date, *, leaves: tuple[Absence, ...] = ()) -> dict[str, Any]:
    plan = BOOKS.plan("NCIMHA", "IFS", date(2024, 3, 1), date(2026, 5, 1))
    assert plan is not None
    assert plan.cycle is not None
    facts = Facts(
        subject_id=1,
        person_id=1,
        email="alice@example.org",
        name="Alice Moreno",
        starts_on=date(2024, 3, 1),
        ends_on=None,
        provides_rsc=False,
        minutes={},
        leaves=leaves,
    )
    found = view_strip(Standing(facts, plan, Status.OPEN, plan.cycle.due_on, (), None), today)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("today", "place", "anchor"),
    [
        (date(2026, 1, 1), 0.3, "start"),
        (date(2026, 7, 1), 46.0, "middle"),
        (date(2026, 12, 31), 92.2, "end"),
        (date(2027, 1, 31), 100.0, "end"),
    ],
)
def test_today_is_marked_on_the_strip(today: date, place: float, anchor: str) -> None:
    found = strip(today)
    assert (found["today"]["place"], found["today"]["anchor"], found["gone"]) == (
        place,
        anchor,
        place,
    )
    assert (found["starts"], found["due_words"], found["grace"]) == (
        "Jan 1, 2026",
        "due Dec 31, 2026",
        "grace to Jan 31, 2027",
    )


def test_today_is_off_the_strip_once_it_ends() -> None:
    found = strip(date(2027, 2, 1))
    assert (found["today"], found["gone"]) == (None, 100.0)
    assert "today" not in found["title"]


def test_leaves_are_clipped_to_the_strip() -> None:
    long_ago = Absence(date(2025, 1, 1), date(2025, 2, 1))
    found = strip(date(2026, 7, 1), leaves=(Absence(date(2026, 12, 1), date.max), long_ago))
    assert found["leaves"] == [(84.6, 15.4)]
    assert found["title"].endswith("with a leave")
    assert "leave" not in strip(date(2026, 7, 1), leaves=(long_ago,))["title"]
