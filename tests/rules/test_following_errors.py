"""What has an error of its own is reported once: nothing that only follows from it."""

import tomllib
from typing import Any

import pytest

from tests.rules.planned import FOLDER
from tests.rules.test_consistency import problems
from tracker.rules.parse import check_rulebook

DEGREE = "education = { levels"


def load(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))


def list_keys(data: dict[str, Any]) -> list[str]:
    """The keys that have errors, as of a file."""
    return [problem.key for problem in check_rulebook(data, "x.toml", "text")[1]]


@pytest.mark.parametrize(
    ("name", "table", "item"),
    [
        pytest.param("attesting", "categories", "IFS", id="category of a certificate"),
        pytest.param("history", "categories", "IFS", id="category of a value by years held"),
        pytest.param("early", "cycles", 0, id="cycles that are lengthened"),
        pytest.param("formats", "cycles", 0, id="cycles with months"),
        pytest.param("first-cycle", "requirements", 1, id="requirement that a first cycle exempts"),
        pytest.param("paying", "requirements", 0, id="requirement with a fee"),
        pytest.param("removing", "requirements", 0, id="requirement of what lapses"),
        pytest.param("removing", "requirements", 1, id="requirement of a reinstatement"),
        pytest.param("removing", "removals", 0, id="removal before a reinstatement"),
        pytest.param("resting", "absences", 2, id="absence from which one returns"),
    ],
)
def test_nothing_follows_from_a_table_with_an_error(name: str, table: str, item: str | int) -> None:
    data = load(name)
    data[table][item]["misspelled"] = 1
    (key,) = list_keys(data)
    assert key.startswith(table)
    assert key.endswith(".misspelled")


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("attesting", "attestations"),
        ("applying", "documents"),
        ("attesting", "categories"),
        ("history", "categories"),
        ("paying", "fees"),
        ("paying", "requirements"),
        ("removing", "categories"),
        ("removing", "removals"),
        ("removing", "requirements"),
        ("whole", "absences"),
        ("whole", "cycles"),
        ("whole", "interpretations"),
        ("whole", "topic_names"),
    ],
)
@pytest.mark.parametrize("value", [5, ["a list"]])
def test_nothing_follows_from_a_value_in_place_of_tables(
    name: str, table: str, value: object
) -> None:
    keys = list_keys(load(name) | {table: value})
    assert [key for key in keys if key.startswith(table)] == keys
    assert keys


@pytest.mark.parametrize(
    ("name", "table"),
    [("paying", "fees"), ("removing", "requirements"), ("removing", "removals")],
)
def test_nothing_follows_from_one_bracket_too_few(name: str, table: str) -> None:
    data = load(name)
    assert list_keys(data | {table: data[table][0]}) == [table]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (DEGREE, DEGREE.replace("levels", "level")),
        ('label = "RSC"', 'lable = "RSC"'),
        ('[topic_names]\nRSC-GIVEN = "', '[topic_names]\nRSC-GIVEN = 1 # "'),
    ],
)
def test_nothing_follows_for_the_alternative_and_the_part(old: str, new: str) -> None:
    found = problems(old, new)
    assert not [each for each in found if " requirements of " in each or ".topic: " in each]
