"""A fresh code is asked for before anything that would outlast a session."""

import re
from collections.abc import Mapping

import pytest
from httpx2 import Response

from tests.support.cast import ALICE, BOB, CAROL
from tests.web.client import Visitor, WebClient, problems, text_of
from tests.web.signing import ask, find_code, wrong
from tracker.db.engine import writing
from tracker.db.tables import METADATA

HOME = "home@alice.example"
SECOND = "/profile/second-address"
FIELD = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


def old_session(web: WebClient, email: str) -> Visitor:
    """A browser that signed in a while ago."""
    visitor = web.visit(email)
    web.pass_time(minutes=10)
    return visitor


def asks_for_code(response: Response) -> bool:
    return response.status_code == 403 and "Confirm that it" in text_of(response)


def send_code(
    visitor: Visitor, asked: Response, path: str, code: str, more: Mapping[str, str] | None = None
) -> Response:
    """Fill in the code, and send the form with all that it kept."""
    return visitor.post(path, {**dict(FIELD.findall(asked.text)), "code": code, **(more or {})})


@pytest.mark.parametrize(
    ("path", "form"),
    [
        (SECOND, {"email": HOME}),
        (SECOND, {"remove": "yes"}),
        ("/takeaways/calendar", {"instead": ""}),
        ("/takeaways/calendar/show", {}),
        ("/profile/browsers/end", {"browser": "0" * 16}),
        ("/profile/browsers/end-others", {}),
    ],
)
def test_lasting_access_needs_a_fresh_code(
    sqlite_web: WebClient, path: str, form: dict[str, str]
) -> None:
    alice = old_session(sqlite_web, ALICE)
    answer = alice.post(path, form)
    assert asks_for_code(answer)
    assert dict(FIELD.findall(answer.text)).items() >= form.items()
    assert [row["recipient"] for row in sqlite_web.cast.rows("outbox")] == [ALICE]
    assert sqlite_web.cast.rows("calendar_feed") == []


def test_the_code_continues_with_what_was_typed(web: WebClient) -> None:
    alice = old_session(web, ALICE)
    asked = alice.post(SECOND, {"email": HOME})
    code = find_code(web.mails()[-1])
    assert send_code(alice, asked, SECOND, code).headers["location"] == SECOND
    web.settle()
    assert web.cast.rows("outbox")[-1]["recipient"] == HOME
    # For ten minutes nothing else asks again.
    assert alice.post("/takeaways/calendar", {"instead": ""}).status_code == 303
    web.pass_time(minutes=10)
    assert asks_for_code(alice.post("/profile/browsers/end-others"))


def test_a_wrong_code_keeps_what_was_typed(sqlite_web: WebClient) -> None:
    alice = old_session(sqlite_web, ALICE)
    asked = alice.post(SECOND, {"email": HOME})
    code = find_code(sqlite_web.mails()[-1])
    refused = send_code(alice, asked, SECOND, wrong(code))
    assert refused.status_code == 422
    assert [field for field, _ in problems(refused)] == ["code"]
    assert problems(send_code(alice, asked, SECOND, ""))[0][1].startswith("Enter the code")
    assert send_code(alice, refused, SECOND, code).status_code == 303


def test_a_new_code_replaces_the_form(sqlite_web: WebClient) -> None:
    alice = old_session(sqlite_web, ALICE)
    asked = alice.post(SECOND, {"email": HOME})
    again = send_code(alice, asked, SECOND, "", {"new-code": "yes"})
    assert asks_for_code(again)
    newest = find_code(sqlite_web.mails()[-1])
    assert send_code(alice, again, SECOND, newest).status_code == 303


def test_the_code_works_in_its_own_session_only(sqlite_web: WebClient) -> None:
    alice, other = old_session(sqlite_web, ALICE), sqlite_web.visit(ALICE)
    sqlite_web.pass_time(minutes=10)
    asked = alice.post(SECOND, {"email": HOME})
    code = find_code(sqlite_web.mails()[-1])
    assert send_code(other, asked, SECOND, code).status_code == 422
    bob = old_session(sqlite_web, BOB)
    assert send_code(bob, asked, SECOND, code).status_code == 422
    ticket = dict(FIELD.findall(asked.text))["confirmation"]
    for path in (f"/sign-in/{ticket}", f"{SECOND}/{ticket}"):
        assert sqlite_web.visit().post(path, {"code": code}).status_code == 422


def test_a_code_for_a_second_address_confirms_no_session(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    alice.post(SECOND, {"email": HOME})
    sqlite_web.settle()
    mail = sqlite_web.mails()[-1]
    ticket = re.findall(rf"{SECOND}/(\S+)", mail)[0]
    sqlite_web.pass_time(minutes=10)
    sent = alice.post(SECOND, {"email": HOME, "confirmation": ticket, "code": find_code(mail)})
    assert sent.status_code == 422


def test_a_fresh_sign_in_needs_no_second_code(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit()
    _, code = ask(sqlite_web, alice)
    alice.post("/sign-in/code", {"code": code})
    assert alice.post("/profile/browsers/end-others").status_code == 303


def test_a_sign_in_with_the_second_address_needs_one(sqlite_web: WebClient) -> None:
    with writing(sqlite_web.cast.engine) as session:
        person = METADATA.tables["person"]
        own = person.update().where(person.c.email == ALICE).values(second_email=HOME)
        session.connection().execute(own)
    by_second = sqlite_web.visit(HOME)
    assert asks_for_code(by_second.post(SECOND, {"remove": "yes"}))
    assert sqlite_web.cast.rows("outbox")[-1]["recipient"] == ALICE


def test_a_coordinator_without_a_record_confirms_too(sqlite_web: WebClient) -> None:
    carol = old_session(sqlite_web, CAROL)
    path = "/profile/browsers/end-others"
    asked = carol.post(path)
    assert asks_for_code(asked)
    assert sqlite_web.cast.rows("outbox")[-1]["recipient"] == CAROL
    assert send_code(carol, asked, path, find_code(sqlite_web.mails()[-1])).status_code == 303


def test_an_old_session_does_not_show_the_calendar_address(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    alice.post("/takeaways/calendar", {"instead": ""})
    assert "/calendar/" in text_of(alice.get("/takeaways"))
    sqlite_web.pass_time(minutes=10)
    page = alice.get("/takeaways")
    assert ".ics" not in page.text
    asked = alice.post("/takeaways/calendar/show")
    code = find_code(sqlite_web.mails()[-1])
    shown = send_code(alice, asked, "/takeaways/calendar/show", code)
    assert shown.headers["location"] == "/takeaways#calendar"
    assert ".ics" in alice.get("/takeaways").text


def test_too_many_codes_are_refused(sqlite_web: WebClient) -> None:
    alice = old_session(sqlite_web, ALICE)
    answers = [alice.post("/profile/browsers/end-others").status_code for _ in range(6)]
    assert answers == [403] * 5 + [429]
