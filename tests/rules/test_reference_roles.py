"""Which references are asked for, of whom, and in which words."""

from datetime import date

from tests.rules.case_data import IMAGINED
from tests.rules.planned import change_rulebook
from tracker.rules.application.references import (
    find_reference_rule,
    format_role,
    format_slot,
    max_referees,
    roles_for,
    roles_of,
)

RULEBOOK = IMAGINED.associations["REF"]
FIRST = date(2020, 1, 1)


def test_references_are_required_from_their_first_day() -> None:
    assert find_reference_rule(RULEBOOK, "IFS", FIRST.replace(year=2019, month=12, day=31)) is None
    assert find_reference_rule(RULEBOOK, "IFS", FIRST) is not None


def test_category_without_a_reference_rule() -> None:
    assert find_reference_rule(RULEBOOK, "IMHS", FIRST) is None
    assert roles_of(RULEBOOK, "IMHS") == set()


def test_references_can_be_required_of_one_category() -> None:
    value = "[[requirements.values]]\n  from = 2020-01-01\n"
    rulebook = change_rulebook("ref", (value, f'{value}  categories = ["IFS"]\n'))
    assert find_reference_rule(rulebook, "IFS", FIRST) is not None


def test_roles_are_unique_and_in_order() -> None:
    rule = find_reference_rule(RULEBOOK, "IFS", FIRST)
    assert rule is not None
    assert rule.references is not None
    assert roles_for(rule.references) == ("supervisor", "rsc-provider", "colleague")
    assert max_referees(rule.references) == 3 + 2
    assert roles_of(RULEBOOK, "IFS") == {"supervisor", "rsc-provider", "colleague"}


def test_role_without_words_shows_its_key() -> None:
    assert format_role(RULEBOOK, "supervisor") == "Current program supervisor"
    assert format_role(RULEBOOK, "board-member") == "board member"


def test_slot_names_all_its_roles() -> None:
    assert format_slot(RULEBOOK, ("supervisor",)) == "Current program supervisor"
    assert (
        format_slot(RULEBOOK, ("supervisor", "colleague"))
        == "Current program supervisor or colleague"
    )
    three = ("colleague", "supervisor", "RSC-giver")
    assert format_slot(RULEBOOK, three) == "Colleague, current program supervisor, or RSC giver"
