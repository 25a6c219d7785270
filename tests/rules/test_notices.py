"""Which notices a standing calls for, and why the others are skipped: no database needed."""

from collections.abc import Mapping
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.case_data import IMAGINED, REAL, TESTS
from tracker.rulebooks import Rulebooks, load_notice_configs
from tracker.rules.notice_config import LapseSteps, MembershipSteps, NoticeConfig, RenewalSteps
from tracker.rules.notices import Cutoff, Decision, Key, Kind, decide
from tracker.rules.providers import Ending
from tracker.rules.renewal import judge_renewal
from tracker.rules.standing import Absence, Facts, Span, Standing, Status

CONFIG = load_notice_configs(TESTS.parent / "config", ()).installation
DAY = timedelta(days=1)
DUE = date(2024, 12, 31)
GRACE_ENDS = date(2025, 1, 31)
MEMBER = (Span(date(2024, 1, 1), date(2025, 12, 31)),)
ALL_HOURS = {"training": 15 * 60, "topic:DEIA": 60, "rsc": 12 * 60}
NO_HOURS: dict[str, int] = {}


def alice(
    as_of: date,
    *,
    cycle: date = date(2024, 6, 1),
    category: str = "IFS",
    rulebooks: Rulebooks = REAL,
    association: str = "NCIMHA",
    **facts: Any,  # noqa: ANN401 - fields of Facts
) -> Standing:
    """How Alice stands, endorsed in 2020, a member to the end of 2025; without hours."""
    values: dict[str, Any] = {
        "starts_on": date(2020, 5, 1),
        "ends_on": None,
        "memberships": MEMBER,
        **facts,
    }
    plan = rulebooks.plan(association, category, values["starts_on"], cycle)
    assert plan is not None
    all_facts = Facts(
        subject_id=1,
        person_id=1,
        email="alice@example.org",
        name="Alice",
        provides_rsc=False,
        minutes=values.pop("minutes", NO_HOURS),
        **values,
    )
    standing = judge_renewal(plan, all_facts, as_of)
    assert standing is not None
    return standing


def decisions(
    standing: Standing,
    as_of: date,
    *,
    cutoffs: tuple[Cutoff, ...] = (),
    decided: Mapping[Key, date] | None = None,
    config: NoticeConfig = CONFIG,
) -> list[Decision]:
    return decide(config, standing, cutoffs, decided or {}, as_of)


def sent(found: list[Decision]) -> list[tuple[Kind, date, int]]:
    return [(d.key.kind, d.key.due_on, d.key.step) for d in found if d.skipped is None]


def reasons(found: list[Decision], kind: Kind = Kind.RENEWAL) -> set[str]:
    return {d.skipped for d in found if d.skipped is not None and d.key.kind is kind}


def remembered(found: list[Decision]) -> dict[Key, date]:
    """What the ledger holds once they are recorded."""
    return {d.key: d.renewal.plan.cycle.starts_on for d in found if d.renewal.plan.cycle}


def decided_until(as_of: date, **facts: Any) -> dict[Key, date]:  # noqa: ANN401 - fields of Facts
    """What the ledger holds when every morning up to ``as_of`` had its run."""
    decided: dict[Key, date] = {}
    day = date(2024, 9, 1)
    while day <= as_of:
        decided |= remembered(decisions(alice(day, **facts), day, decided=decided))
        day += DAY
    return decided


# --- the steps of a renewal


@pytest.mark.parametrize("step", [-90, -60, -30, -14, -7, -1, 1, 14])
def test_reminder_is_sent_on_its_day(step: int) -> None:
    day = DUE + step * DAY
    before = decided_until(day - DAY)
    assert [k.step for k in before if k.step == step] == []
    assert sent(decisions(alice(day), day, decided=before)) == [(Kind.RENEWAL, DUE, step)]


def test_between_two_steps_nothing_is_decided() -> None:
    day = date(2024, 12, 20)
    assert decisions(alice(day), day, decided=decided_until(day)) == []


def test_daily_runs_send_each_step_once() -> None:
    keys = list(decided_until(date(2025, 9, 30)))
    assert [(k.kind, k.step) for k in keys if k.due_on == DUE] == [
        *((Kind.RENEWAL, step) for step in (-90, -60, -30, -14, -7, -1, 1, 14)),
        (Kind.LAPSE, 32),
    ]


def test_latest_of_several_steps_is_sent() -> None:
    day = date(2024, 12, 18)
    found = decisions(alice(day), day)
    assert sent(found) == [(Kind.RENEWAL, DUE, -14)]
    assert [(d.key.step, d.skipped) for d in found if d.skipped] == [
        (-90, "a later step was due as well"),
        (-60, "a later step was due as well"),
        (-30, "a later step was due as well"),
    ]


def test_no_reminder_when_everything_is_met() -> None:
    day = date(2024, 12, 1)
    found = decisions(alice(day, minutes=ALL_HOURS), day)
    assert sent(found) == []
    assert "every requirement is met" in reasons(found)


def test_one_minute_short_is_short() -> None:
    day = date(2024, 12, 1)
    found = decisions(alice(day, minutes={**ALL_HOURS, "rsc": 719}), day)
    assert sent(found) == [(Kind.RENEWAL, DUE, -30)]


def test_reminders_stop_once_everything_is_met() -> None:
    day = date(2024, 12, 24)
    found = decisions(alice(day, minutes=ALL_HOURS), day, decided=decided_until(day - DAY))
    assert [(d.key.step, d.skipped) for d in found] == [(-7, "every requirement is met")]


def test_reminders_resume_after_hours_are_deleted() -> None:
    decided = decided_until(date(2024, 12, 24), minutes=ALL_HOURS)
    assert decisions(alice(date(2024, 12, 26)), date(2024, 12, 26), decided=decided) == []
    day = date(2024, 12, 30)
    assert sent(decisions(alice(day), day, decided=decided)) == [(Kind.RENEWAL, DUE, -1)]


def test_leave_on_the_due_date_excuses_from_reminders() -> None:
    day = date(2024, 12, 1)
    found = decisions(alice(day, leaves=(Absence(date(2024, 11, 1), DUE),)), day)
    assert sent(found) == [(Kind.ABSENCE_ENDS, DUE, -30)]
    assert "on leave on the due date" in reasons(found)


def test_leave_that_ends_early_does_not_excuse() -> None:
    day = date(2024, 12, 1)
    found = decisions(alice(day, leaves=(Absence(date(2024, 11, 1), DUE - DAY),)), day)
    assert (Kind.RENEWAL, DUE, -30) in sent(found)


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (date(2024, 11, 30), [(Kind.RENEWAL, DUE, -30)]),
        (date(2024, 12, 1), []),
        (DUE - DAY, []),
    ],
)
def test_no_reminders_while_inactive(last: date, expected: list[tuple[Kind, date, int]]) -> None:
    day = date(2024, 12, 1)
    inactive = (Absence(date(2024, 11, 1), last, "inactive"),)
    found = decisions(alice(day, leaves=inactive), day)
    assert [each for each in sent(found) if each[0] is Kind.RENEWAL] == expected
    assert ("the endorsement is inactive" in reasons(found)) == (not expected)


def test_what_is_due_while_inactive_has_reminders() -> None:
    day = date(2027, 12, 1)
    due_on = date(2027, 12, 31)
    inactive = (Absence(date(2027, 11, 1), due_on, "inactive"),)
    standing = alice(day, leaves=inactive, rulebooks=IMAGINED, association="TRIENNIAL", cycle=day)
    found = decisions(standing, day)
    assert (Kind.RENEWAL, due_on, -30) in sent(found)


def test_no_reminder_when_everything_is_waived() -> None:
    day = date(2024, 12, 1)
    waived = ("training", "training.deia", "rsc")
    assert sent(decisions(alice(day, waived=waived), day)) == []


def test_waiver_does_not_stop_other_reminders() -> None:
    day = date(2024, 12, 1)
    assert sent(decisions(alice(day, waived=("rsc",)), day)) == [(Kind.RENEWAL, DUE, -30)]


def test_no_reminder_in_the_year_of_endorsement() -> None:
    day = date(2024, 12, 1)
    assert sent(decisions(alice(day, starts_on=date(2024, 2, 1)), day)) == []


def test_membership_reminder_in_the_year_of_endorsement() -> None:
    day = date(2024, 12, 1)
    found = decisions(alice(day, starts_on=date(2024, 2, 1), memberships=()), day)
    assert sent(found) == [(Kind.RENEWAL, DUE, -30)]


def test_a_category_without_rules_has_no_notices() -> None:
    day = date(2024, 12, 1)
    standing = alice(day, association="VAIMH", category="IFS")
    assert standing.status is Status.NO_RULES
    assert decisions(standing, day) == []


# --- lapse


def test_lapse_notice_follows_the_grace_period() -> None:
    assert decisions(alice(GRACE_ENDS), GRACE_ENDS, decided=decided_until(GRACE_ENDS)) == []
    day = GRACE_ENDS + DAY
    assert sent(decisions(alice(day), day, decided=decided_until(GRACE_ENDS))) == [
        (Kind.LAPSE, DUE, 32)
    ]


def test_no_lapse_notice_after_a_late_renewal() -> None:
    day = GRACE_ENDS + DAY
    found = decisions(alice(day, minutes=ALL_HOURS), day, decided=decided_until(GRACE_ENDS))
    assert found == []


def test_lapse_notice_replaces_the_reminder() -> None:
    day = GRACE_ENDS + DAY
    found = decisions(alice(day), day)
    assert sent(found) == [(Kind.LAPSE, DUE, 32)]
    assert "the renewal has lapsed, which has a notice of its own" in reasons(found)


def test_lapse_notice_can_be_turned_off() -> None:
    day = GRACE_ENDS + DAY
    quiet = CONFIG.model_copy(update={"lapse": LapseSteps(notify=False)})
    assert sent(decisions(alice(day), day, config=quiet)) == []


@pytest.mark.parametrize(("late", "expected"), [(60, [(Kind.LAPSE, DUE, 32)]), (61, [])])
def test_a_lapse_seen_too_late_is_old_news(
    late: int, expected: list[tuple[Kind, date, int]]
) -> None:
    day = GRACE_ENDS + DAY + late * DAY
    assert sent(decisions(alice(day), day)) == expected


def test_what_is_too_late_says_how_late() -> None:
    day = GRACE_ENDS + DAY + 61 * DAY
    assert reasons(decisions(alice(day), day), Kind.LAPSE) == {"it fell due 61 days ago"}


def test_early_reminder_is_not_sent_late() -> None:
    day = DUE + DAY
    only_before = CONFIG.model_copy(update={"renewal": RenewalSteps(before=(7, 1))})
    assert sent(decisions(alice(DUE), DUE, config=only_before)) == [(Kind.RENEWAL, DUE, -1)]
    found = decisions(alice(day), day, config=only_before)
    assert sent(found) == []
    assert "the day that it is about has passed" in reasons(found)


# --- extension


EXTENDED = date(2025, 2, 28)


def test_extension_does_not_repeat_notices() -> None:
    day = date(2025, 1, 2)
    found = decisions(alice(day, extended_due_on=EXTENDED), day, decided=decided_until(day - DAY))
    assert sent(found) == []
    assert "the due date was moved; the next step follows" in reasons(found)


def test_next_step_is_sent_after_an_extension() -> None:
    day = date(2025, 1, 2)
    decided = decided_until(day - DAY)
    decided |= remembered(decisions(alice(day, extended_due_on=EXTENDED), day, decided=decided))
    day = EXTENDED - 30 * DAY
    eve = day - DAY
    assert decisions(alice(eve, extended_due_on=EXTENDED), eve, decided=decided) == []
    found = decisions(alice(day, extended_due_on=EXTENDED), day, decided=decided)
    assert sent(found) == [(Kind.RENEWAL, EXTENDED, -30)]


def test_long_extension_keeps_all_steps() -> None:
    far = date(2025, 10, 31)
    decided = decided_until(date(2025, 1, 1))
    day = far - 90 * DAY
    found = decisions(alice(day, extended_due_on=far), day, decided=decided)
    assert sent(found) == [(Kind.RENEWAL, far, -90)]


def test_extension_does_not_affect_next_year() -> None:
    decided = decided_until(date(2025, 1, 1))
    moved = date(2025, 1, 2)
    decided |= remembered(decisions(alice(moved, extended_due_on=EXTENDED), moved, decided=decided))
    day = date(2025, 10, 2)
    next_year = alice(day, cycle=date(2025, 6, 1))
    assert sent(decisions(next_year, day, decided=decided)) == [
        (Kind.RENEWAL, date(2025, 12, 31), -90)
    ]


def test_two_renewals_due_together_have_two_notices() -> None:
    next_due = date(2025, 12, 31)
    day = next_due - 90 * DAY
    old = decisions(alice(day, extended_due_on=next_due), day)
    assert sent(old) == [(Kind.RENEWAL, next_due, -90)]
    new = decisions(alice(day, cycle=date(2025, 6, 1)), day, decided=remembered(old))
    assert sent(new) == [(Kind.RENEWAL, next_due, -90)]


# --- membership


UNTIL = date(2024, 8, 15)
ENDING = (Span(date(2024, 1, 1), UNTIL),)


def membership_decisions(day: date, memberships: tuple[Span, ...] = ENDING) -> list[Decision]:
    """With nothing decided before; of several steps the latest counts."""
    standing = alice(day, minutes=ALL_HOURS, memberships=memberships)
    return [d for d in decisions(standing, day) if d.key.kind is Kind.MEMBERSHIP]


@pytest.mark.parametrize("step", [-30, -7, 1])
def test_membership_notice_is_sent_on_its_day(step: int) -> None:
    day = UNTIL + step * DAY
    assert step not in [d.key.step for d in membership_decisions(day - DAY)]
    assert sent(membership_decisions(day)) == [(Kind.MEMBERSHIP, UNTIL, step)]


def test_no_notice_on_a_memberships_last_day() -> None:
    decided = remembered(membership_decisions(UNTIL - DAY))
    standing = alice(UNTIL, minutes=ALL_HOURS, memberships=ENDING)
    assert decisions(standing, UNTIL, decided={**decided, **decided_until(UNTIL)}) == []


def test_renewed_membership_ends_on_its_new_day() -> None:
    renewed = (*ENDING, Span(UNTIL + DAY, date(2025, 8, 15)))
    assert membership_decisions(UNTIL - 7 * DAY, renewed) == []
    assert membership_decisions(UNTIL + DAY, renewed) == []


def test_a_membership_ends_before_a_gap_of_one_day() -> None:
    gap = (*ENDING, Span(UNTIL + 2 * DAY, date(2025, 8, 15)))
    found = membership_decisions(UNTIL - 7 * DAY, gap)
    assert {d.key.due_on for d in found if d.key.kind is Kind.MEMBERSHIP} == {UNTIL}


def test_a_membership_in_its_own_grace_period_has_its_notice() -> None:
    last_day = date(2024, 6, 30)
    spans = (Span(date(2024, 1, 1), last_day),)
    day = last_day + DAY
    standing = alice(day, rulebooks=IMAGINED, association="GRACE", memberships=spans)
    assert (standing.status, standing.covered_until) == (Status.MET, last_day)
    assert standing.membership_counts_until == date(2024, 7, 30)
    found = [d for d in decisions(standing, day) if d.key.kind is Kind.MEMBERSHIP]
    assert sent(found) == [(Kind.MEMBERSHIP, last_day, 1)]


def test_a_gap_within_a_memberships_grace_period_has_no_notice() -> None:
    spans = (Span(date(2024, 1, 1), date(2024, 6, 30)), Span(date(2024, 7, 31), date(2025, 7, 30)))
    day = date(2024, 7, 1)
    standing = alice(day, rulebooks=IMAGINED, association="GRACE", memberships=spans)
    assert standing.covered_until == date(2025, 7, 30)
    assert [d for d in decisions(standing, day) if d.key.kind is Kind.MEMBERSHIP] == []


def test_membership_notice_is_sent_once_across_cycles() -> None:
    year = (Span(date(2024, 1, 1), DUE),)
    day = DUE + DAY
    old = alice(day, minutes=ALL_HOURS, memberships=year)
    new = alice(day, cycle=day, minutes=ALL_HOURS, memberships=year)
    assert sent(decisions(old, day)) == []
    assert sent(decisions(new, day)) == [(Kind.MEMBERSHIP, DUE, 1)]


def test_no_notice_about_a_waived_membership() -> None:
    day = UNTIL + DAY
    standing = alice(day, minutes=ALL_HOURS, memberships=ENDING, waived=("membership",))
    found = decisions(standing, day)
    assert sent(found) == []
    assert "membership is waived" in reasons(found, Kind.MEMBERSHIP)


def test_membership_lapse_notice_can_be_turned_off() -> None:
    steps = MembershipSteps(before=(30, 7), on_lapse=False)
    quiet = CONFIG.model_copy(update={"membership": steps})
    standing = alice(UNTIL + DAY, minutes=ALL_HOURS, memberships=ENDING)
    found = decisions(standing, UNTIL + DAY, config=quiet)
    assert sent(found) == []
    assert "the day that it is about has passed" in reasons(found, Kind.MEMBERSHIP)


@pytest.mark.parametrize(("late", "number"), [(60, 1), (61, 0)])
def test_no_notice_long_after_a_membership_ended(late: int, number: int) -> None:
    assert len(sent(membership_decisions(UNTIL + DAY + late * DAY))) == number


# --- provider cutoffs


LAST_DAY = date(2024, 9, 30)
BOB = Cutoff(7, "Bob", Ending("Bob", LAST_DAY), 300)


def cutoff_decisions(day: date, **facts: Any) -> list[Decision]:  # noqa: ANN401 - fields of Facts
    standing = alice(day, **{"minutes": ALL_HOURS, **facts})
    found = decisions(standing, day, cutoffs=(BOB,))
    return [d for d in found if d.key.kind is Kind.CUTOFF]


@pytest.mark.parametrize("step", [-180, -90, -30])
def test_cutoff_notice_is_sent_on_its_day(step: int) -> None:
    day = LAST_DAY + step * DAY
    assert step not in [d.key.step for d in cutoff_decisions(day - DAY)]
    assert sent(cutoff_decisions(day)) == [(Kind.CUTOFF, LAST_DAY, step)]


def test_cutoff_notice_is_sent_when_everything_is_met() -> None:
    assert sent(cutoff_decisions(LAST_DAY - 30 * DAY, minutes=ALL_HOURS)) != []


def test_cutoff_notice_is_sent_through_the_last_day() -> None:
    assert len(sent(cutoff_decisions(LAST_DAY))) == 1
    assert cutoff_decisions(LAST_DAY + DAY) == []


def test_two_cutoffs_on_one_day_are_two_notices() -> None:
    day = LAST_DAY - 30 * DAY
    both = (BOB, BOB._replace(provider_id=8, provider_name="Cleo"))
    found = sent(decisions(alice(day, minutes=ALL_HOURS), day, cutoffs=both))
    assert found == [(Kind.CUTOFF, LAST_DAY, -30)] * 2


def test_no_cutoff_notice_when_rsc_is_waived() -> None:
    day = LAST_DAY - 30 * DAY
    assert reasons(cutoff_decisions(day, waived=("rsc",)), Kind.CUTOFF) >= {"RSC is waived"}


def test_cutoff_notice_belongs_to_the_current_cycle() -> None:
    day = date(2025, 3, 1)
    bob = BOB._replace(ending=Ending("Bob", date(2025, 3, 31)))
    old = decisions(alice(day, minutes=ALL_HOURS), day, cutoffs=(bob,))
    new = decisions(alice(day, cycle=day, minutes=ALL_HOURS), day, cutoffs=(bob,))
    assert (len(sent(old)), len(sent(new))) == (0, 1)


# --- other cycles


def test_steps_count_from_a_later_due_date() -> None:
    # A year from May 1, due a fortnight after its end, 10 days of grace.
    due = date(2025, 5, 14)
    endorsed: dict[str, Any] = {
        "starts_on": date(2023, 5, 1),
        "rulebooks": IMAGINED,
        "association": "ANNIVERSARY",
    }

    def on(day: date) -> list[tuple[Kind, date, int]]:
        standing = alice(day, cycle=date(2025, 4, 1), memberships=MEMBER, **endorsed)
        return sent(decisions(standing, day))

    assert on(due - DAY) == [(Kind.RENEWAL, due, -1)]
    assert on(due + DAY) == [(Kind.RENEWAL, due, 1)]
    assert on(due + 11 * DAY) == [(Kind.LAPSE, due, 11)]


# --- whatever the day and whatever was said before


DAYS = st.dates(date(2024, 1, 1), date(2026, 12, 31))
EXTENSIONS = st.none() | st.dates(date(2025, 1, 1), date(2026, 6, 30))
MEMBERSHIPS = st.lists(
    st.tuples(st.dates(date(2023, 6, 1), date(2025, 1, 1)), st.integers(0, 500)).map(
        lambda pair: Span(pair[0], pair[0] + pair[1] * DAY)
    ),
    max_size=3,
).map(tuple)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Standing, date]:
    day = draw(DAYS)
    standing = alice(
        day,
        minutes=draw(st.sampled_from([NO_HOURS, ALL_HOURS])),
        extended_due_on=draw(EXTENSIONS),
        memberships=draw(MEMBERSHIPS),
    )
    return standing, day


@given(situations())
def test_at_most_one_step_per_date_is_sent(given_: tuple[Standing, date]) -> None:
    dates = [key[:2] for key in sent(decisions(*given_, cutoffs=(BOB,)))]
    assert len(dates) == len(set(dates))


@given(situations(), st.randoms(use_true_random=False))
def test_nothing_is_decided_twice(given_: tuple[Standing, date], random: Random) -> None:
    found = decisions(*given_, cutoffs=(BOB,))
    decided = remembered(random.sample(found, random.randint(0, len(found))))
    again = decisions(*given_, cutoffs=(BOB,), decided=decided)
    assert not {d.key for d in again} & decided.keys()


@given(situations())
def test_second_run_on_one_day_decides_nothing(given_: tuple[Standing, date]) -> None:
    found = decisions(*given_, cutoffs=(BOB,))
    assert decisions(*given_, cutoffs=(BOB,), decided=remembered(found)) == []


@given(situations())
def test_nothing_is_decided_before_its_day(given_: tuple[Standing, date]) -> None:
    _, day = given_
    assert all(d.key.due_on + d.key.step * DAY <= day for d in decisions(*given_, cutoffs=(BOB,)))


def test_a_stored_next_membership_is_not_asked_for_again() -> None:
    until = date(2024, 8, 15)
    for gap in (1, 2, 31):
        following = Span(until + gap * DAY, until + 365 * DAY)
        terms = (Span(date(2024, 1, 1), until), following)
        for day in (until - 30 * DAY, until - 7 * DAY, until + DAY):
            found = decisions(alice(day, memberships=terms), day)
            assert Kind.MEMBERSHIP not in {kind for kind, _, _ in sent(found)}
            if gap > 1 and day <= until:
                said = {f"the next membership, from {following.starts_on}, is on record"}
                assert said <= reasons(found, Kind.MEMBERSHIP)


@pytest.mark.parametrize(
    ("until", "next_from"),
    [(date(2024, 8, 15), date(2024, 10, 1)), (date(2024, 12, 20), date(2025, 1, 2))],
    ids=["longer than the grace period", "over the cycle's last day"],
)
def test_a_gap_that_matters_is_still_told_of(until: date, next_from: date) -> None:
    day = until - 7 * DAY
    terms = (Span(date(2024, 1, 1), until), Span(next_from, date(2025, 12, 31)))
    assert (Kind.MEMBERSHIP, until, -7) in sent(decisions(alice(day, memberships=terms), day))


def test_only_a_membership_that_starts_in_time_needs_no_reminder() -> None:
    day = DUE - 30 * DAY
    for starts_on, is_quiet in ((date(2024, 12, 15), True), (date(2025, 1, 1), False)):
        terms = (Span(starts_on, date(2025, 12, 31)),)
        found = decisions(alice(day, minutes=ALL_HOURS, memberships=terms), day)
        assert ((Kind.RENEWAL, DUE, -30) not in sent(found)) == is_quiet
