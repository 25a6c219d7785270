"""Which references fill the places: each referee one, each place one, whatever the order."""

from collections.abc import Sequence
from datetime import date
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.asks import ask_for
from tracker.rules.application.candidate import Candidate, CandidateReference
from tracker.rules.application.references import judge_references
from tracker.rules.application.wording import format_notes
from tracker.rules.standing import Outcome, Result

DAY = date(2025, 1, 1)
ROLES = ("supervisor", "rsc-provider", "colleague", "student")
Terms = dict[str, Any]
THREE: Terms = {"slots": [["supervisor"], ["rsc-provider", "colleague"], ["colleague", "student"]]}


def judge(terms: Terms, *references: CandidateReference) -> Result:
    candidate = Candidate("open", DAY, None, references=references)
    requirement = ask_for("references", terms)
    assert requirement.rule.references
    return judge_references(requirement, requirement.rule.references, candidate)


def referee(role: str, *holds: str, vetted_on: date | None = None) -> CandidateReference:
    return CandidateReference(
        role, role, vetted_on or DAY, frozenset(holds), vetted=vetted_on is not None
    )


def most_filled(slots: Sequence[Sequence[str]], roles: Sequence[str]) -> int:
    """Every way to put the referees beside the places."""
    padded = [*roles, *[""] * len(slots)]
    return max(
        sum(role in slot for role, slot in zip(order, slots, strict=False))
        for order in set(permutations(padded, len(slots)))
    )


@given(
    st.lists(st.lists(st.sampled_from(ROLES), min_size=1, max_size=3), min_size=1, max_size=4),
    st.lists(st.sampled_from(ROLES), max_size=5),
)
def test_as_many_places_are_filled_as_any_order_could(
    slots: list[list[str]], roles: list[str]
) -> None:
    result = judge({"slots": slots}, *map(referee, roles))
    assert result.counted == most_filled(slots, roles)


def test_a_colleague_takes_the_place_that_nobody_else_can() -> None:
    result = judge(THREE, referee("colleague"), referee("student"), referee("supervisor"))
    assert (result.counted, result.outcome) == (3, Outcome.MET)


def test_one_colleague_takes_one_of_two_places() -> None:
    assert judge(THREE, referee("colleague"), referee("supervisor")).short == 1


def test_another_set_of_places_is_for_the_reviewers() -> None:
    terms = {**THREE, "instead": [[["student"], ["student"]]]}
    result = judge(terms, referee("student"), referee("student"))
    assert (result.counted, result.outcome) == (3, Outcome.REVIEW)


def test_another_set_in_part_is_nothing() -> None:
    terms = {**THREE, "instead": [[["student"], ["student"], ["student"]]]}
    assert judge(terms, referee("student"), referee("student")).counted == 1


def test_the_places_themselves_come_before_another_set() -> None:
    terms = {**THREE, "instead": [[["colleague"]]]}
    result = judge(terms, referee("supervisor"), referee("rsc-provider"), referee("colleague"))
    assert result.outcome is Outcome.MET


def test_too_few_who_are_endorsed_are_still_to_come() -> None:
    terms = {**THREE, "endorsed": 2, "categories": ["IMHS"]}
    three = (referee("supervisor", "IMHS"), referee("rsc-provider", "IFS"), referee("student"))
    result = judge(terms, *three)
    assert (result.counted, result.short) == (2, 1)
    assert format_notes(result) == "3 received, 0 waiting; 2 must be endorsed as IMHS"


def test_where_a_place_is_free_the_endorsed_one_may_take_it() -> None:
    terms = {**THREE, "endorsed": 1, "categories": ["IMHS"]}
    assert judge(terms, referee("supervisor"), referee("rsc-provider")).short == 1


@pytest.mark.parametrize(
    ("came_on", "short"),
    [(date(2027, 12, 20), 0), (date(2027, 12, 21), 0), (date(2027, 12, 22), 1)],
)
def test_a_vetted_referee_is_enough_up_to_a_day(came_on: date, short: int) -> None:
    terms = {
        "slots": [["supervisor"]],
        "endorsed": 1,
        "vetted": True,
        "vetted_until": date(2027, 12, 21),
    }
    assert judge(terms, referee("supervisor", vetted_on=came_on)).short == short


def test_without_such_a_day_a_vetted_referee_is_always_enough() -> None:
    terms = {"slots": [["supervisor"]], "endorsed": 1, "vetted": True}
    assert judge(terms, referee("supervisor", vetted_on=date(2099, 1, 1))).short == 0


def test_where_nobody_is_vetted_a_vetted_referee_is_not_endorsed() -> None:
    terms = {"slots": [["supervisor"]], "endorsed": 1, "categories": ["IMHS"]}
    assert judge(terms, referee("supervisor", vetted_on=DAY)).short == 1


def test_a_role_for_the_endorsed_is_filled_by_nobody_else() -> None:
    terms = {**THREE, "endorsed": 1, "categories": ["IMHS"], "endorsed_roles": ["student"]}
    others = (referee("supervisor", "IMHS"), referee("rsc-provider"))
    assert judge(terms, *others, referee("student")).counted == 2
    assert judge(terms, *others, referee("student", "IMHS")).counted == 3


def test_whoever_denies_the_role_neither_fills_a_place_nor_counts_as_endorsed() -> None:
    terms = {"slots": [["supervisor"]], "endorsed": 1, "categories": ["IMHS"]}
    denied = referee("supervisor", "IMHS")._replace(in_role=False)
    assert judge(terms, denied, referee("supervisor")).short == 1


def test_an_endorsed_referee_who_fills_no_place_is_not_the_endorsed_one() -> None:
    terms = {**THREE, "endorsed": 1, "categories": ["IMHS"]}
    three = [referee("supervisor"), referee("rsc-provider"), referee("colleague")]
    result = judge(terms, *three, referee("parent", "IMHS"))
    assert (result.counted, result.outcome) == (2, Outcome.SHORT)


def test_of_two_for_one_place_the_endorsed_one_is_taken() -> None:
    terms = {**THREE, "endorsed": 1, "categories": ["IMHS"]}
    three = [referee("supervisor"), referee("rsc-provider"), referee("colleague")]
    assert judge(terms, *three, referee("supervisor", "IMHS")).outcome is Outcome.MET
