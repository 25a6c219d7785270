"""`tracker notices`, as it is called."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.jobs.harness import JobHarness, at
from tests.mail.sink import Sink
from tests.rules.applicants import populate
from tests.rules.case_data import REAL
from tracker.cli.main import app
from tracker.mail.delivery import deliver_once
from tracker.mail.smtp_connection import parse_server

AUTUMN = at("2024-09-15")


@pytest.fixture
def jobs(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobHarness]:
    """A harness on the database that the command reads."""
    monkeypatch.setenv("TRACKER_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")
    jobs = JobHarness(database_url)
    yield jobs
    jobs.engine.dispose()


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def printed(*arguments: str) -> list[dict[str, Any]]:
    called = call(*arguments)
    assert called.exit_code == 0
    found: list[dict[str, Any]] = json.loads(called.stdout)
    return found


def test_json_lists_each_decision_with_exactly_these_keys(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    jobs.run(AUTUMN, at("2024-12-01"))
    rows = printed("notices", "--json")
    assert {tuple(row) for row in rows} == {
        (
            *("email", "association", "category", "kind", "step", "due_on"),
            *("decided_on", "outcome", "reason", "message_id", "delivery"),
        )
    }
    message_id = rows[-1].pop("message_id")
    assert rows[-1] == {
        "email": "alice@example.org",
        "association": "NCIMHA",
        "category": "IFS",
        "kind": "renewal",
        "step": -30,
        "due_on": "2024-12-31",
        "decided_on": "2024-12-01",
        "outcome": "sent",
        "reason": None,
        "delivery": "waiting",
    }
    mails = [row for row in printed("outbox", "--json") if row["kind"] == "notices"]
    assert mails[-1]["message_id"] == message_id
    assert {row["message_id"] for row in printed("notices", "--json")} - {None} == {
        mail["message_id"] for mail in mails
    }


def test_a_mail_that_failed_for_good_is_not_called_sent(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    jobs.run(AUTUMN, at("2024-12-01"))
    assert "│ waiting " in call("notices").stdout
    jobs.finish("sent", at("2024-12-01 12:00"))
    assert "│ sent " in call("notices").stdout
    jobs.finish("failed", at("2024-12-01 12:00"), "550 no such mailbox", bounced=True)
    row = printed("notices", "--json")[-1]
    assert (row["outcome"], row["reason"]) == ("failed", "550 no such mailbox")
    assert "failed: 550 no such mailbox" in call("notices").stdout


def test_a_mail_that_reached_the_second_address_was_sent(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    jobs.execute("UPDATE person SET second_email = 'al@home.example' WHERE name = 'Alice'")
    jobs.run(AUTUMN, at("2024-12-01"))
    jobs.execute("DELETE FROM outbox WHERE kind = 'digest'")
    with Sink() as sink:
        sink.refuse = frozenset({"alice@example.org"})
        server = parse_server(sink.url)
        now = at("2024-12-01 12:00")
        # The copy is stored when the refusal is: the first run may have ended by then.
        for _ in range(2):
            asyncio.run(deliver_once(jobs.engine, server, jobs.settings.mail, lambda: now))
        assert [taken.recipient for taken in sink.taken] == ["al@home.example"]
    row = printed("notices", "--json")[-1]
    assert (row["outcome"], row["delivery"]) == ("sent", "sent")


def test_a_skipped_decision_has_a_reason(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    jobs.run(AUTUMN, at("2024-12-01"))
    skipped = [row for row in printed("notices", "--json") if row["outcome"] == "skipped"]
    assert skipped
    assert all(row["reason"] and row["message_id"] is None for row in skipped)


@pytest.mark.usefixtures("jobs")
def test_an_empty_ledger_is_an_empty_list() -> None:
    assert printed("notices", "--json") == []


@pytest.mark.usefixtures("jobs")
def test_an_empty_ledger_says_what_to_do() -> None:
    assert call("notices").stdout == (
        "No decisions yet. `tracker run-due` makes those that are due.\n"
    )


def test_people_read_a_table(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    jobs.run(AUTUMN, at("2024-12-01"))
    row = next(
        line
        for line in call("notices").stdout.splitlines()
        if "-60" in line and "2024-12-31" in line
    )
    assert "alice@example.org" in row
    assert "NCIMHA IFS" in row
    assert "skipped: a later step was due as well" in row


def test_an_applications_decisions_are_listed_with_its_category(jobs: JobHarness) -> None:
    apply = {"applies": "VAIMH IMHS 2024-02-01", "references": ["rsc-provider waiting"]}
    with jobs.storing(at("2024-02-01")) as people:
        people.ids.update(populate(people.session, REAL, apply).ids)
    called = call("run-due", "--as-of", "2024-02-15T14:00:00+00:00", "--dry-run")
    assert "VAIMH notices for 2024-02-15: messages 1, sent 1, skipped 0" in called.stdout
    assert printed("notices", "--json") == []
    assert call("run-due", "--as-of", "2024-02-15T14:00:00+00:00").exit_code == 0
    [row] = printed("notices", "--json")
    assert row.pop("message_id")
    assert row == {
        "email": "alice@example.org",
        "association": "VAIMH",
        "category": "IMHS",
        "kind": "references",
        "step": 14,
        "due_on": "2024-02-01",
        "decided_on": "2024-02-15",
        "outcome": "sent",
        "reason": None,
        "delivery": "waiting",
    }
