"""`tracker import`, as people call it."""

from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.importer.importer import PEOPLE, Importer
from tracker import clock
from tracker.cli.main import app
from tracker.db.engine import writing

HELD = "email,association,category,starts_on\nalice@example.org,NCIMHA,IFS,2022-01-01\n"
ENTRIES = "email,activity,date,hours,title\nalice@example.org,training,2024-02-01,6,Talk\n"


@pytest.fixture(autouse=True)
def _database(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER_DATABASE_URL", sqlite_url)


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["import", *map(str, arguments)])


def test_the_command_prints_counts_and_evaluates(sqlite_importer: Importer) -> None:
    sqlite_importer.write(people=PEOPLE, endorsements=HELD, entries=ENTRIES)
    called = call(sqlite_importer.folder, "--first-day", "NCIMHA=none")
    assert called.exit_code == 0
    assert [line.split() for line in called.stdout.splitlines()] == [
        ["added", "changed", "unchanged"],
        ["people", "2", "0", "0"],
        ["endorsements", "1", "0", "0"],
        ["entries", "1", "0", "0"],
    ]
    assert sqlite_importer.rows("standing", "endorsement_id")


def test_a_refusal_lists_problems_and_exits_1(sqlite_importer: Importer) -> None:
    sqlite_importer.write(people=PEOPLE.replace("yes", "perhaps"))
    called = call(sqlite_importer.folder / "people.csv")
    assert called.exit_code == 1
    assert called.stderr.splitlines() == [
        f'{sqlite_importer.folder}/people.csv:3: provides_rsc "perhaps": must be yes or no',
        "1 problem: nothing was stored.",
    ]
    assert sqlite_importer.rows("person") == []


def test_the_first_200_problems_are_printed(sqlite_importer: Importer) -> None:
    sqlite_importer.write(people="email,name\n" + "x,X\n" * 250)
    lines = call(sqlite_importer.folder).stderr.splitlines()
    assert len(lines) == 202
    assert lines[-2:] == ["… and 50 more", "250 problems: nothing was stored."]


def test_no_session_is_after_the_as_of_day(sqlite_importer: Importer) -> None:
    sqlite_importer.write(people=PEOPLE, entries=ENTRIES)
    assert call("--as-of", "2024-01-31", sqlite_importer.folder).exit_code == 1
    assert call("--as-of", "2024-02-01", sqlite_importer.folder).exit_code == 0


def test_without_an_as_of_day_it_is_today(sqlite_importer: Importer) -> None:
    in_two_days = clock.now().date() + timedelta(days=2)
    sqlite_importer.write(people=PEOPLE, entries=ENTRIES.replace("2024-02-01", str(in_two_days)))
    assert call(sqlite_importer.folder).exit_code == 1


def test_an_ignored_csv_file_is_named(sqlite_importer: Importer) -> None:
    sqlite_importer.write(people=PEOPLE, entry=ENTRIES)
    called = call(sqlite_importer.folder)
    assert called.exit_code == 0
    assert "entry.csv is not one of the files that can be imported" in called.stderr


def test_a_plan_prints_what_would_happen(sqlite_importer: Importer) -> None:
    sqlite_importer.write(people=PEOPLE, endorsements=HELD)
    called = call("--plan", sqlite_importer.folder, "--first-day", "NCIMHA=none")
    assert called.exit_code == 0
    assert [line.split() for line in called.stdout.splitlines()] == [
        ["added", "changed", "unchanged", "refused"],
        ["people", "2", "0", "0", "0"],
        ["endorsements", "1", "0", "0", "0"],
        ["This", "is", "a", "plan:", "nothing", "was", "stored."],
    ]
    assert sqlite_importer.rows("person") == []
    assert sqlite_importer.rows("association_start") == []


def test_a_plan_lists_refused_and_changed_rows(sqlite_importer: Importer) -> None:
    sqlite_importer.write(people=PEOPLE)
    assert call(sqlite_importer.folder).exit_code == 0
    sqlite_importer.write(people=PEOPLE.replace("Bob", "Robert") + "nobody,Nobody,no\n")
    called = call("--plan", sqlite_importer.folder)
    assert called.exit_code == 1
    assert "people.csv:3: bob@example.org: name 'Bob' → 'Robert'" in called.stdout
    assert "people.csv:4: Email address" in called.stderr
    assert "1 row would be refused, and so nothing would be stored." in called.stderr


def test_a_plan_prints_rows_with_the_same_address(sqlite_importer: Importer) -> None:
    people = "email,name,highest_degree\na@b.org,Alice,master\na@b.org,Bob,master\n"
    sqlite_importer.write(people=people)
    called = call("--plan", sqlite_importer.folder)
    assert called.exit_code == 1
    words = " ".join(called.stderr.split())
    assert "people.csv:2 too: keep one row if they are one person" in words
    assert "name Alice Bob differs highest_degree master master 1 row would be refused" in words


def test_an_import_can_be_undone_by_its_number(sqlite_importer: Importer) -> None:
    sqlite_importer.write(people=PEOPLE, endorsements=HELD, entries=ENTRIES)
    called = call(sqlite_importer.folder)
    assert "To undo this import: tracker import --undo 1" in called.stderr
    undone = call("--undo", "1")
    assert (undone.exit_code, undone.stdout) == (0, "Import 1 is undone for 2 people.\n")
    for table in ("person", "endorsement", "entry", "imported_row", "association_start"):
        assert sqlite_importer.rows(table) == []
    assert call("--undo", "1").exit_code == 1
    assert call(sqlite_importer.folder).exit_code == 0
    assert len(sqlite_importer.rows("entry")) == 1


def test_an_import_that_changes_nothing_has_no_number(sqlite_importer: Importer) -> None:
    sqlite_importer.write(people=PEOPLE)
    call(sqlite_importer.folder)
    assert "--undo" not in call(sqlite_importer.folder).stderr
    assert call("--undo", "7").exit_code == 1
    assert call("--undo", "1", sqlite_importer.folder).exit_code == 2


def test_an_import_of_which_all_was_kept_says_why(sqlite_importer: Importer) -> None:
    sqlite_importer.write(people="email,name\nzoe@example.org,Zoe Hart\n")
    call(sqlite_importer.folder)
    with writing(sqlite_importer.engine) as session:
        session.connection().exec_driver_sql("UPDATE person SET name = 'Zoe Hall'")
    for _ in range(2):
        undone = call("--undo", "1")
        assert undone.exit_code == 1
        assert "Kept Zoe Hart: the person changed since" in undone.stderr
        assert "Nothing was undone, because every record has changed since." in undone.stderr
