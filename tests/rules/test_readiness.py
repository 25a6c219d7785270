"""How ready an application or a reinstatement is: no database needed."""

from datetime import date, timedelta
from typing import Any

import pytest

from tests.rules.case_data import IMAGINED, REAL
from tests.rules.planned import change_rulebook
from tracker.rules.application.candidate import (
    Candidate,
    CandidateDegree,
    CandidatePosition,
    CandidateReference,
    CandidateSession,
)
from tracker.rules.application.readiness import hide_reference_judgments, judge_application
from tracker.rules.fees import PaidShare
from tracker.rules.plan import ApplicationPlan, plan_application
from tracker.rules.reasons import format_reason
from tracker.rules.standing import (
    ApplicationFacts,
    ApplicationStanding,
    DaySum,
    Outcome,
    Remark,
    Removed,
    Result,
    Span,
    Status,
)

DAY = timedelta(days=1)
OPENED = date(2029, 9, 15)
TODAY = date(2029, 10, 1)
MEMBER = (Span(date(2029, 1, 1), date(2029, 12, 31)),)
REMOVED = Removed(3, date(2020, 5, 1), date(2029, 6, 30))
BACHELOR = CandidateDegree("bachelor", "BA", date(2020, 5, 15), "none")
FEE = (PaidShare("reinstatement", TODAY, 5000),)


def judge(
    plan: ApplicationPlan,
    as_of: date = TODAY,
    **about: Any,  # noqa: ANN401 - fields of both
) -> ApplicationStanding:
    """Maya's application, opened in September; ``about`` has fields of her facts, and of it."""
    facts: dict[str, Any] = {
        "subject_id": 5,
        "person_id": 1,
        "email": "maya@example.org",
        "name": "Maya",
        "provides_rsc": False,
        "minutes": {},
        "memberships": MEMBER,
    }
    candidate: dict[str, Any] = {"state": "open", "opened_on": OPENED, "submitted_on": None}
    for name, value in about.items():
        (facts if name in ApplicationFacts._fields else candidate)[name] = value
    found = judge_application(
        plan, ApplicationFacts(**facts, candidate=Candidate(**candidate)), as_of
    )
    assert found is not None
    return found


def apply(association: str, category: str, **about: Any) -> ApplicationStanding:  # noqa: ANN401
    return judge(REAL.application_plan(association, category, TODAY), **about)


def return_to(
    association: str,
    category: str = "IFS",
    as_of: date = TODAY,
    **about: Any,  # noqa: ANN401
) -> ApplicationStanding:
    plan = IMAGINED.application_plan(association, category, as_of, "reinstatement")
    return judge(plan, as_of, **{"removed": REMOVED, **about})


def result_of(standing: ApplicationStanding, requirement_id: str) -> Result:
    (result,) = [r for r in standing.results if r.requirement.id == requirement_id]
    return result


def describe(standing: ApplicationStanding, requirement_id: str) -> tuple[int, int, str, list[str]]:
    """What counts, what is missing, the outcome, and the notes in words."""
    result = result_of(standing, requirement_id)
    notes = [format_reason(note) for note in result.notes]
    return result.counted, result.short, result.outcome.value, notes


def training(day: date, minutes: int = 180) -> DaySum:
    return DaySum(day, "training", None, None, minutes)


def rsc(day: date, minutes: int = 60) -> DaySum:
    return DaySum(day, "rsc", "individual", None, minutes)


# --- reinstatements


def test_return_counts_hours_of_its_own_days() -> None:
    days = (
        training(date(2028, 10, 1)),
        training(date(2028, 10, 2)),
        rsc(date(2029, 6, 30)),
        rsc(date(2029, 7, 1)),
    )
    standing = return_to("WHOLE", days=days, signed=frozenset({"ethics"}), payments=FEE)
    assert {r.requirement.id: describe(standing, r.requirement.id) for r in standing.results} == {
        "back.training": (180, 180, "short", ["sessions of the last 12 months count"]),
        "back.rsc": (60, 60, "short", ["sessions on July 1, 2029 or later count"]),
        "back.membership": (1, 0, "met", []),
        "back.ethics": (1, 0, "met", []),
        "back.fee": (1, 0, "met", []),
    }
    assert standing.status is Status.NOT_READY


def test_return_is_ready_once_nothing_is_missing() -> None:
    days = (training(TODAY, 360), rsc(TODAY, 120))
    standing = return_to("WHOLE", days=days, signed=frozenset({"ethics"}), payments=FEE)
    assert standing.status is Status.READY
    # The membership, which counts for another 30 days, ends with the year.
    assert standing.covered_until == date(2029, 12, 31)
    assert standing.next_change_on == date(2030, 1, 31)


def test_submitted_return_keeps_the_hours_of_that_day() -> None:
    days = (training(date(2028, 10, 1)),)
    for submitted_on, counted in ((TODAY - DAY, 180), (TODAY, 0), (TODAY + DAY, 0)):
        standing = return_to("WHOLE", days=days, submitted_on=submitted_on)
        assert describe(standing, "back.training")[0] == counted


def test_return_changes_when_hours_leave_their_window() -> None:
    days = (training(date(2029, 2, 1)), training(date(2028, 11, 1)))
    assert return_to("WHOLE", days=days).next_change_on == date(2029, 11, 1)
    submitted = return_to("WHOLE", days=days, submitted_on=TODAY)
    assert submitted.next_change_on == date(2030, 1, 31)


def test_return_changes_when_the_first_of_two_windows_does() -> None:
    window = ('window = { since = "removal" }', "window = { months = 3 }")
    rulebook = change_rulebook("whole", window)
    plan = plan_application(rulebook, "IFS", TODAY, "reinstatement")
    days = (training(date(2028, 10, 10)), rsc(date(2029, 8, 1)))
    assert judge(plan, days=days, removed=REMOVED).next_change_on == date(2029, 10, 10)


@pytest.mark.parametrize(
    ("payment", "is_paid"),
    [
        (PaidShare("reinstatement", TODAY, 5000), True),
        (PaidShare("reinstatement", TODAY, 4999), False),
        (PaidShare("reinstatement", TODAY + DAY, 5000), False),
        (PaidShare("renewal", TODAY, 5000), False),
    ],
)
def test_return_is_paid_by_its_own_fee(payment: PaidShare, *, is_paid: bool) -> None:
    standing = return_to("WHOLE", payments=(payment,))
    assert describe(standing, "back.fee") == (
        int(is_paid),
        int(not is_paid),
        "met" if is_paid else "short",
        [],
    )


def test_return_without_its_removal_on_record_counts_no_hours_since() -> None:
    standing = return_to("WHOLE", removed=None, days=(rsc(TODAY),))
    assert describe(standing, "back.rsc") == (0, 120, "short", [])


# --- when an application changes by itself


def test_membership_for_life_changes_nothing() -> None:
    life = (Span(date(2020, 1, 1), date.max),)
    assert apply("CT-AIMH", "IFS", memberships=life).next_change_on is None


@pytest.mark.parametrize(
    ("starts_on", "expected"),
    [(TODAY, date(2030, 1, 1)), (TODAY + DAY, TODAY + DAY)],
)
def test_application_changes_when_a_membership_begins(starts_on: date, expected: date) -> None:
    members = (Span(starts_on, date(2029, 12, 31)),)
    assert apply("CT-AIMH", "IFS", memberships=members).next_change_on == expected


WORK = CandidatePosition(
    title="Home visitor",
    pay="paid",
    services=frozenset({"prevention"}),
    ages="birth to 36 months",
    families=10,
    supervised=True,
    trained=True,
    gives_rsc=False,
    statements=frozenset({"social-emotional-focus", "relationship-focus"}),
    starts_on=date(2028, 1, 1),
    ends_on=None,
)
LIFE = (Span(date(2020, 1, 1), date.max),)


@pytest.mark.parametrize(
    ("starts_on", "ends_on", "expected"),
    [
        (date(2028, 1, 1), None, date(2029, 12, 31)),
        (date(2028, 1, 1), date(2029, 12, 31), date(2029, 12, 31)),
        (date(2028, 1, 1), date(2029, 12, 30), None),
        (date(2028, 1, 1), TODAY, None),
        (date(2027, 1, 1), None, None),
        (TODAY, None, date(2031, 9, 30)),
        # Its families count from the first day.
        (date(2029, 12, 1), None, date(2029, 12, 1)),
    ],
)
def test_application_changes_when_work_was_long_enough(
    starts_on: date, ends_on: date | None, expected: date | None
) -> None:
    work = WORK._replace(starts_on=starts_on, ends_on=ends_on)
    standing = apply("VAIMH", "IFS", memberships=LIFE, positions=(work,), degrees=(BACHELOR,))
    assert standing.next_change_on == expected


def test_work_that_begins_later_can_be_long_enough() -> None:
    work = WORK._replace(starts_on=date(2031, 1, 1))
    since = (WORK._replace(ends_on=date(2028, 1, 31)), work)
    standing = apply("VAIMH", "IFS", memberships=LIFE, positions=since, degrees=(BACHELOR,))
    assert result_of(standing, "experience.families").outcome is Outcome.MET
    assert standing.next_change_on == date(2032, 11, 30)


def test_application_changes_when_its_rsc_window_has_closed() -> None:
    session = CandidateSession(date(2028, 1, 1), "RSC", 60, {})
    standing = apply("VAIMH", "IFS", memberships=LIFE, sessions=(session,), degrees=(BACHELOR,))
    assert result_of(standing, "rsc").closes_on == date(2029, 12, 31)
    assert standing.next_change_on == date(2030, 1, 1)


def test_category_without_rules_cannot_be_judged() -> None:
    standing = apply("NCIMHA", "IMHS")
    assert standing[2:5] == (Status.NO_RULES, (), None)
    assert (standing.facts.name, standing.plan.category) == ("Maya", "IMHS")


# --- what reviewers decide


def test_reviewers_decide_on_what_is_not_clear() -> None:
    waits = (0, 0, "review", ["for the reviewers to decide"])
    assert describe(apply("CT-AIMH", "IFS"), "competencies") == waits
    accepted = apply("CT-AIMH", "IFS", reviews={"competencies": True})
    notes = ["for the reviewers to decide", "accepted by the reviewers"]
    assert describe(accepted, "competencies") == (0, 0, "met", notes)
    refused = apply("CT-AIMH", "IFS", reviews={"competencies": False, "training": True})
    notes = ["the reviewers did not accept what is on record"]
    assert describe(refused, "competencies") == (0, 1, "short", notes)
    # Nobody decides on what can be counted.
    assert describe(refused, "training") == (0, 1800, "short", [])
    signed = apply("CT-AIMH", "IFS", signed=frozenset({"competencies"}))
    assert describe(signed, "competencies") == (1, 0, "met", [])


def test_refused_exam_does_not_count() -> None:
    reported = apply("VAIMH", "IMHS", exam_reported_on=date(2029, 9, 1))
    notes = ["passed September 1, 2029 according to the applicant; the association confirms it"]
    assert describe(reported, "exam") == (1, 0, "review", notes)
    refused = apply("VAIMH", "IMHS", exam_reported_on=date(2029, 9, 1), reviews={"exam": False})
    assert describe(refused, "exam")[:3] == (0, 1, "short")


def test_degree_without_its_transcript_is_remarked() -> None:
    day = date(2020, 5, 15)
    unofficial = CandidateDegree("master", "MSW", day, "unofficial")
    other = CandidateDegree("other", "Studies", day, "official")
    standing = apply("VAIMH", "IMHS", degrees=(unofficial, other))
    result = result_of(standing, "education")
    assert describe(standing, "education") == (
        1, 0, "review", ["Studies, if the reviewers agree"]
    )  # fmt: skip
    (remark,) = result.remarks
    assert isinstance(remark, Remark)
    assert remark[:3] == (day, "MSW", 0)
    assert format_reason(remark.reason) == "an official transcript is required"
    alone = apply("VAIMH", "IMHS", degrees=(unofficial,))
    assert describe(alone, "education") == (0, 1, "short", [])
    assert result_of(alone, "education").remarks == (remark,)


def test_one_of_two_alternatives_is_enough() -> None:
    degree = CandidateDegree("associate", "AA", date(2020, 5, 15), "none")
    standing = apply("VAIMH", "IFA", degrees=(degree,))
    result = result_of(standing, "experience")
    assert (result.outcome, result.short) == (Outcome.NOT_NEEDED, 0)
    assert describe(standing, "experience")[3] == ["Education is enough"]
    neither = apply("VAIMH", "IFA")
    assert {result_of(neither, each).outcome for each in ("education", "experience")} == {
        Outcome.SHORT
    }


# --- what applicants may see


def test_applicants_do_not_see_what_referees_wrote() -> None:
    roles = "program-supervisor", "rsc-provider", "colleague"
    came = tuple(CandidateReference(role, role, OPENED) for role in roles)
    came = (*came[:2], came[2]._replace(in_role=False))
    standing = apply("VAIMH", "IMHS", references=came)
    assert describe(standing, "references")[2] == "short"
    hidden = hide_reference_judgments(standing)
    assert describe(hidden, "references")[:3] == (3, 0, "met")
    assert [r.requirement.id for r in hidden.results] == [
        r.requirement.id for r in standing.results
    ]
    others = [r for r in hidden.results if r.requirement.id != "references"]
    assert others == [r for r in standing.results if r.requirement.id != "references"]


def test_applicants_see_the_status_without_what_referees_wrote() -> None:
    denied = CandidateReference("Jo", "supervisor", OPENED, in_role=False)
    standing = return_to(
        "REMOVING",
        "IFRS",
        days=(training(TODAY, 360), rsc(TODAY, 120)),
        signed=frozenset({"ethics"}),
        references=(denied,),
    )
    assert standing.status is Status.NOT_READY
    assert hide_reference_judgments(standing).status is Status.READY
