"""A page says once what was done: not again on reload, nor to whoever keeps its address."""

import pytest

from tests.support.cast import ALICE, BOB, CAROL
from tests.web.client import WebClient, text_of

TERM = {
    "organization": "NCIMHA",
    "starts_day": "1",
    "starts_month": "1",
    "starts_year": "2027",
    "length": "year",
}
DELETE = "/entries/{training}/delete"
SAID = {
    DELETE: ({}, "The entry is deleted."),
    "/membership/new": (TERM, "The term is recorded."),
    "/profile/mail": ({}, "Your email choices are saved."),
    "/profile/time-zone": ({"time_zone": ""}, "Your time zone is saved."),
    "/profile/second-address": ({"email": "a@home.example"}, "We sent an email to that address"),
    "/profile/browsers/end-others": ({}, "All other browsers are signed out."),
}


@pytest.mark.parametrize("path", sorted(SAID))
def test_a_message_is_shown_once(sqlite_web: WebClient, path: str) -> None:
    alice = sqlite_web.visit(ALICE)
    form, words = SAID[path]
    answer = alice.post(path.format(**sqlite_web.cast.entries), form)
    assert "?" not in answer.headers["location"]
    assert words in text_of(alice.follow(answer))
    again = alice.follow(answer)
    assert (again.status_code, words in text_of(again)) == (200, False)


def test_other_pages_keep_the_message(sqlite_web: WebClient) -> None:
    bob = sqlite_web.visit(BOB)
    answer = bob.post("/membership/new", TERM)
    for path in ("/profile", "/requests", "/my-year"):
        assert 'role="status"' not in bob.get(path).text
    assert "The term is recorded." in text_of(bob.follow(answer))


def test_an_address_alone_shows_no_message(sqlite_web: WebClient) -> None:
    alice, carol = sqlite_web.visit(ALICE), sqlite_web.visit(CAROL)
    for path in ("/my-year?deleted=yes", "/membership?done=removed", "/requests?done=asked"):
        assert 'role="status"' not in alice.get(path).text
    endorsed = f"/coordinator/people/{sqlite_web.cast.endorsements[ALICE]}?endorsed=yes"
    assert "Endorsed." not in carol.get(endorsed).text


def test_signing_out_is_shown_once(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    answer = alice.post("/sign-out", {})
    assert answer.headers["location"] == "/"
    assert "You are signed out." in text_of(alice.follow(answer))
    for path in ("/", "/?out=yes", "/sign-in?undone=yes"):
        assert 'role="status"' not in alice.get(path).text


def test_a_lost_form_is_reported_once_with_a_way_back(
    sqlite_web: WebClient,
) -> None:
    visitor = sqlite_web.visit()
    answer = visitor.post("/membership/1/remove", {})
    pages = [visitor.follow(answer).text for _ in range(2)]
    assert ["You were signed out, so nothing was changed" in page for page in pages] == [
        True,
        False,
    ]
    assert all('name="next" value="/"' in page for page in pages)


def test_the_cookie_is_for_this_host_and_one_minute(sqlite_web: WebClient) -> None:
    settings = sqlite_web.cast.settings.model_copy(update={"base_url": "https://testserver"})
    secure = WebClient(sqlite_web.cast, settings=settings)
    alice = secure.visit(ALICE)
    token = alice.client.cookies["session"]
    headers = {"Cookie": f"__Host-session={token}", "Origin": "https://testserver"}
    answer = alice.client.post("/profile/mail", headers=headers)
    said = answer.headers["set-cookie"]
    assert said.startswith("__Host-said=mail:%2Fprofile;")
    assert {"HttpOnly", "Max-Age=60", "Path=/", "SameSite=lax", "Secure"} <= set(said.split("; "))
    headers["Cookie"] += "; __Host-said=mail:%2Fprofile"
    gone = alice.client.get("/profile", headers=headers).headers["set-cookie"]
    assert gone.startswith('__Host-said=""; ')
    assert "Max-Age=0" in gone


def test_made_up_messages_show_nothing(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    session = f"session={alice.client.cookies['session']}"
    for word in ("mail", "<b>:%2Fprofile", ":%2Fprofile", "mail:%ff", "x" * 3000):
        page = alice.client.get("/profile", headers={"Cookie": f"{session}; said={word}"})
        assert page.status_code == 200
        assert 'role="status"' not in page.text
