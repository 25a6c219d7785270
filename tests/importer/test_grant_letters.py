"""Letters about waivers, leave, and later due dates that an import records."""

from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest
from typer.testing import CliRunner

from tests.importer.importer import Importer
from tracker import clock
from tracker.cli.main import app
from tracker.db.engine import reading
from tracker.db.signing_keys import body_cipher

PEOPLE = "email,name\nalice@example.org,Alice Moreno\n"
HELD = "email,association,category,starts_on\nalice@example.org,NCIMHA,IFS,2022-01-01\n"
CYCLE = "email,association,category,endorsed_on,cycle_starts_on"
WAIVER = f"{CYCLE},requirement,reason\nalice@example.org,NCIMHA,IFS,2022-01-01,%s,rsc,Ill\n"
EXTENSION = (
    f"{CYCLE},extended_due_on,reason\n"
    "alice@example.org,NCIMHA,IFS,2022-01-01,2024-01-01,2025-03-31,Moved\n"
)
LEAVE = (
    "email,association,category,starts_on,ends_on,reason\n"
    "alice@example.org,NCIMHA,IFS,%s,Parental\n"
)


@pytest.fixture(autouse=True)
def _in_june(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER_DATABASE_URL", sqlite_url)
    monkeypatch.setattr(clock, "now", lambda: datetime(2024, 6, 30, 12, tzinfo=UTC))


def run_import(importer: Importer, **files: str) -> None:
    for old in importer.folder.iterdir():
        old.unlink()
    importer.write(**files)
    called = CliRunner().invoke(app, ["import", str(importer.folder), "--first-day", "NCIMHA=none"])
    assert called.exit_code == 0, called.stderr


def letters(importer: Importer) -> list[str]:
    """Subject and text of each letter."""
    found = []
    for message_id, subject, body in importer.rows("outbox", "message_id", "subject", "body"):
        with reading(importer.engine) as session:
            opened = body_cipher(session).decrypt(message_id, body)
        part = message_from_bytes(opened or b"", policy=policy.default).get_body(("plain",))
        assert part is not None
        found.append(f"{subject}\n{' '.join(part.get_content().split())}")
    return found


@pytest.fixture
def alices(sqlite_importer: Importer) -> Importer:
    """An importer whose database has Alice."""
    run_import(sqlite_importer, people=PEOPLE, endorsements=HELD)
    return sqlite_importer


def test_a_waiver_is_told_to_the_endorsee(alices: Importer) -> None:
    run_import(alices, waivers=WAIVER % "2024-01-01")
    [letter] = letters(alices)
    assert letter.startswith("Reflective supervision is waived (NCIMHA IFS)\n")
    assert "Renewal due: December 31, 2024" in letter
    assert "Ill" not in letter
    run_import(alices, waivers=WAIVER % "2024-01-01")
    assert len(letters(alices)) == 1


def test_leave_and_a_later_due_date_are_told_as_well(alices: Importer) -> None:
    run_import(alices, leave=LEAVE % "2024-12-01,2025-02-28", extensions=EXTENSION)
    leave, extension = letters(alices)
    assert "Your leave is recorded." in leave
    assert "Last day: February 28, 2025" in leave
    assert "Your renewal is now due on March 31, 2025." in extension
    assert "on or before December 31, 2024" in extension


def test_what_is_over_gets_no_letter(alices: Importer) -> None:
    run_import(alices, waivers=WAIVER % "2022-01-01", leave=LEAVE % "2023-01-01,2023-03-31")
    assert letters(alices) == []


def test_people_who_come_with_the_import_get_no_letter(sqlite_importer: Importer) -> None:
    files = {"people": PEOPLE, "endorsements": HELD, "waivers": WAIVER % "2024-01-01"}
    run_import(sqlite_importer, **files)
    assert letters(sqlite_importer) == []
