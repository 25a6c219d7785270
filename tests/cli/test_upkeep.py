"""`tracker healthcheck`, `tracker maintenance`, and `tracker purge`, as they are called."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner, Result

from tests.jobs.harness import CONFIG
from tests.mail.sink import Sink
from tests.support.cast import fill
from tracker import clock
from tracker.cli.main import app
from tracker.db.access import SecurityEvent
from tracker.db.engine import open_engine, writing
from tracker.db.tables import METADATA
from tracker.errors import UserError
from tracker.services.browser_sessions import create_browser_session


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def url(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TRACKER_DATABASE_URL", database_url)
    return database_url


def add_run(url: str, days_ago: int) -> None:
    """Have every association's evaluation have run for the last time so many days ago."""
    then = clock.now() - timedelta(days=days_ago)
    rows = [
        {
            "job": "evaluate",
            "association": "NCIMHA",
            "local_date": then.date(),
            "started_at": then,
            "finished_at": then,
            "report": "{}",
        }
    ]
    engine = open_engine(url)
    with writing(engine) as session:
        session.connection().execute(insert(METADATA.tables["run_ledger"]), rows)
    engine.dispose()


def test_a_fresh_installation_passes_the_healthcheck(url: str) -> None:
    assert url
    called = call("healthcheck")
    assert (called.exit_code, called.stdout) == (0, "healthy\n")
    assert json.loads(call("healthcheck", "--json").stdout)["healthy"] is True


def test_a_late_job_fails_the_healthcheck(url: str) -> None:
    add_run(url, days_ago=3)
    called = call("healthcheck")
    assert called.exit_code == 1
    assert "NCIMHA: evaluate has not run" in called.stdout
    assert called.stdout.count("\n") == 1
    report = json.loads(call("healthcheck", "--json").stdout)
    late = [p for p in report["problems"] if (p["job"], p["association"]) == ("evaluate", "NCIMHA")]
    assert report["healthy"] is False
    assert late[0]["kind"] == "job-late"


def test_a_run_far_ahead_fails_the_healthcheck(url: str) -> None:
    add_run(url, days_ago=-30)
    report = json.loads(call("healthcheck", "--json").stdout)
    assert report["healthy"] is False
    assert [(one["kind"], one["association"]) for one in report["problems"]] == [
        ("job-ahead", "NCIMHA")
    ]


def test_a_missing_database_is_unhealthy_and_stays_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "none.db"
    monkeypatch.setenv("TRACKER_DATABASE_URL", f"sqlite:///{file}")
    called = call("healthcheck")
    assert called.exit_code == 1
    assert "there is no database" in called.stdout
    assert not file.exists()


def problem_kinds() -> list[str]:
    called = call("healthcheck", "--json")
    assert called.exit_code == 1
    return [problem["kind"] for problem in json.loads(called.stdout)["problems"]]


def test_a_wrong_setting_is_of_its_own_kind(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert url
    monkeypatch.setenv("TRACKER_WEB__PORT", "eighty")
    assert problem_kinds() == ["settings"]


def test_a_wrong_rulebook_counts_as_a_setting(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert url
    folder = shutil.copytree(CONFIG, tmp_path / "config")
    (folder / "organizations.toml").write_text("wrong = 1\n")
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(folder))
    assert problem_kinds() == ["settings"]


def test_a_missing_database_is_of_the_kind_database(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRACKER_DATABASE_URL", f"sqlite:///{tmp_path / 'none.db'}")
    assert problem_kinds() == ["database"]


def test_pages_that_do_not_answer_are_unhealthy(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("TRACKER_WEB__PORT", "1")
    called = call("healthcheck", "--pages")
    assert called.exit_code == 1
    assert "pages: no answer at port 1" in called.stdout


def test_maintenance_is_turned_on_changed_and_off(url: str) -> None:
    soon = f"{clock.now() + timedelta(hours=1):%Y-%m-%dT%H:%M}"
    on = call("maintenance", "on", "--until", soon, "--text", "A new  server.")
    assert on.exit_code == 0
    assert "until about" in on.stdout
    assert "until `tracker maintenance off`" in call("maintenance", "on").stdout
    engine = open_engine(url)
    with engine.connect() as connection:
        (row,) = connection.execute(METADATA.tables["maintenance"].select()).mappings()
    engine.dispose()
    assert (row["ends_at"], row["message"]) == (None, "")
    assert "everything waits" in call("run-due").stdout
    assert "maintenance mode is on" in call("healthcheck").stdout
    assert "is off." in call("maintenance", "off").stdout
    assert "is off already." in call("maintenance", "off").stdout


def test_maintenance_that_ends_in_the_past_is_refused(url: str) -> None:
    assert url
    called = call("maintenance", "on", "--until", "2020-01-01T00:00")
    assert isinstance(called.exception, UserError)
    assert "is past" in str(called.exception)


def test_mail_waits_during_maintenance(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cast = fill(url)
    now = clock.now()
    call("maintenance", "on")
    with Sink() as sink:
        monkeypatch.setenv("TRACKER_SMTP_URL", sink.url)
        with writing(cast.engine) as session:
            session.connection().execute(
                insert(METADATA.tables["outbox"]).values(
                    dedupe_key="x", message_id="<x@y>", kind="notices", subject="x",
                    recipient="a@b.example", body=b"Subject: x\r\n\r\nx", state="waiting",
                    attempts=0, created_at=now, next_attempt_at=now, fence=0,
                )
            )  # fmt: skip
        assert "mail waits" in call("deliver").stdout
        assert cast.rows("outbox")[0]["state"] == "waiting"
        call("maintenance", "off")
        call("deliver")
        assert cast.rows("outbox")[0]["state"] != "waiting"
    cast.engine.dispose()


def test_purge_counts_first_and_deletes_then(url: str) -> None:
    engine = open_engine(url)
    with writing(engine) as session:
        long_ago = clock.now() - timedelta(days=400)
        create_browser_session(session, "alice@example.org", long_ago)
        session.add(SecurityEvent(at=long_ago, kind="sign in", outcome="done"))
    tried = call("purge", "--dry-run")
    assert tried.exit_code == 0
    assert "       1  security events of more than a year ago\n" in tried.stdout
    assert "Nothing was deleted" in tried.stdout
    counts = json.loads(call("purge", "--json").stdout)
    assert counts["sessions of browsers that have ended"] == 1
    assert sum(counts.values()) == 2
    assert sum(json.loads(call("purge", "--json").stdout).values()) == 0
    engine.dispose()
