"""`tracker deliver` and `tracker outbox`, as an operator meets them."""

import json

import pytest

from tests.mail.conftest import Post
from tests.mail.sink import Sink
from tracker import clock
from tracker.cli import jobs
from tracker.mail.delivery import DeliveryReport

ALICE, BOB = "alice@example.org", "bob@example.org"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    monkeypatch.setenv("TRACKER_DATABASE_URL", database_url)
    monkeypatch.setenv("TRACKER_MAIL__SENDER", "renewals@example.org")


def test_deliver_says_what_was_sent(
    post: Post, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    post.now = clock.now()
    post.put(ALICE, BOB)
    with Sink() as sink:
        monkeypatch.setenv("TRACKER_SMTP_URL", sink.url)
        jobs.run_deliver()
        jobs.run_deliver()
    assert capsys.readouterr().out == "2 messages sent.\nNothing to send.\n"


def test_a_message_leaves_as_from_the_address_in_its_from(post: Post) -> None:
    post.put(ALICE, sender="NCIMHA <renewals@ncimha.example>")
    post.put(BOB)
    with Sink() as sink:
        assert post.deliver(sink.url).sent == 2
    assert sink.senders == ["renewals@ncimha.example", "renewals@example.org"]


def test_deliver_fails_when_the_server_cannot_be_reached(
    post: Post, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Sink() as sink:
        monkeypatch.setenv("TRACKER_SMTP_URL", sink.url)
    post.now = clock.now()
    post.put(ALICE)
    with pytest.raises(SystemExit, match="1"):
        jobs.run_deliver()
    said = capsys.readouterr().out
    assert said.startswith(
        f"1 message kept for later.\nProblem: the mail server 127.0.0.1:{sink.port}"
    )


def test_failures_point_to_the_list() -> None:
    report = DeliveryReport(sent=1200, retried=0, failed=1)
    assert jobs.format_report(report) == (
        "1200 messages sent, 1 message failed.\n`tracker outbox` shows why messages failed.\n"
    )


def test_the_outbox_as_json_has_every_column_but_the_body(
    post: Post, capsys: pytest.CaptureFixture[str]
) -> None:
    post.put(ALICE, BOB)
    jobs.print_outbox(as_json=True)
    [alice, bob] = json.loads(capsys.readouterr().out)
    assert alice == {
        "id": 1,
        "kind": "notices",
        "association": "NCIMHA",
        "recipient": ALICE,
        "subject": "Hello",
        "state": "waiting",
        "attempts": 0,
        "created_at": "2026-12-01T12:00:00+00:00",
        "next_attempt_at": "2026-12-01T12:00:00+00:00",
        "finished_at": None,
        "message_id": "<alice@example.org>",
        "last_error": None,
        "bounced": None,
        "held": False,
    }
    assert bob["recipient"] == BOB


def test_an_empty_outbox_is_an_empty_list(capsys: pytest.CaptureFixture[str]) -> None:
    jobs.print_outbox(as_json=True)
    assert json.loads(capsys.readouterr().out) == []
    jobs.print_outbox(as_json=False)
    assert capsys.readouterr().out == "The outbox is empty.\n"


def test_the_outbox_as_a_table_shows_messages_and_totals(
    post: Post, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    post.put(ALICE, BOB)
    jobs.print_outbox(as_json=False)
    said = capsys.readouterr().out
    assert ALICE in said
    assert said.endswith("2 waiting\n")
