"""When an audit can be decided, and in which stages an act is possible."""

from datetime import date

import pytest

from tracker.rules.stages import Stage
from tracker.rules.transitions import Act, list_sources, may_decide

DUE = date(2027, 12, 15)
DAY_AFTER = date(2027, 12, 16)


@pytest.mark.parametrize(
    ("due_on", "today", "is_possible"),
    [(DUE, DUE, False), (DUE, DAY_AFTER, True), (None, DUE, False)],
)
def test_nothing_sent_is_decided_after_the_due_date(
    due_on: date | None, today: date, *, is_possible: bool
) -> None:
    assert may_decide(Stage.ASKED, due_on, today) is is_possible


@pytest.mark.parametrize("state", [Stage.SENT, Stage.APPEALED])
def test_what_was_sent_is_decided_at_once(state: Stage) -> None:
    assert may_decide(state, DUE, DUE)


@pytest.mark.parametrize("state", [Stage.DRAWN, Stage.PASSED, Stage.NOT_PASSED])
def test_no_other_audit_can_be_decided(state: Stage) -> None:
    assert not may_decide(state, DUE, DAY_AFTER)


def test_stages_of_an_act_are_in_order() -> None:
    assert list_sources(Act.DRAW) == [Stage.ACCEPTED, Stage.RENEWED]
    assert list_sources(Act.FAIL) == [Stage.APPEALED, Stage.SENT, Stage.ASKED]
