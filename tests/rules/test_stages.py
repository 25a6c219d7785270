"""The stage of a renewal, as it follows from what is stored; nothing is stored here."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from tests.rules.case_data import IMAGINED
from tracker.rules.cycles import Cycle, common_cycle
from tracker.rules.stages import (
    Stage,
    SubmissionWindow,
    WayFacts,
    as_endorsees_see,
    derive_stage,
    find_stage,
    find_window,
)
from tracker.rules.standing import Status

TODAY, END = date(2026, 11, 1), date(2026, 12, 31)
OVER = date(2027, 1, 1)
WINDOW = SubmissionWindow(date(2026, 10, 1), date(2026, 12, 15))
SUBMITTED, RETURNED, ACCEPTED = Stage.SUBMITTED, Stage.RETURNED, Stage.ACCEPTED


def stage_of(
    status: Status,
    today: date = TODAY,
    **facts: Any,  # noqa: ANN401 - fields of WayFacts
) -> Stage | None:
    """The stage of a renewal whose cycle ends on December 31."""
    return derive_stage(
        WayFacts(status, **{"cycle_ends_on": END, "window": WINDOW, **facts}), today
    )


@pytest.mark.parametrize(
    ("status", "today", "stage"),
    [
        (Status.NO_RULES, TODAY, None),
        (Status.LAPSED, TODAY, Stage.LAPSED),
        (Status.EXCUSED, TODAY, Stage.ON_LEAVE),
        (Status.MET, END, Stage.COMPLETE),
        (Status.MET, OVER, Stage.RENEWED),
        (Status.OPEN, TODAY, Stage.OPEN),
        (Status.OVERDUE, OVER, Stage.OPEN),
    ],
)
def test_a_renewal_that_nobody_submits_follows_its_status(
    status: Status, today: date, stage: Stage | None
) -> None:
    assert stage_of(status, today, window=None) is stage


@pytest.mark.parametrize(
    ("today", "submission", "stage"),
    [
        (date(2026, 9, 30), None, Stage.EARLY),
        (date(2026, 10, 1), None, Stage.OPEN),
        (date(2026, 12, 15), None, Stage.OPEN),
        (date(2026, 12, 16), None, Stage.CLOSED),
        (date(2026, 9, 30), RETURNED, Stage.EARLY),
        (date(2026, 12, 15), RETURNED, Stage.RETURNED),
        (date(2026, 12, 16), RETURNED, Stage.CLOSED),
        (date(2026, 9, 30), SUBMITTED, Stage.SUBMITTED),
        (date(2026, 12, 16), ACCEPTED, Stage.ACCEPTED),
    ],
)
def test_the_window_decides_what_is_not_submitted(
    today: date, submission: Stage | None, stage: Stage
) -> None:
    assert find_stage(WINDOW, submission, today) is stage
    assert stage_of(Status.MET if submission == SUBMITTED else Status.OPEN, today,
                    submission=submission) is stage  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "stage"),
    [
        ({"submission": SUBMITTED}, Stage.SUBMITTED),
        ({"submission": SUBMITTED, "failed_audit": True}, Stage.NEEDS_ATTENTION),
        ({"submission": ACCEPTED}, Stage.ACCEPTED),
        ({"submission": ACCEPTED, "audit": Stage.PASSED}, Stage.PASSED),
        ({"submission": SUBMITTED, "audit": Stage.DRAWN}, Stage.DRAWN),
        ({"submission": ACCEPTED, "audit": Stage.ASKED}, Stage.ASKED),
        ({"submission": ACCEPTED, "audit": Stage.SENT}, Stage.SENT),
        ({"submission": ACCEPTED, "audit": Stage.NOT_PASSED}, Stage.NOT_PASSED),
        ({"submission": RETURNED, "audit": Stage.NOT_PASSED}, Stage.NOT_PASSED),
        ({"submission": RETURNED, "audit": Stage.APPEALED}, Stage.APPEALED),
        ({"submission": RETURNED, "audit": Stage.ASKED}, Stage.COMPLETE),
        ({"audit": Stage.ASKED}, Stage.COMPLETE),
    ],
)
def test_what_is_submitted_waits_for_somebody(facts: dict[str, Any], stage: Stage) -> None:
    assert stage_of(Status.MET, window=WINDOW, **facts) is stage


def test_a_submission_that_lacks_something_needs_attention() -> None:
    assert stage_of(Status.OPEN, submission=SUBMITTED) is Stage.NEEDS_ATTENTION
    assert stage_of(Status.LAPSED, submission=SUBMITTED) is Stage.NEEDS_ATTENTION


@pytest.mark.parametrize("audit", [None, Stage.PASSED])
def test_what_was_accepted_is_renewed_after_the_cycle(audit: Stage | None) -> None:
    facts: dict[str, Any] = {"submission": ACCEPTED, "audit": audit}
    assert stage_of(Status.MET, END, **facts) is not Stage.RENEWED
    assert stage_of(Status.MET, OVER, **facts) is Stage.RENEWED
    assert stage_of(Status.MET, OVER, **facts, cycle_ends_on=None) is not Stage.RENEWED


def test_a_failed_audit_ends_with_the_lapse() -> None:
    failed: dict[str, Any] = {"submission": RETURNED, "audit": Stage.NOT_PASSED}
    assert stage_of(Status.LAPSED, OVER, **failed) is Stage.LAPSED
    appealed: dict[str, Any] = {"submission": RETURNED, "audit": Stage.APPEALED}
    assert stage_of(Status.LAPSED, OVER, **appealed) is Stage.APPEALED


@pytest.mark.parametrize(
    ("absence", "stage"),
    [
        ("leave", Stage.ON_LEAVE),
        ("inactive", Stage.INACTIVE),
        ("emeritus", Stage.EMERITUS),
    ],
)
def test_days_away_are_shown_unless_past_due(absence: str, stage: Stage) -> None:
    away: dict[str, Any] = {"absence": absence, "window": None}
    for status in (Status.OPEN, Status.EXCUSED):
        assert stage_of(status, **away) is stage
    assert stage_of(Status.EXCUSED, OVER, **away) is stage
    assert stage_of(Status.OPEN, END, **away) is stage
    assert stage_of(Status.OPEN, OVER, **away) is Stage.OPEN
    assert stage_of(Status.OVERDUE, **away) is Stage.OPEN
    assert stage_of(Status.LAPSED, **away) is Stage.LAPSED
    met = Stage.COMPLETE if absence == "leave" else stage
    assert stage_of(Status.MET, **away) is met


def test_a_submission_comes_before_days_away() -> None:
    assert stage_of(Status.MET, submission=SUBMITTED, absence="leave") is Stage.SUBMITTED


@pytest.mark.parametrize("removal", [None, Stage.REMOVED, Stage.REINSTATED])
def test_an_end_comes_before_everything_but_a_renewal(removal: Stage | None) -> None:
    ended: dict[str, Any] = {"has_ended": True, "removal": removal, "submission": ACCEPTED}
    expected = removal or Stage.ENDED
    assert stage_of(Status.MET, END, **ended) is expected
    assert stage_of(Status.LAPSED, OVER, **ended) is expected
    assert stage_of(Status.MET, OVER, **ended) is Stage.RENEWED
    assert stage_of(Status.MET, OVER, **ended, cycle_ends_on=None) is expected


@pytest.mark.parametrize(
    ("stage", "seen"),
    [
        (Stage.NEEDS_ATTENTION, Stage.SUBMITTED),
        (Stage.DRAWN, Stage.ACCEPTED),
        (Stage.ASKED, Stage.ASKED),
        (None, None),
    ],
)
def test_endorsees_see_no_draw(stage: Stage | None, seen: Stage | None) -> None:
    assert as_endorsees_see(stage) is seen


def cycle_of(association: str) -> Cycle:
    cycle = common_cycle(IMAGINED.associations[association].cycles, date(2024, 6, 1))
    assert cycle
    return cycle


def test_window_is_the_cycle_and_its_grace() -> None:
    cycle = cycle_of("FORMATS")
    assert find_window(cycle, cycle.due_on) == (cycle.starts_on, cycle.grace_ends_on(cycle.due_on))
    later = date(2025, 3, 31)
    assert find_window(cycle, later) == (cycle.starts_on, cycle.grace_ends_on(later))


def test_a_window_can_close_before_the_due_date() -> None:
    cycle = replace(cycle_of("EARLY"), closes_on=date(2024, 11, 15))
    assert cycle.due_on == date(2024, 11, 30)
    assert find_window(cycle, cycle.due_on).closes_on == date(2024, 11, 15)
    assert find_window(cycle, date(2024, 12, 1)).closes_on == date(2024, 12, 1)
