"""Rules about leave, inactive and emeritus status in words."""

from dataclasses import replace
from datetime import date

import pytest

from tests.rules.case_data import IMAGINED
from tests.rules.planned import change_rulebook
from tracker.rules.absence_description import (
    describe_excuse,
    describe_for_coordinator,
    excuses_everything,
    format_absence_rule,
)
from tracker.rules.absence_rules import AbsenceKind, read_kind
from tracker.rules.model import Rulebook
from tracker.rules.plan import RenewalPlan

INACTIVE = 'excuses = "all that is missing"\nrequirements = ["training", "rsc"]\n'
LEAVE = 'excuses = "hours in proportion"\nrequirements = ["training"]\n'
LIMITS = "longest_months = 12\nshortest_days = 28\nmost = 1\nwithin_cycles = 1\n"
FEWER = "of leave in the cycle, fewer hours are required"
USUAL = (
    "Leave that includes the due date excuses all that is missing in cycles of up to a year; in "
    "longer cycles, fewer hours are required for each whole month"
)
TRAINING_AND_RSC = "Training and Reflective supervision"
DUE = "Inactive status that includes the due date excuses "
NEEDS_NO_MORE = "A renewal that is due during inactive status needs no more of this:"
NOT_COMPLETE = "If your IFS renewal is due during your inactive status, this need not be complete:"


def describe(*changes: tuple[str, str], number: int = 0) -> str:
    """One of RESTING's rules in words: leave of 2022 and of 2025, inactive, and emeritus status."""
    rulebook = change_rulebook("resting", *changes)
    return format_absence_rule(rulebook, rulebook.absences[number])


def describe_leave(changed: str = LEAVE, limits: str = "") -> str:
    return describe((LEAVE, changed), (LIMITS, limits))


def plan_of(association: str, day: date = date(2026, 6, 1)) -> RenewalPlan | None:
    return IMAGINED.plan(association, "IFS", date(2020, 5, 1), day)


def plan_with(rulebook: Rulebook) -> RenewalPlan:
    """The plan of RESTING with other rules, in the cycle of 2025."""
    plan = plan_of("RESTING")
    assert plan is not None
    return replace(plan, rulebook=rulebook)


@pytest.mark.parametrize(
    ("excuses", "words"),
    [
        (LEAVE, f"For each whole month {FEWER} (Training)."),
        (
            'excuses = "hours in proportion"\nmonths = "begun"\nmembership = "required"\n',
            f"For each month begun {FEWER}. Membership stays required.",
        ),
        (
            'excuses = "hours in proportion"\nmembership = "excused"\n',
            f"For each whole month {FEWER}. No membership is required on those days.",
        ),
        ('excuses = "nothing"\n', "Leave excuses nothing."),
        (
            "",
            f"{USUAL}.",
        ),
        (
            'requirements = ["training", "rsc"]\n',
            f"{USUAL} ({TRAINING_AND_RSC}).",
        ),
    ],
)
def test_leave_in_words_says_what_it_excuses(excuses: str, words: str) -> None:
    assert describe_leave(excuses) == words


@pytest.mark.parametrize(
    ("excuses", "words"),
    [
        (INACTIVE, f"{DUE}what is missing (Training and Reflective supervision)"),
        (
            f'{INACTIVE}membership = "excused"\n',
            f"{DUE}what is missing (Training, Reflective supervision, and Membership)",
        ),
        (
            f'{INACTIVE}membership = "required"\n',
            f"{DUE}what is missing ({TRAINING_AND_RSC}). Membership stays required",
        ),
        (
            'excuses = "all that is missing"\nmembership = "excused"\n',
            f"{DUE}all that is missing",
        ),
    ],
)
def test_inactive_status_in_words_lists_what_it_excuses(excuses: str, words: str) -> None:
    limits = "It lasts at least 12 months and at most 36 months"
    often = "It is possible at most once in 2 cycles"
    assert describe((INACTIVE, excuses), number=2) == f"{words}. {limits}. {often}."


def test_membership_without_a_requirement_of_that_name_is_said() -> None:
    excuses = (INACTIVE, f'{INACTIVE}membership = "excused"\n')
    words = describe(excuses, ('id = "membership"', 'id = "dues"'), number=2)
    assert words.startswith(
        f"{DUE}what is missing (Training, Reflective supervision, and membership)."
    )


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ("shortest_days = 28\n", "It lasts at least 28 days."),
        ("longest_days = 1\n", "It lasts at most 1 day."),
        (
            "shortest_months = 1\nlongest_months = 2\n",
            "It lasts at least 1 month and at most 2 months.",
        ),
        ("most = 1\nwithin_years = 1\n", "It is possible at most once in a year."),
        ("most = 2\nwithin_cycles = 3\n", "It is possible at most twice in 3 cycles."),
        ("most = 3\nwithin_years = 2\n", "It is possible at most 3 times in 2 years."),
        ("allowed = false\n", "No new one can be recorded."),
    ],
)
def test_limits_of_leave_are_said(limits: str, words: str) -> None:
    assert describe_leave(limits=limits) == f"{describe_leave()} {words}"


def test_emeritus_status_in_words_is_for_long_endorsements() -> None:
    words = "Emeritus status that includes the due date excuses everything, and needs no last day."
    assert describe(number=3) == (
        f"{words} It is for endorsements that were held for at least 5 years."
    )
    assert describe(("held_years = 5\n", ""), number=3) == words
    one = describe(("held_years = 5\n", "held_years = 1\n"), number=3)
    assert one.endswith("at least 1 year.")


NOTHING = ('excuses = "hours in proportion"\nmembership = "excused"\n', 'excuses = "nothing"\n')


@pytest.mark.parametrize(
    ("kind", "own", "coordinators"),
    [
        (
            "leave",
            "Your IFS renewal requires fewer hours for each month of your leave.",
            "Each month of leave in the cycle reduces the hours that are required.",
        ),
        (
            "inactive",
            f"{NOT_COMPLETE} {TRAINING_AND_RSC}.",
            f"{NEEDS_NO_MORE} {TRAINING_AND_RSC}.",
        ),
        (
            "emeritus",
            "No IFS renewal that is due while you are emeritus needs anything from you.",
            "A renewal that is due during emeritus status needs nothing.",
        ),
    ],
)
def test_days_away_are_explained_to_both_sides(
    kind: AbsenceKind, own: str, coordinators: str
) -> None:
    plan = plan_of("RESTING")
    assert describe_excuse(plan, "IFS", kind) == own
    assert describe_for_coordinator(plan, kind) == coordinators
    assert excuses_everything(plan, kind) == (kind == "emeritus")


def test_leave_that_excuses_nothing_says_so() -> None:
    plan = plan_with(change_rulebook("resting", NOTHING))
    assert describe_excuse(plan, "IFS", "leave") == (
        "Your IFS renewal stays due, and requires the same."
    )
    assert describe_for_coordinator(plan, "leave") == "Leave excuses nothing."
    assert not excuses_everything(plan, "leave")


def test_leave_in_a_year_excuses_everything() -> None:
    plan = plan_of("PAYING")
    assert describe_excuse(plan, "IFS", "leave") == (
        "If your IFS renewal is due during your leave, you don't need to submit anything."
    )
    words = "A renewal that is due during leave needs nothing."
    assert describe_for_coordinator(plan, "leave") == words
    assert excuses_everything(plan, "leave")


def test_leave_without_a_cycle_changes_no_due_date() -> None:
    without_rules = IMAGINED.plan("ATTESTING", "IFRS", date(2020, 5, 1), date(2026, 6, 1))
    for plan in (None, without_rules):
        assert describe_excuse(plan, "IFRS", "leave") == "Due dates of IFRS stay the same."
        assert excuses_everything(plan, "leave")
        words = "A renewal that is due during leave needs nothing."
        assert describe_for_coordinator(plan, "leave") == words


@pytest.mark.parametrize(
    ("stored", "kind"),
    [
        ("inactive", "inactive"),
        ("emeritus", "emeritus"),
        ("leave", "leave"),
        ("vacation", "leave"),
        (None, "leave"),
    ],
)
def test_unknown_kind_of_days_away_is_leave(stored: object, kind: str) -> None:
    assert read_kind(stored) == kind
