"""The first page, the demo, health, unsubscribing."""

import threading
from datetime import date, timedelta

import pytest
from sqlalchemy import Engine

from tests.support.cast import ALICE, CAROL, NOW
from tests.web.client import Visitor, WebClient, text_of
from tracker.db.engine import open_engine, writing
from tracker.db.schema_versions import newest_version
from tracker.services.notification_preferences import Subscription, create_unsubscribe_token
from tracker.services.run_ledger import RunKey, claim_run
from tracker.web import background
from tracker.web.dependencies import DemoLogin

DAY = timedelta(days=1)


def token_for(engine: Engine) -> str:
    with writing(engine) as session:
        return create_unsubscribe_token(session, Subscription(CAROL, "digest", "NCIMHA"))


def test_the_first_page_leads_to_sign_in(sqlite_web: WebClient) -> None:
    assert 'href="/sign-in"' in sqlite_web.visit("").get("/").text
    assert sqlite_web.visit(ALICE).get("/").headers["location"] == "/my-year"


def test_the_demo_opens_a_person_with_one_click(sqlite_web: WebClient) -> None:
    people = [DemoLogin(ALICE, "Alice Moreno", "short of one DEIA hour")]
    demo = WebClient(sqlite_web.cast, demo_people=people)
    visitor = Visitor(demo)
    assert "Open as Alice Moreno" in text_of(visitor.get("/"))
    assert visitor.post("/demo/open/0").headers["location"] == "/my-year"
    assert visitor.get("/my-year").status_code == 200
    assert visitor.post("/demo/open/1").status_code == 404


def test_demo_logins_exist_only_in_the_demo(sqlite_web: WebClient) -> None:
    visitor = sqlite_web.visit("")
    assert visitor.post("/demo/open/0").status_code == 404
    assert visitor.get("/demo/open/0").content == visitor.get("/nowhere").content


def test_healthz_answers_without_a_database(sqlite_web: WebClient) -> None:
    sqlite_web.cast.engine.dispose()
    assert sqlite_web.visit("").get("/healthz").text == "ok"


def test_readyz_checks_the_schema(web: WebClient) -> None:
    assert web.visit("").get("/readyz").text == "ready"
    engine = open_engine(web.cast.url)
    with writing(engine) as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = 'older'")
    engine.dispose()
    assert web.visit("").get("/readyz").status_code == 503


def test_readyz_names_a_late_job(web: WebClient) -> None:
    with writing(web.cast.engine) as session:
        claim_run(session, RunKey("evaluate", "NCIMHA", date(2026, 11, 20)), NOW - DAY * 2)
    answer = web.visit("").get("/readyz")
    assert answer.status_code == 503
    assert "NCIMHA: evaluate has not run, due since 2026-11-21 07:00 UTC" in answer.text


def test_readyz_does_not_wait_for_a_hung_database(
    sqlite_web: WebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "_TIMEOUT_SECONDS", 0.05)
    looks, may_end, ended = [], threading.Event(), threading.Event()

    def hang(_url: str) -> str:
        looks.append(threading.current_thread().name)
        may_end.wait(30)
        ended.set()
        return newest_version()

    monkeypatch.setattr(background, "schema_version", hang)
    visitor = sqlite_web.visit("")
    for _ in range(3):
        answer = visitor.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "the database does not answer")
    # However many ask, one thread hangs, and none of those that pages need.
    assert looks == ["readiness_0"]
    may_end.set()
    assert ended.wait(30)
    monkeypatch.setattr(background, "_TIMEOUT_SECONDS", 30)
    assert visitor.get("/readyz").text == "ready"


def test_no_api_description_is_offered(sqlite_web: WebClient) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert sqlite_web.visit("").get(path).status_code == 404


def test_opening_the_unsubscribe_link_only_asks(web: WebClient) -> None:
    token = token_for(web.cast.engine)
    page = web.visit("").get(f"/unsubscribe/{token}")
    assert "carol@example.org will no longer get digest emails from NCIMHA" in text_of(page)
    assert web.cast.rows("unsubscribed") == []


def test_mail_programs_unsubscribe_with_one_post(web: WebClient) -> None:
    path = f"/unsubscribe/{token_for(web.cast.engine)}"
    for _ in range(2):
        answer = web.visit("").client.post(path, data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
    (row,) = web.cast.rows("unsubscribed")
    assert (row["email"], row["kind"], row["association"]) == (CAROL, "digest", "NCIMHA")


def test_forged_tokens_unsubscribe_nobody(sqlite_web: WebClient) -> None:
    token = token_for(sqlite_web.cast.engine)
    payload, _, signature = token.partition(".")
    # Not its last character: that one holds bits that no signature has.
    forged = f"{payload}.{'x' if signature[0] != 'x' else 'y'}{signature[1:]}"
    for wrong in (forged, payload, "x", "%00", "ä"):
        assert sqlite_web.visit("").client.post(f"/unsubscribe/{wrong}").status_code == 404
    assert sqlite_web.cast.rows("unsubscribed") == []


def test_a_token_stays_the_same(sqlite_web: WebClient) -> None:
    assert token_for(sqlite_web.cast.engine) == token_for(sqlite_web.cast.engine)
