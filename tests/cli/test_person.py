"""`tracker person`, as it is called."""

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner, Result

from tests.support.cast import ALICE, BOB, NOW, Cast, fill
from tracker.cli import people
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


def erase_at_terminal(monkeypatch: pytest.MonkeyPatch, answer: str) -> Result:
    monkeypatch.setattr(people, "is_terminal", lambda: True)
    arguments = ["person", "erase", ALICE, "--reason", "Asked for it"]
    return CliRunner().invoke(app, arguments, input=f"{answer}\n")


def test_erasing_asks_first_by_name(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    before = cast.rows("person")
    refused = erase_at_terminal(monkeypatch, "n")
    assert f"Erase Alice Moreno <{ALICE}> for good?" in refused.stdout
    assert (refused.exit_code, cast.rows("person")) == (1, before)
    assert erase_at_terminal(monkeypatch, "y").exit_code == 0
    assert ALICE not in [row["email"] for row in cast.rows("person")]


def test_erasing_without_a_terminal_needs_yes(cast: Cast) -> None:
    before = cast.rows("person")
    refused = call("erase", ALICE, "--reason", "Asked for it")
    assert refused.exit_code == 1
    assert "Add --yes to erase them without a question" in str(refused.exception)
    assert cast.rows("person") == before


@pytest.mark.usefixtures("cast")
def test_nobody_is_asked_about_an_unknown_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "is_terminal", lambda: True)
    refused = call("erase", "no@example.org", "--reason", "Asked for it")
    assert str(refused.exception) == "Nobody has the address no@example.org"


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
