"""What referees rate is data of a rulebook, whose mistakes are named with their place."""

from datetime import date

import pytest

from tests.rules.test_consistency import RULEBOOK
from tests.support.cast import REAL_BOOKS
from tracker.rules.application.references import find_progress, rating_questions
from tracker.rules.parse import parse_rulebook

QUESTION = """
[[ratings]]
id = "work"
asks = "How do you rate it?"
categories = ["IFS"]
scale = ["Good", "Fair"]
from = 2020-01-01
until = 2026-12-31
source = { document = "ifs", section = "Ratings" }
"""


def reasons(text: str) -> list[tuple[str, str]]:
    _, problems = parse_rulebook(text, "x.toml")
    return [(problem.key, problem.reason) for problem in problems]


@pytest.mark.parametrize(
    ("day", "asked"),
    [("2019-12-31", 0), ("2020-01-01", 1), ("2026-12-31", 1), ("2027-01-01", 0)],
)
def test_a_rating_is_asked_between_its_days(day: str, asked: int) -> None:
    rulebook, problems = parse_rulebook(RULEBOOK + QUESTION, "x.toml")
    assert problems == []
    assert rulebook
    assert len(rating_questions(rulebook, "IFS", date.fromisoformat(day))) == asked
    assert rating_questions(rulebook, "IMHS", date.fromisoformat(day)) == []


@pytest.mark.parametrize(
    ("old", "new", "key", "reason"),
    [
        ('["Good", "Fair"]', '["Good", "Good"]', "ratings[1].scale", "listed more than once"),
        ('["Good", "Fair"]', '["Good"]', "ratings[1].scale", "at least 2"),
        ("2026-12-31", "2019-12-31", "ratings[1]", "is before from"),
        ('"Ratings" }\n', '"Marks" }\n', "ratings[1].source.section", "is not a section"),
        ('["IFS"]', '["IFX"]', "ratings[1].categories", "is not in this file"),
    ],
)
def test_a_wrong_rating_is_refused_at_its_key(old: str, new: str, key: str, reason: str) -> None:
    [(found, why)] = reasons(RULEBOOK + QUESTION.replace(old, new))
    assert found == key
    assert reason in why


def test_the_same_rating_twice_on_a_day_is_refused() -> None:
    [(key, why)] = reasons(RULEBOOK + QUESTION + QUESTION)
    assert key == "ratings[2].id"
    assert "'work' is also ratings[1], which asks for IFS on 2020-01-01" in why


def test_a_rating_can_follow_another_of_the_same_id() -> None:
    later = QUESTION.replace("2020-01-01", "2027-01-01").replace("until = 2026-12-31\n", "")
    assert reasons(RULEBOOK + QUESTION + later) == []


def test_each_category_that_needs_references_has_ratings() -> None:
    day = date(2026, 11, 29)
    for rulebook in REAL_BOOKS.associations.values():
        for category in rulebook.categories:
            rules = rulebook.requirements_of(category, "application")
            needs = any(requirement.counts == "references" for requirement in rules)
            assert bool(rating_questions(rulebook, category, day)) == needs, category


@pytest.mark.parametrize(
    ("asked", "received", "label"),
    [
        (None, None, "Not asked"),
        (date(2026, 6, 3), None, "Asked on June 3, 2026"),
        (date(2026, 6, 3), date(2026, 6, 9), "Received on June 9, 2026"),
        (None, date(2026, 6, 9), "Received on June 9, 2026"),
    ],
)
def test_a_reference_is_in_one_of_three_states(
    asked: date | None, received: date | None, label: str
) -> None:
    assert find_progress(asked, received).label == label
