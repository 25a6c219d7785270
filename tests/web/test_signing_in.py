"""Sign-in by link and code: single use, scanner-proof, and silent on who is registered."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.cast import ALICE, CAROL
from tests.web.visiting import House, Visitor, problems, text_of

Visit = Callable[[str], Visitor]


def ask(house: House, visitor: Visitor, email: str = ALICE) -> tuple[str, str]:
    """Ask for a mail; the path of its link, and its code."""
    visitor.post("/sign-in", {"email": email})
    house.settle()
    mail = house.mails()[-1]
    code = re.search(r"^\s+(\d{6})$", mail, re.MULTILINE)
    link = re.search(r"http://testserver(/sign-in/\S+)", mail)
    assert code is not None
    assert link is not None
    return link[1], code[1]


def is_signed_in(visitor: Visitor) -> bool:
    return visitor.get("/my-year").status_code == 200


def test_the_code_signs_in_the_browser_that_asked(house: House) -> None:
    alice = house.visit()
    _, code = ask(house, alice)
    answer = alice.post("/sign-in/code", {"code": f" {code[:3]} {code[3:]} "})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert is_signed_in(alice)


def test_the_link_and_code_sign_in_another_browser(house: House) -> None:
    link, code = ask(house, house.visit())
    phone = house.visit()
    assert phone.post(link, {"code": code}).status_code == 303
    assert is_signed_in(phone)


def test_the_link_without_the_code_does_not_sign_in(house: House) -> None:
    link, _ = ask(house, house.visit())
    phone = house.visit()
    assert problems(phone.post(link, {"code": ""})) == [
        ("code", "Enter the six digits of the code")
    ]
    assert not is_signed_in(phone)


def test_the_second_address_signs_in_too(house: House) -> None:
    alice = house.visit()
    _, code = ask(house, alice, "Alice@Home.example ")
    alice.post("/sign-in/code", {"code": code})
    assert "Alice Moreno" in alice.get("/my-year").text


def test_a_coordinator_who_is_nobody_else_signs_in(house: House) -> None:
    carol = house.visit()
    _, code = ask(house, carol, CAROL)
    carol.post("/sign-in/code", {"code": code})
    assert carol.get("/my-year").headers["location"] == "/coordinator"


def test_scanners_that_open_the_link_use_up_nothing(house: House) -> None:
    link, code = ask(house, house.visit())
    scanner = house.visit()
    for _ in range(20):
        scanner.get(link)
        scanner.client.head(link)
        scanner.client.options(link)
    assert house.cast.rows("sign_in")[0]["used_at"] is None
    assert house.cast.rows("sign_in")[0]["wrong_codes"] == 0
    assert house.visit().post(link, {"code": code}).status_code == 303


def test_fifty_posts_at_once_open_one_session(house: House) -> None:
    link, code = ask(house, house.visit())
    visitors = [house.visit() for _ in range(50)]
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda v: v.post(link, {"code": code}).status_code, visitors))
    assert sorted(answers) == [303] + [422] * 49
    assert len(house.cast.rows("web_session")) == 1


def test_many_wrong_guesses_at_once_are_five(house: House) -> None:
    link, code = ask(house, house.visit())
    wrong = [f"{(int(code) + n) % 1_000_000:06}" for n in range(1, 31)]
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda w: house.visit().post(link, {"code": w}), wrong))
    assert {answer.status_code for answer in answers} == {422}
    assert house.cast.rows("sign_in")[0]["wrong_codes"] == 5
    assert house.visit().post(link, {"code": code}).status_code == 422


def test_a_code_is_right_on_the_fifth_try_and_not_on_the_sixth(house: House) -> None:
    for wrong_tries, status in ((4, 303), (5, 422)):
        link, code = ask(house, house.visit())
        for _ in range(wrong_tries):
            house.visit().post(link, {"code": "000000" if code != "000000" else "111111"})
        assert house.visit().post(link, {"code": code}).status_code == status


@pytest.mark.parametrize(("minutes", "status"), [(9.9, 303), (10, 422)])
def test_a_code_works_for_ten_minutes(house: House, minutes: float, status: int) -> None:
    link, code = ask(house, house.visit())
    house.pass_time(minutes=minutes)
    assert house.visit().post(link, {"code": code}).status_code == status


def test_a_used_code_and_an_unknown_link_answer_alike(house: House) -> None:
    link, code = ask(house, house.visit())
    house.visit().post(link, {"code": code})
    used = house.visit().post(link, {"code": code})
    unknown = house.visit().post("/sign-in/no-such-token", {"code": code})
    assert used.status_code == unknown.status_code == 422
    assert used.text.replace(link, "") == unknown.text.replace("/sign-in/no-such-token", "")


def test_known_and_unknown_addresses_get_the_same_bytes(house: House) -> None:
    pages = []
    for email in (ALICE, "nobody@example.org"):
        visitor = house.visit()
        answer = visitor.post("/sign-in", {"email": email})
        headers = {k: v for k, v in answer.headers.items() if k != "set-cookie"}
        cookie = re.sub("=[^;]{43};", "=TOKEN;", answer.headers["set-cookie"])
        pages.append((answer.status_code, headers, cookie, visitor.follow(answer).content))
    assert pages[0][2].startswith("sign-in=TOKEN;")
    assert pages[0] == pages[1]


def test_an_unknown_address_gets_no_mail_and_leaves_no_trace(house: House) -> None:
    house.visit().post("/sign-in", {"email": "nobody@example.org"})
    house.settle()
    assert house.cast.rows("outbox") == []
    assert house.cast.rows("sign_in") == []


def test_the_answer_does_not_wait_for_the_mail(house: House) -> None:
    with house.cast.engine.connect().execution_options(writes=True) as blocking:
        blocking.begin()  # nobody else can write now
        assert house.visit().post("/sign-in", {"email": ALICE}).status_code == 303
        blocking.rollback()
    house.settle()


def test_one_address_gets_five_mails_an_hour(house: House) -> None:
    for _ in range(8):
        house.visit().post("/sign-in", {"email": ALICE})
    house.settle()
    assert len(house.mails()) == 5
    house.pass_time(hours=1, seconds=1)
    house.visit().post("/sign-in", {"email": ALICE})
    house.settle()
    assert len(house.mails()) == 6


def test_only_hashes_are_stored(house: House) -> None:
    alice = house.visit()
    link, code = ask(house, alice)
    alice.post("/sign-in/code", {"code": code})
    stored = str(house.cast.rows("sign_in")) + str(house.cast.rows("web_session"))
    assert link.rpartition("/")[2] not in stored
    assert code not in [row["code_hash"] for row in house.cast.rows("sign_in")]
    assert alice.client.cookies["session"] not in stored


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(house: House) -> None:
    alice = house.visit()
    _, code = ask(house, alice)
    cookie = alice.post("/sign-in/code", {"code": code}).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "max-age=2592000" in cookie


def test_a_session_ends_after_thirty_days(house: House, visit: Visit) -> None:
    alice = visit(ALICE)
    house.pass_time(days=29.9)
    assert is_signed_in(alice)
    house.pass_time(days=0.1)
    assert not is_signed_in(alice)


def test_signing_out_ends_the_session_for_whoever_has_its_cookie(visit: Visit) -> None:
    alice, thief = visit(ALICE), visit("")
    thief.client.cookies.set("session", alice.client.cookies["session"])
    assert alice.post("/sign-out").status_code == 303
    assert not is_signed_in(thief)


def test_after_signing_in_one_comes_to_the_page_one_wanted(house: House) -> None:
    alice = house.visit()
    asked = alice.get("/log?activity=rsc")
    assert asked.headers["location"] == "/sign-in?next=/log%3Factivity%3Drsc"
    page = alice.follow(asked)
    assert 'name="next" value="/log?activity=rsc"' in page.text
    alice.post("/sign-in", {"email": ALICE, "next": "/log?activity=rsc"})
    house.settle()
    code = re.search(r"^\s+(\d{6})$", house.mails()[-1], re.MULTILINE)
    assert code is not None
    answer = alice.post("/sign-in/code", {"code": code[1], "next": "/log?activity=rsc"})
    assert answer.headers["location"] == "/log?activity=rsc"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\t/evil",
    ],
)
def test_nobody_is_sent_to_another_site(house: House, elsewhere: str) -> None:
    alice = house.visit()
    _, code = ask(house, alice)
    answer = alice.post("/sign-in/code", {"code": code, "next": elsewhere})
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize(
    "typed", ["", "alice", "a b@example.org", "@", "x@y\r\nBcc: all@example.org"]
)
def test_what_is_no_address_is_said(house: House, typed: str) -> None:
    answer = house.visit().post("/sign-in", {"email": typed})
    assert problems(answer) == [("email", "Enter an e-mail address, like name@example.org")]
    assert "<title>Error: Sign in" in answer.text


def test_a_shared_second_address_is_nobodys(house: House) -> None:
    with house.cast.engine.connect().execution_options(writes=True) as connection:
        connection.exec_driver_sql("UPDATE person SET second_email = 'office@example.org'")
        connection.commit()
    house.visit().post("/sign-in", {"email": "office@example.org"})
    house.settle()
    assert house.mails() == []


def test_the_page_after_asking_says_what_to_do(house: House) -> None:
    alice = house.visit()
    page = alice.follow(alice.post("/sign-in", {"email": ALICE}))
    assert "If we know that address, a mail with six digits is on its way" in text_of(page)
