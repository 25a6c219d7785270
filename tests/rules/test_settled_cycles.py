"""Settling a cycle, what a settled one keeps, and what today's records would change about it."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from tests.rules.case_data import IMAGINED
from tracker.rules.reasons import format_reason
from tracker.rules.renewal import judge_renewal
from tracker.rules.settlement import list_differences, record_outcome, settle
from tracker.rules.standing import (
    Absence,
    AuditFinding,
    CycleSettlement,
    DaySum,
    Facts,
    Outcome,
    SettledResult,
    Span,
    Standing,
    Status,
    Submitted,
)

# Three years of ATTESTING through 2027, with grace through January 31.
DUE = date(2027, 12, 31)
CLOSED = date(2028, 2, 1)
SUBMITTED = Submitted(date(2027, 11, 15), frozenset({"ethics"}))
MEMBER = (Span(date(2020, 1, 1), date(2030, 12, 31)),)
ALL = {
    "minutes": {"training": 45 * 60, "rsc": 36 * 60},
    "memberships": MEMBER,
    "submitted": SUBMITTED,
}


def stand(as_of: date = CLOSED, association: str = "ATTESTING", **changes: Any) -> Standing:  # noqa: ANN401
    """Alice's renewal for 2025 through 2027, with all that is required but for changes."""
    plan = IMAGINED.plan(association, "IFS", date(2020, 5, 1), date(2025, 6, 1))
    assert plan is not None
    values = {"subject_id": 1, "person_id": 1, "email": "", "name": "", "ends_on": None,
              "starts_on": date(2020, 5, 1), "provides_rsc": False, **ALL, **changes}  # fmt: skip
    standing = judge_renewal(plan, Facts(**values), as_of)
    assert standing is not None
    return standing


def settled(**changes: Any) -> CycleSettlement:  # noqa: ANN401
    settlement = settle(stand(**changes), CLOSED, "old")
    assert settlement is not None
    return settlement


def differences(before: CycleSettlement, now: Standing | None, digest: str = "old") -> list[str]:
    return [format_reason(reason) for reason in list_differences(before, now, digest)]


def test_met_renewal_is_settled_the_day_after_its_grace_period() -> None:
    last_day = CLOSED - timedelta(days=1)
    assert settle(stand(last_day), last_day, "old") is None
    assert settle(stand(), CLOSED, "old") is not None


def test_extension_moves_the_day_of_the_settlement() -> None:
    extended = stand(date(2028, 3, 31), extended_due_on=date(2028, 2, 29))
    assert settle(extended, date(2028, 3, 31), "old") is None
    later = settle(extended, date(2028, 4, 1), "old")
    assert later is not None
    assert later.due_on == date(2028, 2, 29)


def test_submitted_renewal_that_is_short_is_not_settled() -> None:
    waiting = stand(minutes={})
    assert waiting.status is Status.OVERDUE
    assert settle(waiting, CLOSED, "old") is None


def test_lapsed_and_excused_renewals_are_settled() -> None:
    assert settled(submitted=None).status is Status.LAPSED
    away = (Absence(date(2025, 1, 1), date(2027, 12, 31), "inactive"),)
    assert settled(minutes={}, leaves=away).status is Status.EXCUSED


def test_settlement_has_the_results_and_their_facts() -> None:
    earlier = (Absence(date(2024, 6, 1), date(2024, 6, 30)),)
    short = {"training": 2700, "rsc": 2100}
    waived = ("ethics", "submission")
    settlement = settled(minutes=short, leaves=earlier, waived=waived, submitted=None)
    assert settlement == CycleSettlement(
        settled_on=CLOSED,
        rules_digest="old",
        status=Status.LAPSED,
        due_on=DUE,
        covered_until=date(2030, 12, 31),
        results=(
            SettledResult("training", "Training", 2700, 2700, 0, Outcome.MET),
            SettledResult("rsc", "Reflective supervision", 2160, 2100, 60, Outcome.SHORT),
            SettledResult("membership", "Membership", 3, 3, 0, Outcome.MET),
            SettledResult("ethics", "Code of Ethics", 1, 0, 0, Outcome.WAIVED),
            SettledResult("submission", "Submission", 1, 0, 0, Outcome.WAIVED),
        ),
        minutes=short,
        memberships=MEMBER,
        leaves=earlier,
        waived=waived,
    )


def test_category_without_rules_is_never_settled() -> None:
    plan = IMAGINED.plan("ATTESTING", "IFRS", date(2020, 5, 1), date(2025, 6, 1))
    assert plan is not None
    standing = judge_renewal(plan, stand().facts, CLOSED)
    assert standing is not None
    assert settle(standing, CLOSED, "old") is None
    with pytest.raises(ValueError, match=r"^a renewal without rules has no outcome$"):
        record_outcome(standing, CLOSED, "old")


def test_settled_cycle_keeps_everything_whatever_is_recorded() -> None:
    before = stand(extended_due_on=date(2028, 1, 15))
    settlement = record_outcome(before, CLOSED, "old")
    later = stand(date(2029, 1, 1), minutes={}, memberships=(), settlement=settlement)
    assert later.settled_on == CLOSED
    assert later[1:] == before[1:]


def test_open_year_of_a_settled_cycle_keeps_its_last_day() -> None:
    rsc = (DaySum(date(2025, 2, 1), "rsc", "individual", None, 540),)
    before = stand(association="FORMATS", days=rsc, submitted=None)
    settlement = settle(before, CLOSED, "old")
    assert settlement is not None
    later = stand(association="FORMATS", settlement=settlement)
    assert later.results == before.results
    years = {each.requirement.id: each.closes_on for each in later.results}
    assert years["rsc.yearly.2"] == date(2026, 12, 31)
    assert years["rsc"] is None


def test_settled_requirement_that_is_gone_is_left_out() -> None:
    gone = SettledResult("gone", "Gone", 1, 0, 1, Outcome.SHORT)
    settlement = settled()
    more = replace(settlement, results=(gone, *settlement.results))
    assert stand(settlement=more).results == stand(settlement=settlement).results


def test_same_records_differ_in_nothing_even_by_other_rules() -> None:
    assert differences(settled(), stand(), "new") == []
    more_hours = {"training": 50 * 60, "rsc": 40 * 60}
    assert differences(settled(), stand(minutes=more_hours), "new") == []


def test_nothing_to_renew_is_the_only_difference() -> None:
    assert differences(settled(), None, "new") == [
        "it was settled as met; by today's records nothing is due"
    ]


LAPSED_NOW = "it was settled as met; by today's records it would be lapsed"
MET_NOW = "it was settled as lapsed; by today's records it would be met"


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        pytest.param(
            {}, {"minutes": {"training": 2640, "rsc": 2160}},
            ["it was settled as met; by today's records it would be overdue",
             "“Training”: 45 hours counted then, 44 hours by today's records"], id="hours",
        ),
        pytest.param(
            {}, {"memberships": ()},
            ["it was settled as met; by today's records it would be overdue",
             "“Membership”: a membership that counted is no longer on record"], id="no member",
        ),
        pytest.param(
            {"memberships": (), "submitted": None, "waived": ("ethics", "submission")},
            {"submitted": None, "waived": ("ethics", "submission")},
            [MET_NOW, "“Membership”: a membership recorded since covers it"], id="member",
        ),
        pytest.param(
            {}, {"submitted": None},
            [LAPSED_NOW, "“Code of Ethics” was there then, and is missing by today's records",
             "“Submission” was there then, and is missing by today's records"], id="missing",
        ),
        pytest.param(
            {"submitted": None}, {},
            [MET_NOW, "“Code of Ethics” was missing then, and is there by today's records",
             "“Submission” was missing then, and is there by today's records"], id="there",
        ),
        pytest.param(
            {"submitted": None, "waived": ("ethics",)},
            {"submitted": None, "waived": ("ethics", "submission")},
            [MET_NOW, "“Submission” has been waived since"], id="waived",
        ),
        pytest.param(
            {"submitted": None, "waived": ("ethics", "submission")},
            {"submitted": None, "waived": ("ethics",)},
            [LAPSED_NOW, "the waiver of “Submission” is gone"], id="not waived",
        ),
    ],
)  # fmt: skip
def test_each_difference_is_named(
    before: dict[str, Any], now: dict[str, Any], expected: list[str]
) -> None:
    assert differences(settled(**before), stand(**now)) == expected


def test_changed_rules_are_named_with_what_they_change() -> None:
    training = SettledResult("training", "Hours", 2700, 2700, 0, Outcome.MET)
    renamed = replace(training, requirement_id="hours")
    settlement = settled()
    older = replace(settlement, results=(renamed, *settlement.results[1:]))
    assert differences(older, stand(), "new") == [
        "the rulebook no longer has “Hours”",
        "the rulebook now has “Training” as well",
        "the rulebooks have changed since",
    ]


def test_months_that_counted_are_named_as_months() -> None:
    one = (DaySum(date(2025, 2, 1), "rsc", "individual", None, 60),)
    before = settle(stand(association="FORMATS", days=one, submitted=None), CLOSED, "old")
    assert before is not None
    two = (*one, DaySum(date(2025, 3, 1), "rsc", "individual", None, 0))
    assert differences(before, stand(association="FORMATS", days=two, submitted=None)) == [
        "“Months of reflective supervision”: 1 month counted then, 2 months by today's records"
    ]


def test_audit_that_supports_less_is_a_difference() -> None:
    attested = Submitted(DUE, frozenset({"ethics", "hours"}))
    before = settled(minutes={}, submitted=attested)
    assert before.status is Status.MET
    audit = AuditFinding(has_failed=True, supported={"training": 600})
    assert differences(before, stand(minutes={}, submitted=attested, audit=audit)) == [
        "it was settled as met; by today's records it would be overdue",
        "“Training”: 0 hours counted then, 10 hours by today's records",
    ]
