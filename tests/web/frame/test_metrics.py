"""/metrics: figures of the database for monitoring that has the token."""

import threading
from datetime import date, timedelta

import pytest
from httpx2 import Response
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr, ValidationError
from sqlalchemy import insert

from tests.support.cast import NOW, Cast
from tests.web.client import WebClient
from tracker.db.engine import writing
from tracker.db.operations import RestoreDrill
from tracker.db.tables import METADATA
from tracker.services.run_ledger import RunKey, claim_run
from tracker.settings import Bounces, Web
from tracker.web import app as putting_together
from tracker.web.pages import health

TOKEN = "measure-for-measure"
RIGHT = {"authorization": f"Bearer {TOKEN}"}
Figures = dict[tuple[str, ...], float]


def watched(cast: Cast, *, has_mailbox: bool = False) -> WebClient:
    web, mail = Web(metrics_token=SecretStr(TOKEN)), cast.settings.mail
    if has_mailbox:
        bounces = Bounces(mailbox=SecretStr("maildir:///var/lib/tracker/bounces"))
        mail = mail.model_copy(update={"bounces": bounces})
    settings = cast.settings.model_copy(update={"web": web, "mail": mail})
    return WebClient(cast, settings=settings)


def ask(web: WebClient, **headers: str) -> Response:
    return web.visit().client.get("/metrics", headers=headers)


def figures(answer: Response) -> Figures:
    """Each figure by its name and the values of its labels, in the order of their names."""
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(answer.text)
    return {
        (one.name, *(one.labels[name] for name in sorted(one.labels))): one.value
        for family in families
        for one in family.samples
    }


def mail(web: WebClient, number: int, state: str, hours_old: int, attempts: int = 0) -> None:
    written = NOW - timedelta(hours=hours_old)
    with writing(web.cast.engine) as session:
        session.connection().execute(
            insert(METADATA.tables["outbox"]).values(
                dedupe_key=str(number), message_id=str(number), kind="notices", subject="",
                recipient="a@b.example", body=b"", state=state, attempts=attempts,
                created_at=written, next_attempt_at=written, fence=0,
            )
        )  # fmt: skip


def test_metrics_show_when_a_backup_was_proven(sqlite_web: WebClient) -> None:
    site = watched(sqlite_web.cast)
    made = NOW - timedelta(days=1)
    with writing(site.cast.engine) as session:
        drill = RestoreDrill(tried_at=NOW, backed_up_at=made, backup="x", is_proven=True, detail="")
        session.add(drill)
    found = figures(ask(site, **RIGHT))
    assert found["tracker_restore_proven_timestamp_seconds",] == NOW.timestamp()
    assert found["tracker_restore_proven_backup_timestamp_seconds",] == made.timestamp()
    assert found["tracker_restore_failed_timestamp_seconds",] == 0


def test_a_drill_that_was_not_done_is_no_failure(sqlite_web: WebClient) -> None:
    site = watched(sqlite_web.cast)
    with writing(site.cast.engine) as session:
        session.add(RestoreDrill(tried_at=NOW, backup="", is_proven=False, detail="no space"))
    assert figures(ask(site, **RIGHT))["tracker_restore_failed_timestamp_seconds",] == 0


def test_metrics_show_job_runs_and_mail(web: WebClient) -> None:
    site = watched(web.cast)
    found = figures(ask(site, **RIGHT))
    assert found["tracker_mail_oldest_waiting_seconds",] == 0
    due = "tracker_job_next_due_timestamp_seconds"
    assert 0 < found[due, "NCIMHA", "evaluate"] - NOW.timestamp() <= 24 * 3600
    ran = "tracker_job_last_success_timestamp_seconds"
    assert found[ran, "CT-AIMH", "digest"] == found[ran, "NCIMHA", "evaluate"] == 0
    with writing(web.cast.engine) as session:
        for days in (0, 3, 1):
            at = NOW - timedelta(days=days)
            claim_run(session, RunKey("evaluate", "NCIMHA", at.date()), at)
        claim_run(session, RunKey("gone", "NCIMHA", date(2026, 1, 1)), NOW)
    for number, (state, age) in enumerate(
        [("sent", 90), ("failed", 80), ("failed", 70), ("sending", 2), ("waiting", 1)]
    ):
        mail(web, number, state, age, attempts=number)
    found = figures(ask(site, **RIGHT))
    assert found[ran, "NCIMHA", "evaluate"] == NOW.timestamp()
    assert found[ran, "CT-AIMH", "evaluate"] == 0
    assert (ran, "NCIMHA", "gone") not in found
    assert found["tracker_mail_oldest_waiting_seconds",] == 2 * 3600
    assert found["tracker_mail_put_off",] == 1
    states = {name[1]: value for name, value in found.items() if name[0] == "tracker_mails"}
    assert states == {"waiting": 1, "sending": 1, "sent": 1, "failed": 2, "dropped": 0, "held": 0}
    # Another process, which has done nothing of it, says the same.
    assert figures(ask(watched(web.cast), **RIGHT)) == found


def test_metrics_show_returned_mail(web: WebClient) -> None:
    site = watched(web.cast, has_mailbox=True)
    read_at = "tracker_returned_mail_last_read_timestamp_seconds"
    assert figures(ask(site, **RIGHT))[read_at,] == 0
    with writing(web.cast.engine) as session:
        for number, outcome in enumerate(("hard", "refused", "refused")):
            row = {"digest": str(number), "outcome": outcome, "reason": "", "read_at": NOW}
            session.connection().execute(insert(METADATA.tables["returned_mail"]).values(row))
        last = {"tried_at": NOW, "read_at": NOW, "error": None, "unclear": 2}
        session.connection().execute(insert(METADATA.tables["mailbox_read"]).values(id=1, **last))
    found = figures(ask(site, **RIGHT))
    assert found[read_at,] == NOW.timestamp()
    assert (found["tracker_returned_mail_up",], found["tracker_returned_mail_unclear",]) == (1, 2)
    outcomes = {name[1]: n for name, n in found.items() if name[0] == "tracker_returned_mails"}
    assert (outcomes["hard"], outcomes["refused"], outcomes["soft"]) == (1, 2, 0)


def test_a_mailbox_that_is_not_set_has_no_figures(sqlite_web: WebClient) -> None:
    names = {name for name, *_ in figures(ask(watched(sqlite_web.cast), **RIGHT))}
    assert {name for name in names if name.startswith("tracker_returned_mail_")} == set()
    assert "tracker_returned_mails" in names


def test_a_mailbox_that_never_worked_shows_zero(sqlite_web: WebClient) -> None:
    found = figures(ask(watched(sqlite_web.cast, has_mailbox=True), **RIGHT))
    assert found["tracker_returned_mail_last_read_timestamp_seconds",] == 0
    assert found["tracker_returned_mail_up",] == 0


def test_metrics_need_the_token(sqlite_web: WebClient) -> None:
    site = watched(sqlite_web.cast)
    for wrong in ("", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer wrong", f"Bearer {TOKEN}x"):
        answer = ask(site, authorization=wrong)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), wrong
        assert "tracker_" not in answer.text
    assert ask(site, authorization=f"bearer {TOKEN}").status_code == 200


def test_without_a_token_metrics_are_absent(sqlite_web: WebClient) -> None:
    answer = ask(sqlite_web, **RIGHT)
    assert answer.status_code == 404
    assert answer.content == sqlite_web.visit().get("/nowhere").content


@pytest.mark.parametrize(
    "wrong", ["", "fifteen-letters", "sixteen letters.", "sixteen-létters.", 1234567890123456]
)
def test_weak_metrics_tokens_are_refused(wrong: object) -> None:
    with pytest.raises(ValidationError, match="must have 16 characters at least"):
        Web.model_validate({"metrics_token": wrong})


def test_metrics_do_not_wait_for_a_hung_database(
    sqlite_web: WebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_TIMEOUT_SECONDS", 0.05)
    looks, may_end = [], threading.Event()

    def hang(_connection: object) -> None:
        looks.append(threading.current_thread().name)
        may_end.wait(30)

    monkeypatch.setattr(putting_together, "read_health_metrics", hang)
    site = watched(sqlite_web.cast)
    for _ in range(3):
        answer = ask(site, **RIGHT)
        assert (answer.status_code, answer.text) == (503, "the database does not answer")
    assert looks == ["vitals_0"]
    may_end.set()
