"""What is read off a standing: what can still be completed, missing records, exemptions."""

from datetime import date
from typing import Any

import pytest

from tests.rules.case_data import IMAGINED, REAL
from tracker.rulebooks import Rulebooks
from tracker.rules.fees import PaidShare
from tracker.rules.plan import RenewalPlan, plan_application
from tracker.rules.reasons import format_reason
from tracker.rules.renewal import judge_renewal
from tracker.rules.settlement import record_outcome
from tracker.rules.standing import (
    Absence,
    AuditFinding,
    DaySum,
    Facts,
    Removed,
    Span,
    Standing,
    Status,
    Submitted,
    is_too_late,
    list_exemptions,
    list_short,
)

MEMBER = (Span(date(2020, 1, 1), date(2030, 12, 31)),)


def plan_of(
    association: str,
    day: date,
    category: str = "IFS",
    endorsed_on: date = date(2020, 5, 1),
    rulebooks: Rulebooks = IMAGINED,
) -> RenewalPlan:
    plan = rulebooks.plan(association, category, endorsed_on, day)
    assert plan is not None
    return plan


def stand(plan: RenewalPlan, as_of: date, **changes: Any) -> Standing:  # noqa: ANN401
    """Alice's renewal, of which nothing is there but a membership."""
    values = {"subject_id": 1, "person_id": 1, "email": "", "name": "", "ends_on": None,
              "starts_on": date(2020, 5, 1), "provides_rsc": False, "minutes": {},
              "memberships": MEMBER, **changes}  # fmt: skip
    standing = judge_renewal(plan, Facts(**values), as_of)
    assert standing is not None
    return standing


def short(standing: Standing) -> list[str]:
    return [result.requirement.id for result in list_short(standing)]


def exemptions(plan: RenewalPlan, standing: Standing | None) -> dict[str, str]:
    return {name: format_reason(why) for name, why in list_exemptions(plan, standing).items()}


@pytest.mark.parametrize(
    ("as_of", "late"),
    [
        (date(2025, 12, 31), set[str]()),
        (date(2026, 1, 1), {"rsc.yearly.1"}),
        (date(2027, 12, 31), {"rsc.yearly.1", "rsc.yearly.2"}),
        # Once the cycle is over, an extension may let any of them be logged.
        (date(2028, 1, 1), set[str]()),
    ],
)
def test_year_that_is_over_is_too_late_in_its_cycle(as_of: date, late: set[str]) -> None:
    standing = stand(plan_of("FORMATS", date(2025, 6, 1)), as_of)
    assert {r.requirement.id for r in standing.results if is_too_late(r)} == late


def test_year_with_enough_hours_is_not_too_late() -> None:
    hours = (DaySum(date(2025, 2, 1), "rsc", "individual", None, 540),)
    standing = stand(plan_of("FORMATS", date(2025, 6, 1)), date(2026, 1, 1), days=hours)
    assert not any(map(is_too_late, standing.results))


def test_hours_that_can_be_attested_are_never_too_late() -> None:
    standing = stand(plan_of("WHOLE", date(2027, 6, 1)), date(2028, 6, 1))
    yearly = [result for result in standing.results if result.requirement.year]
    assert {each.requirement.id for each in yearly if each.closes_on is None} == {
        *("training.deia.1", "training.deia.2", "rsc.yearly.1", "rsc.yearly.2"),
    }
    late = {each.requirement.id for each in yearly if is_too_late(each)}
    assert late == {"rsc.yearly.1", "rsc.yearly.2"}
    audit = AuditFinding(has_failed=True, supported={"training.deia.1": 0})
    audited = stand(plan_of("WHOLE", date(2027, 6, 1)), date(2028, 6, 1), audit=audit)
    late = {each.requirement.id for each in audited.results if is_too_late(each)}
    assert late == {"training.deia.1", "rsc.yearly.1", "rsc.yearly.2"}


def test_submitted_renewal_lacks_only_fee_and_membership() -> None:
    day = date(2026, 12, 31)
    paying = plan_of("PAYING", day)
    submitted = Submitted(day, frozenset())
    assert short(stand(paying, day)) == ["training", "submission", "fee"]
    assert short(stand(paying, day, submitted=submitted)) == ["fee"]
    attesting = plan_of("ATTESTING", day)
    everything = ["training", "rsc", "membership", "ethics", "submission"]
    assert short(stand(attesting, day, memberships=())) == everything
    assert short(stand(attesting, day, memberships=(), submitted=submitted)) == ["membership"]


@pytest.mark.parametrize(
    ("ends_on", "counts_until"),
    [
        (date(2024, 6, 30), date(2024, 7, 30)),
        (date.max, None),
    ],
)
def test_membership_counts_for_its_grace_period(ends_on: date, counts_until: date | None) -> None:
    plan = plan_of("GRACE", date(2024, 6, 1))
    standing = stand(plan, date(2024, 6, 1), memberships=(Span(date(2024, 1, 1), ends_on),))
    assert standing.covered_until == ends_on
    assert standing.membership_counts_until == counts_until
    assert stand(plan, date(2024, 6, 1), memberships=()).membership_counts_until is None


def test_membership_covers_from_its_first_day() -> None:
    plan, first_day = plan_of("ATTESTING", date(2026, 6, 1)), date(2026, 6, 1)
    year = (Span(first_day, date(2027, 5, 31)),)
    assert stand(plan, first_day, memberships=year).covered_until == date(2027, 5, 31)
    assert stand(plan, date(2026, 5, 31), memberships=year).covered_until is None


def test_membership_without_grace_counts_until_its_end() -> None:
    standing = stand(plan_of("ATTESTING", date(2026, 6, 1)), date(2026, 6, 1))
    assert standing.covered_until == date(2030, 12, 31)
    assert standing.membership_counts_until is None


@pytest.mark.parametrize(
    ("first_day", "starts_on", "records_from"),
    [
        (None, date(2020, 5, 1), None),
        (date(2025, 1, 1), date(2020, 5, 1), None),
        (date(2025, 1, 2), date(2020, 5, 1), date(2025, 1, 2)),
        (date(2026, 3, 1), date(2026, 3, 1), None),
        (date(2026, 3, 2), date(2026, 3, 1), date(2026, 3, 2)),
    ],
)
def test_records_begin_within_the_cycle_or_not(
    first_day: date | None, starts_on: date, records_from: date | None
) -> None:
    plan = plan_of("ATTESTING", date(2026, 6, 1), endorsed_on=starts_on)
    standing = stand(plan, date(2026, 6, 1), first_day=first_day, starts_on=starts_on)
    assert standing.records_from == records_from
    assert standing.unrecorded_until == records_from


def test_enough_hours_miss_no_earlier_records() -> None:
    enough = {"training": 45 * 60, "rsc": 36 * 60}
    plan, first_day = plan_of("ATTESTING", date(2026, 6, 1)), date(2026, 3, 1)
    standing = stand(plan, date(2026, 6, 1), first_day=first_day, minutes=enough)
    assert short(standing) == ["ethics", "submission"]
    assert standing.records_from == first_day
    assert standing.unrecorded_until is None


def test_renewal_without_rules_has_no_first_record() -> None:
    plan = plan_of("ATTESTING", date(2026, 6, 1), "IFRS")
    standing = stand(plan, date(2026, 6, 1), first_day=date(2026, 3, 1))
    assert standing.status is Status.NO_RULES
    assert standing.records_from is None
    assert standing.settled_on is None
    assert exemptions(plan, standing) == {}


def test_settled_cycle_says_leave_without_its_words() -> None:
    plan = plan_of("NCIMHA", date(2026, 6, 1), rulebooks=REAL)
    away = (Absence(date(2026, 11, 1), date(2027, 1, 31), "inactive"),)
    standing = stand(plan, date(2026, 6, 1), leaves=away)
    reason = "excused while inactive"
    assert reason in exemptions(plan, standing).values()
    settlement = record_outcome(standing, date(2027, 2, 1), "rules")
    settled = stand(plan, date(2027, 6, 1), settlement=settlement)
    assert exemptions(plan, settled) == {
        name: "excused while on leave" if why == reason else why
        for name, why in exemptions(plan, standing).items()
    }


def test_cycle_cut_short_to_nothing_exempts_from_its_hours() -> None:
    plan = plan_of("LEAP", date(2029, 12, 20), endorsed_on=date(2026, 12, 10))
    (reason,) = set(exemptions(plan, None).values())
    assert reason == (
        "no hours are required in this cycle, because a change of the rules moved its end to "
        "December 31, 2029"
    )


def test_application_exempts_from_nothing() -> None:
    plan = plan_application(REAL.associations["VAIMH"], "IFS", date(2025, 6, 1))
    assert list_exemptions(plan, None) == {}


def test_endorsement_is_removed_the_day_after_its_last_one() -> None:
    removed = Removed(1, date(2020, 5, 1), date(2024, 2, 29))
    assert removed.removed_on == date(2024, 3, 1)


def test_waiver_is_an_exemption_only_in_a_standing() -> None:
    plan = plan_of("ATTESTING", date(2026, 6, 1))
    standing = stand(plan, date(2026, 6, 1), waived=("ethics",))
    assert exemptions(plan, standing) == {"ethics": "waived by the association"}
    assert exemptions(plan, None) == {}


def test_payment_of_another_fee_pays_nothing() -> None:
    day = date(2026, 6, 1)
    plan = plan_of("PAYING", day, "IFRS")
    enough = {"training": 240}
    other = (PaidShare("another", day, 8750),)
    assert short(stand(plan, day, minutes=enough, payments=other)) == ["fee"]
    own = (PaidShare("renewal", day, 8750),)
    assert short(stand(plan, day, minutes=enough, payments=own)) == []
