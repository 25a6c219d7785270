"""Which notices an application calls for, and why the others are skipped: no database needed."""

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.case_data import REAL
from tests.rules.test_notices import CONFIG
from tests.rules.test_work import work
from tracker.rules.application.candidate import (
    Candidate,
    CandidateDegree,
    CandidateReference,
    CandidateSession,
)
from tracker.rules.application.notices import decide_application
from tracker.rules.application.readiness import judge_application
from tracker.rules.notice_config import NoticeConfig, WindowSteps
from tracker.rules.notices import Cutoff, Decision, Key, Kind
from tracker.rules.providers import Ending
from tracker.rules.standing import ApplicationFacts, ApplicationStanding, Outcome, Span

DAY = timedelta(days=1)
HOUR = 60
OPENED = date(2024, 1, 10)
MASTER = CandidateDegree("master", "MSW", date(2020, 5, 15), "official")
FIRST = date(2024, 3, 1)
CLOSES = date(2026, 2, 28)
MEMBER = (Span(date(2024, 1, 1), date(2030, 12, 31)),)
ROLES = ("program-supervisor", "rsc-provider", "colleague")
THREE_CAME = tuple(CandidateReference(f"R{n}", role, OPENED) for n, role in enumerate(ROLES))


def session(day: date, hours: int = 1) -> CandidateSession:
    return CandidateSession(day, "RSC", hours * HOUR, {})


def maya(
    as_of: date,
    *,
    category: str = "IMHS",
    memberships: tuple[Span, ...] = MEMBER,
    **candidate: Any,  # noqa: ANN401 - fields of Candidate
) -> ApplicationStanding:
    """How Maya's application at VAIMH stands: opened in January 2024, nothing on record."""
    values: dict[str, Any] = {
        "state": "open",
        "opened_on": OPENED,
        "submitted_on": None,
        "degrees": (MASTER,),
        **candidate,
    }
    values["sessions"] = tuple(s for s in values.get("sessions", ()) if s.held_on <= as_of)
    facts = ApplicationFacts(
        subject_id=5,
        person_id=1,
        email="maya@example.org",
        name="Maya",
        provides_rsc=False,
        minutes={},
        memberships=memberships,
        candidate=Candidate(**values),
    )
    standing = judge_application(REAL.application_plan("VAIMH", category, as_of), facts, as_of)
    assert standing is not None
    return standing


def decisions(
    standing: ApplicationStanding,
    as_of: date,
    *kinds: Kind,
    cutoffs: tuple[Cutoff, ...] = (),
    decided: dict[Key, bool] | None = None,
    config: NoticeConfig = CONFIG,
    asked_on: date | None = None,
) -> list[Decision]:
    """The decisions of the ``kinds`` (default: all)."""
    found = decide_application(config, standing, cutoffs, decided or {}, as_of, asked_on=asked_on)
    return [d for d in found if d.key.kind in (kinds or Kind)]


def sent(found: list[Decision]) -> list[tuple[date, int]]:
    return [(d.key.due_on, d.key.step) for d in found if d.skipped is None]


def reasons(found: list[Decision]) -> set[str | None]:
    return {d.skipped for d in found}


def sent_each_day(
    first: date,
    last: date,
    kind: Kind,
    **about: Any,  # noqa: ANN401 - as `maya` takes it
) -> list[tuple[date, tuple[date, int]]]:
    """What is sent if every morning has its run: the day, and what of which date."""
    decided: dict[Key, bool] = {}
    told = []
    day = first
    while day <= last:
        found = decisions(maya(day, **about), day, kind, decided=decided)
        told += [(day, what) for what in sent(found)]
        decided |= {d.key: d.skipped is None for d in found}
        day += DAY
    return told


# --- the RSC window


@pytest.mark.parametrize("step", [-90, -30, -7])
@pytest.mark.parametrize(("late", "expected"), [(-1, 0), (0, 1), (1, 0)])
def test_window_notice_is_sent_on_its_day_only(step: int, late: int, expected: int) -> None:
    sessions = (session(FIRST, 10),)
    day = CLOSES + (step + late) * DAY
    told = sent_each_day(CLOSES - 100 * DAY, day, Kind.RSC_WINDOW, sessions=sessions)
    assert [what for on, what in told if on == day] == [(CLOSES, step)] * expected


def test_window_notice_says_how_many_hours_are_missing() -> None:
    day = CLOSES - 30 * DAY
    sessions = (session(FIRST, 10), session(date(2025, 6, 1), 28))
    [*_, found] = decisions(maya(day, sessions=sessions), day, Kind.RSC_WINDOW)
    assert [(r.counted, r.short) for r in found.lacking] == [(38 * HOUR, 12 * HOUR)]


def test_window_notice_leaves_out_hours_outside_it() -> None:
    # The best window, of 45 hours, is over; what is still open holds 5 of them.
    later = date(2026, 6, 1)
    sessions = (session(FIRST, 40), session(date(2024, 7, 1), 5))
    standing = maya(later, sessions=sessions)
    result = next(r for r in standing.results if r.requirement.id == "rsc")
    assert result.counted == 45 * HOUR
    [*_, found] = decisions(standing, later, Kind.RSC_WINDOW)
    assert found.key.due_on == date(2026, 6, 30)
    assert [(r.counted, r.short) for r in found.lacking] == [(5 * HOUR, 45 * HOUR)]


def test_a_full_window_is_not_told_of() -> None:
    sessions = (session(FIRST, 50),)
    assert sent_each_day(CLOSES - 100 * DAY, CLOSES, Kind.RSC_WINDOW, sessions=sessions) == []


def test_without_any_session_there_is_no_window() -> None:
    assert decisions(maya(CLOSES), CLOSES, Kind.RSC_WINDOW) == []


def test_of_several_steps_missed_the_latest_is_sent() -> None:
    day = CLOSES - 5 * DAY
    found = decisions(maya(day, sessions=(session(FIRST),)), day, Kind.RSC_WINDOW)
    assert sent(found) == [(CLOSES, -7)]
    assert reasons(found) == {None, "a later step was due as well"}


def test_each_window_has_its_own_notices() -> None:
    day = CLOSES - 30 * DAY
    giving = work(OPENED, None, gives_rsc=True)
    standing = maya(day, category="IFRS", sessions=(session(FIRST),), positions=(giving,))
    decided = {Key(Kind.RSC_WINDOW, "rsc", CLOSES, step): True for step in (-90, -30)}
    found = decisions(standing, day, Kind.RSC_WINDOW, decided=decided)
    assert {d.key.subject_key for d in found} == {"rsc.giving"}


def test_association_can_go_without_window_notices() -> None:
    config = NoticeConfig(rsc_window=WindowSteps(before=()))
    day, sessions = CLOSES - 30 * DAY, (session(FIRST),)
    decided = {Key(Kind.RSC_WINDOW, "rsc", CLOSES - 40 * DAY, -7): True}
    standing = maya(day, sessions=sessions)
    assert decisions(standing, day, Kind.RSC_WINDOW, config=config, decided=decided) == []


def test_window_notice_is_sent_through_the_last_day() -> None:
    sessions = (session(FIRST),)
    assert sent(decisions(maya(CLOSES, sessions=sessions), CLOSES, Kind.RSC_WINDOW))
    day = CLOSES + DAY
    assert decisions(maya(day, sessions=sessions), day, Kind.RSC_WINDOW) == []


def test_regular_sessions_do_not_cause_repeated_window_notices() -> None:
    sessions = tuple(session(FIRST + n * 14 * DAY) for n in range(80))
    last = CLOSES + 365 * DAY
    told = sent_each_day(CLOSES - 100 * DAY, last, Kind.RSC_WINDOW, sessions=sessions)
    closing = sorted({due_on for _, (due_on, _) in told})
    assert closing[0] == CLOSES
    assert all((b - a).days > 90 for a, b in pairwise(closing))
    assert len(told) <= 3 + 2 * (len(closing) - 1)


def test_the_next_window_is_skipped_with_its_reason() -> None:
    day = date(2026, 3, 10)
    decided = {Key(Kind.RSC_WINDOW, "rsc", CLOSES, -7): True}
    sessions = (session(FIRST), session(date(2024, 4, 1)))
    found = decisions(maya(day, sessions=sessions), day, Kind.RSC_WINDOW, decided=decided)
    assert sent(found) == []
    assert "a notice about an earlier window was sent recently" in reasons(found)


@pytest.mark.parametrize(
    ("requirement_id", "closed_on", "is_silent"),
    [
        ("rsc", date(2026, 3, 30), True),
        ("rsc", date(2025, 12, 31), True),
        ("rsc", date(2025, 12, 30), False),
        ("rsc.giving", date(2026, 3, 30), False),
    ],
)
def test_window_is_quiet_for_some_time_after_another(
    requirement_id: str, closed_on: date, *, is_silent: bool
) -> None:
    day = date(2026, 3, 10)
    decided = {Key(Kind.RSC_WINDOW, requirement_id, closed_on, -7): True}
    standing = maya(day, sessions=(session(FIRST), session(date(2024, 4, 1))))
    found = decisions(standing, day, Kind.RSC_WINDOW, decided=decided)
    assert sent(found) == ([] if is_silent else [(date(2026, 3, 31), -30)])


def test_a_window_that_was_skipped_silences_no_other() -> None:
    day = date(2026, 3, 10)
    decided = {Key(Kind.RSC_WINDOW, "rsc", CLOSES, -7): False}
    sessions = (session(FIRST), session(date(2024, 4, 1)))
    found = decisions(maya(day, sessions=sessions), day, Kind.RSC_WINDOW, decided=decided)
    assert sent(found) == [(date(2026, 3, 31), -30)]


@given(st.lists(st.integers(0, 900), max_size=40), st.integers(0, 900))
def test_open_window_never_lacks_less_than_the_best(days: list[int], until: int) -> None:
    as_of = FIRST + until * DAY
    sessions = tuple(session(FIRST + n * DAY, 3) for n in sorted(days))
    standing = maya(as_of, sessions=sessions)
    config = NoticeConfig(rsc_window=WindowSteps(before=(1000,)))
    short = next(r.short for r in standing.results if r.requirement.id == "rsc")
    for found in decisions(standing, as_of, Kind.RSC_WINDOW, config=config):
        [lacking] = found.lacking
        assert lacking.short >= short
        first = found.key.due_on - timedelta(days=732)
        held = [s for s in sessions if first <= s.held_on <= as_of]
        assert lacking.counted <= sum(s.minutes for s in held)
        assert lacking.closes_on == found.key.due_on


# --- membership


@pytest.mark.parametrize("step", [-30, -7, 1])
@pytest.mark.parametrize(("late", "expected"), [(-1, 0), (0, 1), (1, 0)])
def test_a_membership_is_told_of_on_its_day(step: int, late: int, expected: int) -> None:
    until = date(2024, 9, 30)
    members = (Span(date(2024, 1, 1), until),)
    day = until + (step + late) * DAY
    told = sent_each_day(OPENED, day, Kind.MEMBERSHIP, memberships=members)
    assert [what for on, what in told if on == day] == [(until, step)] * expected


def test_no_membership_notice_without_any_membership() -> None:
    day = date(2024, 9, 30)
    assert decisions(maya(day, memberships=()), day, Kind.MEMBERSHIP) == []


# --- a provider who stops qualifying

LAST_DAY = date(2024, 9, 30)
BOB = Cutoff(7, "Bob", Ending("Bob", LAST_DAY), 300)


@pytest.mark.parametrize("step", [-180, -90, -30])
@pytest.mark.parametrize(("late", "expected"), [(-1, False), (0, True)])
def test_cutoff_notice_is_due_from_its_day(step: int, late: int, *, expected: bool) -> None:
    day = LAST_DAY + (step + late) * DAY
    found = decisions(maya(day), day, Kind.CUTOFF, cutoffs=(BOB,))
    assert ((LAST_DAY, step) in sent(found)) == expected


def test_no_cutoff_notice_with_all_rsc_hours() -> None:
    day = LAST_DAY - 30 * DAY
    standing = maya(day, sessions=(session(FIRST, 50),), state="submitted", submitted_on=day)
    found = decisions(standing, day, Kind.CUTOFF, cutoffs=(BOB,))
    assert sent(found) == []
    assert "no more RSC hours are needed" in reasons(found)


def test_no_cutoff_notice_after_the_last_day() -> None:
    day = LAST_DAY + DAY
    assert decisions(maya(day), day, Kind.CUTOFF, cutoffs=(BOB,)) == []


def test_each_cutoff_has_its_notice_beside_others() -> None:
    day = LAST_DAY - 30 * DAY
    ann = Cutoff(8, "Ann", Ending("Ann", LAST_DAY), 60)
    found = decisions(maya(day), day, cutoffs=(BOB, ann))
    told = [d.key.subject_key for d in found if d.key.kind is Kind.CUTOFF and d.skipped is None]
    assert told == ["7", "8"]
    assert Kind.REFERENCES in {d.key.kind for d in found}


# --- references


@pytest.mark.parametrize("step", [14, 30])
@pytest.mark.parametrize(("late", "expected"), [(-1, 0), (0, 1), (1, 0)])
def test_outstanding_references_are_told_of_on_their_day(
    step: int, late: int, expected: int
) -> None:
    day = OPENED + (step + late) * DAY
    told = sent_each_day(OPENED, day, Kind.REFERENCES)
    assert [what for on, what in told if on == day] == [(OPENED, step)] * expected


def test_days_count_from_the_last_referee_asked() -> None:
    asked = date(2024, 5, 1)
    day = asked + 14 * DAY
    found = decisions(maya(day), day, Kind.REFERENCES, asked_on=asked)
    assert sent(found) == [(asked, 14)]
    assert found[-1].key == Key(Kind.REFERENCES, "", asked, 14)
    before = decisions(maya(day - DAY), day - DAY, Kind.REFERENCES, asked_on=asked)
    assert before == []


def test_early_referee_counts_from_the_application_opening() -> None:
    day = OPENED + 14 * DAY
    found = decisions(maya(day), day, Kind.REFERENCES, asked_on=OPENED - 30 * DAY)
    assert sent(found) == [(OPENED, 14)]


@pytest.mark.parametrize(("came", "expected"), [(2, 1), (3, 0)])
def test_reference_notice_is_sent_while_some_are_missing(came: int, expected: int) -> None:
    day = OPENED + 14 * DAY
    found = decisions(maya(day, references=THREE_CAME[:came]), day, Kind.REFERENCES)
    assert len(sent(found)) == expected


def test_reference_notice_does_not_reveal_what_referees_wrote() -> None:
    # One denies the role, and none is endorsed: that is for the reviewers.
    day = OPENED + 14 * DAY
    denied = THREE_CAME[2]._replace(in_role=False)
    standing = maya(day, references=(*THREE_CAME[:2], denied))
    assert next(r.short for r in standing.results if r.requirement.id == "references") > 0
    found = decisions(standing, day, Kind.REFERENCES)
    assert reasons(found) == {"as many references have come as are asked"}


def test_three_references_in_one_role_leave_others_missing() -> None:
    day = OPENED + 14 * DAY
    colleagues = tuple(each._replace(role="colleague") for each in THREE_CAME)
    assert len(sent(decisions(maya(day, references=colleagues), day, Kind.REFERENCES))) == 1


def test_references_that_are_not_needed_have_no_notice() -> None:
    day = OPENED + 14 * DAY
    standing = maya(day)
    results = tuple(
        each._replace(outcome=Outcome.NOT_NEEDED)
        if each.requirement.counts == "references"
        else each
        for each in standing.results
    )
    found = decisions(standing._replace(results=results), day, Kind.REFERENCES)
    assert reasons(found) == {"references are not needed"}


def test_each_decision_is_about_its_application() -> None:
    day = CLOSES - 30 * DAY
    standing = maya(day, sessions=(session(FIRST),), memberships=(Span(FIRST, day),))
    found = decisions(standing, day, cutoffs=(BOB._replace(ending=Ending("Bob", CLOSES)),))
    kinds = {Kind.RSC_WINDOW, Kind.MEMBERSHIP, Kind.REFERENCES, Kind.CUTOFF}
    assert {each.key.kind for each in found} == kinds
    assert all(each.application is standing for each in found)
    assert {each.subject for each in found} == {(True, 5)}


def test_references_that_are_long_outstanding_are_old_news() -> None:
    day = OPENED + 30 * DAY + 61 * DAY
    found = decisions(maya(day), day, Kind.REFERENCES)
    assert reasons(found) == {"a later step was due as well", "it fell due 61 days ago"}


# --- which applications have notices


def test_submitted_application_has_notices_about_missing_parts() -> None:
    day = OPENED + 14 * DAY
    standing = maya(day, state="submitted", submitted_on=day - DAY)
    assert sent(decisions(standing, day, Kind.REFERENCES)) == [(OPENED, 14)]


def test_no_notices_without_application_rules() -> None:
    plan = REAL.application_plan("NCIMHA", "IMHS", OPENED)
    facts = maya(OPENED).facts
    standing = judge_application(plan, facts, OPENED)
    assert standing is not None
    assert decisions(standing, OPENED + 30 * DAY) == []
