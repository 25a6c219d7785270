"""What an endorsee reads about leave and inactive status."""

from datetime import date
from typing import Any

import pytest

from tests.rules.case_data import IMAGINED, REAL
from tracker.rulebooks import Rulebooks
from tracker.rules.absence_description import describe_excuse, format_absence_rule
from tracker.rules.absence_rules import AbsenceKind
from tracker.rules.description import describe_terms
from tracker.rules.reasons import format_reason
from tracker.rules.renewal import judge_renewal
from tracker.rules.standing import Absence, Facts, Span, Standing
from tracker.web.pages.renewal_text import format_headline, format_lead

TODAY = date(2026, 6, 1)
MEMBER = (Span(date(2000, 1, 1), date(2099, 12, 31)),)


def stand(
    first: date,
    last: date,
    kind: AbsenceKind = "leave",
    *,
    rulebooks: Rulebooks = REAL,
    association: str = "NCIMHA",
    **facts: Any,  # noqa: ANN401 - fields of Facts
) -> Standing:
    """Alice's standing, endorsed in 2020, with one leave or inactive status."""
    plan = rulebooks.plan(association, "IFS", date(2020, 5, 1), TODAY)
    assert plan
    known = Facts(
        subject_id=1,
        person_id=1,
        email="alice@example.org",
        name="Alice",
        starts_on=date(2020, 5, 1),
        ends_on=None,
        provides_rsc=False,
        minutes={},
        memberships=MEMBER,
        leaves=(Absence(first, last, kind),),
    )
    standing = judge_renewal(plan, known._replace(**facts), TODAY)
    assert standing
    return standing


@pytest.mark.parametrize(
    ("last", "lead"),
    [
        (TODAY, "You are on leave through June 1, 2026. "),
        (date(2026, 5, 31), ""),
    ],
)
def test_leave_before_the_due_date_is_named(last: date, lead: str) -> None:
    found = format_lead(stand(date(2026, 3, 1), last), TODAY)
    assert found.startswith(lead or "At this pace") or "leave" not in found
    assert ("on leave" in found) == bool(lead)


def test_an_inactive_endorsement_is_named() -> None:
    standing = stand(date(2026, 3, 1), date.max, "inactive")
    text = "Your endorsement is inactive"
    assert format_headline(standing, TODAY) == (
        "You don't need to submit anything while your endorsement is inactive."
    )
    assert format_lead(standing, TODAY).startswith("The inactive status has no end date yet. Tell")
    earlier = stand(date(2026, 3, 1), date(2026, 6, 30), "inactive")
    assert format_lead(earlier, TODAY).startswith(f"{text} through June 30, 2026. ")
    assert format_lead(earlier, TODAY, is_own=False).startswith("Their endorsement is inactive")


def test_all_of_a_cycle_on_leave_leaves_nothing_to_do() -> None:
    triennial = {"rulebooks": IMAGINED, "association": "TRIENNIAL"}
    standing = stand(date(2024, 1, 1), date(2027, 12, 30), **triennial)  # type: ignore[arg-type]
    # One day is left, and so no whole month.
    assert standing.status == "open"
    standing = stand(date(2024, 1, 1), date(2027, 12, 31), **triennial)  # type: ignore[arg-type]
    assert standing.status == "excused"
    assert format_headline(standing, TODAY) == (
        "You don't need to submit anything while you are on leave."
    )


def test_the_reason_counts_months_and_hours() -> None:
    triennial = {"rulebooks": IMAGINED, "association": "TRIENNIAL"}
    standing = stand(date(2025, 3, 1), date(2025, 6, 30), **triennial)  # type: ignore[arg-type]
    notes = [format_reason(note) for result in standing.results for note in result.notes]
    assert notes == [
        "4 of 36 months on leave: 40 of 45 hours required",
        "4 of 36 months on leave: 32 of 36 hours required",
    ]


def test_letters_say_what_is_excused() -> None:
    name = "NCIMHA IFS"
    one_year = REAL.plan("NCIMHA", "IFS", date(2020, 5, 1), TODAY)
    assert describe_excuse(one_year, name, "leave") == (
        "If your NCIMHA IFS renewal is due during your leave, you don't need to submit anything."
    )
    resting = IMAGINED.plan("RESTING", "IFS", date(2020, 5, 1), TODAY)
    assert describe_excuse(resting, name, "leave") == (
        "Your NCIMHA IFS renewal requires fewer hours for each month of your leave."
    )
    assert describe_excuse(resting, name, "inactive").endswith(
        "inactive status, this need not be complete: Training and Reflective supervision."
    )


def test_rules_about_leave_in_words() -> None:
    resting = IMAGINED.associations["RESTING"]
    rules = [format_absence_rule(resting, rule) for rule in resting.absences]
    before_2025, leave, inactive, emeritus = rules
    assert before_2025 == (
        "For each whole month of leave in the cycle, fewer hours are required (Training). It lasts "
        "at least 28 days and at most 12 months. It is possible at most once in a cycle."
    )
    assert leave == (
        "For each whole month of leave in the cycle, fewer hours are required. No membership is "
        "required on those days. It lasts at least 28 days and at most 12 months. It is possible "
        "at most twice in 3 years."
    )
    assert inactive == (
        "Inactive status that includes the due date excuses what is missing (Training and "
        "Reflective supervision). It lasts at least 12 months and at most 36 months. It is "
        "possible at most once in 2 cycles."
    )
    assert emeritus == (
        "Emeritus status that includes the due date excuses everything, and needs no last day. It "
        "is for endorsements that were held for at least 5 years."
    )
    (returning,) = [r for r in resting.requirements if r.id == "training.return"]
    assert "only in the cycle in which inactive status ended" in describe_terms(resting, returning)
