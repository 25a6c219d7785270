"""Which references fill the places: each referee one, each place one, whatever the order."""

from collections.abc import Sequence
from datetime import date
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.planned import plan_one
from tracker.rules.application.candidate import Candidate, CandidateReference
from tracker.rules.application.references import (
    MissingReference,
    judge_named_references,
    judge_references,
    list_missing_references,
)
from tracker.rules.application.wording import format_notes
from tracker.rules.standing import Outcome, Result

DAY = date(2025, 1, 1)
ROLES = ("supervisor", "rsc-provider", "colleague", "student")
Terms = dict[str, Any]
THREE: Terms = {"slots": [["supervisor"], ["rsc-provider", "colleague"], ["colleague", "student"]]}


def judge(terms: Terms, *references: CandidateReference) -> Result:
    candidate = Candidate("open", DAY, None, references=references)
    requirement = plan_one("references", terms)
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
def test_references_fill_as_many_places_as_possible(
    slots: list[list[str]], roles: list[str]
) -> None:
    result = judge({"slots": slots}, *map(referee, roles))
    assert result.counted == most_filled(slots, roles)


def test_colleague_fills_the_place_nobody_else_can() -> None:
    result = judge(THREE, referee("colleague"), referee("student"), referee("supervisor"))
    assert (result.counted, result.outcome) == (3, Outcome.MET)


def test_one_colleague_takes_one_of_two_places() -> None:
    assert judge(THREE, referee("colleague"), referee("supervisor")).short == 1


def test_references_that_fit_no_place_are_noted() -> None:
    one = [referee("supervisor")] * 2
    assert format_notes(judge(THREE, *one)) == (
        "2 received, 0 waiting; 1 of them does not fit any remaining place"
    )
    assert format_notes(judge(THREE, *one, referee("supervisor"))) == (
        "3 received, 0 waiting; 2 of them do not fit any remaining place"
    )
    spare = map(referee, ("supervisor", "rsc-provider", "student", "supervisor"))
    assert format_notes(judge(THREE, *spare)) == "4 received, 0 waiting"


def test_alternative_places_need_review() -> None:
    terms = {**THREE, "instead": [[["student"], ["student"]]]}
    result = judge(terms, referee("student"), referee("student"))
    assert (result.counted, result.outcome) == (3, Outcome.REVIEW)


def test_partly_filled_alternative_counts_if_it_lacks_less() -> None:
    terms = {**THREE, "instead": [[["student"], ["student"], ["student"]]]}
    result = judge(terms, referee("student"), referee("student"))
    assert (result.counted, result.short, result.outcome) == (2, 1, Outcome.SHORT)
    note = "2 received, 0 waiting; counted in other places, if the reviewers agree"
    assert format_notes(result) == note


def test_no_reference_fills_no_alternative() -> None:
    terms = {**THREE, "instead": [[["student"]]]}
    assert judge(terms, referee("parent")).counted == 0


def test_the_places_themselves_come_before_another_set() -> None:
    terms = {**THREE, "instead": [[["colleague"]]]}
    result = judge(terms, referee("supervisor"), referee("rsc-provider"), referee("colleague"))
    assert result.outcome is Outcome.MET


def test_too_few_endorsed_referees_are_missing() -> None:
    terms = {**THREE, "endorsed": 2, "categories": ["IMHS"]}
    three = (referee("supervisor", "IMHS"), referee("rsc-provider", "IFS"), referee("student"))
    result = judge(terms, *three)
    assert (result.counted, result.short) == (2, 1)
    assert format_notes(result) == "3 received, 0 waiting; 2 must be endorsed as IMHS"


def test_missing_endorsement_is_noted_with_all_that_count() -> None:
    terms = {**THREE, "endorsed": 1, "categories": ["IFS", "IMHS"], "vetted": True}
    note = "1 received, 0 waiting; 1 must be endorsed as IFS, IMHS or vetted"
    assert format_notes(judge(terms, referee("supervisor"))) == note


def test_applicants_see_references_by_their_roles_alone() -> None:
    terms = {**THREE, "endorsed": 2, "categories": ["IMHS"], "endorsed_roles": ["student"]}
    requirement = plan_one("references", terms)
    assert requirement.rule.references
    denied = referee("supervisor")._replace(in_role=False)
    came = (denied, referee("rsc-provider"), referee("student"))
    candidate = Candidate("open", DAY, None, references=came)
    assert judge(terms, *came).counted == 1
    named = judge_named_references(requirement, requirement.rule.references, candidate)
    assert (named.counted, format_notes(named)) == (3, "3 received, 0 waiting")


def test_free_place_can_take_an_endorsed_referee() -> None:
    terms = {**THREE, "endorsed": 1, "categories": ["IMHS"]}
    assert judge(terms, referee("supervisor"), referee("rsc-provider")).short == 1


@pytest.mark.parametrize(
    ("came_on", "short"),
    [(date(2027, 12, 20), 0), (date(2027, 12, 21), 0), (date(2027, 12, 22), 1)],
)
def test_vetted_referee_counts_through_a_day(came_on: date, short: int) -> None:
    terms = {
        "slots": [["supervisor"]],
        "endorsed": 1,
        "vetted": True,
        "vetted_until": date(2027, 12, 21),
    }
    assert judge(terms, referee("supervisor", vetted_on=came_on)).short == short


def test_vetted_referee_counts_without_a_limit() -> None:
    terms = {"slots": [["supervisor"]], "endorsed": 1, "vetted": True}
    assert judge(terms, referee("supervisor", vetted_on=date(2099, 1, 1))).short == 0


def test_vetting_counts_only_if_the_rule_says_so() -> None:
    terms = {"slots": [["supervisor"]], "endorsed": 1, "categories": ["IMHS"]}
    assert judge(terms, referee("supervisor", vetted_on=DAY)).short == 1


def test_endorsed_role_needs_an_endorsed_referee() -> None:
    terms = {**THREE, "endorsed": 1, "categories": ["IMHS"], "endorsed_roles": ["student"]}
    others = (referee("supervisor", "IMHS"), referee("rsc-provider"))
    assert judge(terms, *others, referee("student")).counted == 2
    assert judge(terms, *others, referee("student", "IMHS")).counted == 3


def test_referee_who_denies_the_role_does_not_count() -> None:
    terms = {"slots": [["supervisor"]], "endorsed": 1, "categories": ["IMHS"]}
    denied = referee("supervisor", "IMHS")._replace(in_role=False)
    assert judge(terms, denied, referee("supervisor")).short == 1


def test_endorsed_referee_must_fill_a_place() -> None:
    terms = {**THREE, "endorsed": 1, "categories": ["IMHS"]}
    three = [referee("supervisor"), referee("rsc-provider"), referee("colleague")]
    result = judge(terms, *three, referee("parent", "IMHS"))
    assert (result.counted, result.outcome) == (2, Outcome.SHORT)


def test_endorsed_referee_is_preferred_for_a_place() -> None:
    terms = {**THREE, "endorsed": 1, "categories": ["IMHS"]}
    three = [referee("supervisor"), referee("rsc-provider"), referee("colleague")]
    assert judge(terms, *three, referee("supervisor", "IMHS")).outcome is Outcome.MET


def missing(terms: Terms, *references: CandidateReference) -> list[MissingReference]:
    candidate = Candidate("open", DAY, None, references=references)
    rule = plan_one("references", terms).rule.references
    assert rule
    return list_missing_references(rule, candidate)


def waiting(name: str, role: str) -> CandidateReference:
    return CandidateReference(name, role, None)


def test_missing_places_name_who_was_asked() -> None:
    found = missing(THREE, referee("supervisor"), waiting("Jo", "colleague"))
    assert found == [
        MissingReference(("rsc-provider", "colleague"), "Jo"),
        MissingReference(("colleague", "student"), ""),
    ]


def test_a_referee_is_asked_for_the_place_nobody_else_can_fill() -> None:
    found = missing(THREE, waiting("Jo", "colleague"), waiting("Al", "student"))
    assert [each.waits_for for each in found] == ["", "Jo", "Al"]


def test_nothing_is_missing_once_each_place_is_filled() -> None:
    assert missing(THREE, *map(referee, ("student", "supervisor", "rsc-provider"))) == []


def test_missing_places_do_not_reveal_what_referees_say() -> None:
    denied = referee("supervisor")._replace(in_role=False)
    terms = {**THREE, "endorsed": 3, "endorsed_roles": ["supervisor"], "categories": ["IMHS"]}
    assert missing(terms, denied, referee("rsc-provider"), referee("student")) == []


@given(
    st.lists(st.lists(st.sampled_from(ROLES), min_size=1, max_size=3), min_size=1, max_size=4),
    st.lists(st.sampled_from(ROLES), max_size=5),
)
def test_as_few_places_as_possible_are_missing(slots: list[list[str]], roles: list[str]) -> None:
    found = missing({"slots": slots}, *map(referee, roles))
    assert len(found) == len(slots) - most_filled(slots, roles)
