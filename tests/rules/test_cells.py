"""Every cell of every table of the sources is in the rulebooks, and nothing that no cell says."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.rules.case_data import REAL
from tracker.rules.model import Rulebook
from tracker.rules.requirement import Requirement, Value

ROWS = tomllib.loads((Path(__file__).parent / "cells.toml").read_text("utf-8"))["rows"]
LISTED = {
    file: [row["section"] for row in ROWS if row["document"] == file]
    for file in dict.fromkeys(row["document"] for row in ROWS)
}


class Cell(NamedTuple):
    """One cell of a table: the document's file, the row and the column."""

    file: str
    section: str
    category: str


CELLS = {
    Cell(row["document"], row["section"], category): asked
    for row in ROWS
    for category, asked in row.items()
    if category not in ("document", "section")
}


def rulebooks() -> Iterator[tuple[Rulebook, str, str]]:
    """Each rulebook with each of its documents: the document's key and its file."""
    for rulebook in REAL.associations.values():
        for key, document in rulebook.documents.items():
            yield rulebook, key, document.file


RULEBOOKS = [pytest.param(*found, id=f"{found[0].id} {found[2]}") for found in rulebooks()]


def required_by(rulebook: Rulebook, key: str, cell: Cell) -> list[str]:
    """What the rulebook asks of a category by this cell: id, amount and unit, in its order."""
    return [
        format_value(requirement, value)
        for requirement in rulebook.requirements
        for value in requirement.values
        if cell.category in requirement.categories
        and (value.source.document, value.source.section) == (key, cell.section)
    ]


def format_value(requirement: Requirement, value: Value) -> str:
    amount, unit = next(
        (
            (amount, unit)
            for amount, unit in (
                (value.hours, "hours"),
                (value.years, "years"),
                (value.many, requirement.unit),
            )
            if amount
        ),
        (None, None),
    )
    return requirement.id if amount is None else f"{requirement.id} {amount:g} {unit}"


def sections_cited(rulebook: Rulebook, key: str) -> set[tuple[str, str]]:
    """Each section and category that a requirement, advice or a reading cites.

    A reading must name the categories that it is about: one about everything shows no care.
    """
    found = [
        *((v.source, r.categories) for r in rulebook.requirements for v in r.values),
        *((a.source, a.categories) for a in rulebook.advice),
        *(
            (accepted.source, r.categories)
            for r in rulebook.requirements
            if r.providers
            for accepted in rulebook.providers[r.providers].accepts
        ),
    ]
    cited = {(s.section, c) for s, cs in found if s.document == key for c in cs}
    readings = [i for i in rulebook.interpretations if i.document == key]
    return cited | {(i.section, category) for i in readings for category in i.categories}


def all_sections_cited(rulebook: Rulebook, key: str) -> set[str]:
    readings = {i.section for i in rulebook.interpretations if i.document == key}
    return readings | {section for section, _ in sections_cited(rulebook, key)}


@pytest.mark.parametrize(("rulebook", "key", "file"), RULEBOOKS)
def test_every_cell_is_cited(rulebook: Rulebook, key: str, file: str) -> None:
    cited = sections_cited(rulebook, key)
    missing = [
        f"{cell.file}, {cell.section}, {cell.category}"
        for cell in CELLS
        if cell.file == file and (cell.section, cell.category) not in cited
    ]
    assert missing == []


@pytest.mark.parametrize(("rulebook", "key", "file"), RULEBOOKS)
def test_every_cell_matches_the_rulebook_requirements(
    rulebook: Rulebook, key: str, file: str
) -> None:
    for cell, expected in CELLS.items():
        if cell.file == file:
            assert required_by(rulebook, key, cell) == expected, cell


@pytest.mark.parametrize(("rulebook", "key", "file"), RULEBOOKS)
def test_sections_match_the_source_in_order(rulebook: Rulebook, key: str, file: str) -> None:
    assert list(rulebook.documents[key].sections) == LISTED[file]


@pytest.mark.parametrize(("rulebook", "key", "file"), RULEBOOKS)
def test_every_cited_section_is_in_the_source(rulebook: Rulebook, key: str, file: str) -> None:
    assert all_sections_cited(rulebook, key) - set(LISTED[file]) == set()


def test_the_cells_are_those_of_five_documents() -> None:
    assert sorted(LISTED) == ["000", "001", "002", "003", "004"]
    assert {file for _, _, file in rulebooks()} == set(LISTED)


def test_every_virginia_row_has_seven_categories() -> None:
    columns = [len([c for c in CELLS if c[:2] == ("004", section)]) for section in LISTED["004"]]
    assert set(columns) == {7}
