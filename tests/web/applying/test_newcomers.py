"""Someone whom nobody has imported confirms an address and applies."""

import re

import pytest

from tests.support.cast import ALICE, BOB, BOOKS, EVE, NOW
from tests.web.client import Visitor, WebClient, text_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.context import Actor, ServiceContext
from tracker.services.email_changes import change_email
from tracker.services.merging import find_record, merge_people
from tracker.settings import SignInLimits

NEW = "nell@example.org"


def ask(web: WebClient, email: str = NEW) -> Visitor:
    """A browser that has asked for a code to apply with."""
    visitor = web.visit()
    answer = visitor.post("/sign-in", {"email": email, "next": "/application/new", "new": "yes"})
    assert answer.status_code == 303
    web.settle()
    return visitor


def confirm(web: WebClient, visitor: Visitor) -> None:
    """Enter the code of the latest mail."""
    code = re.search(r"\b\d{3} \d{3} \d{3}\b", web.mails("sign-in")[-1])
    assert code is not None
    answer = visitor.post("/sign-in/code", {"code": code[0], "next": "/application/new"})
    assert answer.headers["location"] == "/application/new"


def start(visitor: Visitor, name: str, key: str = "NCIMHA/IFS") -> str:
    """What the form says, or where it leads."""
    answer = visitor.post("/application/new", {"name": name, "category": key})
    return answer.headers.get("location") or text_of(answer)


def test_someone_new_confirms_an_address_and_applies(web: WebClient) -> None:
    nell = ask(web)
    confirm(web, nell)
    page = start(nell, "Nell Reyes")
    assert "Not ready" in text_of(nell.get(page))
    (person,) = web.cast.rows("person", email=NEW)
    assert person["name"] == "Nell Reyes"
    assert [row["person_id"] for row in web.cast.rows("application")] == [person["id"]]


def test_nobody_is_stored_before_an_application_starts(sqlite_web: WebClient) -> None:
    nell = ask(sqlite_web)
    confirm(sqlite_web, nell)
    assert "You have no endorsement here yet." in text_of(nell.get("/my-year"))
    assert nell.get("/profile").status_code == 404
    assert sqlite_web.cast.rows("person", email=NEW) == []


def test_someone_new_gives_a_plain_name(sqlite_web: WebClient) -> None:
    nell = ask(sqlite_web)
    confirm(sqlite_web, nell)
    assert "Enter your full name" in start(nell, " ")
    assert "Enter only the name" in start(nell, "Win at www.example.org")
    assert "Choose an endorsement from the list" in start(nell, "Nell Reyes", "NOWHERE/IFS")
    assert sqlite_web.cast.rows("person", email=NEW) == []


def test_a_known_address_stays_the_same_person(sqlite_web: WebClient) -> None:
    alice = ask(sqlite_web, ALICE)
    confirm(sqlite_web, alice)
    before = sqlite_web.cast.rows("person")
    assert start(alice, "Somebody Else", "VAIMH/IFS").startswith("/application/")
    assert sqlite_web.cast.rows("person") == before


def test_signing_in_writes_to_nobody_new(sqlite_web: WebClient) -> None:
    sqlite_web.visit().post("/sign-in", {"email": NEW, "next": ""})
    sqlite_web.settle()
    assert sqlite_web.mails() == []


def test_a_removed_address_opens_nothing(sqlite_web: WebClient) -> None:
    bob = sqlite_web.visit(BOB)
    assert bob.get("/my-year").status_code == 200
    person = METADATA.tables["person"]
    with writing(sqlite_web.cast.engine) as session:
        other = person.update().where(person.c.email == BOB).values(email="other@example.org")
        session.connection().execute(other)
    assert bob.get("/my-year").status_code == 303


def test_an_installation_may_take_no_newcomers(sqlite_web: WebClient) -> None:
    cast = sqlite_web.cast
    limits = SignInLimits(applicants=False)
    web = WebClient(cast, settings=cast.settings.model_copy(update={"sign_in": limits}))
    assert web.visit().get("/apply").status_code == 404
    assert "New here?" not in text_of(web.visit().get("/sign-in"))
    ask(web)
    assert web.mails() == []


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("Ann St.John", "Ann St. John"),
        ("K.Smith", "K. Smith"),
        ("Dr.Maria Lopez", "Dr. Maria Lopez"),
        ("Nell Reyes, M.Ed.", "Nell Reyes, M.Ed."),
        ("Example.Com", "Example. Com"),
    ],
)
def test_dots_in_names_are_spaced(sqlite_web: WebClient, typed: str, stored: str) -> None:
    nell = ask(sqlite_web)
    confirm(sqlite_web, nell)
    assert start(nell, typed).startswith("/application/")
    (person,) = sqlite_web.cast.rows("person", email=NEW)
    assert person["name"] == stored


def test_every_problem_of_a_newcomer_is_named_at_once(sqlite_web: WebClient) -> None:
    nell = ask(sqlite_web)
    confirm(sqlite_web, nell)
    told = start(nell, "", "")
    assert "Enter your full name" in told
    assert "Choose an endorsement from the list" in told


def merge_eve_into_bob(web: WebClient) -> None:
    with writing(web.cast.engine) as session:
        context = ServiceContext(session, BOOKS, Actor("tracker person"), NOW)
        merge_people(context, find_record(session, BOB), find_record(session, EVE), "One", None)


def test_a_former_address_gets_the_present_one_by_mail(sqlite_web: WebClient) -> None:
    merge_eve_into_bob(sqlite_web)
    eve = ask(sqlite_web, EVE)
    [mail] = sqlite_web.mails()
    assert f"Your address here is now {BOB}." in mail
    assert re.search(r"\b\d{3} \d{3} \d{3}\b", mail) is None
    wrong = eve.post("/sign-in/code", {"code": "123 456 789"})
    assert "That code is not correct." in text_of(wrong)


def test_a_former_address_makes_no_second_person(sqlite_web: WebClient) -> None:
    nell = ask(sqlite_web)
    confirm(sqlite_web, nell)
    with writing(sqlite_web.cast.engine) as session:
        context = ServiceContext(session, BOOKS, Actor("tracker person"), NOW)
        change_email(context, BOB, NEW)
        change_email(context, NEW, "bob@example.net")
    before = sqlite_web.cast.rows("person")
    assert "You have a record here with another address, bob@example.net" in start(nell, "Bob Osei")
    assert sqlite_web.cast.rows("person") == before
