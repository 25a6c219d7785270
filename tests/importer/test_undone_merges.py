"""What was imported between a merge and its undo."""

import pytest
from typer.testing import CliRunner

from tests.importer.importer import Importer
from tests.importer.test_removed_letters import call, sink
from tracker.cli.main import app

__all__ = ["sink"]
pytestmark = pytest.mark.usefixtures("sink")
ALICE, ALLY = "alice@example.org", "ally@example.org"
PEOPLE = f"email,name\n{ALICE},Alice Moreno\n{ALLY},Ally Moreno\n"
ENTRIES = (
    "email,date,activity,hours,title\n"
    f"{ALLY},2024-05-02,training,2,Book club\n"
    f"{ALLY},2024-05-03,training,3,Play and attachment\n"
)
JOINED = f"email,organization,starts_on,ends_on\n{ALLY},NCIMHA,2024-01-01,2024-12-31\n"


@pytest.fixture
def merged(sqlite_importer: Importer) -> Importer:
    """Two records that were merged by mistake."""
    bring(sqlite_importer, people=PEOPLE)
    call("person", "merge", ALICE, ALLY, "--reason", "One person")
    return sqlite_importer


def bring(importer: Importer, **files: str) -> str:
    for old in importer.folder.iterdir():
        old.unlink()
    importer.write(**files)
    return call("import", str(importer.folder))


def owners(importer: Importer) -> list[str]:
    """Whose each session is."""
    names = dict(importer.rows("person", "id", "name"))
    return [names[person_id] for (person_id,) in importer.rows("entry", "person_id")]


def test_sessions_go_with_the_record_for_which_they_came(merged: Importer) -> None:
    bring(merged, entries=ENTRIES)
    assert owners(merged) == ["Alice Moreno"] * 2
    undone = call("remove", "undo", "1")
    assert f"Imported for {ALLY} since the merge, and now with Ally Moreno again: 2" in undone
    assert "{" not in undone
    assert owners(merged) == ["Ally Moreno"] * 2


def test_the_same_file_changes_nothing_after_an_undone_merge(merged: Importer) -> None:
    bring(merged, entries=ENTRIES)
    call("remove", "undo", "1")
    before = merged.rows("entry", "id", "person_id")
    bring(merged, entries=ENTRIES)
    assert merged.rows("entry", "id", "person_id") == before


def test_an_undo_says_what_stays_with_whom(merged: Importer) -> None:
    bring(merged, memberships=JOINED)
    undone = call("remove", "undo", "1")
    assert f"still with Alice Moreno <{ALICE}>: memberships: 1." in undone


def test_a_removed_session_that_was_imported_again_stays_removed(
    sqlite_importer: Importer,
) -> None:
    bring(sqlite_importer, people=PEOPLE)
    bring(sqlite_importer, entries=ENTRIES)
    call("remove", "entry", ALLY, "2024-05-02", "--reason", "Wrong hours")
    again = (
        f"email,date,activity,hours,title,reference\n{ALLY},2024-05-02,training,2,Book club,A7\n"
    )
    bring(sqlite_importer, entries=again)
    before = sqlite_importer.rows("entry", "id")
    called = CliRunner().invoke(app, ["remove", "undo", "1"])
    assert "it would count twice" in str(called.exception)
    assert sqlite_importer.rows("entry", "id") == before
