"""`tracker person merge`, as it is called."""

import pytest
from typer.testing import CliRunner, Result

from tests.support.cast import ALICE, BOB, EVE, Cast, fill
from tracker.cli.main import app
from tracker.db.engine import writing
from tracker.db.people import Person


@pytest.fixture
def cast(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> Cast:
    monkeypatch.setenv("TRACKER_DATABASE_URL", sqlite_url)
    return fill(sqlite_url)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def test_a_dry_run_shows_both_and_changes_nothing(cast: Cast) -> None:
    tables = ("person", "entry", "standing", "removal", "audit_event")
    before = [cast.rows(table) for table in tables]
    called = call("person", "merge", BOB, ALICE, "--reason", "One person", "--dry-run")
    assert called.exit_code == 0
    assert f"Bob Osei <{BOB}> has:" in called.stdout
    assert f"Alice Moreno <{ALICE}> has:" in called.stdout
    assert "NCIMHA IFS, cycle from January 1, 2025: lapsed" in called.stdout
    after = called.stdout.partition(f"Afterwards {BOB} would have:")[2]
    assert "NCIMHA IFS, cycle from January 1, 2025: met" in after
    assert "Nothing was changed (--dry-run)." in after
    assert [cast.rows(table) for table in tables] == before


def test_a_merge_says_how_to_undo_it(cast: Cast) -> None:
    before = cast.rows("person")
    called = call("person", "merge", BOB, ALICE, "--reason", "One person")
    assert "`tracker remove undo 1` undoes it." in called.stdout
    assert len(cast.rows("person")) == len(before) - 1
    assert "merge" in call("remove", "list").stdout
    assert call("remove", "undo", "1").stdout == "Removal 1 is undone.\n"
    assert cast.rows("person") == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((ALICE, "no@example.org", "--reason", "x"), "Nobody has the address no@example.org"),
        ((ALICE, ALICE, "--reason", "x"), "is the address of both: there is nothing to merge"),
        ((ALICE, BOB, "--reason", " "), "Enter a short reason"),
    ],
)
def test_a_wrong_merge_explains_itself(
    cast: Cast, arguments: tuple[str, ...], message: str
) -> None:
    before = cast.rows("person")
    refused = call("person", "merge", *arguments)
    assert refused.exit_code == 1
    assert message in str(refused.exception)
    assert "Nothing was merged." in str(refused.exception)
    assert cast.rows("person") == before


def test_an_undo_names_who_has_taken_the_address(cast: Cast) -> None:
    call("person", "merge", BOB, ALICE, "--reason", "One person")
    with writing(cast.engine) as session:
        session.add(Person(email=ALICE, name="Alice Second"))
    refused = call("remove", "undo", "1")
    assert f"Alice Second has the address {ALICE} now." in str(refused.exception)


def test_a_second_record_of_a_former_address_is_merged_as_well(cast: Cast) -> None:
    call("person", "merge", BOB, ALICE, "--reason", "One person")
    with writing(cast.engine) as session:
        session.add(Person(email=ALICE, name="Alice Second"))
    called = call("person", "merge", BOB, ALICE, "--reason", "One person")
    assert "Merged: bob@example.org now has all of it." in called.stdout


@pytest.mark.usefixtures("cast")
@pytest.mark.parametrize(
    ("keep", "other", "note"),
    [
        (BOB, EVE, "It still opens the coordinator's pages and gets their email"),
        (EVE, BOB, "Who signs in with it sees this record and the coordinator's pages."),
    ],
)
def test_a_merge_names_the_address_of_a_coordinator(
    monkeypatch: pytest.MonkeyPatch, keep: str, other: str, note: str
) -> None:
    monkeypatch.setenv(
        "TRACKER_COORDINATORS",
        f'[{{"email": "{EVE}", "name": "Eve Chen", "association": "NCIMHA"}}]',
    )
    called = call("person", "merge", keep, other, "--reason", "One person")
    assert note in called.stdout
