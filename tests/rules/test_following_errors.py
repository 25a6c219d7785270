"""An error in one block of a rulebook is reported alone, without what only follows from it."""

from pathlib import Path

import pytest

from tests.rules.case_data import TESTS
from tracker.rules.parse import parse_rulebook

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
