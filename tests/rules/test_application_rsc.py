"""The RSC hours of an application: which sessions count, in which window, and why others do not."""

from datetime import date
from typing import Any

import pytest

from tests.rules.test_readiness import BACHELOR, TODAY, apply, describe, result_of
from tests.rules.test_work import work
from tracker.rules.application.candidate import CandidateDegree, CandidateSession
from tracker.rules.application.rsc import judge_rsc
from tracker.rules.reasons import format_reason
from tracker.rules.standing import ApplicationStanding, CountedItem, Outcome

AWARDED = date(2020, 5, 15)
MASTER = CandidateDegree("master", "MSW", AWARDED, "official")
OTHER = CandidateDegree("other", "Studies", AWARDED, "official")


def session(day: date, minutes: int = 60, about: int = 0) -> CandidateSession:
    topics = {"RSC-GIVEN": about} if about else {}
    return CandidateSession(day, f"RSC of {day}", minutes, topics)


def remarks(standing: ApplicationStanding, requirement_id: str = "rsc") -> list[Any]:
    return [
        (each.day, each.title, each.amount, format_reason(each.reason))
        for each in result_of(standing, requirement_id).remarks
    ]


def test_hours_inside_others_share_their_window() -> None:
    # Each has most hours in two years that lack more of the other.
    sessions = (
        session(date(2024, 1, 1), 600, about=30),
        session(date(2027, 1, 1), 540, about=120),
        session(date(2027, 3, 1), 60),
    )
    standing = apply("VAIMH", "IMHM-C", degrees=(MASTER,), sessions=sessions[::-1])
    window = "January 1, 2027 to December 31, 2028"
    assert describe(standing, "rsc") == (600, 2400, "short", [window])
    assert describe(standing, "rsc.giving") == (120, 1380, "short", [window])
    assert result_of(standing, "rsc").counted_items == (
        CountedItem(date(2027, 1, 1), "RSC of 2027-01-01", 540),
        CountedItem(date(2027, 3, 1), "RSC of 2027-03-01", 60),
    )
    assert result_of(standing, "rsc.giving").counted_items == (
        CountedItem(date(2027, 1, 1), "RSC of 2027-01-01", 120),
    )
    outside = f"outside the best window, {window}"
    day = date(2024, 1, 1)
    assert remarks(standing) == [(day, "RSC of 2024-01-01", 600, outside)]
    assert remarks(standing, "rsc.giving") == [(day, "RSC of 2024-01-01", 30, outside)]
    # It is over, and no other is open.
    assert result_of(standing, "rsc").closes_on is None


def test_first_and_last_day_of_a_window_are_inside() -> None:
    days = date(2026, 12, 31), date(2027, 1, 1), date(2028, 12, 31), date(2029, 1, 1)
    sessions = tuple(
        session(day, minutes) for day, minutes in zip(days, (1, 60, 60, 1), strict=True)
    )
    standing = apply("VAIMH", "IFS", degrees=(BACHELOR,), sessions=sessions)
    assert [item.day for item in result_of(standing, "rsc").counted_items] == [*days[1:3]]
    assert [day for day, *_ in remarks(standing)] == [days[0], days[3]]


def test_sessions_alike_on_one_day_both_count() -> None:
    day = date(2028, 1, 1)
    alike = (session(day), session(day, about=30))
    standing = apply("VAIMH", "IMHM-C", degrees=(MASTER,), sessions=alike)
    assert describe(standing, "rsc")[0] == 120
    assert describe(standing, "rsc.giving")[0] == 30


def test_hours_inside_others_can_be_listed_first() -> None:
    standing = apply("VAIMH", "IMHM-C", degrees=(MASTER,), sessions=(session(TODAY),))
    requirements = [r.requirement for r in standing.results if r.requirement.counts == "rsc"]
    found = judge_rsc(requirements[::-1], standing.facts.candidate, TODAY)
    assert [result.requirement.id for result in found] == ["rsc", "rsc.giving"]


def test_only_what_is_short_has_a_window_that_closes() -> None:
    sessions = (session(date(2028, 3, 1), 3000, about=60),)
    standing = apply("VAIMH", "IMHM-C", degrees=(MASTER,), sessions=sessions)
    assert describe(standing, "rsc")[:3] == (3000, 0, "met")
    assert result_of(standing, "rsc").closes_on is None
    assert result_of(standing, "rsc.giving").closes_on == date(2030, 2, 28)


def test_met_windows_never_close() -> None:
    sessions = (session(date(2028, 3, 1), 3000, about=1500),)
    standing = apply("VAIMH", "IMHM-C", degrees=(MASTER,), sessions=sessions)
    for each in ("rsc", "rsc.giving"):
        assert result_of(standing, each).outcome is Outcome.MET
        assert result_of(standing, each).closes_on is None


@pytest.mark.parametrize(
    ("day", "counted", "why"),
    [
        (AWARDED, 60, []),
        (date(2020, 5, 14), 0, ["it counts only after a bachelor's degree (awarded May 15, 2020)"]),
    ],
)
def test_sessions_count_from_the_day_of_the_degree(day: date, counted: int, why: list[str]) -> None:
    standing = apply("VAIMH", "IFS", degrees=(BACHELOR,), sessions=(session(day),))
    assert describe(standing, "rsc")[0] == counted
    assert remarks(standing) == [(day, f"RSC of {day}", 60, each) for each in why]


def test_sessions_without_the_degree_do_not_count() -> None:
    day = date(2028, 1, 1)
    standing = apply("VAIMH", "IFS", sessions=(session(day),))
    assert describe(standing, "rsc") == (0, 1440, "short", [])
    reason = "it counts only after a bachelor's degree, and none is on record"
    assert remarks(standing) == [(day, f"RSC of {day}", 60, reason)]


def test_sessions_after_other_education_are_for_the_reviewers() -> None:
    sessions = (session(date(2028, 1, 1), 3000),)
    standing = apply("VAIMH", "IMHS", degrees=(OTHER,), sessions=sessions)
    window = "January 1, 2028 to December 31, 2029"
    review = "it counts after Studies if the reviewers agree"
    assert describe(standing, "rsc") == (3000, 0, "review", [window, review])


@pytest.mark.parametrize(
    ("day", "counted"),
    [
        (date(2026, 12, 31), 0),
        (date(2027, 1, 1), 60),
        (date(2028, 6, 30), 60),
        (date(2028, 7, 1), 0),
        (date(2028, 12, 31), 0),
        (date(2029, 1, 1), 60),
        (date(2029, 9, 30), 60),
    ],
)
def test_some_sessions_count_only_while_rsc_is_provided(day: date, counted: int) -> None:
    positions = (
        work(date(2027, 1, 1), date(2028, 6, 30), gives_rsc=True),
        work(date(2026, 1, 1), date(2028, 12, 31)),
        work(date(2029, 1, 1), None, gives_rsc=True),
    )
    standing = apply("VAIMH", "IFRS", positions=positions, sessions=(session(day),))
    assert describe(standing, "rsc.giving")[0] == counted
    if not counted:
        reason = "no position on record had you provide RSC on that day"
        assert remarks(standing, "rsc.giving") == [(day, f"RSC of {day}", 60, reason)]


def test_hours_without_a_window_add_up() -> None:
    sessions = (
        session(date(2010, 1, 1)),
        session(date(2028, 1, 1), 30),
        session(date(2029, 1, 1), 0),
    )
    standing = apply("CT-AIMH", "IFS", sessions=sessions)
    assert describe(standing, "rsc") == (90, 1350, "short", [])
    assert [item.amount for item in result_of(standing, "rsc").counted_items] == [60, 30]
    assert result_of(standing, "rsc").closes_on is None
