"""Sign-in by link and code: single use, scanner-proof, and silent on who is registered."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update
from sqlmodel import col

from tests.support.cast import ALICE, CAROL
from tests.web.client import WebClient, problems, text_of
from tests.web.signing import ask, find_code, is_signed_in, wrong
from tracker.db.access import SignIn
from tracker.db.engine import writing
from tracker.services.sign_in import create_sign_in


def test_the_code_signs_in_the_requesting_browser(web: WebClient) -> None:
    alice = web.visit()
    _, code = ask(web, alice)
    answer = alice.post("/sign-in/code", {"code": f" {code.replace(' ', '-')} "})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert is_signed_in(alice)


def test_the_link_and_code_sign_in_another_browser(web: WebClient) -> None:
    link, code = ask(web, web.visit())
    assert "on another\ndevice, enter the code there" in web.mails()[-1]
    phone = web.visit()
    assert phone.post(link, {"code": code}).status_code == 303
    assert is_signed_in(phone)


def test_a_scanner_cannot_sign_in(sqlite_web: WebClient) -> None:
    link, code = ask(sqlite_web, sqlite_web.visit())
    phone = sqlite_web.visit()
    field = re.search(r'<input id="code"[^>]*>', phone.get(link).text)
    assert field is not None
    assert "value" not in field[0]
    for typed in ("", "1", "test", "name@example.org", "123 456 78", "F7KM-3RTX", "9" * 5000):
        assert problems(phone.post(link, {"code": typed})) == [
            ("code", "Enter the code from our email: nine digits, like 123 456 789")
        ]
    assert not is_signed_in(phone)
    assert sqlite_web.cast.rows("sign_in")[0]["wrong_codes"] == 0
    assert phone.post(link, {"code": code}).status_code == 303


def test_the_link_needs_no_code_in_the_requesting_browser(web: WebClient) -> None:
    alice = web.visit()
    link, _ = ask(web, alice)
    page = alice.get(link)
    assert "Sign in as alice@example.org" in text_of(page)
    assert 'name="code"' not in page.text
    assert not is_signed_in(alice)
    assert alice.post(link, {"next": "/log"}).headers["location"] == "/log"
    assert is_signed_in(alice)
    assert "That code has been used." in text_of(web.visit().post(link, {"code": "123 456 789"}))


def test_the_browser_that_asks_does_not_know_the_link(web: WebClient) -> None:
    stranger = web.visit()
    link, _ = ask(web, stranger)
    token = stranger.client.cookies["sign-in"]
    assert token not in link
    assert stranger.post(f"/sign-in/{token}").status_code == 422
    assert not is_signed_in(stranger)


def test_another_browser_needs_the_code_too(web: WebClient) -> None:
    link, _ = ask(web, web.visit())
    phone = web.visit()
    assert 'name="code"' in phone.get(link).text
    assert phone.post(link).status_code == 422
    ask(web, phone, CAROL)
    assert phone.post(link).status_code == 422
    assert not is_signed_in(phone)


def test_the_requested_address_is_shown_while_waiting(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit()
    ask(sqlite_web, alice, "Alice@Example.org")
    assert "If alice@example.org is registered" in text_of(alice.get("/sign-in/code"))
    assert "If your address is registered" in text_of(sqlite_web.visit().get("/sign-in/code"))


def test_the_subject_has_the_code(sqlite_web: WebClient) -> None:
    _, code = ask(sqlite_web, sqlite_web.visit())
    row = sqlite_web.cast.rows("outbox")[-1]
    assert f"Subject: {code} is your code to sign in" in row["body"].decode()
    assert row["subject"] == "••• ••• ••• is your code to sign in"


def test_typed_codes_pause_after_a_thousand_wrong_ones(web: WebClient) -> None:
    alice = web.visit()
    link, code = ask(web, alice)
    with writing(web.cast.engine) as session:
        for number in range(200):
            create_sign_in(session, f"guessed-{number}", "", web.now)
        session.flush()
        guessed = col(SignIn.email) == ""
        session.exec(update(SignIn).where(guessed).values(wrong_codes=5))
    paused = alice.post("/sign-in/code", {"code": code})
    assert "be entered right now, because someone is guessing" in problems(paused)[0][1]
    # The link does not need one.
    assert alice.post(link).status_code == 303
    web.pass_time(minutes=71)
    link, code = ask(web, web.visit())
    assert web.visit().post(link, {"code": code}).status_code == 303


def test_phones_can_fill_in_the_code(sqlite_web: WebClient) -> None:
    page = sqlite_web.visit().get("/sign-in/code").text
    field = re.search(r'<input id="code"[^>]*>', page)
    assert field is not None
    for attribute in (
        'autocomplete="one-time-code"',
        'inputmode="numeric"',
        'aria-describedby="code-hint"',
    ):
        assert attribute in field[0]


def test_the_second_address_signs_in_too(web: WebClient) -> None:
    alice = web.visit()
    _, code = ask(web, alice, "Alice@Home.example ")
    alice.post("/sign-in/code", {"code": code})
    assert "Alice Moreno" in alice.get("/my-year").text


def test_a_coordinator_without_a_person_signs_in(web: WebClient) -> None:
    carol = web.visit()
    _, code = ask(web, carol, CAROL)
    carol.post("/sign-in/code", {"code": code})
    assert carol.get("/my-year").headers["location"] == "/coordinator"


def test_opening_the_link_uses_up_nothing(web: WebClient) -> None:
    link, code = ask(web, web.visit())
    scanner = web.visit()
    for _ in range(20):
        scanner.get(link)
        scanner.client.head(link)
        scanner.client.options(link)
    assert web.cast.rows("sign_in")[0]["used_at"] is None
    assert web.cast.rows("sign_in")[0]["wrong_codes"] == 0
    assert web.visit().post(link, {"code": code}).status_code == 303


@pytest.mark.both_engines
def test_fifty_simultaneous_posts_open_one_session(web: WebClient) -> None:
    link, code = ask(web, web.visit())
    visitors = [web.visit() for _ in range(50)]
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda v: v.post(link, {"code": code}).status_code, visitors))
    assert sorted(answers) == [303] + [422] * 49
    assert len(web.cast.rows("web_session")) == 1


@pytest.mark.both_engines
def test_only_five_simultaneous_guesses_count(web: WebClient) -> None:
    link, code = ask(web, web.visit())
    guesses = [wrong(code, n % 20 + 1) for n in range(30)]
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda w: web.visit().post(link, {"code": w}), guesses))
    assert {answer.status_code for answer in answers} == {422}
    assert web.cast.rows("sign_in")[0]["wrong_codes"] == 5
    assert web.visit().post(link, {"code": code}).status_code == 422


def test_a_code_has_five_tries(web: WebClient) -> None:
    for wrong_tries, status in ((4, 303), (5, 422)):
        link, code = ask(web, web.visit())
        for _ in range(wrong_tries):
            web.visit().post(link, {"code": wrong(code)})
        assert web.visit().post(link, {"code": code}).status_code == status


@pytest.mark.parametrize(("minutes", "status"), [(9.9, 303), (10, 422)])
def test_a_code_works_for_ten_minutes(web: WebClient, minutes: float, status: int) -> None:
    link, code = ask(web, web.visit())
    web.pass_time(minutes=minutes)
    assert web.visit().post(link, {"code": code}).status_code == status


def test_each_code_problem_is_explained(sqlite_web: WebClient) -> None:
    def said(link: str, code: str) -> list[tuple[str, str]]:
        return problems(sqlite_web.visit().post(link, {"code": code}))

    link, code = ask(sqlite_web, sqlite_web.visit())
    assert said(link, wrong(code)) == [
        ("code", "That code is not correct. Check it against our latest email.")
    ]
    page = sqlite_web.visit().post(link, {"code": f"{wrong(code)} <b>"})
    assert f'value="{wrong(code)} &lt;b&gt;"' in page.text  # to be compared
    sqlite_web.visit().post(link, {"code": code})
    assert said(link, code) == [("code", "That code has been used. Request a new one.")]
    link, code = ask(sqlite_web, sqlite_web.visit())
    for number in range(1, 6):
        said(link, wrong(code, number))
    assert said(link, code) == [("code", "A wrong code was entered five times. Request a new one.")]
    link, code = ask(sqlite_web, sqlite_web.visit())
    sqlite_web.pass_time(minutes=10)
    assert said(link, code) == [("code", "That code has expired. Request a new one.")]
    assert said("/sign-in/no-such-link", code) == [
        ("code", "This page has no valid code. Request a new one.")
    ]


def test_a_double_click_gets_a_link_onward(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit()
    link, code = ask(sqlite_web, alice, wanted="/log")
    alice.post(link, {"code": code, "next": "/log"})
    again = alice.post(link, {"code": code, "next": "/log"})
    assert 'Did you just sign in? <a href="/log">' in again.text
    assert is_signed_in(alice)


def test_only_hashes_are_stored(web: WebClient) -> None:
    alice = web.visit()
    link, code = ask(web, alice)
    alice.post("/sign-in/code", {"code": code})
    stored = str(web.cast.rows("sign_in")) + str(web.cast.rows("web_session"))
    assert link.rpartition("/")[2] not in stored
    assert code not in [row["code_hash"] for row in web.cast.rows("sign_in")]
    assert alice.client.cookies["session"] not in stored


def test_the_session_cookie_is_protected(web: WebClient) -> None:
    alice = web.visit()
    _, code = ask(web, alice)
    cookie = alice.post("/sign-in/code", {"code": code}).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "max-age=15552000" in cookie


def test_signing_in_leads_to_the_requested_page(web: WebClient) -> None:
    alice = web.visit()
    asked = alice.get("/log?activity=rsc")
    assert asked.headers["location"] == "/sign-in?next=%2Flog%3Factivity%3Drsc"
    page = alice.follow(asked)
    assert 'name="next" value="/log?activity=rsc"' in page.text
    alice.post("/sign-in", {"email": ALICE, "next": "/log?activity=rsc"})
    web.settle()
    code = find_code(web.mails()[-1])
    answer = alice.post("/sign-in/code", {"code": code, "next": "/log?activity=rsc"})
    assert answer.headers["location"] == "/log?activity=rsc"


def test_signing_in_never_leads_to_another_site(sqlite_web: WebClient) -> None:
    for elsewhere in ("https://evil.example", "//evil.example", "/%2f/evil.example"):
        alice = sqlite_web.visit()
        link, code = ask(sqlite_web, alice, wanted=elsewhere)
        assert "evil" not in sqlite_web.mails()[-1]
        answer = alice.post(link, {"code": code, "next": elsewhere})
        assert answer.headers["location"] == "/"
        assert alice.get(f"/sign-in?next={elsewhere}").headers["location"] == "/"


@pytest.mark.parametrize(
    "typed", ["", "alice", "a b@example.org", "@", "x@y\r\nBcc: all@example.org"]
)
def test_an_invalid_address_is_refused(web: WebClient, typed: str) -> None:
    answer = web.visit().post("/sign-in", {"email": typed})
    assert problems(answer) == [("email", "Enter an email address, like name@example.org")]
    assert "<title>Error: Sign in" in answer.text


def test_the_code_page_says_what_to_do(web: WebClient) -> None:
    alice = web.visit()
    page = alice.follow(alice.post("/sign-in", {"email": ALICE}))
    assert "If alice@example.org is registered, we have sent it a code" in text_of(page)


@pytest.mark.parametrize(
    "domain",
    ["xn--0.example", "\u0660a.example", "\u2460.com", "-\u00e4.org", "\u00e4-.org", "\u00e4..org",
     "\u05d0a1.example", "\u00e4" * 80 + ".org", "\u200d.example", "a\u3002com", "\u3002", "."],
)  # fmt: skip
def test_an_impossible_domain_is_no_error_of_ours(sqlite_web: WebClient, domain: str) -> None:
    answer = sqlite_web.visit().post("/sign-in", {"email": f"a@{domain}", "new": "yes"})
    assert answer.status_code in (303, 422)
    sqlite_web.settle()
    for message in sqlite_web.cast.rows("outbox"):
        assert message["recipient"].isprintable()
