"""docs/security.md is whole and true: each requirement once, each file and test that it names."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tracker.db.signing_keys import PURPOSES
from tracker.db.tables import METADATA
from tracker.services.entry_rules import DAILY_LIMIT
from tracker.services.group_sessions import MEMBER_LIMIT
from tracker.services.references import DAILY_LIMIT as REFEREE_LIMIT
from tracker.settings import Bounces, Settings, SignInLimits, Web

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "security.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
REQUIRED = dict(
    line.split()
    for line in (Path(__file__).parent / "asvs_5.0.0.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
)
_ROW = re.compile(r"^\| (\d+\.\d+\.\d+) \| (.+) \| (.+) \| (.+) \|(.*)\|$", re.MULTILINE)
_NAMED = re.compile(r"`((?:tests|tracker|docs|deploy|config|templates|\.ci)/[^`\s:]+)(?:: (\w+))?`")


class Row(NamedTuple):
    """A row of the table; ``where`` is the cell that names files and tests."""

    number: str
    asks_for: str
    today: str
    why: str
    where: str


ROWS = [Row(*found) for found in _ROW.findall(TEXT)]


def section(heading: str) -> str:
    """The text below a heading, to the next one."""
    found = re.search(
        rf"^##+ {re.escape(heading)}\n(.*?)(?=^##+ |\Z)", TEXT, re.MULTILINE | re.DOTALL
    )
    assert found, heading
    return found[1]


def functions_of(file: Path) -> set[str]:
    """The names of a file's tests."""
    tree = ast.parse(file.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_requirement_is_listed_once_in_order() -> None:
    assert [row.number for row in ROWS] == [*REQUIRED]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.number)
def test_every_row_has_a_state_and_reason(row: Row) -> None:
    assert row.today in {"Met", "Not met", "Does not apply"}
    assert row.why.strip()


def test_met_rows_name_an_existing_file() -> None:
    for row in ROWS:
        names = re.findall(r"`([^`:]+)(?:: \w+)?`", row.where)
        assert names or row.today != "Met", row.number
        assert all((ROOT / name).exists() for name in names), row


def test_every_named_file_and_test_exists() -> None:
    named = _NAMED.findall(TEXT)
    assert len(named) > 100
    for path, test in named:
        file = ROOT / path
        assert file.exists(), path
        if test:
            assert test in functions_of(file), f"{path}: {test}"


def test_links_lead_to_files_and_headings() -> None:
    headings = re.findall(r"^##+ (.+)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", words).lower().replace(" ", "-") for words in headings}
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        path, _, anchor = target.partition("#")
        if not path:
            assert anchor in anchors, target
        elif not path.startswith("https://"):
            assert (ROOT / "docs" / path).exists(), target


def test_a_single_factor_is_stated_as_unmet() -> None:
    states = {row.number: row.today for row in ROWS}
    assert states["6.3.3"] == "Not met"
    assert "does not reach level 2" in TEXT
    assert "does not reach level 2" in README


def test_every_table_has_a_class_and_retention() -> None:
    described = set(re.findall(r"`(\w+)`", section("Data and how long it stays")))
    assert METADATA.tables.keys() - described == set()


def test_every_key_and_secret_is_in_the_inventory() -> None:
    secrets = {
        name
        for model in (Settings, Web, Bounces)
        for name, field in model.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }
    described = set(re.findall(r"`([\w -]+)`", section("Keys and secrets")))
    assert len(secrets) == 5
    assert {*PURPOSES, *secrets} - described == set()


def test_the_stated_limits_are_the_limits() -> None:
    costly, limits = section("Costly functions"), SignInLimits()
    for words in (
        f"{DAILY_LIMIT} a person and day",
        f"{REFEREE_LIMIT} a person and day",
        f"{MEMBER_LIMIT} people a session",
        f"{limits.asks_per_address} an address and hour, {limits.asks_per_client} a client",
        f"{limits.codes_per_client} a client and hour",
    ):
        assert words in costly


def test_how_to_report_is_linked() -> None:
    assert "(SECURITY.md)" in README
    assert "(../SECURITY.md)" in TEXT
    policy = (ROOT / "SECURITY.md").read_text("utf-8")
    for heading in ("Report a vulnerability", "What to expect", "Supported versions"):
        assert f"## {heading}\n" in policy
