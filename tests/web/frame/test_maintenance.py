"""Maintenance mode: every page says so, and nothing typed is lost."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.cast import ALICE, BASE_URL, NOW
from tests.support.files import PDF
from tests.web.client import TRAINING, WebClient, text_of
from tests.web.frame.test_signed_out_forms import kept
from tracker.db.engine import writing
from tracker.services.maintenance import end_maintenance, start_maintenance
from tracker.web import background


@pytest.fixture(autouse=True)
def _noticed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_SWITCH_SECONDS", 0.0)


def turn_on(web: WebClient, ends_at: datetime | None = None, message: str = "") -> None:
    with writing(web.cast.engine) as session:
        start_maintenance(session, NOW, ends_at, message)


def turn_off(web: WebClient) -> None:
    with writing(web.cast.engine) as session:
        end_maintenance(session)


def test_every_page_says_so_and_when_to_return(web: WebClient) -> None:
    alice = web.visit(ALICE)
    turn_on(web, NOW + timedelta(minutes=25), "We are moving to a <new> server.")
    for path in ("/", "/my-year", "/log", "/sign-in", "/nowhere", "/coordinator"):
        page = alice.get(path)
        assert page.status_code == 503
        assert page.headers["retry-after"] == "1500"
        assert "We are moving to a &lt;new&gt; server." in text_of(page)
        assert "back in 25 minutes" in text_of(page)
    turn_off(web)
    assert alice.get("/my-year").status_code == 200


def test_without_an_end_pages_promise_no_time(sqlite_web: WebClient) -> None:
    turn_on(sqlite_web)
    page = sqlite_web.visit().get("/")
    assert page.headers["retry-after"] == "3600"
    assert "We will be back soon" in text_of(page)


def test_a_form_keeps_what_was_typed_and_is_saved_later(web: WebClient, tmp_path: Path) -> None:
    settings = web.cast.settings.model_copy(update={"evidence_dir": tmp_path / "evidence"})
    web = WebClient(web.cast, settings=settings)
    alice = web.visit(ALICE)
    alice.get("/log")
    typed = {**TRAINING, "form_key": "0" * 31 + "1"}
    turn_on(web)
    for files in ({}, {"files": ("proof.pdf", PDF, "application/pdf")}):
        page = alice.client.post(
            "/log?again=1", data=typed, files=files, headers={"Origin": BASE_URL}
        )
        assert page.status_code == 503
        assert kept(page) == typed
        assert 'action="/log?again=1"' in page.text
        assert ("Files can't be kept" in text_of(page)) == bool(files)
    assert web.cast.rows("entry", form_key=typed["form_key"]) == []
    turn_off(web)
    assert alice.post("/log", kept(page)).status_code == 303
    assert len(web.cast.rows("entry", form_key=typed["form_key"])) == 1


def test_the_api_answers_a_problem(sqlite_web: WebClient) -> None:
    turn_on(sqlite_web)
    answer = sqlite_web.visit().client.get("/api/v1/entries")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "3600"
    assert "maintenance" in answer.json()["detail"]


def test_those_who_watch_still_get_answers(sqlite_web: WebClient) -> None:
    turn_on(sqlite_web)
    visitor = sqlite_web.visit()
    assert visitor.get("/healthz").text == "ok"
    assert visitor.get("/readyz").status_code == 200
    assert "maintenance mode is on" in visitor.get("/readyz").text


@pytest.fixture
def unread(sqlite_web: WebClient, monkeypatch: pytest.MonkeyPatch) -> WebClient:
    """A site whose database no longer says whether maintenance mode is on."""
    turn_on(sqlite_web)
    sqlite_web.visit().get("/")

    def fail(_session: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(background, "find_maintenance", fail)
    return sqlite_web


def test_without_a_database_the_last_answer_counts(unread: WebClient) -> None:
    assert unread.visit().get("/").status_code == 503
