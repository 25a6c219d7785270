"""`tracker person`, as it is called."""

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner, Result

from tests.support.cast import ALICE, BOB, NOW, Cast, fill
from tracker.cli.main import app
from tracker.db.engine import reading, writing
from tracker.db.tables import METADATA
from tracker.services.sign_in import find_person_by_email

NEW = "ali@example.net"


@pytest.fixture
def cast(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> Cast:
    monkeypatch.setenv("TRACKER_DATABASE_URL", sqlite_url)
    return fill(sqlite_url)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["person", *arguments])


def test_sign_in_follows_a_changed_address(cast: Cast) -> None:
    assert "now has the address ali@example.net" in call("change-email", ALICE, NEW.upper()).stdout
    with reading(cast.engine) as session:
        moved = find_person_by_email(session, NEW)
        assert moved is not None
        assert moved.id == cast.people[ALICE]
        assert find_person_by_email(session, ALICE) is None


@pytest.mark.parametrize(("state", "recipient"), [("waiting", NEW), ("sent", ALICE)])
def test_waiting_mail_goes_to_the_new_address(cast: Cast, state: str, recipient: str) -> None:
    row: dict[str, object] = {
        "dedupe_key": "k",
        "message_id": "m",
        "kind": "notices",
        "subject": "s",
        "body": b"b",
    }
    row |= {"recipient": ALICE, "person_id": cast.people[ALICE], "state": state, "attempts": 0}
    row |= {"created_at": NOW, "next_attempt_at": NOW, "fence": 0}
    with writing(cast.engine) as session:
        session.connection().execute(insert(METADATA.tables["outbox"]).values(row))
    call("change-email", ALICE, NEW)
    assert [mail["recipient"] for mail in cast.rows("outbox")] == [recipient]


def test_a_change_can_be_changed_back(cast: Cast) -> None:
    before = cast.rows("person")
    call("change-email", ALICE, NEW)
    assert call("change-email", NEW, ALICE).exit_code == 0
    assert cast.rows("person") == before
    assert [row["email"] for row in cast.rows("former_email")] == [NEW]


def test_a_former_address_can_be_released(cast: Cast) -> None:
    call("change-email", ALICE, NEW)
    assert "no longer means" in call("release-email", ALICE).stdout
    assert cast.rows("former_email") == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("change-email", "no@example.org", NEW), "Nobody has the address no@example.org."),
        (("change-email", ALICE, "x"), "Enter an email address, like name@example.org"),
        (("change-email", ALICE, BOB), f"{BOB} is the address of Bob Osei"),
        (("release-email", ALICE), f"{ALICE} is nobody's former address."),
    ],
)
def test_a_wrong_call_explains_itself(cast: Cast, arguments: tuple[str, ...], message: str) -> None:
    refused = call(*arguments)
    assert refused.exit_code == 1
    assert str(refused.exception).startswith(message)
    assert cast.rows("former_email") == []
