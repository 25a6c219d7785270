"""A program logs a session: once for each key, checked as the form's is."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest
from sqlalchemy import insert

from tests.support.cast import ALICE, BOB, BOOKS, DANA, ERIN, EVE, NOW
from tests.web.api.calling import Program, make
from tests.web.client import WebClient
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.evaluation import evaluate_people


@pytest.fixture
def program(web: WebClient) -> Program:
    return Program(web, make(web))


@pytest.fixture
def page_program(sqlite_web: WebClient) -> Program:
    return Program(sqlite_web, make(sqlite_web))


def test_a_session_is_stored_with_its_standing_and_who_sent_it(program: Program) -> None:
    answer = program.log("one")
    cast = program.web.cast
    assert answer.status_code == 201
    assert program.get(answer.headers["location"].removeprefix("/api/v1")).json() == answer.json()
    [stored] = cast.rows("entry", id=answer.json()["id"])
    assert (stored["person_id"], stored["provider_id"]) == (cast.people[ALICE], cast.people[DANA])
    [standing] = cast.rows("standing", endorsement_id=cast.endorsements[ALICE], status="open")
    rsc = next(r for r in json.loads(standing["requirements"]) if r["id"] == "rsc")
    assert (rsc["required"], rsc["counted"]) == (720, 570)
    assert cast.rows("audit_event")[-1]["who"] == "token 1: Member database"


def test_the_same_request_again_gets_the_same_answer_and_saves_nothing(program: Program) -> None:
    first, again = program.log("one"), program.log("one")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert len(program.web.cast.rows("entry", title="RSC by telephone")) == 1


def test_ten_at_once_with_one_key_save_one(program: Program) -> None:
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: program.log("one"), range(10)))
    assert {a.status_code for a in answers} == {201}
    assert len({a.content for a in answers}) == 1
    assert len(program.web.cast.rows("entry", title="RSC by telephone")) == 1


def test_a_key_that_served_another_session_is_refused(page_program: Program) -> None:
    page_program.log("one")
    answer = page_program.log("one", minutes=30)
    assert answer.status_code == 409
    assert len(page_program.web.cast.rows("entry", title="RSC by telephone")) == 1


def test_a_refused_request_leaves_its_key_free(page_program: Program) -> None:
    assert page_program.log("one", held_on="2026-12-24").status_code == 422
    assert page_program.log("one").status_code == 201


def test_an_answer_is_forgotten_after_a_week_and_the_session_still_saved_once(
    page_program: Program,
) -> None:
    first = page_program.log("one")
    page_program.web.pass_time(days=8)
    page_program.get("/entries")
    assert [row["body"] for row in page_program.web.cast.rows("api_answer")] == [""]
    again = page_program.log("one")
    assert again.status_code == 201
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("changes", [{"minutes": 30}, {"email": BOB}, {"reference": "r-1"}])
def test_an_old_key_serves_no_other_session(page_program: Program, changes: dict[str, Any]) -> None:
    page_program.log("one")
    for days in (8, 400):
        page_program.web.pass_time(days=days)
        page_program.get("/entries")
        entries = page_program.web.cast.rows("entry")
        assert page_program.log("one", **changes).status_code == 409
        assert page_program.web.cast.rows("entry") == entries


def test_an_old_key_saves_no_deleted_session_again(page_program: Program) -> None:
    entry_id = page_program.log("one").json()["id"]
    page_program.web.pass_time(days=8)
    page_program.get("/entries")
    page_program.web.visit(ALICE).post(f"/entries/{entry_id}/delete")
    assert page_program.log("one").status_code == 409
    assert page_program.web.cast.rows("entry", title="RSC by telephone") == []


@pytest.mark.parametrize("field", ["title", "reference", "provider_name", "email"])
def test_a_text_that_is_far_too_long_is_refused(page_program: Program, field: str) -> None:
    answer = page_program.log("one", **{field: "ab " * 20_000})
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [f"#/{field}"]


def test_two_tokens_do_not_share_their_keys(page_program: Program) -> None:
    other = Program(page_program.web, make(page_program.web))
    assert page_program.log("one").json()["id"] != other.log("one").json()["id"]


def test_without_a_key_nothing_is_saved(page_program: Program) -> None:
    answer = page_program.log("")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "header/Idempotency-Key"


@pytest.mark.parametrize(
    ("changes", "pointer", "words"),
    [
        ({"email": ERIN}, "#/email", "No one with this email address"),
        ({"email": "nobody@example.org"}, "#/email", "No one with this email address"),
        ({"held_on": "2026-11-23"}, "#/held_on", "(November 22, 2026) or earlier"),
        ({"held_on": 1767225600}, "#/held_on", "must be a day written as YYYY-MM-DD"),
        ({"held_on": "1970-01-01"}, "#/held_on", "1976 or later"),
        ({"held_on": "2024-12-31"}, "#/held_on", "2024 is closed at NCIMHA"),
        ({"minutes": 0}, "#/minutes", "greater than or equal to 1"),
        ({"minutes": 90.5}, "#/minutes", "valid integer"),
        (
            {"minutes": 1440, "held_on": "2026-11-14"},
            "#/minutes",
            "already logged 1 hour on November 14",
        ),
        ({"title": " \u0007 "}, "#/title", "must name the session"),
        ({"provider_email": None}, "#/provider_email", "Enter the name"),
        ({"provider_name": "Jo Hart"}, "#/provider_email", "provider only once"),
        ({"provider_email": BOB}, "#/provider_email", "name instead"),
        ({"provider_email": ALICE}, "#/provider_email", "list yourself"),
        ({"activity": "training", "format": None}, "#/provider_email", "Leave the provider empty."),
        ({"topics": {"a/b~": 5}}, "#/topics/a~1b~0", "No requirement counts"),
        ({"hours": 1}, "#/hours", "not permitted"),
        ({"held_on": "9999-12-31"}, "#/held_on", "(November 22, 2026) or earlier"),
        ({"email": "a\x00b@example.org"}, "#/email", "should match"),
        ({"provider_email": "\x00"}, "#/provider_email", "should match"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    page_program: Program, changes: dict[str, Any], pointer: str, words: str
) -> None:
    answer = page_program.log("one", **changes)
    assert answer.status_code == 422
    [fault] = [f for f in answer.json()["errors"] if f["pointer"] == pointer]
    assert words in fault["detail"]
    assert page_program.web.cast.rows("entry", title="RSC by telephone") == []


def test_a_provider_whom_nobody_knows_is_told_about(program: Program) -> None:
    named = program.log("one", provider_email=None, provider_name="Petra Vale")
    assert named.status_code == 201
    [notice] = named.json()["notices"]
    assert notice["code"] == "unconfirmed"
    assert notice["message"].startswith(
        "Petra Vale is not yet confirmed as qualified. It counts once Petra Vale is confirmed, as "
    )
    [listed] = [
        each for each in program.get("/entries").json()["items"] if each["id"] == named.json()["id"]
    ]
    assert listed["notices"] == [notice]


def test_a_qualified_provider_has_no_notices(page_program: Program) -> None:
    assert page_program.log("one").json()["notices"] == []


def test_a_provider_who_did_not_qualify_that_day_is_told_about(page_program: Program) -> None:
    cast = page_program.web.cast
    with writing(cast.engine) as session:
        vetting = METADATA.tables["vetting"]
        session.connection().execute(vetting.update().values(ends_on=date(2026, 6, 30)))
        evaluate_people(session, BOOKS, [cast.people[DANA]], NOW)
    [notice] = page_program.log("one").json()["notices"]
    assert notice["code"] == "credential-ended"
    assert "Dana Ruiz" in notice["message"]


def test_an_applicants_provider_is_told_about(page_program: Program) -> None:
    cast = page_program.web.cast
    values = {"association": "NCIMHA", "category": "IFS", "opened_on": date(2026, 1, 1)}
    with writing(cast.engine) as session:
        table = METADATA.tables["application"]
        row = insert(table).values(person_id=cast.people[EVE], state="open", **values)
        session.connection().execute(row)
    answer = page_program.log("one", email=EVE, provider_email=None, provider_name="Petra Vale")
    assert [notice["code"] for notice in answer.json()["notices"]] == ["unconfirmed"]


def test_topics_of_a_training_are_kept_and_may_not_exceed_it(page_program: Program) -> None:
    training = {"activity": "training", "provider_email": None, "format": None}
    assert page_program.log("one", **training, topics={"DEIA": 60}).json()["topics"] == {"DEIA": 60}
    too_much = page_program.log("two", **training, topics={"DEIA": 61})
    assert too_much.json()["errors"][0]["pointer"] == "#/topics"


def test_a_body_that_is_no_json_is_refused(page_program: Program) -> None:
    headers = {"Idempotency-Key": "one", "Content-Type": "application/json"}
    answer = page_program.client.post("/api/v1/entries", content=b'{"email":', headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "#"


def test_half_a_letter_is_refused(page_program: Program) -> None:
    body = b'{"email": "%s", "topics": {"\\ud800": 5}}' % ALICE.encode()
    headers = {"Idempotency-Key": "one", "Content-Type": "application/json"}
    answer = page_program.client.post("/api/v1/entries", content=body, headers=headers)
    assert answer.status_code == 422
