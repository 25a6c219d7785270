"""The page that lists a person's signed-in browsers and signs them out."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy import update

from tests.support.cast import ALICE, BOB, CAROL, EVE
from tests.web.client import Visitor, WebClient, text_of
from tests.web.signing import ask, is_signed_in
from tracker.db.engine import writing
from tracker.db.tables import METADATA

Visit = Callable[[str], Visitor]
ALICE_AT_HOME = "alice@home.example"
FIREFOX = "Mozilla/5.0 (Android 14; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0"


def handles(visitor: Visitor) -> list[str]:
    """What names the other browsers on the page."""
    page = visitor.get("/profile/browsers").text
    return re.findall(r'name="browser" value="([0-9a-f]+)"', page)


def sign_in(web: WebClient, email: str, user_agent: str = "") -> Visitor:
    """Sign in as people do, with a browser that says what it is."""
    visitor = web.visit()
    visitor.client.headers["user-agent"] = user_agent
    _, code = ask(web, visitor, email)
    visitor.post("/sign-in/code", {"code": code})
    return visitor


def change(web: WebClient, who: str, **values: str | None) -> None:
    person = METADATA.tables["person"]
    with writing(web.cast.engine) as session:
        session.connection().execute(update(person).where(person.c.email == who).values(**values))


def test_the_page_lists_signed_in_browsers(
    sqlite_web: WebClient,
) -> None:
    phone = sign_in(sqlite_web, ALICE, FIREFOX)
    sqlite_web.pass_time(days=3)
    tablet = sign_in(sqlite_web, ALICE_AT_HOME)
    sqlite_web.pass_time(hours=1)
    said = text_of(phone.get("/profile/browsers"))
    assert "Firefox on Android Since November 22, 2026, with alice@example.org." in said
    assert "This browser Unknown browser Since November 25, 2026" in said
    assert "with alice@home.example. Last visit today." in said
    assert (
        "not visited with a browser for 30 days, and in any case 180 days after you signed in"
        in said
    )
    assert len(handles(phone)) == len(handles(tablet)) == 1


def test_a_used_browser_stays_signed_in_180_days(web: WebClient) -> None:
    phone, left = sign_in(web, ALICE), sign_in(web, ALICE)
    for _ in range(6):
        web.pass_time(days=29)
        assert is_signed_in(phone)
    assert not is_signed_in(left)
    web.pass_time(days=5)
    assert is_signed_in(phone)
    web.pass_time(days=1.1)
    assert not is_signed_in(phone)


def test_a_visit_is_recorded_once_a_day(sqlite_web: WebClient) -> None:
    phone, laptop = sqlite_web.visit(ALICE), sqlite_web.visit(ALICE)

    def seen() -> list[object]:
        return [row["seen_at"] for row in sqlite_web.cast.rows("web_session")]

    laptop.get("/my-year")
    first = sqlite_web.now
    assert sorted(map(str, seen())) == sorted(map(str, [first, None]))
    sqlite_web.pass_time(hours=23)
    laptop.get("/my-year")
    assert first in seen()
    sqlite_web.pass_time(hours=1)
    laptop.get("/my-year")
    assert sqlite_web.now in seen()
    sqlite_web.pass_time(days=1)
    assert "Last visit yesterday." in text_of(phone.get("/profile/browsers"))
    sqlite_web.pass_time(days=1)
    assert "Last visit on November 23, 2026." in text_of(phone.get("/profile/browsers"))


def test_one_browser_can_be_signed_out(web: WebClient) -> None:
    phone, laptop, tablet = (web.visit(ALICE) for _ in range(3))
    (other,) = set(handles(phone)) - set(handles(laptop))
    ended = phone.post("/profile/browsers/end", {"browser": other})
    assert ended.headers["location"] == "/profile/browsers"
    assert "That browser is signed out." in text_of(phone.follow(ended))
    assert [is_signed_in(v) for v in (phone, laptop, tablet)] == [True, False, True]
    (event,) = web.cast.rows("audit_event", table_name="web_session")
    assert (event["who"], event["row_id"]) == (ALICE, web.cast.people[ALICE])
    assert event["after"] is None
    assert other not in str(event)
    # A second tap finds nothing, and says the same.
    assert phone.post("/profile/browsers/end", {"browser": other}).content == ended.content
    assert len(web.cast.rows("audit_event", table_name="web_session")) == 1


def test_all_other_browsers_can_be_signed_out(web: WebClient, visit: Visit) -> None:
    phone, others = visit(ALICE), [visit(ALICE), visit(ALICE_AT_HOME)]
    bob = visit(BOB)
    ended = phone.post("/profile/browsers/end-others")
    assert "You are not signed in anywhere else." in text_of(phone.follow(ended))
    assert [is_signed_in(v) for v in (phone, *others, bob)] == [True, False, False, True]
    assert len(web.cast.rows("audit_event", table_name="web_session")) == 2


def test_sessions_without_a_person_are_signed_out_too(web: WebClient, visit: Visit) -> None:
    old, older, by_second, bob = visit(ALICE), visit(ALICE), visit(ALICE_AT_HOME), visit(BOB)
    logged_session = METADATA.tables["web_session"]
    with writing(web.cast.engine) as session:
        first = logged_session.c.email.in_([ALICE, BOB])
        session.connection().execute(update(logged_session).where(first).values(person_id=None))
        session.connection().execute(update(logged_session).values(confirmed_at=web.now))
    assert len(handles(by_second)) == 2
    by_second.post("/profile/browsers/end-others")
    assert [is_signed_in(v) for v in (old, older, by_second, bob)] == [False, False, True, True]


def test_people_see_only_their_own_browsers(web: WebClient, visit: Visit) -> None:
    alice, other, bob, carol = visit(ALICE), visit(ALICE), visit(BOB), visit(CAROL)
    (hers,) = handles(alice)
    for stranger in (bob, carol):
        assert handles(stranger) == []
        foreign = stranger.post("/profile/browsers/end", {"browser": hers})
        absent = stranger.post("/profile/browsers/end", {"browser": "0" * 16})
        assert (foreign.status_code, foreign.content, foreign.headers["location"]) == (
            absent.status_code,
            absent.content,
            absent.headers["location"],
        )
        stranger.post("/profile/browsers/end-others")
    assert is_signed_in(alice)
    assert is_signed_in(other)
    assert web.cast.rows("audit_event", table_name="web_session") == []


@pytest.mark.parametrize("handle", ["", "%", "_" * 16, "' OR 1=1 --", "\x00", "é" * 16])
def test_an_invalid_handle_signs_out_no_browser(sqlite_web: WebClient, handle: str) -> None:
    alice, other = sqlite_web.visit(ALICE), sqlite_web.visit(ALICE)
    assert alice.post("/profile/browsers/end", {"browser": handle}).status_code == 303
    assert is_signed_in(other)


def test_a_coordinator_without_a_person_has_browsers(sqlite_web: WebClient) -> None:
    carol, other = sqlite_web.visit(CAROL), sqlite_web.visit(CAROL)
    carol.post("/profile/browsers/end", {"browser": handles(carol)[0]})
    assert other.get("/coordinator").status_code == 303
    assert carol.get("/coordinator").status_code == 200
    (event,) = sqlite_web.cast.rows("audit_event", table_name="web_session")
    assert (event["who"], event["row_id"]) == (CAROL, 0)


def test_an_unused_session_ends_after_thirty_days(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    sqlite_web.pass_time(days=29.9)
    assert is_signed_in(alice)
    sqlite_web.pass_time(days=30)
    assert not is_signed_in(alice)


def test_signing_out_ends_a_stolen_session_too(visit: Visit) -> None:
    alice, thief = visit(ALICE), visit("")
    thief.client.cookies.set("session", alice.client.cookies["session"])
    answer = alice.post("/sign-out")
    assert answer.status_code == 303
    assert answer.headers["clear-site-data"] == '"cache"'
    assert not is_signed_in(thief)
    cookies = answer.headers.get_list("set-cookie")
    assert any(one.startswith('session=""; ') and "Max-Age=0" in one for one in cookies)


def test_a_browser_has_one_session_at_most(sqlite_web: WebClient) -> None:
    alice = sign_in(sqlite_web, ALICE)
    link, code = ask(sqlite_web, alice)
    alice.post(link, {"code": code})
    assert len(sqlite_web.cast.rows("web_session")) == 1


def test_a_removed_second_address_signs_in_nobody(web: WebClient) -> None:
    home, work = web.visit(ALICE_AT_HOME), web.visit(ALICE)
    assert is_signed_in(home)
    change(web, ALICE, second_email=None)
    assert not is_signed_in(home)
    assert is_signed_in(work)


def test_an_address_that_moves_opens_no_pages(web: WebClient) -> None:
    home = web.visit(ALICE_AT_HOME)
    change(web, ALICE, second_email=None)
    change(web, BOB, second_email=ALICE_AT_HOME)
    assert not is_signed_in(home)
    assert handles(web.visit(BOB)) == []
    assert is_signed_in(web.visit(ALICE_AT_HOME))


def test_a_changed_address_ends_its_sessions(web: WebClient) -> None:
    eve = web.visit(EVE)
    assert is_signed_in(eve)
    change(web, EVE, email="new@example.org")
    assert not is_signed_in(eve)
