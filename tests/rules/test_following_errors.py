"""What has an error of its own is reported once: nothing that only follows from it."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.rules.case_data import TESTS
from tests.rules.planned import FOLDER
from tests.rules.test_consistency import problems
from tracker.rules.parse import check_rulebook, parse_rulebook

IMAGINED = TESTS / "rulebooks" / "rulebooks"
WHOLE, PAYING, REMOVING = (IMAGINED / f"{name}.toml" for name in ("whole", "paying", "removing"))
VIRGINIA = TESTS.parent / "config" / "rulebooks" / "vaimh.toml"
WITH_PART = 'about = "After the master\'s degree, within 24 months, with a clinical mentor"'
CERTIFICATE = """[[certificates]]
from = 2024-01-01
issuer = "EX"
signatory = "Kai"
title = "Chair"
wording = "is endorsed as"
categories = ["IMHS"]
source = { document = "guide", section = "Fees" }

[[fees]]"""
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


def list_errors(file: Path, *changes: tuple[str, str]) -> list[str]:
    """The keys of all problems of a rulebook after changes of its text."""
    text = file.read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return [problem.key for problem in parse_rulebook(text, "ex.toml")[1]]


@pytest.mark.parametrize(
    ("file", "block"),
    [
        pytest.param(WHOLE, "[[cycles]]\n", id="lengthened cycles, and months"),
        pytest.param(WHOLE, '[[absences]]\nkind = "inactive"\n', id="return from inactive status"),
        pytest.param(WHOLE, '[[requirements]]\nid = "membership"\n', id="exempt from first cycle"),
        pytest.param(VIRGINIA, 'id = "education"\n', id="alternative to a requirement"),
        pytest.param(VIRGINIA, f"{WITH_PART}\n", id="part of a requirement"),
        pytest.param(PAYING, "[[requirements]]\n", id="fee of a renewal"),
        pytest.param(REMOVING, "[[requirements]]\n", id="removal of what lapsed"),
    ],
)
def test_nothing_follows_from_a_wrong_block(file: Path, block: str) -> None:
    (key,) = list_errors(file, (block, f"{block}unknown = 1\n"))
    assert key.endswith(".unknown")


def test_no_idle_certificate_follows_from_a_requirement() -> None:
    wrong = ("[[requirements]]\n", "[[requirements]]\nunknown = 1\n")
    assert list_errors(PAYING, ("[[fees]]", CERTIFICATE)) == []
    assert list_errors(PAYING, ("[[fees]]", CERTIFICATE), wrong) == ["requirements[1].unknown"]


@pytest.mark.parametrize("field", ["cycles", "removals", "requirements", "fees", "absences"])
def test_a_number_is_no_list_of_blocks(field: str) -> None:
    lines = ['id = "EX"', 'name = "EX"', 'time_zone = "UTC"', f"{field} = 5", "[categories]"]
    _, problems = parse_rulebook("\n".join([*lines, 'IFS = { name = "IFS" }']), "ex.toml")
    assert [problem.key for problem in problems] == [field]
