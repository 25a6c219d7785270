"""`tracker remove`, as it is called."""

from datetime import date

import pytest
from typer.testing import CliRunner, Result

from tests.support.cast import ALICE, BOOKS, CAROL, Cast, fill
from tracker import clock
from tracker.cli.main import app
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.context import Actor, ServiceContext
from tracker.services.time_requests import (
    NewTimeRequest,
    RequestedDays,
    grant_request,
    request_leave,
)


@pytest.fixture
def cast(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> Cast:
    monkeypatch.setenv("TRACKER_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("COLUMNS", "200")
    return fill(sqlite_url)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["remove", *arguments])


def test_a_row_is_removed_listed_and_brought_back(cast: Cast) -> None:
    before = cast.rows("membership")
    removed = call("membership", ALICE, "2026-01-01", "--reason", "Somebody else's")
    assert "`tracker remove undo 1` brings it back" in removed.stdout
    assert len(cast.rows("membership")) == len(before) - 1
    assert "Somebody else's" in call("list").stdout
    assert call("undo", "1").stdout == "Removal 1 is undone.\n"
    assert cast.rows("membership") == before
    assert '"undone_by": "tracker remove undo"' in call("list", "--json").stdout


def test_an_unclear_choice_lists_the_rows(cast: Cast) -> None:
    refused = call("entry", ALICE, "--reason", "x")
    assert refused.exit_code == 1
    message = str(refused.exception)
    assert message.startswith(f"{ALICE} has several rows of this kind. Add words")
    assert len(message.splitlines()) == 1 + len(cast.rows("entry", person_id=cast.people[ALICE]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("leave", ALICE, "--reason", "x"), f"{ALICE} has no leave."),
        (("leave", "no@example.org", "--reason", "x"), "Nobody has the address no@example.org."),
        (("undo", "7"), "There is no removal 7. `tracker remove list` lists them."),
        (("membership", ALICE, "2026-01-01", "--reason", " "), "Enter a short reason"),
    ],
)
def test_a_wrong_call_explains_itself(cast: Cast, arguments: tuple[str, ...], message: str) -> None:
    refused = call(*arguments)
    assert (refused.exit_code, str(refused.exception)) == (1, message)
    assert cast.rows("removal") == []


def grant_leave(cast: Cast) -> None:
    """Carol grants Alice's leave, as on the pages."""
    days = RequestedDays(date(2026, 12, 1), date(2027, 2, 28))
    new = NewTimeRequest(cast.endorsements[ALICE], days, "Parental leave", "a")
    alice = Actor(ALICE, person_id=cast.people[ALICE])
    with writing(cast.engine) as session:
        number = request_leave(ServiceContext(session, BOOKS, alice, clock.now()), new)
        carol = Actor(CAROL, coordinates=("NCIMHA",))
        grant_request(ServiceContext(session, BOOKS, carol, clock.now()), number, days, "")


def test_a_decision_is_listed_and_undone(cast: Cast) -> None:
    grant_leave(cast)
    assert "decided time_request: NCIMHA IFS, leave granted" in call("list").stdout
    for _ in range(2):
        assert call("undo", "1").stdout == "Removal 1 is undone.\n"
    assert cast.rows("leave") == []
    assert cast.rows("time_request")[0]["state"] == "asked"


def test_a_decision_that_something_followed_stays(cast: Cast) -> None:
    grant_leave(cast)
    with writing(cast.engine) as session:
        leave = METADATA.tables["leave"]
        session.connection().execute(leave.update().values(ends_on=date(2027, 3, 1)))
    refused = call("undo", "1")
    assert refused.exit_code == 1
    assert str(refused.exception).startswith("This can't be undone: a change of the leave came")
