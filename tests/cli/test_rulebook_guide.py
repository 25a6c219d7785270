"""docs/rulebook.md shows files and output as they are, so that the guide can't go stale."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tracker.cli.main import app
from tracker.rules.made_up_person import (
    MadeUpLeave,
    MadeUpMembership,
    MadeUpPayment,
    MadeUpPerson,
    MadeUpSession,
)

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "config" / "examples"
FILE = EXAMPLES / "three-year-attestation.toml"
GUIDE = ROOT / "docs" / "rulebook.md"


@pytest.fixture(autouse=True)
def _config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(ROOT / "config"))


def tracker(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def test_the_guide_shows_the_example_as_it_is() -> None:
    """Every block of the worked example is in the file; every command prints that output."""
    guide = GUIDE.read_text("utf-8").partition("## Worked example")[2].partition("\n## ")[0]
    blocks = re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)
    assert len(blocks) > 3
    for block in blocks:
        assert block.strip() in FILE.read_text("utf-8"), block
    shown = re.findall(r"```console\n\$ tracker (.*?)\n(.*?)```", guide, re.DOTALL)
    assert len(shown) > 1
    for command, output in shown:
        words = command.replace("config/examples", str(EXAMPLES)).split()
        printed = tracker(*words).stdout.replace(str(EXAMPLES), "config/examples")
        assert printed.strip() == output.strip(), command


def test_the_guide_shows_the_interpretation_as_it_is() -> None:
    guide = GUIDE.read_text("utf-8").partition("## Where the page is silent")[2]
    (block,) = re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)
    assert block.strip() in FILE.read_text("utf-8")


def test_the_guide_starts_with_a_file_that_works(tmp_path: Path) -> None:
    guide = GUIDE.read_text("utf-8").partition("## The smallest file")[2].partition("\n## ")[0]
    organizations, rulebook = re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)
    (tmp_path / "organizations.toml").write_text(organizations, "utf-8")
    file = tmp_path / "mine.toml"
    file.write_text(rulebook, "utf-8")
    found = tracker("rules", "check", str(file))
    assert found.exit_code == 0, found.output


def test_every_fact_about_a_made_up_person_is_documented() -> None:
    text = (ROOT / "docs" / "cli.md").read_text("utf-8").partition("## `tracker rules try`")[2]
    of_person = text.partition("\n## ")[0]
    for model in (MadeUpPerson, MadeUpSession, MadeUpMembership, MadeUpLeave, MadeUpPayment):
        for name, field in model.model_fields.items():
            key = field.alias or name
            assert f"`{key}`" in of_person or f"{key}]" in of_person or f"[{key}." in of_person, key
