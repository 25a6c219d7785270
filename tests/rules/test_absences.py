"""What days away do to a renewal: what they excuse, and how many months count."""

from datetime import date, timedelta
from typing import Any

import pytest

from tests.rules.case_data import IMAGINED
from tests.rules.planned import change_rulebook
from tracker.rules.absences import (
    NO_ABSENCE,
    AbsenceEffect,
    MonthsAway,
    find_absence,
    find_effect,
    list_counted,
    read_terms,
)
from tracker.rules.cycles import cycle_containing
from tracker.rules.model import Rulebook
from tracker.rules.plan import RenewalPlan, plan_renewal
from tracker.rules.standing import Absence, Span

# Three years of RESTING.
STARTS, DUE = date(2025, 1, 1), date(2027, 12, 31)
ENDORSED = date(2020, 5, 1)
RESTING = IMAGINED.associations["RESTING"]
INACTIVE = 'excuses = "all that is missing"\nrequirements = ["training", "rsc"]\n'
SHORTEST = "shortest_months = 12\n"


def plan_of(rulebook: Rulebook, endorsed_on: date = ENDORSED, day: date = DUE) -> RenewalPlan:
    cycle = cycle_containing(rulebook.cycles, endorsed_on, day)
    return plan_renewal(rulebook, "IFS", cycle, 0)


def away(first: date, last: date, kind: Any = "leave") -> Absence:  # noqa: ANN401
    return Absence(first, last, kind)


def effect_of(
    rulebook: Rulebook, *leaves: Absence, endorsed_on: date = ENDORSED, due_on: date = DUE
) -> AbsenceEffect:
    plan = plan_of(rulebook, endorsed_on, due_on)
    return find_effect(plan, leaves, endorsed_on, due_on)


@pytest.mark.parametrize(
    ("membership", "ids"),
    [("", {"training", "rsc"}), ('membership = "excused"\n', {"training", "rsc", "membership"})],
)
def test_membership_is_excused_if_the_rule_says_so(membership: str, ids: set[str]) -> None:
    rulebook = change_rulebook("resting", (INACTIVE, INACTIVE + membership))
    plan = plan_of(rulebook)
    assert plan.cycle is not None
    assert read_terms(plan, plan.cycle, "inactive").ids == ids


def test_long_cycles_excuse_hours_in_proportion_by_themselves() -> None:
    early = IMAGINED.associations["EARLY"]
    # The cycle of 2025 lasts a year, that of 2026 two.
    for year, excused, reduced in (
        (2025, ["membership", "training"], []),
        (2027, [], ["training"]),
    ):
        due_on = date(year, 12, 31)
        effect = effect_of(early, away(date(year, 10, 1), due_on), due_on=due_on)
        assert (sorted(effect.excused), [*effect.reduced]) == (excused, reduced)


def test_emeritus_status_excuses_all_from_its_first_rule_on() -> None:
    rule = 'kind = "emeritus"\nfrom = 2025-01-01'
    rulebook = change_rulebook("resting", (rule, rule.replace("2025-01-01", "2026-07-01")))
    effect = effect_of(rulebook, away(date(2026, 7, 1), date.max, "emeritus"))
    assert effect.excused == dict.fromkeys(
        ("training", "rsc", "training.return", "membership"), "emeritus"
    )


def test_days_away_change_nothing_without_a_cycle() -> None:
    plan = plan_renewal(IMAGINED.associations["ATTESTING"], "IFRS", None, 0)
    assert find_effect(plan, (away(STARTS, DUE),), ENDORSED, DUE) == NO_ABSENCE


def test_kinds_of_days_away_add_up() -> None:
    in_proportion = 'excuses = "hours in proportion"\nmembership = "excused"\n'
    rulebook = change_rulebook("resting", (INACTIVE, in_proportion), (SHORTEST, ""))
    spring, fall = (date(2026, 3, 1), date(2026, 5, 31)), (date(2026, 9, 1), date(2026, 10, 31))
    effect = effect_of(rulebook, away(*spring), away(*fall, "inactive"))
    five = MonthsAway(5, 36, ("leave", "inactive"))
    assert effect.reduced == {"training": five, "rsc": five}
    assert effect.without_membership == (Span(*spring), Span(*fall))
    whole = effect_of(rulebook, away(STARTS, date(2025, 12, 31)), away(STARTS, DUE, "inactive"))
    assert whole.reduced["rsc"] == MonthsAway(36, 36, ("leave", "inactive"))


def test_kinds_of_days_away_excuse_their_own_requirements() -> None:
    limits = "longest_months = 12\nshortest_days = 28\n"
    leave = f'excuses = "hours in proportion"\nmembership = "excused"\n{limits}'
    training = 'excuses = "all that is missing"\nrequirements = ["training"]\n'
    rsc = training.replace('["training"]', '["rsc"]')
    rulebook = change_rulebook("resting", (leave, training + SHORTEST), (INACTIVE, rsc))
    both = away(date(2027, 1, 1), DUE), away(STARTS, DUE, "inactive")
    assert effect_of(rulebook, *both).excused == {"training": "leave", "rsc": "inactive"}


@pytest.mark.parametrize(
    ("endorsed_on", "reduced"),
    [
        (date(2027, 12, 2), None),
        (date(2027, 12, 1), MonthsAway(1, 1, ("leave",))),
        (date(2027, 10, 1), MonthsAway(1, 3, ("leave",))),
    ],
)
def test_months_away_are_of_those_since_the_endorsement(
    endorsed_on: date, reduced: MonthsAway | None
) -> None:
    membership = 'membership = "excused"\n'
    rulebook = change_rulebook("resting", (membership, f'{membership}months = "begun"\n'))
    leave = away(date(2027, 12, 1), date(2028, 3, 31))
    effect = effect_of(rulebook, leave, endorsed_on=endorsed_on)
    assert effect.reduced.get("training") == reduced


def test_less_than_a_month_away_reduces_nothing() -> None:
    assert effect_of(RESTING, away(date(2026, 3, 2), date(2026, 3, 31))).reduced == {}
    assert effect_of(RESTING, away(date(2026, 3, 1), date(2026, 3, 31))).reduced.keys() == {
        "training",
        "rsc",
    }


def test_leave_too_short_to_count_leaves_the_others() -> None:
    short = away(date(2026, 1, 1), date(2026, 1, 27))
    enough = away(date(2026, 2, 1), date(2026, 2, 28))
    assert list_counted(RESTING, (short, enough)) == [enough]


def test_longest_of_several_on_a_day_is_found() -> None:
    long, inside = away(STARTS, DUE), away(date(2026, 3, 1), date(2026, 6, 30), "inactive")
    for leaves in ((long, inside), (inside, long)):
        assert find_absence(leaves, date(2026, 4, 1)) == long
    assert find_absence((inside,), date(2026, 7, 1)) is None
    assert find_absence((inside,), date(2026, 6, 30)) == inside
    assert find_absence((inside,), inside.starts_on - timedelta(days=1)) is None
