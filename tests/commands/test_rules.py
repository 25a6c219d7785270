"""`tracker rules`: every error at once, and a rulebook that a person can read."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tracker.cli import app
from tracker.rulebooks import load_rulebooks

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of config/ in which commands look."""
    shutil.copytree(CONFIG, tmp_path / "config")
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(tmp_path / "config"))
    return tmp_path / "config"


def tracker(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def flat(text: str) -> str:
    """Return the text without its line breaks and indents."""
    return " ".join(text.split())


def test_right_rulebooks_are_summed_up(folder: Path) -> None:
    done = tracker("rules", "check")
    assert done.exit_code == 0
    assert "NCIMHA: 15 categories, renewal rules for IFS" in done.stdout
    assert "VAIMH: 7 categories, renewal rules for no category" in done.stdout
    assert str(folder) in done.stdout


def test_every_error_in_every_file_is_listed(folder: Path) -> None:
    for name in ("ncimha.toml", "mi-aimh.toml"):
        file = folder / "rulebooks" / name
        file.write_text(file.read_text().replace("hours = 12", "hours = -12"))
    done = tracker("rules", "check")
    assert done.exit_code == 1
    assert "ncimha.toml: requirements[3].values[1].hours: " in done.stderr
    assert "mi-aimh.toml: requirements[3].values[1].hours: " in done.stderr
    assert " problems in " in done.stderr


@pytest.mark.usefixtures("folder")
def test_each_requirement_is_shown_with_its_days_and_source() -> None:
    text = flat(tracker("rules", "show", "--association", "NCIMHA").stdout)
    assert "IFS: training.deia" in text
    assert "from 1 January 2024: 1 hour [NCIMHA: Infant Family Specialist (IFS), " in text
    assert "CT-AIMH: Connecticut" not in text


@pytest.mark.usefixtures("folder")
def test_a_provider_rule_is_shown_with_its_last_day() -> None:
    text = flat(tracker("rules", "show", "--association", "NCIMHA").stdout)
    assert "vetted by the association, to the end of 21 December 2027" in text


@pytest.mark.usefixtures("folder")
def test_a_rulebook_without_renewal_rules_says_so() -> None:
    text = flat(tracker("rules", "show", "--association", "VAIMH").stdout)
    assert "Requirements none in this rulebook" in text
    assert "IFA: Infant Family Associate (the rulebook holds no renewal rules for it)" in text


def test_every_interpretation_is_shown_with_the_reading_taken(folder: Path) -> None:
    text = flat(tracker("rules", "show").stdout)
    for book in load_rulebooks(folder).associations.values():
        assert f"{book.id}: {book.name}" in text
        for interpretation in book.interpretations:
            assert flat(interpretation.says) in text
            assert flat(f": {interpretation.taken}") in text
            for reading in interpretation.readings:
                assert flat(reading) in text


@pytest.mark.usefixtures("folder")
def test_an_unknown_association_is_refused_with_those_there_are() -> None:
    done = tracker("rules", "show", "--association", "NOWHERE")
    assert done.exit_code == 1
    assert "CT-AIMH, MI-AIMH, NCIMHA, VAIMH" in done.stderr


THREE_YEARS = """
[[cycles]]
from = 2025-01-01
kind = "anniversary"
years = 3
due_days_after_end = 10
grace_days = 5
first_cycle = "fraction by month"
"""


def test_a_change_of_cycle_is_shown_with_its_day(folder: Path) -> None:
    file = folder / "rulebooks" / "ncimha.toml"
    head, mark, rest = file.read_text().partition("[providers.ifs-rsc]")
    file.write_text(head + THREE_YEARS + mark + rest)
    text = flat(tracker("rules", "show", "--association", "NCIMHA").stdout)
    assert (
        "from 1 January 2025: each 3 years from the day of endorsement; due 10 days after it ends, "
        "then 5 days of grace; first cycle: fraction by month"
    ) in text
