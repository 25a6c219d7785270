"""Pace: the first day on which an open renewal is two months behind an even one."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.case_data import IMAGINED, REAL
from tracker.rulebooks import Rulebooks
from tracker.rules.renewal import Forecast, Pace, falls_behind_on, forecast, judge_renewal
from tracker.rules.standing import Absence, AuditFinding, Facts, Span, Standing

MEMBER = (Span(date(2000, 1, 1), date(2099, 12, 31)),)


def stand(
    training: int,
    rsc: int = 720,
    *,
    rulebooks: Rulebooks = REAL,
    whose: tuple[str, str] = ("CT-AIMH", "IFS"),
    as_of: date = date(2025, 1, 1),
    members: tuple[Span, ...] = MEMBER,
    **facts: object,
) -> Standing:
    """A standing with these minutes; everything else is there."""
    starts_on = date(2015, 1, 1)
    plan = rulebooks.plan(*whose, starts_on, date(2025, 6, 1))
    assert plan
    known = Facts(
        subject_id=1,
        person_id=1,
        email="alice@example.org",
        name="Alice",
        starts_on=starts_on,
        ends_on=None,
        provides_rsc=False,
        minutes={"training": training, "rsc": rsc},
        memberships=members,
    )
    standing = judge_renewal(plan, known._replace(**facts), as_of)  # type: ignore[arg-type]
    assert standing
    return standing


def test_empty_log_is_behind_after_two_months() -> None:
    # 365 days, a sixth of them is 60.
    assert falls_behind_on(stand(0, 0)) == date(2025, 3, 2)


def test_attested_hours_have_a_pace_only_after_an_audit() -> None:
    attesting: dict[str, Any] = {"rulebooks": IMAGINED, "whose": ("ATTESTING", "IFS")}
    assert falls_behind_on(stand(0, 0, **attesting)) is None
    audit = AuditFinding(has_failed=True, supported={"training": 0})
    # 1095 days, a sixth of them is 182.
    assert falls_behind_on(stand(0, 0, **attesting, audit=audit)) == date(2025, 7, 2)


def test_half_of_the_hours_last_until_august() -> None:
    assert falls_behind_on(stand(450)) == date(2025, 8, 31)


def test_requirement_furthest_behind_decides() -> None:
    assert falls_behind_on(stand(800, 0)) == date(2025, 3, 2)


def test_no_day_if_never_behind() -> None:
    assert falls_behind_on(stand(899)) is None


def test_renewal_can_fall_behind_on_its_last_day() -> None:
    assert falls_behind_on(stand(750)) == date(2025, 12, 31)


def test_a_renewal_that_is_met_has_no_day() -> None:
    assert falls_behind_on(stand(900)) is None


def test_a_missing_membership_has_no_pace() -> None:
    assert falls_behind_on(stand(900, members=())) is None


def test_a_missing_topic_has_no_pace() -> None:
    standing = stand(900, whose=("NCIMHA", "IFS"))
    assert standing.status == "open"
    assert falls_behind_on(standing) is None


def test_an_overdue_renewal_has_no_pace_any_more() -> None:
    assert falls_behind_on(stand(0, as_of=date(2026, 1, 10))) is None


def test_an_excused_renewal_has_no_pace() -> None:
    leave = (Absence(date(2025, 12, 31), date(2025, 12, 31)),)
    assert falls_behind_on(stand(0, leaves=leave)) is None


def test_a_waived_requirement_has_no_pace() -> None:
    assert falls_behind_on(stand(0, 0, waived=("training",))) == date(2025, 3, 2)
    assert falls_behind_on(stand(0, 719, waived=("training",))) is None


def test_a_three_year_cycle_gives_half_a_year() -> None:
    standing = stand(0, 0, rulebooks=IMAGINED, whose=("TRIENNIAL", "IFS"))
    assert falls_behind_on(standing) == date(2025, 7, 2)


@pytest.mark.parametrize("whose", [("CT-AIMH", "IFS"), ("MI-AIMH", "IMHS")])
@given(training=st.integers(0, 1000), rsc=st.integers(0, 1000))
def test_falls_behind_day_matches_the_definition(
    whose: tuple[str, str], training: int, rsc: int
) -> None:
    standing = stand(training, rsc, whose=whose)
    cycle = standing.plan.cycle
    assert cycle
    behind = [
        day
        for offset in range(365)
        for required, counted in ((900, training), (720, rsc))
        # Days of an even pace that were over at the end of the day, less the slack.
        if (offset + 1 - 60) * required > counted * 365 and counted < required
        for day in [cycle.starts_on + timedelta(days=offset)]
    ]
    assert falls_behind_on(standing) == min(behind, default=None)


@given(training=st.integers(0, 1000), rsc=st.integers(0, 1000), day=st.integers(0, 364))
def test_requirement_and_renewal_agree_on_being_behind(training: int, rsc: int, day: int) -> None:
    today = date(2025, 1, 1) + timedelta(days=day)
    standing = stand(training, rsc, as_of=today)
    behind_on = falls_behind_on(standing)
    found = [forecast(standing, r, today) for r in standing.results]
    is_behind = any(f is not None and f.pace is Pace.BEHIND for f in found)
    assert is_behind == (behind_on is not None and behind_on <= today)


def test_slightly_late_is_nearly_on_pace() -> None:
    standing = stand(720, 720, as_of=date(2025, 11, 22))
    (training,) = [r for r in standing.results if r.requirement.counts == "training"]
    found = forecast(standing, training, date(2025, 11, 22))
    assert found is not None
    assert (found.pace, found.done_on) == (Pace.NEARLY, date(2026, 2, 12))


def test_extension_does_not_change_the_pace() -> None:
    standing = stand(720, 720, as_of=date(2025, 11, 22), extended_due_on=date(2026, 6, 1))
    paces = [forecast(standing, r, date(2025, 11, 22)) for r in standing.results]
    assert [f.pace for f in paces if f] == [Pace.NEARLY]
    assert forecast(standing, standing.results[0], date(2026, 1, 1)) is None


def test_a_renewal_whose_cycle_ends_today_still_has_a_pace() -> None:
    today = date(2025, 12, 31)
    standing = stand(800, as_of=today)
    found = forecast(standing, standing.results[0], today)
    # 100 minutes are left, at 800 in 364 days.
    assert found == Forecast(Pace.NEARLY, date(2026, 2, 15))


def test_hours_complete_on_the_last_day_are_on_pace() -> None:
    today = date(2025, 7, 1)
    for minutes, expected in (
        (448, Forecast(Pace.ON, date(2025, 12, 31))),
        (447, Forecast(Pace.NEARLY, date(2026, 1, 1))),
    ):
        standing = stand(minutes, as_of=today)
        assert forecast(standing, standing.results[0], today) == expected


def test_two_months_of_records_are_enough_for_a_forecast() -> None:
    standing = stand(200)
    assert forecast(standing, standing.results[0], date(2025, 3, 1)) is None
    # 60 days after January 1: 700 minutes are left, at 200 in 60 days.
    found = forecast(standing, standing.results[0], date(2025, 3, 2))
    assert found == Forecast(Pace.ON, date(2025, 9, 28))


def test_hours_behind_say_when_they_will_be_complete() -> None:
    standing = stand(100, as_of=date(2025, 6, 1))
    # 800 minutes are left, at 100 in 151 days.
    found = forecast(standing, standing.results[0], date(2025, 6, 1))
    assert found == Forecast(Pace.BEHIND, date(2028, 9, 21))


def test_hours_that_would_take_beyond_the_calendar_have_no_day() -> None:
    standing, today = stand(60), date(2025, 3, 2)
    longest = (date.max - today).days
    for short, done_on in ((longest, date.max), (longest + 1, None)):
        result = standing.results[0]._replace(required=longest * 2, short=short)
        assert forecast(standing, result, today) == Forecast(Pace.BEHIND, done_on)


def test_hours_are_due_by_a_due_date_within_the_cycle() -> None:
    standing = stand(550, rulebooks=IMAGINED, whose=("EARLY", "IFS"))
    assert standing.due_on == date(2025, 11, 30)
    # 334 days until the due date: 306 of them for 550 of 600 minutes, and a sixth of 334 is 55.
    assert falls_behind_on(standing) is None
    # 501 of 600 minutes: 278 days, and 55.
    standing = stand(501, rulebooks=IMAGINED, whose=("EARLY", "IFS"))
    assert falls_behind_on(standing) == date(2025, 11, 30)


def test_an_overdue_requirement_has_no_pace_within_the_cycle() -> None:
    for today, has_pace in ((date(2025, 11, 30), True), (date(2025, 12, 1), False)):
        standing = stand(0, rulebooks=IMAGINED, whose=("EARLY", "IFS"), as_of=today)
        found = forecast(standing, standing.results[0], today)
        assert (found is not None) == has_pace


def test_months_of_leave_do_not_count_for_the_pace() -> None:
    triennial = {"rulebooks": IMAGINED, "whose": ("TRIENNIAL", "IFS"), "rsc": 36 * 60}
    leave = (Absence(date(2025, 7, 1), date(2026, 6, 30)),)
    # Without leave: a sixth of 1,095 days. With leave: a sixth of 730 days, which end before it.
    assert falls_behind_on(stand(0, **triennial)) == date(2025, 7, 2)  # type: ignore[arg-type]
    behind_on = falls_behind_on(stand(0, **triennial, leaves=leave))  # type: ignore[arg-type]
    assert behind_on == date(2025, 5, 2)
    # A quarter of 30 hours: a quarter of the days that are left, which end after the leave.
    behind_on = falls_behind_on(stand(450, **triennial, leaves=leave))  # type: ignore[arg-type]
    assert behind_on == date(2026, 10, 31)
    # A single day away, too.
    two = (*leave, Absence(date(2026, 9, 1), date(2026, 9, 1)))
    behind_on = falls_behind_on(stand(450, **triennial, leaves=two))  # type: ignore[arg-type]
    assert behind_on == date(2026, 11, 1)
    # Half of 30 hours: half of the 730 days that are left.
    behind_on = falls_behind_on(stand(900, **triennial, leaves=leave))  # type: ignore[arg-type]
    assert behind_on == date(2027, 5, 2)


def test_leave_counts_for_the_pace_of_one_requirement() -> None:
    today = date(2025, 5, 2)
    leave = (Absence(date(2025, 7, 1), date(2026, 6, 30)),)
    for leaves, expected in ((leave, Forecast(Pace.BEHIND, None)), ((), None)):
        standing = stand(0, rulebooks=IMAGINED, whose=("TRIENNIAL", "IFS"), leaves=leaves)
        assert forecast(standing, standing.results[0], today) == expected


def test_leave_from_the_day_of_falling_behind_postpones_it() -> None:
    triennial: dict[str, Any] = {"rulebooks": IMAGINED, "whose": ("TRIENNIAL", "IFS"), "rsc": 2160}
    for starts_on, expected in (
        (date(2025, 5, 2), date(2026, 5, 2)),
        (date(2025, 5, 3), date(2025, 5, 2)),
    ):
        leave = (Absence(starts_on, starts_on + timedelta(days=364)),)
        assert falls_behind_on(stand(0, **triennial, leaves=leave)) == expected


def test_leave_too_short_to_require_less_changes_no_pace() -> None:
    triennial: dict[str, Any] = {"rulebooks": IMAGINED, "whose": ("TRIENNIAL", "IFS"), "rsc": 2160}
    for ends_on, expected in (
        (date(2025, 4, 20), date(2025, 7, 2)),
        (date(2025, 4, 30), date(2025, 7, 27)),
    ):
        leave = (Absence(date(2025, 4, 1), ends_on),)
        assert falls_behind_on(stand(0, **triennial, leaves=leave)) == expected
