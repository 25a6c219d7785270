"""`tracker team`."""

import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner, Result

from tests.support.cast import Cast, fill
from tracker import clock
from tracker.cli.main import app
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.errors import UserError

RUTH = "ruth@example.org"


@pytest.fixture(autouse=True)
def cast(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> Cast:
    monkeypatch.setenv("TRACKER_DATABASE_URL", sqlite_url)
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 11, 22, 17, 0, tzinfo=UTC))
    return fill(sqlite_url)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["team", *arguments])


def test_an_empty_team_says_how_to_begin() -> None:
    assert call("list").stdout == "Nobody is on a team yet. `tracker team add` adds somebody.\n"
    assert json.loads(call("list", "--json").stdout) == []


def test_an_added_coordinator_is_listed_and_told(cast: Cast) -> None:
    added = call("add", "NCIMHA", "Ruth@Example.org", "Ruth Adler")
    assert added.stdout == (
        "Ruth Adler <ruth@example.org> is coordinator at NCIMHA. They get an email.\n"
    )
    assert call("list").stdout == (
        "NCIMHA: Ruth Adler <ruth@example.org>, coordinator, since November 22, 2026\n"
    )
    [listed] = json.loads(call("list", "--json").stdout)
    assert (listed["role"], listed["starts_on"], listed["ends_on"]) == (
        "coordinator",
        "2026-11-22",
        None,
    )
    assert [row["recipient"] for row in cast.rows("outbox")] == [RUTH]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("NOWHERE", RUTH, "Ruth Adler"), "NOWHERE"),
        (("NCIMHA", "ruth", "Ruth Adler"), "email address"),
        (("NCIMHA", RUTH, " "), "Enter the name"),
        (("NCIMHA", RUTH, "Ruth Adler", "--role", "boss"), "Choose"),
    ],
)
def test_wrong_input_adds_nobody(cast: Cast, arguments: tuple[str, ...], words: str) -> None:
    answer = call("add", *arguments)
    assert isinstance(answer.exception, UserError)
    assert words in str(answer.exception)
    assert cast.rows("team_role") == []
    assert cast.rows("outbox") == []


def test_a_lost_second_factor_is_removed(cast: Cast) -> None:
    table = METADATA.tables["second_factor"]
    values = {"email": RUTH, "secret": b"x", "created_at": clock.now(), "confirmed_at": clock.now()}
    with writing(cast.engine) as session:
        session.connection().execute(table.insert().values(values))
    assert call("reset-second-factor", RUTH).stdout == (
        "The second factor of ruth@example.org is removed.\n"
    )
    assert cast.rows("second_factor") == []
    again = call("reset-second-factor", RUTH)
    assert "has no second factor" in str(again.exception)
