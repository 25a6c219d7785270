"""Which renewals are judged at all, what their results are, and when these change by themselves."""

from datetime import date, timedelta
from typing import Any

import pytest

from tests.rules.case_data import IMAGINED, REAL
from tracker.rulebooks import Rulebooks
from tracker.rules.fees import PaidShare
from tracker.rules.reasons import because
from tracker.rules.renewal import is_before_records, judge_renewal
from tracker.rules.standing import (
    Absence,
    AuditFinding,
    DaySum,
    Facts,
    Outcome,
    Span,
    Standing,
    Status,
    Submitted,
)

DAY = timedelta(days=1)
# Three years of ATTESTING, with grace through January 31.
STARTS, DUE, GRACE_ENDS = date(2025, 1, 1), date(2027, 12, 31), date(2028, 1, 31)
LATER = date(2028, 2, 29)
MEMBER = (Span(date(2020, 1, 1), date(2030, 12, 31)),)
ENOUGH = {"training": 45 * 60, "rsc": 36 * 60}
SUBMITTED = Submitted(date(2027, 11, 15), frozenset({"ethics"}))
MET: dict[str, Any] = {"minutes": ENOUGH, "submitted": SUBMITTED}


def judge(
    as_of: date,
    association: str = "ATTESTING",
    category: str = "IFS",
    rulebooks: Rulebooks = IMAGINED,
    **changes: Any,  # noqa: ANN401 - fields of Facts
) -> Standing | None:
    """Alice's renewal for 2025 through 2027, of which nothing is there but a membership."""
    values = {"subject_id": 1, "person_id": 1, "email": "", "name": "", "ends_on": None,
              "starts_on": date(2020, 5, 1), "provides_rsc": False, "minutes": {},
              "memberships": MEMBER, **changes}  # fmt: skip
    plan = rulebooks.plan(association, category, values["starts_on"], date(2025, 6, 1))
    assert plan is not None
    return judge_renewal(plan, Facts(**values), as_of)


def stand(as_of: date, association: str = "ATTESTING", **changes: Any) -> Standing:  # noqa: ANN401
    standing = judge(as_of, association, **changes)
    assert standing is not None
    return standing


def outcomes(standing: Standing) -> dict[str, tuple[int, int, str]]:
    return {r.requirement.id: (r.required, r.counted, r.outcome.value) for r in standing.results}


def test_endorsement_is_judged_from_its_first_day() -> None:
    first_day = date(2025, 3, 1)
    assert judge(first_day - DAY, starts_on=first_day) is None
    assert judge(first_day, starts_on=first_day) is not None


def test_endorsement_that_ends_before_the_due_date_is_not_judged() -> None:
    assert judge(DUE, ends_on=DUE - DAY) is None
    assert judge(DUE, ends_on=DUE) is not None
    assert judge(DUE, ends_on=DUE, extended_due_on=DUE + DAY) is None


def test_renewal_due_before_the_first_day_is_not_judged() -> None:
    assert judge(DUE, first_day=DUE + DAY) is None
    assert judge(DUE, first_day=DUE) is not None
    assert judge(DUE, first_day=DUE + DAY, extended_due_on=DUE + DAY) is not None
    assert not is_before_records(None, date.min)


def test_category_without_rules_changes_when_it_ends() -> None:
    def without_rules(as_of: date, ends_on: date | None) -> Standing | None:
        return judge(as_of, category="IFRS", ends_on=ends_on)

    for ends_on in (None, date.max):
        standing = without_rules(DUE, ends_on)
        assert standing is not None
        assert standing[2:] == (Status.NO_RULES, None, (), None, None)
    last_day = without_rules(DUE, DUE)
    assert last_day is not None
    assert last_day[2:] == (Status.NO_RULES, None, (), DUE + DAY, None)
    assert last_day.facts.subject_id == 1
    assert last_day.plan.category == "IFRS"
    assert without_rules(DUE + DAY, DUE) is None


@pytest.mark.parametrize(
    ("as_of", "facts", "status", "next_change_on"),
    [
        # Each year's membership is one of the requirements.
        (date(2025, 12, 31), {}, Status.OPEN, date(2026, 1, 1)),
        (date(2026, 1, 1), {}, Status.OPEN, date(2027, 1, 1)),
        (date(2027, 1, 1), {}, Status.OPEN, date(2028, 1, 1)),
        (DUE, {}, Status.OPEN, date(2028, 1, 1)),
        (DUE + DAY, {}, Status.OVERDUE, date(2028, 2, 1)),
        (GRACE_ENDS, {}, Status.OVERDUE, date(2028, 2, 1)),
        (GRACE_ENDS + DAY, {}, Status.LAPSED, None),
        (DUE, MET, Status.MET, None),
        (GRACE_ENDS + DAY, MET, Status.MET, None),
        # What is submitted does not lapse, but a date is worked out all the same.
        (GRACE_ENDS + DAY, {"submitted": SUBMITTED}, Status.OVERDUE, None),
        (LATER, {"extended_due_on": LATER}, Status.OPEN, date(2028, 3, 1)),
        (LATER + DAY, {"extended_due_on": LATER}, Status.OVERDUE, date(2028, 4, 1)),
        # An entry that is dated later.
        (date(2025, 6, 1), {"next_fact_on": date(2025, 6, 2)}, Status.OPEN, date(2025, 6, 2)),
        (date(2025, 6, 1), {"next_fact_on": date(2026, 6, 2)}, Status.OPEN, date(2026, 1, 1)),
        (GRACE_ENDS + DAY, {"next_fact_on": date(2028, 6, 1)}, Status.LAPSED, date(2028, 6, 1)),
        # Memberships that begin or end within the cycle.
        (date(2025, 6, 1), {"memberships": ()}, Status.OPEN, date(2026, 1, 1)),
        (date(2025, 6, 1), {"memberships": (Span(date(2025, 6, 2), date(2030, 1, 1)),)},
         Status.OPEN, date(2025, 6, 2)),
        (date(2025, 6, 1), {"memberships": (Span(STARTS, date(2025, 6, 1)),)},
         Status.OPEN, date(2025, 6, 2)),
        (date(2027, 6, 1), {"memberships": (Span(STARTS, DUE - DAY),)}, Status.OPEN, DUE),
        (date(2027, 6, 1), {"memberships": (Span(STARTS, DUE),)}, Status.OPEN, DUE + DAY),
        (date(2027, 6, 1), {"memberships": (Span(DUE, date(2030, 1, 1)),)}, Status.OPEN, DUE),
        (DUE, {**MET, "memberships": (Span(STARTS, DUE),)}, Status.MET, None),
        (GRACE_ENDS, {**MET, "memberships": (Span(STARTS, DUE),)}, Status.MET, None),
    ],
)  # fmt: skip
def test_outcome_changes_by_itself_on_one_day(
    as_of: date, facts: dict[str, Any], status: Status, next_change_on: date | None
) -> None:
    standing = stand(as_of, **facts)
    assert (standing.status, standing.next_change_on) == (status, next_change_on)


def test_membership_is_required_on_each_last_day_so_far() -> None:
    gap = (Span(STARTS, date(2025, 12, 30)), Span(date(2026, 1, 1), date(2030, 1, 1)))
    found = [
        outcomes(stand(day, memberships=gap))["membership"]
        for day in (date(2025, 12, 30), date(2025, 12, 31), date(2026, 1, 1), date(2027, 1, 1), DUE)
    ]
    assert found == [
        (1, 1, "met"),
        (1, 0, "short"),
        (2, 1, "short"),
        (3, 2, "short"),
        (3, 2, "short"),
    ]


def test_years_before_the_endorsement_need_no_membership() -> None:
    for starts_on, required in ((date(2025, 12, 31), 3), (date(2026, 1, 1), 2)):
        standing = stand(DUE, starts_on=starts_on)
        assert outcomes(standing)["membership"] == (required, required, "met")


def test_each_outcome_has_its_amounts() -> None:
    signed = Submitted(DUE, frozenset({"hours"}))
    standing = stand(DUE, minutes={"training": 2700, "rsc": 60}, submitted=signed)
    assert outcomes(standing) == {
        "training": (2700, 2700, "met"),
        "rsc": (2160, 60, "attested"),
        "membership": (3, 3, "met"),
        "ethics": (1, 0, "short"),
        "submission": (1, 1, "met"),
    }
    assert [result.short for result in standing.results] == [0, 0, 0, 1, 0]
    waived = stand(DUE, waived=("training",), minutes={"training": 60})
    assert outcomes(waived)["training"] == (2700, 60, "waived")
    assert waived.results[0].short == 0


def test_audit_takes_the_place_of_the_statement() -> None:
    signed = Submitted(DUE, frozenset({"ethics", "hours"}))
    audit = AuditFinding(has_failed=False, supported={"training": 600})
    standing = stand(DUE, minutes={"training": 60}, submitted=signed, audit=audit)
    assert outcomes(standing)["training"] == (2700, 660, "short")
    assert outcomes(standing)["rsc"] == (2160, 0, "attested")
    assert [each.requirement.id for each in standing.results if each.can_attest] == ["rsc"]
    passed = stand(DUE, submitted=signed, audit=audit._replace(supported={}))
    assert passed.status is Status.MET


@pytest.mark.parametrize(
    ("cents", "on", "paid"),
    [
        (8750, date(2026, 1, 15), True),
        (8749, date(2026, 1, 15), False),
        (8750, date(2026, 1, 16), False),
        (10000, date(2026, 1, 16), True),
    ],
)
def test_late_fee_is_due_from_the_day_after(cents: int, on: date, *, paid: bool) -> None:
    payments = (PaidShare("renewal", on, cents),)
    standing = stand(on, "PAYING", category="IFRS", payments=payments)
    assert outcomes(standing)["fee"] == (1, int(paid), "met" if paid else "short")


def test_extension_gives_the_plain_fee_more_time() -> None:
    payments = (PaidShare("renewal", date(2026, 3, 15), 8750),)
    extended = date(2026, 2, 28)
    standing = stand(date(2026, 3, 15), "PAYING", category="IFRS", payments=payments,
                     extended_due_on=extended)  # fmt: skip
    assert outcomes(standing)["fee"] == (1, 1, "met")


def test_what_is_met_needs_no_excuse() -> None:
    away = (Absence(STARTS, DUE, "inactive"),)
    nothing = stand(DUE, leaves=away, submitted=SUBMITTED)
    assert nothing.status is Status.EXCUSED
    assert outcomes(nothing)["rsc"] == (2160, 0, "excused")
    assert [result.short for result in nothing.results] == [0, 0, 0, 0, 0]
    assert nothing.results[1].notes == (because("on_leave", status="inactive"),)
    everything = stand(DUE, **MET, leaves=away)
    assert everything.status is Status.MET
    assert {result.outcome for result in everything.results} == {Outcome.MET}


def test_membership_is_required_on_days_that_are_not_away() -> None:
    away = (Absence(date(2026, 11, 1), date(2027, 1, 31)),)
    member = stand(DUE, "RESTING", leaves=away)
    assert outcomes(member)["membership"] == (2, 2, "met")
    other = stand(DUE, "RESTING", leaves=away, memberships=())
    assert outcomes(other)["membership"] == (2, 0, "short")


def test_audit_supports_hours_beside_those_of_sessions() -> None:
    audit = AuditFinding(has_failed=False, supported={"rsc": 600, "rsc.months": 2})
    days = (DaySum(date(2025, 2, 1), "rsc", "individual", None, 60),)
    standing = stand(DUE, "FORMATS", days=days, audit=audit)
    assert outcomes(standing)["rsc"] == (2160, 660, "short")
    assert outcomes(standing)["rsc.months"] == (18, 3, "short")


def test_membership_excused_on_days_away_excuses_no_renewal() -> None:
    enough = {"training": 45 * 60, "rsc": 36 * 60}
    first_day = date(2027, 2, 1)
    away = (Absence(date(2027, 6, 1), DUE),)
    facts: dict[str, Any] = {
        "starts_on": first_day,
        "minutes": enough,
        "memberships": (),
        "leaves": away,
    }
    standing = stand(DUE, "RESTING", **facts)
    assert outcomes(standing)["membership"] == (0, 0, "excused")
    assert standing.results[-1].notes == (because("no_membership_away"),)
    assert standing.status is Status.MET


def test_leave_on_the_due_date_excuses_even_one_missing_membership() -> None:
    due = date(2025, 12, 31)
    for last_day, status in ((due, Status.EXCUSED), (due - DAY, Status.OPEN)):
        standing = stand(
            due,
            "CT-AIMH",
            rulebooks=REAL,
            minutes={"training": 900, "rsc": 720},
            memberships=(),
            leaves=(Absence(date(2025, 12, 1), last_day),),
        )
        assert standing.status is status
        assert outcomes(standing)["training"] == (900, 900, "met")
        assert {result.short for result in standing.results} == {int(status is Status.OPEN), 0}


@pytest.mark.parametrize(
    ("counted", "outcome", "short"), [(1799, "short", 1), (1800, "met", 0), (1801, "met", 0)]
)
def test_a_year_away_of_three_takes_a_third_of_the_hours(
    counted: int, outcome: str, short: int
) -> None:
    away = (Absence(date(2026, 1, 1), date(2026, 12, 31), "inactive"),)
    standing = stand(DUE, leaves=away, minutes={"training": counted})
    assert outcomes(standing)["training"] == (1800, counted, outcome)
    assert standing.results[0].short == short


def test_cycle_of_endorsement_without_hours_keeps_their_amounts() -> None:
    last = date(2025, 12, 31)
    minutes = {"training": 60}
    standing = stand(last, "FIRST", starts_on=date(2025, 10, 15), minutes=minutes)
    assert outcomes(standing)["training"] == (960, 60, "excused")
    assert standing.results[0].short == 0
    assert standing.status is Status.MET


@pytest.mark.parametrize(
    ("as_of", "leave", "members", "next_change_on"),
    [
        (date(2027, 2, 1), (3, 5), (), date(2027, 3, 1)),
        (date(2027, 3, 1), (3, 5), (), date(2027, 6, 1)),
        (date(2027, 6, 1), (3, 5), (), date(2028, 1, 1)),
        (date(2027, 12, 1), (9, 12), (), DUE),
        (date(2027, 2, 1), (3, 5), (Span(date(2027, 2, 15), DUE),), date(2027, 2, 15)),
    ],
)
def test_membership_may_change_when_days_away_begin_and_end(
    as_of: date, leave: tuple[int, int], members: tuple[Span, ...], next_change_on: date
) -> None:
    first, last = leave
    # Through the end of May, or through the eve of the due date.
    ends_on = DUE - DAY if last == DUE.month else date(2027, last, 31)
    away = (Absence(date(2027, first, 1), ends_on),)
    standing = stand(as_of, "RESTING", leaves=away, memberships=members)
    assert standing.next_change_on == next_change_on
