"""Letters about decisions on applications that an import records."""

from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from tests.importer.importer import Importer
from tests.importer.test_grant_letters import letters
from tracker import clock
from tracker.cli.main import app

PEOPLE = "email,name\nalice@example.org,Alice Moreno\n"
HEADING = "email,association,category,opened_on,submitted_on,decided_on,state,answer\n"
OPEN = f"{HEADING}alice@example.org,NCIMHA,IFS,2024-01-10,2024-06-01,,,\n"


@pytest.fixture(autouse=True)
def _in_june(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER_DATABASE_URL", sqlite_url)
    monkeypatch.setattr(clock, "now", lambda: datetime(2024, 6, 30, 12, tzinfo=UTC))


def bring(importer: Importer, **files: str) -> str:
    """Import files; what the command prints after the counts."""
    for old in importer.folder.iterdir():
        old.unlink()
    importer.write(**files)
    called = CliRunner().invoke(app, ["import", str(importer.folder)])
    assert called.exit_code == 0, called.stderr
    return " ".join(called.stdout.split())


def decided(day: str, state: str, answer: str = "") -> str:
    return f"{HEADING}alice@example.org,NCIMHA,IFS,2024-01-10,,{day},{state},{answer}\n"


@pytest.fixture
def applied(sqlite_importer: Importer) -> Importer:
    """An importer whose database has Alice's application."""
    bring(sqlite_importer, people=PEOPLE, applications=OPEN)
    return sqlite_importer


def test_an_endorsed_applicant_gets_the_letter(applied: Importer) -> None:
    printed = bring(applied, applications=decided("2024-06-28", "endorsed"))
    assert "1 letter by email: alice@example.org (endorsed)." in printed
    [letter] = letters(applied)
    assert letter.startswith("You are endorsed as Infant Family Specialist\n")
    assert "Endorsed since: June 28, 2024" in letter
    assert "First renewal due: December 31, 2024" in letter


def test_a_declined_applicant_gets_the_reason(applied: Importer) -> None:
    printed = bring(applied, applications=decided("2024-06-28", "declined", "Two references"))
    assert "1 letter by email: alice@example.org (declined)." in printed
    [letter] = letters(applied)
    assert "Your application for NCIMHA IFS was declined." in letter
    assert "NCIMHA writes: Two references" in letter


def test_without_a_reason_the_letter_says_whom_to_ask(applied: Importer) -> None:
    bring(applied, applications=decided("2024-06-28", "declined"))
    [letter] = letters(applied)
    assert "Reply to this email to find out the reason." in letter
    assert "writes:" not in letter


def test_the_same_decision_again_sends_nothing(applied: Importer) -> None:
    bring(applied, applications=decided("2024-06-28", "endorsed"))
    printed = bring(applied, applications=decided("2024-06-28", "endorsed"))
    assert "letter" not in printed
    assert len(letters(applied)) == 1


@pytest.mark.parametrize(("day", "count"), [("2024-06-16", 1), ("2024-06-15", 0)])
def test_a_past_decision_gets_no_letter(applied: Importer, day: str, count: int) -> None:
    printed = bring(applied, applications=decided(day, "endorsed"))
    assert len(letters(applied)) == count
    assert ("No letter about 1 decision of more than 14 days ago." in printed) == (count == 0)


def test_people_who_come_with_the_import_get_no_letter(sqlite_importer: Importer) -> None:
    bring(sqlite_importer, people=PEOPLE, applications=decided("2024-06-28", "endorsed"))
    assert letters(sqlite_importer) == []


def test_a_withdrawn_application_gets_no_letter(applied: Importer) -> None:
    bring(applied, applications=decided("2024-06-28", "withdrawn"))
    assert letters(applied) == []


def test_only_a_declined_application_has_an_answer(applied: Importer) -> None:
    files = {"applications": decided("2024-06-28", "endorsed", "Welcome")}
    [problem] = applied.problem_texts(**files)
    assert problem.endswith("is the reason for declining: leave it empty otherwise")
