"""An erased person leaves no trace in any column of any table, and nobody else loses anything."""

from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from tests.support.backups import Kept
from tests.support.cast import ALICE, BOB, DANA, NOW
from tests.support.erasing import NAME, SECOND, SIMILAR, erase, find_traces
from tracker.addresses import is_erased_address
from tracker.cli.main import app
from tracker.db.engine import reading, writing
from tracker.db.tables import METADATA
from tracker.errors import UserError
from tracker.services.dead_addresses import MARKS


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


def test_the_address_of_an_erased_person_is_known(file_kept: Kept) -> None:
    erase(ALICE)
    [person] = file_kept.cast.rows("person", id=file_kept.cast.people[ALICE])
    assert is_erased_address(person["email"])
    assert is_erased_address(person["email"].upper())


@pytest.mark.parametrize(
    "address", [ALICE, "erased-1@erased.example", "x-erased-1@erased.invalid", ""]
)
def test_other_addresses_are_not_of_erased_people(address: str) -> None:
    assert not is_erased_address(address)


def test_an_erasure_can_be_found_and_repeated(kept: Kept) -> None:
    number = kept.cast.people[ALICE]
    assert f"has the number {number}" in erase(ALICE).stdout
    # deploy/README.md names this query, for use after an earlier backup was restored.
    query = "SELECT row_id FROM audit_event WHERE table_name = 'person' AND after LIKE :start"
    with reading(kept.cast.engine) as session:
        found = session.connection().execute(text(query), {"start": '{"erased"%'}).scalars().all()
    assert found == [number]


def test_a_reason_that_names_the_person_is_not_kept(file_kept: Kept) -> None:
    call = ["person", "erase", ALICE, "--reason", f"{NAME} wrote to us", "--yes"]
    assert CliRunner().invoke(app, call).exit_code == 0
    assert find_traces(file_kept.cast.engine, NAME) == []
