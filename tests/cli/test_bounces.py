"""`tracker bounces`, as it is called."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from typer.testing import CliRunner, Result

from tests.mail.returned import write_report
from tracker import clock
from tracker.cli.main import app
from tracker.db.engine import open_engine, reading, writing
from tracker.db.signing_keys import BOUNCE, get_signing_key
from tracker.db.tables import METADATA
from tracker.mail.return_paths import ReturnPaths

ALICE, MESSAGE_ID = "alice@work.example", "<c0ffee@renewals.example>"
PERSON, OUTBOX = METADATA.tables["person"], METADATA.tables["outbox"]


class Inbox:
    """A database with one email to Alice, and the Maildir for what comes back."""

    def __init__(self, url: str, folder: Path) -> None:
        self.engine = open_engine(url)
        self.folder = folder
        sent = clock.now() - timedelta(hours=1)
        with writing(self.engine) as session:
            connection = session.connection()
            alice = {"id": 1, "email": ALICE, "name": "Alice", "highest_degree": "none"}
            connection.execute(insert(PERSON).values(**alice, provides_rsc=False))
            mail = {"dedupe_key": "1", "message_id": MESSAGE_ID, "kind": "notices", "subject": "x"}
            times = {"created_at": sent, "next_attempt_at": sent, "finished_at": sent}
            row = {"id": 1, "person_id": 1, "recipient": ALICE, "body": b"", "state": "sent"}
            connection.execute(insert(OUTBOX).values(**mail, **times, **row, attempts=1, fence=1))
            paths = ReturnPaths(get_signing_key(session, BOUNCE), "bounces@renewals.example", "+")
        self.sender = paths.create(1, MESSAGE_ID)
        for name in ("new", "cur", "tmp"):
            (folder / name).mkdir(parents=True)

    def receive(self, name: str) -> None:
        (self.folder / "new" / name).write_bytes(write_report(name, self.sender, ALICE))

    def is_dead(self) -> bool:
        with reading(self.engine) as session:
            return session.scalar(select(PERSON.c.email_refused_at)) is not None


@pytest.fixture
def inbox(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    folder = tmp_path / "bounces"
    monkeypatch.setenv("TRACKER_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("TRACKER_MAIL__BOUNCES__ADDRESS", "bounces@renewals.example")
    monkeypatch.setenv("TRACKER_MAIL__BOUNCES__MAILBOX", f"maildir://{folder}")
    monkeypatch.setenv("COLUMNS", "200")
    inbox = Inbox(sqlite_url, folder)
    yield inbox
    inbox.engine.dispose()


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["bounces", *arguments])


def test_a_dry_run_shows_what_would_be_recorded(inbox: Inbox) -> None:
    inbox.receive("gmail-no-mailbox")
    done = call("read", "--dry-run")
    assert done.exit_code == 0
    assert "address marked as dead" in done.stdout
    assert "This was a dry run. Nothing was recorded, and nothing was moved." in done.stdout
    assert not inbox.is_dead()


def test_reading_prints_each_message_as_json(inbox: Inbox) -> None:
    inbox.receive("gmail-no-mailbox")
    inbox.receive("reply-of-a-person")
    done = call("read", "--json")
    printed = json.loads(done.stdout)
    assert printed["not_understood_in_mailbox"] == 1
    hard, unclear = printed["messages"]
    assert unclear["outcome"] == "not understood"
    assert hard == {
        "outcome": "hard",
        "recipient": ALICE,
        "status": "5.1.1",
        "reason": hard["reason"],
        "outbox_id": 1,
        "is_new": True,
        "is_dead": True,
        "forwarded_to": "",
    }
    assert inbox.is_dead()
    assert "Nothing new." in call("read").stdout


@pytest.mark.parametrize("chosen", [[ALICE], ["--since", "2020-01-01"]])
def test_a_marked_address_is_tried_again(inbox: Inbox, chosen: list[str]) -> None:
    inbox.receive("exim-no-mailbox")
    call("read")
    done = call("retry", *chosen)
    assert done.stdout == "Email goes to the addresses of 1 person again.\n"
    assert not inbox.is_dead()


def test_retrying_needs_an_address_or_an_instant(inbox: Inbox) -> None:  # noqa: ARG001
    assert call("retry").exit_code == 2
    assert call("retry", ALICE, "--since", "2020-01-01").exit_code == 2


@pytest.mark.usefixtures("inbox")
def test_an_unmarked_address_is_not_found() -> None:
    done = call("retry", ALICE)
    assert done.exit_code == 1
    assert f"No address {ALICE} is marked as dead." in str(done.exception)


@pytest.mark.usefixtures("inbox")
def test_without_a_mailbox_there_is_nothing_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRACKER_MAIL__BOUNCES__MAILBOX")
    done = call("read")
    assert done.exit_code == 1
    assert "Set [mail.bounces] mailbox" in str(done.exception)


@pytest.mark.usefixtures("inbox")
@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("pop3://a:b@host", "it must start with imaps://, imap://, or maildir://"),
        ("imaps://a@host", "it needs a user and a password"),
        ("imaps://a:b@host:99999", "the port must be a number"),
        ("imap://a:secret@mail.example?tls=none", "it would send the password in clear"),
        ("imaps://a:b@host?color=red", "unknown option 'color'"),
        ("maildir://relative", "a Maildir needs its whole path"),
        ("maildir:///nowhere", "/nowhere is no Maildir"),
    ],
)
def test_an_unusable_mailbox_is_named(monkeypatch: pytest.MonkeyPatch, url: str, says: str) -> None:
    monkeypatch.setenv("TRACKER_MAIL__BOUNCES__MAILBOX", url)
    done = call("read")
    assert done.exit_code == 1
    assert says in str(done.exception)
    assert "secret" not in str(done.exception)
