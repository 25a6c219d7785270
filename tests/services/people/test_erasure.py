"""An erased person leaves no trace in any column of any table, and nobody else loses anything."""

import json
import zlib
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from sqlalchemy import Engine, select, text
from typer.testing import CliRunner, Result

from tests.support.backups import Kept
from tests.support.cast import ALICE, BOB, DANA, NOW, Cast, fill
from tracker.cli.main import app
from tracker.db.audit import Change, record_changes
from tracker.db.certificates import Certificate
from tracker.db.desk import DeskChange, TeamRole
from tracker.db.desk_tasks import DeskTask, DeskTaskPiece
from tracker.db.engine import reading, writing
from tracker.db.imports import ImportPlanRecord
from tracker.db.ledgers import Outbox, RunFailure
from tracker.db.lists import SavedFilter
from tracker.db.payments import Payment
from tracker.db.signing_keys import body_cipher
from tracker.db.tables import METADATA
from tracker.errors import UserError
from tracker.services.dead_addresses import MARKS

NAME = "Zoë Moreno-Fay"
SECOND = "alice@home.example"
SIMILAR = "malice@example.org"


def erase(email: str, *options: str) -> Result:
    arguments = ["person", "erase", email, "--reason", "Asked for it", "--yes", *options]
    return CliRunner().invoke(app, arguments)


def find_traces(engine: Engine, *words: str) -> list[tuple[str, str, str]]:
    """Each table, column, and value that has one of the words, as text, JSON, packed, or coded."""
    spellings = {form.lower() for word in words for form in (word, json.dumps(word)[1:-1])}
    found = []
    with reading(engine) as session:
        cipher = body_cipher(session)

        def read(table: str, row: Any, value: object) -> str:  # noqa: ANN401 - a row of any table
            if isinstance(value, bytes) and table == "outbox":
                value = cipher.decrypt(row["message_id"], value) or b""
            elif isinstance(value, bytes) and table == "import_plan":
                value = zlib.decompress(value)
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

        for table in METADATA.sorted_tables:
            for row in session.connection().execute(select(table)).mappings():
                for column, value in row.items():
                    plain = read(table.name, row, value)
                    if any(word in plain.lower() for word in spellings):
                        found.append((table.name, column, plain[:80]))
    return found


def keeping(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    """The cast, with what names Alice in other people's rows and in free texts."""
    cast = fill(url)
    kept = Kept(cast, folder, "")
    kept.prove()
    monkeypatch.setenv("TRACKER_DATABASE_URL", url)
    monkeypatch.setenv("TRACKER_EVIDENCE_DIR", str(kept.evidence))
    plant(cast)
    yield kept
    cast.engine.dispose()


@pytest.fixture
def kept(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    yield from keeping(database_url, tmp_path, monkeypatch)


@pytest.fixture
def file_kept(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    yield from keeping(sqlite_url, tmp_path, monkeypatch)


def plant(cast: Cast) -> None:
    alice, texts = cast.people[ALICE], f"{NAME} <{ALICE.upper()}>, not {SIMILAR}"
    with writing(cast.engine) as session:
        rename = text("UPDATE person SET name = :name WHERE id = :id")
        session.connection().execute(rename, {"name": NAME, "id": alice})
        session.connection().execute(
            text("UPDATE outbox SET state = 'sent', body = :b"), {"b": b""}
        )
        cipher = body_cipher(session)
        packed = zlib.compress(json.dumps([{"cells": [[ALICE, NAME]]}]).encode())
        session.add_all(
            [
                DeskChange(
                    association="NCIMHA", title=f"Waive RSC for {NAME}", reason=texts,
                    made_at=NOW, made_by="carol@example.org",
                ),
                ImportPlanRecord(
                    association="NCIMHA", state="mapping", created_at=NOW, created_by="x",
                    changed_at=NOW, changed_by="x", files="[]", mapping="{}", summary="",
                    problem="", sheets=packed,
                ),
                DeskTask(
                    association="NCIMHA", kind="certificates", about_id=0, arguments="[1]",
                    asked_at=NOW, asked_by="carol@example.org", state="done", done=1, total=1,
                    ended_at=NOW, file_name="certificates.zip",
                ),
                RunFailure(
                    job="digest", association="NCIMHA", subject=ALICE, error=texts, attempts=1,
                    first_failed_at=NOW, last_failed_at=NOW,
                ),
                SavedFilter(
                    owner="carol@example.org", association="NCIMHA", name="one", query=f"q={ALICE}",
                    saved_at=NOW,
                ),
                Payment(
                    association="NCIMHA", form_key="x", paid_on=date(2026, 1, 5), amount_cents=1,
                    payer=NAME, reference="1", note=texts, recorded_at=NOW, recorded_by="x",
                ),
                Certificate(
                    endorsement_id=cast.endorsements[ALICE], kind="endorsement",
                    cycle_starts_on=date(2026, 1, 1), number="AAAA-BBBB-CCCC-DDDD", name=NAME,
                    valid_from=date(2026, 1, 1), valid_through=date(2026, 12, 31), issued_at=NOW,
                ),
            ]
        )  # fmt: skip
        session.flush()
        session.add(DeskTaskPiece(task_id=1, name=f"{NAME}.pdf", number=0, content=NAME.encode()))
        for number, (recipient, person_id) in enumerate(((ALICE, alice), (BOB, cast.people[BOB]))):
            message_id = f"<{number}@erasing>"
            session.add(
                Outbox(
                    dedupe_key=f"x:{number}:{ALICE}", message_id=message_id, kind="notices",
                    person_id=person_id, recipient=recipient, subject="x", body=b"", state="sent",
                    created_at=NOW, next_attempt_at=NOW,
                    text=cipher.encrypt(message_id, texts.encode()),
                )
            )  # fmt: skip
        record_changes(
            session,
            [
                Change(ALICE, NOW, "entry", cast.entries["rsc"], None, {"title": texts}),
                Change("x", NOW, "waiver", 7, None, {"reason": texts}),
            ],
        )


def test_no_column_has_a_trace_of_an_erased_person(kept: Kept) -> None:
    engine = kept.cast.engine
    words = (ALICE, NAME, SECOND, "Alice Moreno")
    before = {table for table, _, _ in find_traces(engine, *words)}
    assert before >= {"person", "outbox", "payment", "import_plan", "audit_event", "certificate"}
    assert "desk_task_piece" in before
    events = len(kept.cast.rows("audit_event"))
    done = erase(ALICE)
    assert done.exit_code == 0, done.exception
    assert [trace for trace in find_traces(engine, *words) if SIMILAR not in trace[2]] == []
    assert "Files deleted: 1" in done.stdout
    assert not [*kept.evidence.glob("[0-9a-f]*")]
    # Who did what can still be counted, with one event for the erasure.
    number = kept.cast.people[ALICE]
    found = kept.cast.rows("audit_event")
    assert len(found) == events + 1
    assert f"erased-{number}@erased.invalid" in {event["who"] for event in found}
    (note,) = [row["note"] for row in kept.cast.rows("payment")]
    assert note == f"Erased person {number} <erased-{number}@erased.invalid>, not {SIMILAR}"


def test_nothing_is_kept_of_an_erased_persons_dead_addresses(file_kept: Kept) -> None:
    marked = "email_refused_at = :at, email_refused_reason = 'full', dead_second_email = :second"
    with writing(file_kept.cast.engine) as session:
        values = {"at": NOW, "second": SECOND, "email": ALICE}
        statement = text(f"UPDATE person SET {marked} WHERE email = :email")  # noqa: S608
        session.connection().execute(statement, values)
    erase(ALICE)
    (person,) = file_kept.cast.rows("person", id=file_kept.cast.people[ALICE])
    assert [person[mark] for mark in MARKS] == [None] * len(MARKS)


def test_a_certificate_of_an_erased_person_names_nobody(file_kept: Kept) -> None:
    erase(ALICE)
    (certificate,) = file_kept.cast.rows("certificate")
    assert certificate["number"] == "AAAA-BBBB-CCCC-DDDD"
    assert (certificate["name"], certificate["endorsement_id"]) == ("", None)


def test_sessions_with_an_erased_provider_still_count(kept: Kept) -> None:
    def read_counted() -> list[Any]:
        standings = kept.cast.rows("standing")
        counted = [(row["status"], row["requirements"]) for row in standings]
        return [*counted, kept.cast.rows("entry"), kept.cast.rows("entry_topic")]

    before = read_counted()
    assert erase(DANA).exit_code == 0
    assert read_counted() == before
    assert find_traces(kept.cast.engine, DANA, "Dana Ruiz") == []


def test_nobody_else_loses_a_row(file_kept: Kept) -> None:
    alice = file_kept.cast.people[ALICE]
    others = {
        table.name: [row for row in file_kept.cast.rows(table.name) if row["person_id"] != alice]
        for table in METADATA.sorted_tables
        if "person_id" in table.c and table.name not in {"outbox", "audit_event"}
    }
    erase(ALICE)
    for name, rows in others.items():
        assert [row for row in file_kept.cast.rows(name) if row["person_id"] != alice] == rows, name


def test_a_dry_run_erases_nothing(file_kept: Kept) -> None:
    before = {name: file_kept.cast.rows(name) for name in METADATA.tables}
    tried = erase(ALICE, "--dry-run")
    assert "Nothing was changed" in tried.stdout
    assert {name: file_kept.cast.rows(name) for name in METADATA.tables} == before
    assert [*file_kept.evidence.glob("[0-9a-f]*")]


def test_people_with_a_role_are_not_erased(file_kept: Kept) -> None:
    with writing(file_kept.cast.engine) as session:
        session.add(
            TeamRole(
                association="NCIMHA", email=ALICE, name=NAME, role="viewer", added_at=NOW,
                starts_on=NOW.date() - timedelta(days=9), ends_on=NOW.date(), added_by="x",
            )
        )  # fmt: skip
    error = erase(ALICE).exception
    assert isinstance(error, UserError)
    assert "works or worked for an association" in str(error)


def test_mail_that_names_the_person_leaves_first(file_kept: Kept) -> None:
    with writing(file_kept.cast.engine) as session:
        body = body_cipher(session).encrypt("<1@erasing>", f"About {NAME}".encode())
        waits = text(
            "UPDATE outbox SET state = 'waiting', body = :b WHERE message_id = '<1@erasing>'"
        )
        session.connection().execute(waits, {"b": body})
    error = erase(ALICE).exception
    assert isinstance(error, UserError)
    assert "Run `tracker deliver`" in str(error)


def test_a_name_of_two_people_stays_the_others(file_kept: Kept) -> None:
    with writing(file_kept.cast.engine) as session:
        rename = text("UPDATE person SET name = :name WHERE id = :id")
        session.connection().execute(rename, {"name": NAME, "id": file_kept.cast.people[BOB]})
    erase(ALICE)
    assert [row["name"] for row in file_kept.cast.rows("person", email=BOB)] == [NAME]
    assert [row["payer"] for row in file_kept.cast.rows("payment")] == [NAME]
    assert find_traces(file_kept.cast.engine, SECOND) == []


@pytest.mark.usefixtures("file_kept")
def test_an_export_holds_the_persons_data(tmp_path: Path) -> None:
    file = tmp_path / "alice.zip"
    call = ["person", "export", ALICE, str(file)]
    assert CliRunner().invoke(app, call).exit_code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    with ZipFile(file) as archive:
        assert ALICE in archive.read("import/people.csv").decode()
        assert any(name.startswith("evidence/") for name in archive.namelist())
    again = CliRunner().invoke(app, call).exception
    assert isinstance(again, UserError)
    assert "can't be created" in str(again)
