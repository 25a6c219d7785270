"""Sign-ins, refusals, and downloads are recorded, and a person sees their own."""

import re
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.support.cast import ALICE, CAROL, NOW
from tests.web.client import Visitor, WebClient, text_of
from tests.web.test_scoping import prove
from tracker.db.engine import writing
from tracker.services.security_events import forget_old_events

API = "/api/v1/standings"


def events(web: WebClient, **where: object) -> list[tuple[str, str, int | None]]:
    rows = web.cast.rows("security_event", **where)
    return [(row["kind"], row["outcome"], row["person_id"]) for row in rows]


def ask(web: WebClient, email: str = ALICE) -> tuple[Visitor, str]:
    """A browser that asked for a code, and the code."""
    visitor = web.visit()
    visitor.post("/sign-in", {"email": email})
    web.settle()
    code = re.search(r"\b\d{3} \d{3} \d{3}\b", web.mails("sign-in")[-1])
    assert code is not None
    return visitor, code[0]


def test_signing_in_and_out_is_recorded(web: WebClient) -> None:
    alice = web.cast.people[ALICE]
    visitor, code = ask(web)
    answer = visitor.post("/sign-in/code", {"code": code})
    visitor.post("/sign-out")
    assert events(web) == [("sign-in", "done", alice), ("sign-out", "done", alice)]
    first = web.cast.rows("security_event")[0]
    assert first["request_id"] == answer.headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{64}", first["client_hash"])


def test_refused_codes_are_recorded_with_the_reason(web: WebClient) -> None:
    alice = web.cast.people[ALICE]
    visitor, code = ask(web)
    wrong = "000 000 000" if code != "000 000 000" else "000 000 001"
    visitor.post("/sign-in/code", {"code": wrong})
    visitor.post("/sign-in/code", {"code": code})
    visitor.post("/sign-in/code", {"code": code})
    other, late = ask(web)
    web.pass_time(minutes=11)
    other.post("/sign-in/code", {"code": late})
    assert events(web) == [
        ("sign-in", "wrong", alice),
        ("sign-in", "done", alice),
        ("sign-in", "unknown link", None),
        ("sign-in", "expired", alice),
    ]


def test_an_unknown_address_leaves_nobodys_event(sqlite_web: WebClient) -> None:
    visitor = sqlite_web.visit()
    visitor.post("/sign-in", {"email": "nobody@example.org"})
    sqlite_web.settle()
    visitor.post("/sign-in/code", {"code": "000 000 000"})
    assert events(sqlite_web) == [("sign-in", "wrong", None)]


def test_a_person_sees_only_their_own_events(sqlite_web: WebClient) -> None:
    visitor, code = ask(sqlite_web)
    visitor.post("/sign-in/code", {"code": code})
    ours = text_of(visitor.get("/profile/browsers"))
    assert "What happened lately" in ours
    assert "Signed in November 22, 2026" in ours
    carol = text_of(sqlite_web.visit(CAROL).get("/profile/browsers"))
    assert "What happened lately" not in carol


def test_what_coordinators_download_is_recorded(sqlite_web: WebClient) -> None:
    cast = sqlite_web.cast
    with writing(cast.engine) as session:
        number = prove(session, cast, ALICE, f"{ALICE} training")
    carol = sqlite_web.visit(CAROL)
    assert carol.get(f"/evidence/{number}").status_code == 200
    assert sqlite_web.visit(ALICE).get(f"/evidence/{number}").status_code == 200
    assert carol.get("/coordinator/attention.csv").status_code == 200
    assert events(sqlite_web) == [
        ("download", "done", cast.people[ALICE]),
        ("download", "done", cast.people.get(CAROL)),
    ]
    told = text_of(sqlite_web.visit(ALICE).get("/profile/browsers"))
    assert "Your association opened one of your files" in told


@pytest.mark.parametrize(
    ("sent", "logged"),
    [
        ({"headers": {"Authorization": "Bearer ert_wrong"}}, ("api", "no valid token")),
        ({}, ("api", "no valid token")),
    ],
)
def test_refused_programs_are_logged_and_not_stored(
    sqlite_web: WebClient, sent: dict[str, Any], logged: tuple[str, str]
) -> None:
    with capture_logs() as lines:
        answer = sqlite_web.visit().client.get(API, **sent)
    assert answer.status_code == 401
    assert logged in [(line.get("kind"), line.get("outcome")) for line in lines]
    assert events(sqlite_web) == []


def test_a_form_from_elsewhere_is_logged(sqlite_web: WebClient) -> None:
    visitor = sqlite_web.visit()
    with capture_logs() as lines:
        answer = visitor.client.post("/sign-in", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert ("form", "refused") in [(line.get("kind"), line.get("outcome")) for line in lines]


def test_events_name_no_address(sqlite_web: WebClient) -> None:
    with capture_logs() as lines:
        visitor, code = ask(sqlite_web)
        visitor.post("/sign-in/code", {"code": code})
    told = [line for line in lines if line["event"] == "security event"]
    assert told
    for written in (str(told), str(sqlite_web.cast.rows("security_event"))):
        assert "@" not in written
        assert "testclient" not in written


def test_events_are_kept_for_a_year(sqlite_web: WebClient) -> None:
    visitor, code = ask(sqlite_web)
    visitor.post("/sign-in/code", {"code": code})
    for days, left in ((364, 1), (366, 0)):
        with writing(sqlite_web.cast.engine) as session:
            forget_old_events(session, NOW + timedelta(days=days))
        assert len(events(sqlite_web)) == left
