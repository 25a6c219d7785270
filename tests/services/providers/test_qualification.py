"""What a provider's sessions of a day count for, and what the provider should know before."""

from dataclasses import replace
from datetime import date

import pytest

from tests.rules.case_data import IMAGINED, REAL
from tests.rules.planned import change_rulebook
from tracker.rulebooks import with_rulebook
from tracker.rules.providers import Credential, Provider
from tracker.services.qualification import (
    DayQualification,
    RuleQualification,
    list_rule_categories,
    qualify_day,
)

SINCE, DAY = date(2015, 1, 1), date(2026, 3, 1)
# Two associations with one rule each, and one with two.
BOOKS = replace(
    REAL, associations={name: REAL.associations[name] for name in ("NCIMHA", "MI-AIMH", "VAIMH")}
)
VETTED = Credential("NCIMHA", None, SINCE, None, None)
ENDED = Credential("VAIMH", "IFRS", SINCE, date(2026, 2, 28), None)


def test_sessions_count_by_each_rule_of_the_day() -> None:
    held = (
        Credential("NCIMHA", None, SINCE, date(2026, 2, 28), None),
        Credential("VAIMH", "IFRS", SINCE, None, None),
    )
    accepts = "Bob was IFRS on March 1, 2026: the rule accepts"
    assert qualify_day(BOOKS, Provider("Bob", "none", held), DAY) == DayQualification(
        DAY,
        [
            RuleQualification(
                "VAIMH",
                "IFS, IFRS, and IMHS",
                counts=True,
                other_days=True,
                reason="IFRS on that day",
            )
        ],
        [
            RuleQualification(
                "NCIMHA",
                "IFS",
                counts=False,
                other_days=True,
                reason="Bob's vetting by NCIMHA ended on February 28, 2026",
            ),
            RuleQualification(
                "MI-AIMH",
                "IMHS",
                counts=False,
                other_days=False,
                reason=f"{accepts} IMHS or IMHM-C",
            ),
            RuleQualification(
                "VAIMH", "IMHM-C", counts=False, other_days=False, reason=f"{accepts} IMHM-C"
            ),
        ],
    )


def test_a_rules_id_can_have_a_slash() -> None:
    changes = [("[providers.rsc]", '[providers."rsc/a"]')]
    changes += 3 * [("[[providers.rsc.", '[[providers."rsc/a".')]
    changes += [('providers = "rsc"', 'providers = "rsc/a"')]
    rulebooks = with_rulebook(IMAGINED, change_rulebook("providing", *changes))
    assert list_rule_categories(rulebooks, "PROVIDING/rsc/a") == ["IFS"]


def test_a_rule_for_no_category_is_left_out() -> None:
    unused = BOOKS.associations["NCIMHA"].model_copy(update={"requirements": ()})
    rulebooks = replace(BOOKS, associations={**BOOKS.associations, "NCIMHA": unused})
    found = qualify_day(rulebooks, Provider("Bob", "none", (VETTED,)), DAY)
    assert list_rule_categories(rulebooks, "NCIMHA/ifs-rsc") == []
    assert [each.association for each in found.not_counting] == ["MI-AIMH", "VAIMH", "VAIMH"]
    assert found.counting == []


@pytest.mark.parametrize(
    ("held", "warned"),
    [
        ([VETTED], []),
        ([VETTED, ENDED], ["VAIMH"]),
        ([ENDED], ["VAIMH"]),
        ([], ["NCIMHA", "MI-AIMH", "VAIMH", "VAIMH"]),
    ],
)
def test_providers_are_warned_of_what_they_lost(held: list[Credential], warned: list[str]) -> None:
    """Or of every rule, if they never qualify."""
    found = qualify_day(BOOKS, Provider("Bob", "none", tuple(held)), DAY)
    assert [each.association for each in found.warnings] == warned
