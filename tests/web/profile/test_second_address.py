"""Second addresses: confirmed before use, without showing who is registered."""

import re
from datetime import timedelta

from tests.support.cast import ALICE, BOB, CAROL, DANA, ERIN, EVE, Cast
from tests.web.client import Visitor, WebClient, problems, text_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.settings import Coordinator

HOME = "bob@home.example"
HERE = "/profile/second-address"


def enter_address(web: WebClient, visitor: Visitor, email: str) -> tuple[str, str]:
    """Enter an address; the path of the mail's link, and its code."""
    answer = visitor.post(HERE, {"email": email})
    assert answer.headers["location"] == HERE
    web.settle()
    mail = web.mails()[-1]
    link = re.search(r"testserver(/profile/second-address/\S+)", mail)
    code = re.search(r"\b([0-9]{3} [0-9]{3} [0-9]{3})\b", mail)
    return link[1] if link else "", code[1] if code else ""


def second_email(cast: Cast, email: str) -> str | None:
    found: str | None = cast.rows("person", email=email)[0]["second_email"]
    return found


def test_a_code_confirms_the_address(web: WebClient) -> None:
    bob, cast = web.visit(BOB), web.cast
    path, code = enter_address(web, bob, HOME.upper())
    assert cast.rows("outbox")[-1]["recipient"] == HOME
    # Scanners open links, and head for them; nothing comes of it.
    for _ in range(3):
        assert "Confirm your second address" in text_of(web.visit("").get(path))
    assert second_email(cast, BOB) is None
    assert problems(bob.post(path, {"code": "2222 22222"}))[0][0] == "code"
    words = text_of(bob.follow(bob.post(path, {"code": code.replace(" ", "-")})))
    assert "Your second address is confirmed." in words
    assert second_email(cast, BOB) == HOME
    assert problems(bob.post(path, {"code": code})) == [
        ("code", "That code has been used. Request a new one.")
    ]
    # The first address is told.
    assert cast.rows("outbox")[-1]["recipient"] == BOB
    assert f"Your second address is now {HOME}." in web.mails()[-1]
    [event] = cast.rows("audit_event", table_name="person")
    assert (event["who"], event["row_id"]) == (HOME, cast.people[BOB])
    assert "Bob Osei" in text_of(web.visit(HOME).get("/profile"))


def test_any_browser_can_confirm_without_signing_in(sqlite_web: WebClient) -> None:
    path, code = enter_address(sqlite_web, sqlite_web.visit(BOB), HOME)
    stranger = sqlite_web.visit("")
    page = stranger.post(path, {"code": code})
    assert f"{HOME} is your second address now" in text_of(page)
    assert stranger.get("/my-year").status_code == 303


def test_a_code_expires_after_ten_minutes(sqlite_web: WebClient) -> None:
    path, code = enter_address(sqlite_web, sqlite_web.visit(BOB), HOME)
    sqlite_web.now += timedelta(minutes=11)
    late = sqlite_web.visit(BOB).post(path, {"code": code})
    assert problems(late) == [("code", "That code has expired. Request a new one.")]
    assert second_email(sqlite_web.cast, BOB) is None


def test_a_confirmation_code_does_not_sign_in(sqlite_web: WebClient) -> None:
    path, code = enter_address(sqlite_web, sqlite_web.visit(BOB), HOME)
    token = path.rpartition("/")[2]
    assert sqlite_web.visit("").post(f"/sign-in/{token}", {"code": code}).status_code == 422


def test_a_taken_address_gets_the_same_answer(sqlite_web: WebClient) -> None:
    bob, cast = sqlite_web.visit(BOB), sqlite_web.cast
    enter_address(sqlite_web, bob, "nobody@example.org")
    pages = [bob.get(HERE).content]
    for address in (ALICE, "alice@home.example", DANA):
        path, code = enter_address(sqlite_web, bob, address)
        pages.append(bob.get(HERE).content)
        assert (path, code) == ("", "")
        assert cast.rows("outbox")[-1]["recipient"] == address
        mail = sqlite_web.mails()[-1]
        assert "it already belongs to a person here" in mail
        assert "Bob" not in mail
        assert "Alice" not in mail
    assert b"We sent an email to that address" in pages[0]
    assert len(set(pages)) == 1
    assert second_email(cast, BOB) is None


def test_an_address_taken_meanwhile_is_refused(sqlite_web: WebClient) -> None:
    path, code = enter_address(sqlite_web, sqlite_web.visit(BOB), HOME)
    person = METADATA.tables["person"]
    with writing(sqlite_web.cast.engine) as session:
        session.connection().execute(
            person.update().where(person.c.email == DANA).values(email=HOME)
        )
    words = "You can't use this address because it now belongs to another person"
    answer = sqlite_web.visit(BOB).post(path, {"code": code})
    assert [w.replace("&#39;", "'") for _, w in problems(answer)] == [words]
    assert second_email(sqlite_web.cast, BOB) is None


def test_invalid_and_own_addresses_are_refused(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    for typed, words in (
        ("", "Enter an email address, like name@example.org"),
        ("no address", "Enter an email address, like name@example.org"),
        (ALICE, "That is already your first address. Enter a different one."),
        ("Alice@Home.Example", "That is already your second address"),
    ):
        answer = alice.post(HERE, {"email": typed})
        assert answer.status_code == 422
        assert problems(answer) == [("email", words)]
    assert sqlite_web.cast.rows("outbox") == []


def test_removing_an_address_signs_it_out(web: WebClient) -> None:
    cast = web.cast
    at_home, at_work = web.visit("alice@home.example"), web.visit(ALICE)
    assert at_home.get("/profile").status_code == 200
    words = text_of(at_work.follow(at_work.post(HERE, {"remove": "yes"})))
    assert "Your second address is removed and signed out everywhere." in words
    assert second_email(cast, ALICE) is None
    assert at_home.get("/profile").status_code == 303
    assert at_work.get("/profile").status_code == 200
    assert "Your second address was removed." in web.mails()[-1]
    assert at_work.post(HERE, {"remove": "yes"}).status_code == 404


def test_requests_for_codes_are_limited(sqlite_web: WebClient) -> None:
    bob = sqlite_web.visit(BOB)
    answers = [bob.post(HERE, {"email": HOME}).status_code for _ in range(12)]
    assert answers[0] == 303
    assert answers[-1] == 429
    sqlite_web.settle()


def test_a_bounce_is_shown_with_what_to_do(sqlite_web: WebClient) -> None:
    cast = sqlite_web.cast
    person = METADATA.tables["person"]
    with writing(cast.engine) as session:
        session.connection().execute(person.update().values(email_refused_at=sqlite_web.now))
    for path in ("/my-year", "/profile"):
        page = sqlite_web.visit(ALICE).get(path)
        words = text_of(page)
        notice = (
            "Email to alice@example.org could not be delivered on November 22, 2026 at 12:00 PM."
        )
        assert notice in words
        assert "we send our email to alice@home.example" in words
        assert 'action="/profile/try-again"' in page.text
    assert "Add a second address" in text_of(sqlite_web.visit(BOB).get("/my-year"))
    alice = sqlite_web.visit(ALICE)
    words = text_of(alice.follow(alice.post("/profile/try-again")))
    assert "We sent an email to your first address." in words
    assert "could not be delivered" not in text_of(alice.get("/my-year"))
    assert cast.rows("outbox")[-1]["recipient"] == ALICE
    alice.post("/profile/try-again")
    assert len(cast.rows("outbox")) == 1
    number = cast.endorsements[BOB]
    assert "could not be delivered" not in text_of(
        sqlite_web.visit(CAROL).get(f"/coordinator/people/{number}")
    )


def enter_many(visitor: Visitor, start: int, number: int) -> list[int]:
    return [
        visitor.post(HERE, {"email": f"stranger-{n}@example.net"}).status_code
        for n in range(start, start + number)
    ]


def test_a_person_mails_five_strangers_a_day(web: WebClient) -> None:
    bob = web.visit(BOB)
    assert enter_many(bob, 0, 7) == [303] * 5 + [429] * 2
    web.settle()
    assert len(web.mails()) == 5
    web.pass_time(hours=23)
    assert enter_many(web.visit(BOB), 10, 1) == [429]
    web.pass_time(hours=1)
    assert enter_many(web.visit(BOB), 20, 1) == [303]


def test_a_client_mails_twenty_strangers_a_day(sqlite_web: WebClient) -> None:
    answers = []
    for number, email in enumerate((ALICE, BOB, DANA, EVE, ERIN)):
        answers += enter_many(sqlite_web.visit(email), number * 10, 5)
    sqlite_web.settle()
    assert answers == [303] * 20 + [429] * 5


def test_a_coordinators_address_is_nobodys_second(sqlite_web: WebClient) -> None:
    bob, cast = sqlite_web.visit(BOB), sqlite_web.cast
    assert enter_address(sqlite_web, bob, CAROL) == ("", "")
    mail = sqlite_web.mails()[-1]
    assert cast.rows("outbox")[-1]["recipient"] == CAROL
    assert "Bob Osei wanted to be able to sign in with it" in " ".join(mail.split())
    assert "to work for NCIMHA" in " ".join(mail.split())
    assert "Nothing has changed" in mail
    [stored] = cast.rows("sign_in")
    assert stored["email"] == ""
    assert second_email(cast, BOB) is None


def test_an_address_that_becomes_a_coordinators_is_refused(sqlite_web: WebClient) -> None:
    path, code = enter_address(sqlite_web, sqlite_web.visit(BOB), HOME)
    coordinator = Coordinator(email=HOME, name="New", association="NCIMHA")
    settings = sqlite_web.cast.settings.model_copy(update={"coordinators": (coordinator,)})
    later = WebClient(sqlite_web.cast, settings=settings)
    assert problems(later.visit(BOB).post(path, {"code": code}))[0][0] == "code"
    assert second_email(sqlite_web.cast, BOB) is None
