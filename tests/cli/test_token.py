"""`tracker token`, as it is called."""

import json

import pytest
from freezegun import freeze_time
from typer.testing import CliRunner, Result

from tracker import clock
from tracker.cli.main import app
from tracker.db.engine import open_engine, reading
from tracker.services.api_tokens import find_caller

NOON = "2026-11-22 12:00:00"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> None:
    monkeypatch.setenv("TRACKER_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("COLUMNS", "200")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["token", *arguments])


def make(*more: str, scope: str = "entries:read") -> Result:
    return call("make", "--association", "NCIMHA", "--name", "Members", "--scope", scope, *more)


def is_valid(url: str, secret: str) -> bool:
    engine = open_engine(url)
    with reading(engine) as session:
        found = find_caller(session, secret, clock.now())
    engine.dispose()
    return found is not None


@freeze_time(NOON)
def test_a_token_is_printed_only_once(sqlite_url: str) -> None:
    made = make("--scope", "standings:read")
    assert made.exit_code == 0
    secret = made.stdout.strip()
    assert secret.startswith("ert_")
    assert "shown only this once" in made.stderr
    assert is_valid(sqlite_url, secret)
    listed = call("list").stdout
    assert "Members" in listed
    assert "valid" in listed
    assert secret not in listed


def test_a_token_includes_its_last_local_day(sqlite_url: str) -> None:
    with freeze_time(NOON):
        secret = make("--expires", "2026-12-31").stdout.strip()
    with freeze_time("2027-01-01 04:59:59"):
        assert is_valid(sqlite_url, secret)
    with freeze_time("2027-01-01 05:00:00"):
        assert not is_valid(sqlite_url, secret)
        assert "expired" in call("list").stdout


@freeze_time("2027-01-01 05:00:00")
def test_a_token_that_has_expired_is_not_made() -> None:
    refused = make("--expires", "2026-12-31")
    assert refused.exit_code == 2
    assert "--expires: 2026-12-31 is over already" in refused.stderr
    assert call("list").stdout.startswith("There are no tokens.")


@freeze_time(NOON)
def test_a_revoked_token_is_void(sqlite_url: str) -> None:
    secret = make().stdout.strip()
    assert call("revoke", "1").stdout == "Token 1 is revoked.\n"
    assert not is_valid(sqlite_url, secret)
    assert "revoked" in call("list").stdout


@freeze_time(NOON)
def test_the_json_list_has_no_secret() -> None:
    assert call("list", "--json").stdout == "[]\n"
    make("--expires", "2026-12-31", scope="standings:read")
    [token] = json.loads(call("list", "--json").stdout)
    assert token == {
        "id": 1,
        "association": "NCIMHA",
        "name": "Members",
        "scopes": ["standings:read"],
        "created_at": "2026-11-22T12:00:00+00:00",
        "expires_at": "2027-01-01T05:00:00+00:00",
        "last_used_on": None,
        "state": "valid",
    }


MAKE = {"--association": "NCIMHA", "--name": "x", "--scope": "entries:read"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({**MAKE, "--association": "NOWHERE"}, "There is no rulebook for"),
        ({**MAKE, "--scope": "all"}, "There is no scope"),
        ({**MAKE, "--name": " "}, "in 1 to 100 characters"),
    ],
)
def test_what_is_wrong_is_said(arguments: dict[str, str], words: str) -> None:
    failed = call("make", *(part for option in arguments.items() for part in option))
    assert failed.exit_code == 1
    assert words in str(failed.exception)


def test_a_missing_token_cannot_be_revoked() -> None:
    assert "There is no token 7" in str(call("revoke", "7").exception)


def test_an_empty_token_list_says_what_to_do() -> None:
    assert "tracker token make" in call("list").stdout
