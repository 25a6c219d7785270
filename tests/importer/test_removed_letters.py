"""Letters about what an import recorded and `tracker remove` takes back, through delivery."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlmodel import delete
from typer.testing import CliRunner

from tests.importer.importer import Importer
from tests.importer.test_decision_letters import OPEN, decided
from tests.importer.test_grant_letters import EXTENSION, HELD, LEAVE, PEOPLE, WAIVER
from tests.mail.sink import Sink
from tracker import clock
from tracker.cli.main import app
from tracker.db.engine import writing
from tracker.db.people import Leave

ALICE = "alice@example.org"
GRANTS = {
    "leave": LEAVE % "2024-12-01,2025-02-28",
    "waivers": WAIVER % "2024-01-01",
    "extensions": EXTENSION,
}
# What `tracker remove` calls the rows of each file.
KINDS = {"leave": "leave", "waivers": "waiver", "extensions": "extension"}


@pytest.fixture
def sink(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    """A mail server for `tracker deliver`, on a day in June."""
    monkeypatch.setenv("TRACKER_DATABASE_URL", sqlite_url)
    monkeypatch.setattr(clock, "now", lambda: datetime(2024, 6, 30, 12, tzinfo=UTC))
    with Sink() as sink:
        monkeypatch.setenv("TRACKER_SMTP_URL", sink.url)
        yield sink


def call(*arguments: str) -> str:
    called = CliRunner().invoke(app, [*arguments])
    assert called.exit_code == 0, (called.stderr, called.exception)
    return called.stdout


def bring(importer: Importer, **files: str) -> None:
    for old in importer.folder.iterdir():
        old.unlink()
    importer.write(**files)
    call("import", str(importer.folder), "--first-day", "NCIMHA=none")


def remove(kind: str) -> str:
    return call("remove", kind, ALICE, "--reason", "Wrong person")


def deliver(sink: Sink) -> list[str]:
    """The letters that `tracker deliver` sends."""
    sink.taken.clear()
    call("deliver")
    return [taken.content.decode() for taken in sink.taken]


@pytest.mark.parametrize("file", GRANTS)
def test_no_letter_leaves_about_a_removed_grant(
    sqlite_importer: Importer, sink: Sink, file: str
) -> None:
    bring(sqlite_importer, people=PEOPLE, endorsements=HELD)
    bring(sqlite_importer, **{file: GRANTS[file]})
    assert "correction" not in remove(KINDS[file])
    assert deliver(sink) == []


def test_the_other_letters_leave(sqlite_importer: Importer, sink: Sink) -> None:
    bring(sqlite_importer, people=PEOPLE, endorsements=HELD)
    bring(sqlite_importer, **GRANTS)
    remove("waiver")
    assert len(deliver(sink)) == 2


def test_a_letter_that_left_is_corrected_once(sqlite_importer: Importer, sink: Sink) -> None:
    bring(sqlite_importer, people=PEOPLE, endorsements=HELD)
    bring(sqlite_importer, leave=GRANTS["leave"])
    assert len(deliver(sink)) == 1
    assert "A correction follows 1 letter about it that had left." in remove("leave")
    [correction] = deliver(sink)
    assert "Please disregard our last email about this." in correction
    assert "Your leave is recorded from December 1, 2024" in correction
    assert "Wrong person" not in correction
    assert deliver(sink) == []


def test_undoing_a_removal_sends_its_letter_after_all(
    sqlite_importer: Importer, sink: Sink
) -> None:
    bring(sqlite_importer, people=PEOPLE, endorsements=HELD)
    bring(sqlite_importer, leave=GRANTS["leave"])
    remove("leave")
    assert "1 letter about it will leave after all." in call("remove", "undo", "1")
    [letter] = deliver(sink)
    assert "Your leave is recorded." in letter


def test_undoing_a_removal_drops_its_correction(sqlite_importer: Importer, sink: Sink) -> None:
    bring(sqlite_importer, people=PEOPLE, endorsements=HELD)
    bring(sqlite_importer, leave=GRANTS["leave"])
    deliver(sink)
    remove("leave")
    call("remove", "undo", "1")
    assert deliver(sink) == []


def test_a_correction_that_left_is_taken_back(sqlite_importer: Importer, sink: Sink) -> None:
    bring(sqlite_importer, people=PEOPLE, endorsements=HELD)
    bring(sqlite_importer, leave=GRANTS["leave"])
    deliver(sink)
    remove("leave")
    deliver(sink)
    call("remove", "undo", "1")
    [letter] = deliver(sink)
    assert "Our first email applies after all." in letter
    assert "Your leave is recorded from December 1, 2024" in letter


@pytest.mark.parametrize("kind", ["endorsement", "application"])
def test_no_letter_leaves_about_a_removed_decision(
    sqlite_importer: Importer, sink: Sink, kind: str
) -> None:
    bring(sqlite_importer, people=PEOPLE, applications=OPEN)
    bring(sqlite_importer, applications=decided("2024-06-28", "endorsed"))
    remove(kind)
    assert deliver(sink) == []


def test_a_letter_about_a_removed_endorsement_is_corrected(
    sqlite_importer: Importer, sink: Sink
) -> None:
    bring(sqlite_importer, people=PEOPLE, applications=OPEN)
    bring(sqlite_importer, applications=decided("2024-06-28", "endorsed"))
    assert len(deliver(sink)) == 1
    remove("endorsement")
    [correction] = deliver(sink)
    assert "You are endorsed as Infant Family Specialist" in correction


def test_a_row_that_vanished_otherwise_stops_its_letter(
    sqlite_importer: Importer, sink: Sink
) -> None:
    bring(sqlite_importer, people=PEOPLE, endorsements=HELD)
    bring(sqlite_importer, leave=GRANTS["leave"])
    with writing(sqlite_importer.engine) as session:
        session.exec(delete(Leave))
    assert deliver(sink) == []
    [(state, error)] = sqlite_importer.rows("outbox", "state", "last_error")
    assert (state, error) == ("dropped", "what it is about was changed or removed")
