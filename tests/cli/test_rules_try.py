"""`tracker rules try`: a made-up person, judged by a rulebook file."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tracker.cli.main import app

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "config" / "examples"
FILE = EXAMPLES / "three-year-attestation.toml"
SIGNED = ("--as-of", "2028-04-01", "--submitted", "2028-04-01", "--signed", "ethic")


@pytest.fixture(autouse=True)
def _config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(ROOT / "config"))
    # No database: nothing of one is needed.
    monkeypatch.setenv("TRACKER_DATABASE_URL", f"sqlite:///{tmp_path / 'none.db'}")


def tracker(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def try_person(*options: str, file: Path = FILE) -> Result:
    return tracker("rules", "try", str(file), *options)


def judge(*options: str) -> dict[str, Any]:
    """The JSON for IFS endorsed before the first three-year cycle, and these options."""
    found = try_person("--category", "IFS", "--endorsed", "2025-03-01", "--json", *options)
    assert found.exit_code == 0, found.output
    return dict(json.loads(found.stdout))


def statuses(found: dict[str, Any]) -> dict[str, str]:
    return {each["id"]: each["status"] for each in found["requirements"]}


def message_of(result: Result) -> str:
    """The error, in one line."""
    assert result.exit_code != 0
    text = f"{result.output} {result.exception}".replace("│", " ")
    return " ".join(text.split())


def test_the_example_is_valid() -> None:
    found = tracker("rules", "check", str(FILE))
    assert found.exit_code == 0, found.output
    assert found.stdout.endswith("three-year-attestation.toml is valid.\n")


def test_a_file_with_errors_is_checked_by_itself(tmp_path: Path) -> None:
    (tmp_path / "organizations.toml").write_bytes((EXAMPLES / "organizations.toml").read_bytes())
    file = tmp_path / "mine.toml"
    file.write_text(FILE.read_text("utf-8").replace("hours = 45", "huors = 45"), "utf-8")
    found = tracker("rules", "check", str(file))
    assert found.exit_code == 1
    assert "did you mean hours? (found 45) (requirement 'training', line " in found.stderr
    assert found.stderr.endswith("1 problem in " + f"{file}.\n")


def test_a_signed_and_submitted_renewal_is_met() -> None:
    words = ("--training", "20", "--rsc", "12", "--member", "--submitted", "2030-09-30")
    found = judge(*words, "--as-of", "2030-09-30")
    assert (found["status"], found["mail"]) == ("met", [])
    assert statuses(found) == {
        "training": "attested",
        "training.deia": "attested",
        "rsc": "attested",
        "membership": "met",
        "ethics": "met",
        "submission": "met",
    }


def test_a_renewal_is_not_submitted_on_the_day_before() -> None:
    found = judge("--member", "--submitted", "2030-09-30", "--as-of", "2030-09-29")
    assert (found["status"], statuses(found)["submission"]) == ("open", "short")


def test_a_renewal_lapses_on_the_day_after_the_due_date() -> None:
    found = judge("--member", "--as-of", "2030-10-01", "--cycle", "2030-09-30")
    assert found["status"] == "lapsed"
    assert [each["kind"] for each in found["mail"]] == ["lapse"]


def test_reminders_are_those_of_the_steps_ahead() -> None:
    found = judge("--member", "--as-of", "2030-09-16")
    days = [each["on"] for each in found["mail"] if each["kind"] == "renewal"]
    assert days == ["2030-09-16", "2030-09-23", "2030-09-29"]
    assert found["mail"][-1] == {
        "on": "2030-10-01",
        "kind": "lapse",
        "about": "2030-09-30",
        "step": 1,
    }


def test_signing_one_statement_leaves_the_others_open() -> None:
    words = ("--member", "--submitted", "2030-09-01", "--signed", "ethics")
    found = statuses(judge(*words, "--as-of", "2030-09-01"))
    assert (found["ethics"], found["training"]) == ("met", "short")


def test_hours_of_more_than_a_day_count_in_full() -> None:
    found = judge("--training", "45", "--rsc", "36", "--as-of", "2029-01-01")
    assert statuses(found)["training"] == "met"
    assert statuses(found)["rsc"] == "met"


def test_a_person_can_be_a_file() -> None:
    found = try_person("--person", str(EXAMPLES / "person.toml"), "--as-of", "2030-09-15")
    assert found.exit_code == 0, found.output
    assert "Training (training): 20 of 45 hours, met by the signed statement" in found.stdout
    assert "Bo's endorsement as IMHS ended on December 31, 2028" in found.stdout
    assert found.stdout.endswith("Nothing was stored or sent.\n")


def test_someone_endorsed_in_the_middle_owes_a_part() -> None:
    words = ("--category", "IFS", "--endorsed", "2028-04-01", "--as-of", "2029-09-01")
    text = try_person(*words).stdout
    assert "Cycle: October 1, 2027 to September 30, 2030, the first one" in text
    assert "Training (training): 0 of 37.5 hours, 37.5 hours missing" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "name a file with --person, or describe the person: --category and --endorsed"),
        (("--category", "IFS"), "describe the person: --category and --endorsed"),
        (
            ("--category", "ISF", "--endorsed", "2025-03-01"),
            "category 'ISF' is not in the rulebook: did you mean IFS?",
        ),
        (
            ("--category", "IFS", "--endorsed", "2025-03-01", "--as-of", "2027-09-30"),
            "there is no cycle on 2027-09-30: the rulebook's cycles begin later, or",
        ),
        (
            ("--category", "IFS", "--endorsed", "2025-03-01", "--signed", "ethics"),
            "--signed goes with --submitted, the day on which the statement was signed",
        ),
        (
            (
                "--category",
                "IFS",
                "--endorsed",
                "2028-03-01",
                "--as-of",
                "2028-04-01",
                "--submitted",
                "2028-04-01",
                "--signed",
                "ethic",
            ),
            "signed 'ethic' is not in the rulebook: did you mean ethics?",
        ),
        (("--category", "IFS", "--endorsed", "March"), "'March' is not a date. Write it as"),
        (
            ("--category", "IFS", "--endorsed", "2028-03-01", "--training", "0"),
            "Input should be greater than 0",
        ),
        (("--person", "nowhere.toml"), "nowhere.toml: the whole file: No such file or directory"),
        (
            ("--person", "x.toml", "--category", "IFS"),
            "describe the person in the file or by options, not by both",
        ),
    ],
)
def test_wrong_input_is_explained(options: tuple[str, ...], message: str) -> None:
    assert message in message_of(try_person(*options))


def test_every_error_in_a_person_is_listed(tmp_path: Path) -> None:
    file = tmp_path / "person.toml"
    text = 'category = "IFS"\nendorced = 2025-03-01\n[[sessions]]\non = 2028-01-01\n'
    file.write_text(text, "utf-8")
    message = message_of(try_person("--person", str(file)))
    assert "person.toml: endorced: is not a key here: did you mean endorsed?" in message
    assert "person.toml: sessions[1]: write either training or rsc, with the hours" in message


def test_an_unknown_rulebook_file_is_an_error() -> None:
    message = message_of(try_person(file=Path("nowhere.toml")))
    assert "nowhere.toml: the whole file: No such file or directory" in message


def test_a_part_of_the_hours_says_why() -> None:
    words = ("--category", "IFS", "--endorsed", "2028-04-01", "--as-of", "2029-09-01")
    assert (
        "5/6 of the cycle's hours, because the endorsement began in it" in try_person(*words).stdout
    )
