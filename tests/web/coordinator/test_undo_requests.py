"""For a day, a coordinator can undo that leave or a later due date was granted or declined."""

import re
from datetime import date, timedelta
from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy import insert

from tests.support.cast import ALICE, BOB, CAROL, DAN
from tests.web.client import WebClient, problems, text_of
from tests.web.profile.test_time_requests import DECLINE, GRANT, LATER, LEAVE, only_request, submit
from tracker.db.engine import writing
from tracker.db.tables import METADATA

TABLES = ("time_request", "leave", "renewal", "standing", "settled_cycle")
FORMS = {"leave": LEAVE, "extension": LATER}


def snapshot(web: WebClient) -> dict[str, list[dict[str, Any]]]:
    return {name: web.cast.rows(name) for name in TABLES}


def decide(web: WebClient, kind: str, decision: dict[str, str] = GRANT) -> str:
    """Decide Alice's request; the id that the Undo button sends."""
    page, carol = only_request(web), web.visit(CAROL)
    answer = carol.post(page, {**FORMS[kind], **decision, "answer": "As discussed"})
    button = re.search(r'name="decision" value="(\d+)">Undo', carol.follow(answer).text)
    assert button is not None
    return button[1]


def undo(web: WebClient, number: str, by: str = CAROL) -> Response:
    return web.visit(by).post(f"{only_request(web)}/undo", {"decision": number})


@pytest.mark.parametrize("decision", [GRANT, DECLINE])
@pytest.mark.parametrize("kind", ["leave", "extension"])
def test_undoing_lets_the_request_wait_again(
    web: WebClient, kind: str, decision: dict[str, str]
) -> None:
    submit(web.visit(ALICE), kind, FORMS[kind])
    before = snapshot(web)
    number = decide(web, kind, decision)
    assert snapshot(web) != before
    carol = web.visit(CAROL)
    words = text_of(carol.follow(undo(web, number)))
    assert snapshot(web) == before
    assert "Grant these dates" in words
    assert web.cast.rows("outbox", kind="request")[0]["state"] == "dropped"
    assert "Waiting" in text_of(web.visit(ALICE).get("/requests"))


def test_an_earlier_extension_comes_back(sqlite_web: WebClient) -> None:
    earlier = {
        "endorsement_id": sqlite_web.cast.endorsements[ALICE],
        "cycle_starts_on": date(2026, 1, 1),
        "extended_due_on": date(2027, 1, 15),
        "reason": "Flood",
    }
    with writing(sqlite_web.cast.engine) as session:
        session.connection().execute(insert(METADATA.tables["renewal"]).values(earlier))
    submit(sqlite_web.visit(ALICE), "extension", LATER)
    undo(sqlite_web, decide(sqlite_web, "extension"))
    [row] = sqlite_web.cast.rows("renewal")
    assert (row["extended_due_on"], row["reason"]) == (date(2027, 1, 15), "Flood")


def test_a_letter_about_leave_that_left_is_corrected(sqlite_web: WebClient) -> None:
    submit(sqlite_web.visit(ALICE), "leave", LEAVE)
    number = decide(sqlite_web, "leave")
    with writing(sqlite_web.cast.engine) as session:
        outbox = METADATA.tables["outbox"]
        session.connection().execute(outbox.update().values(state="sent"))
    page = text_of(sqlite_web.visit(CAROL).follow(undo(sqlite_web, number)))
    assert "Grant these dates" in page
    correction = " ".join(sqlite_web.mails("request")[-1].split())
    assert "It said that your request for leave (NCIMHA IFS) was granted." in correction
    assert "Until then, due dates and reminders are as they were before." in correction


def test_undoing_a_grant_twice_is_like_once(web: WebClient) -> None:
    submit(web.visit(ALICE), "leave", LEAVE)
    number = decide(web, "leave")
    assert [undo(web, number).status_code for _ in range(2)] == [303, 303]
    events = [event["table_name"] for event in web.cast.rows("audit_event")]
    assert events == ["time_request", "time_request", "leave", "leave", "time_request"]


def test_a_newer_request_keeps_the_decision(sqlite_web: WebClient) -> None:
    submit(sqlite_web.visit(ALICE), "leave", LEAVE)
    page, carol = only_request(sqlite_web), sqlite_web.visit(CAROL)
    number = decide(sqlite_web, "leave", DECLINE)
    submit(sqlite_web.visit(ALICE), "leave", {**LEAVE, "ends_day": "27"})
    answer = carol.post(f"{page}/undo", {"decision": number})
    [(_, why)] = problems(answer)
    assert "another request or decision came after the decision" in why


def test_a_session_on_days_that_would_close_keeps_the_later_due_date(
    sqlite_web: WebClient,
) -> None:
    submit(sqlite_web.visit(ALICE), "extension", LATER)
    sqlite_web.pass_time(days=80)
    number = decide(sqlite_web, "extension")
    entry = {
        "person_id": sqlite_web.cast.people[ALICE],
        "activity": "training",
        "held_on": date(2026, 12, 5),
        "minutes": 60,
        "title": "Course",
        "logged_at": sqlite_web.now + timedelta(minutes=1),
    }
    with writing(sqlite_web.cast.engine) as session:
        session.connection().execute(insert(METADATA.tables["entry"]).values(entry))
    [(_, why)] = problems(undo(sqlite_web, number))
    assert "a session on December 5, 2026 was logged after the decision" in why
    assert len(sqlite_web.cast.rows("renewal")) == 1


def test_a_settled_cycle_keeps_the_leave(sqlite_web: WebClient) -> None:
    submit(sqlite_web.visit(ALICE), "leave", LEAVE)
    number = decide(sqlite_web, "leave")
    settled = {
        "endorsement_id": sqlite_web.cast.endorsements[ALICE],
        "cycle_starts_on": date(2026, 1, 1),
        "settled_on": date(2026, 11, 23),
        "content": "{}",
    }
    with writing(sqlite_web.cast.engine) as session:
        session.connection().execute(insert(METADATA.tables["settled_cycle"]).values(settled))
    [(_, why)] = problems(undo(sqlite_web, number))
    assert "the closing of a cycle came after the decision" in why


def test_a_grant_can_be_undone_for_a_day(sqlite_web: WebClient) -> None:
    submit(sqlite_web.visit(ALICE), "leave", LEAVE)
    number = decide(sqlite_web, "leave")
    sqlite_web.pass_time(hours=24)
    [(_, why)] = problems(undo(sqlite_web, number))
    assert why == "A decision can be undone for a day. This one is older."


@pytest.mark.parametrize("email", [DAN, ALICE, BOB])
def test_only_the_associations_coordinator_undoes_a_grant(web: WebClient, email: str) -> None:
    submit(web.visit(ALICE), "leave", LEAVE)
    number = decide(web, "leave")
    assert undo(web, number, by=email).status_code == 404
    assert len(web.cast.rows("leave")) == 1


def test_a_reminder_skipped_during_leave_is_decided_again(sqlite_web: WebClient) -> None:
    submit(sqlite_web.visit(ALICE), "leave", LEAVE)
    number = decide(sqlite_web, "leave")
    notice = {
        "endorsement_id": sqlite_web.cast.endorsements[ALICE],
        "cycle_starts_on": date(2026, 1, 1),
        "kind": "renewal",
        "subject_key": "",
        "due_on": date(2026, 12, 31),
        "step": -30,
        "decided_on": date(2026, 11, 22),
        "outcome": "skipped",
        "reason": "excused",
    }
    with writing(sqlite_web.cast.engine) as session:
        session.connection().execute(insert(METADATA.tables["notice"]).values(notice))
    undo(sqlite_web, number)
    assert sqlite_web.cast.rows("notice") == []


def test_a_withdrawn_request_does_not_keep_the_decision(web: WebClient) -> None:
    submit(web.visit(ALICE), "leave", LEAVE)
    page, carol = only_request(web), web.visit(CAROL)
    number = decide(web, "leave", DECLINE)
    alice = web.visit(ALICE)
    submit(alice, "leave", {**LEAVE, "ends_day": "27"})
    assert "/undo" not in carol.get(page).text
    with writing(web.cast.engine) as session:
        requests = METADATA.tables["time_request"]
        withdrawn = requests.update().where(requests.c.state == "asked")
        values = {"state": "withdrawn", "decided_at": web.now}
        session.connection().execute(withdrawn.values(values))
    assert "/undo" in carol.get(page).text
    assert carol.post(f"{page}/undo", {"decision": number}).status_code == 303
    states = [row["state"] for row in web.cast.rows("time_request")]
    assert states == ["asked", "withdrawn"]
