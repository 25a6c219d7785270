"""What the page says on the hours of a cycle in which an endorsement begins."""

from datetime import date

from tests.rules.case_data import IMAGINED, REAL
from tracker.rulebooks import Rulebooks
from tracker.rules.renewal import judge_renewal
from tracker.rules.standing import Facts
from tracker.web.pages.renewal_text import format_lead


def lead(rulebooks: Rulebooks, association: str, endorsed_on: date, day: date) -> str:
    plan = rulebooks.plan(association, "IFS", endorsed_on, day)
    assert plan
    facts = Facts(1, 1, "", "", endorsed_on, None, provides_rsc=False, minutes={})
    standing = judge_renewal(plan, facts, day)
    assert standing
    return format_lead(standing, day)


def test_part_of_the_hours_says_from_when_they_count() -> None:
    text = lead(IMAGINED, "TRIENNIAL", date(2026, 4, 15), date(2026, 6, 1))
    assert (
        "A part of the hours is required, because the endorsement began on April 15, 2026; "
        "all hours held since January 1, 2025 count." in text
    )


def test_first_cycle_without_hours_says_so() -> None:
    text = lead(REAL, "NCIMHA", date(2026, 4, 15), date(2026, 6, 1))
    assert "No hours are required in the cycle of endorsement." in text


def test_whole_first_cycle_says_nothing() -> None:
    assert "held since" not in lead(IMAGINED, "TRIENNIAL", date(2025, 1, 1), date(2026, 6, 1))
    assert "held since" not in lead(IMAGINED, "TRIENNIAL", date(2020, 1, 1), date(2026, 6, 1))


def test_a_lengthened_cycle_says_why_it_requires_more() -> None:
    text = lead(IMAGINED, "EARLY", date(2015, 1, 1), date(2027, 6, 1))
    assert (
        "More hours are required than in other cycles, because a change of the rules moved the end "
        "of this one to December 31, 2027." in text
    )
    assert "change of the rules" not in lead(IMAGINED, "EARLY", date(2015, 1, 1), date(2025, 6, 1))


def test_a_cycle_cut_short_to_nothing_says_why() -> None:
    text = lead(IMAGINED, "LEAP", date(2026, 12, 10), date(2029, 12, 20))
    assert "because a change of the rules moved its end to December 31, 2029." in text


def test_a_shortened_cycle_says_why_it_requires_less() -> None:
    text = lead(IMAGINED, "LEAP", date(2026, 7, 10), date(2029, 10, 1))
    assert "A part of the hours is required, because a change of the rules moved" in text


def test_the_readings_are_recorded() -> None:
    for rulebook in REAL.associations.values():
        taken = {i.id: i.taken for i in rulebook.interpretations}
        if any(requirement.of == "renewal" for requirement in rulebook.requirements):
            assert "before the day of endorsement" in taken["hours-before-endorsement"]
            assert "however short the leave is" in taken["leave-on-due-date"]
