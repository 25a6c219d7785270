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
IMAGINED = ROOT / "tests" / "rulebooks" / "rulebooks"
WHOLE, PAYING = IMAGINED / "whole.toml", IMAGINED / "paying.toml"
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


def test_mail_about_the_submission_window_is_listed(tmp_path: Path) -> None:
    text = try_whole(tmp_path, "", "2028-08-15")
    assert "  1 September 2028: reminder, on the first day to submit, 1 September 2028\n" in text
    assert "reminder, 7 days before the last day to submit, 31 March 2029\n" in text


def test_mail_about_the_end_of_leave_is_listed(tmp_path: Path) -> None:
    lines = "leaves = [{ from = 2027-07-01, until = 2027-12-31 }]"
    text = try_whole(tmp_path, lines, "2027-08-01")
    assert "  1 December 2027: reminder, 30 days before the last day away, 31 December" in text


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
            "write a number that is more than 0",
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


@pytest.mark.parametrize(
    ("day", "is_open"),
    [("2030-07-01", False), ("2030-07-02", True), ("2030-10-10", True), ("2030-10-11", False)],
)
def test_a_submission_outside_the_window_is_refused(
    tmp_path: Path, day: str, *, is_open: bool
) -> None:
    (tmp_path / "organizations.toml").write_bytes((EXAMPLES / "organizations.toml").read_bytes())
    file, old = tmp_path / "mine.toml", "grace_days = 0\n"
    new = "grace_days = 31\nsubmission_opens = -90\nsubmission_closes = 10\n"
    file.write_text(FILE.read_text("utf-8").replace(old, new), "utf-8")
    words = ("--endorsed", "2025-03-01", "--submitted", day, "--as-of", day)
    found = try_person("--category", "IFS", "--cycle", "2030-09-30", *words, file=file)
    if is_open:
        assert "Submission (submission): 1 of 1, met" in found.stdout
    else:
        assert f"from 2030-07-02 through 2030-10-10, so not on {day}:" in message_of(found)


def test_a_submission_before_the_judged_cycle_is_refused() -> None:
    words = ("--endorsed", "2025-03-01", "--submitted", "2030-09-30", "--as-of", "2030-10-01")
    message = message_of(try_person("--category", "IFS", *words))
    assert "or choose another cycle with --cycle and a day in it" in message


@pytest.mark.parametrize("kind", ["inactive", "emeritus"])
def test_a_status_that_the_rulebook_lacks_is_refused(tmp_path: Path, kind: str) -> None:
    person = tmp_path / "person.toml"
    text = (
        f'category = "IFS"\nendorsed = 2025-03-01\n[[leaves]]\nfrom = 2028-01-01\nkind = "{kind}"\n'
    )
    person.write_text(text, "utf-8")
    message = message_of(try_person("--person", str(person), "--as-of", "2028-02-01"))
    assert f'add [[absences]] with kind = "{kind}", or remove it from the person' in message


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


def test_hours_of_each_year_are_no_part_of_the_cycles_hours() -> None:
    words = ("--category", "IFS", "--endorsed", "2027-05-01", "--as-of", "2028-11-30")
    text = try_person(*words, file=WHOLE).stdout
    whole, _, yearly = text.partition("Yearly reflective supervision")
    assert "2/3 of the cycle's hours" in whole
    assert "of the cycle's hours" not in yearly


def test_years_held_are_named_beside_what_they_change() -> None:
    words = ("--category", "IFRS", "--endorsed", "2020-05-01", "--as-of", "2028-11-30")
    text = try_person(*words, file=WHOLE).stdout
    assert "is 24 hours, because the endorsement had been held for 3 years when" in text


def write_person(folder: Path, lines: str) -> str:
    file = folder / "person.toml"
    file.write_text(lines, "utf-8")
    return str(file)


def try_whole(folder: Path, lines: str, as_of: str) -> str:
    """The output about an IFS of the association that has every rule, with these facts."""
    person = write_person(folder, f'category = "IFS"\nendorsed = 2020-05-01\n{lines}')
    found = try_person("--person", person, "--as-of", as_of, file=WHOLE)
    assert found.exit_code == 0, found.output
    return found.stdout


@pytest.mark.parametrize(
    ("days", "fee"),
    [
        (("--paid", "2026-12-31"), "met"),
        (("--paid", "2027-01-01"), "short"),
        ((), "short"),
    ],
)
def test_a_fee_is_paid_by_the_due_date_or_not(days: tuple[str, ...], fee: str) -> None:
    words = ("--category", "IFS", "--endorsed", "2020-05-01", "--training", "4", *days)
    found = try_person(*words, "--as-of", "2027-01-05", "--cycle", "2026-12-31", file=PAYING)
    assert f"Renewal fee (fee): {'1 of 1, met' if fee == 'met' else '0 of 1, 1 missing'}" in (
        found.stdout
    )
    paid = {"met": "$75.00 of $75.00", "short": "of $100.00"}[fee]
    assert f"{paid} paid" in found.stdout


def test_what_is_left_of_a_fee_names_its_late_amount(tmp_path: Path) -> None:
    text = try_whole(tmp_path, "payments = [{ on = 2028-11-01, amount = 40 }]", "2028-11-30")
    assert (
        "Renewal fee (renewal): US$40.00 of US$90.00 paid; US$120.00 if paid after 31 January"
        in text
    )


def test_leave_says_what_it_reduces(tmp_path: Path) -> None:
    lines = "leaves = [{ from = 2027-07-01, until = 2027-12-31 }]"
    text = try_whole(tmp_path, lines, "2028-11-30")
    assert "Training (training): 0 of 37.5 hours" in text
    assert "6 of 36 months on leave" in text


@pytest.mark.parametrize(
    ("leaves", "said"),
    [
        (("2026-01-01, until = 2026-02-28", "2027-01-01, until = 2027-02-28"), "at most once"),
        (("2026-01-01, until = 2026-02-28", "2026-02-28, until = 2026-03-31"), "overlap"),
        (("2026-01-01, until = 2027-02-28",), "at most 12 months"),
    ],
)
def test_leave_that_nobody_can_record_is_refused(
    tmp_path: Path, leaves: tuple[str, ...], said: str
) -> None:
    lines = "leaves = [" + ", ".join(f"{{ from = {each} }}" for each in leaves) + "]"
    person = write_person(tmp_path, f'category = "IFS"\nendorsed = 2020-05-01\n{lines}')
    refused = try_person("--person", person, "--as-of", "2028-11-30", file=WHOLE)
    assert said in message_of(refused)


def test_inactive_status_excuses_what_is_listed(tmp_path: Path) -> None:
    lines = 'leaves = [{ from = 2028-01-01, until = 2028-12-31, kind = "inactive" }]'
    text = try_whole(tmp_path, lines, "2028-11-30")
    assert "Training (training): 0 of 45 hours, not required" in text
    assert "DEIA training, first year (training.deia.1): 0 of 2 hours, 2 hours missing" in text


def test_formats_are_counted_up_to_their_caps(tmp_path: Path) -> None:
    lines = (
        "[[sessions]]\non = 2026-01-10\nrsc = 10\nformat = 'group'\n"
        "[[sessions]]\non = 2027-01-10\nrsc = 7\nformat = 'peer'\n"
    )
    text = try_whole(tmp_path, lines, "2028-11-30")
    assert "Reflective supervision (rsc): 16 of 36 hours" in text
    assert "Months of reflective supervision (rsc.months): 2 of 18 months, 16 months" in text


def test_an_application_moves_the_first_cycle(tmp_path: Path) -> None:
    lines = 'category = "IFS"\nendorsed = 2027-05-01\napplied = 2026-12-31\n'
    person = write_person(tmp_path, lines)
    found = try_person("--person", person, "--as-of", "2028-11-30", file=WHOLE)
    assert "Training (training): 0 of 45 hours" in found.stdout


def test_an_agencys_membership_can_be_tried(tmp_path: Path) -> None:
    lines = 'memberships = [{ from = 2020-01-01, kind = "agency" }]'
    assert "Membership (membership): on 0 of 3 days" in try_whole(tmp_path, lines, "2028-11-30")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("payments = [{ on = 2028-01-01, fee = 'renewl' }]", "did you mean renewal?"),
        ("payments = [{ on = 2028-01-01, amount = '75' }]", "write 75 or 87.50"),
        ("applied = 2020-05-02", "applied (2020-05-02) is after endorsed (2020-05-01)"),
        ("leaves = [{ from = 2028-01-01, kind = 'absent' }]", "leaves[1].kind"),
        ("[[sessions]]\non = 2028-01-01\nrsc = 1\nformat = 'video'", "sessions[1].format"),
    ],
)
def test_wrong_facts_are_explained(tmp_path: Path, lines: str, message: str) -> None:
    person = write_person(tmp_path, f'category = "IFS"\nendorsed = 2020-05-01\n{lines}\n')
    found = try_person("--person", person, "--as-of", "2028-11-30", file=WHOLE)
    assert message in message_of(found)
