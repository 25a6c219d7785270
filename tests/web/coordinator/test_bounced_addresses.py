"""An address that does not work, as coordinators see it, and how it is corrected."""

from sqlalchemy import insert, update

from tests.support.cast import ALICE, CAROL, NOW
from tests.web.client import WebClient, text_of
from tests.web.coordinator.desk_steps import change
from tests.web.signing import ask
from tracker.db.engine import writing
from tracker.db.tables import METADATA

PERSON = METADATA.tables["person"]
SAID = "smtp; 550 5.1.1 User unknown"


def bounce(web: WebClient, **values: object) -> None:
    refused = {"email_refused_at": NOW, "email_refused_reason": SAID, **values}
    with writing(web.cast.engine) as session:
        statement = update(PERSON).where(PERSON.c.email == ALICE).values(refused)
        session.connection().execute(statement)


def words_of(web: WebClient, path: str) -> str:
    return text_of(web.visit(CAROL).get(path)).replace("\xa0", " ")


def test_today_says_why_and_what_to_do(web: WebClient) -> None:
    bounce(web, second_email=None)
    shown = words_of(web, "/coordinator")
    why = f"Email to {ALICE} bounced because the mailbox does not exist; no second address"
    assert why in shown
    assert "Fix address" in shown[shown.index(why) :]


def test_today_says_where_mail_goes_instead(web: WebClient) -> None:
    bounce(web, second_email="alice@home.example")
    shown = words_of(web, "/coordinator")
    assert "it goes to alice@home.example now" in shown
    bounce(web, dead_second_email="alice@home.example")
    assert "the second address does not work either" in words_of(web, "/coordinator")


def test_people_show_when_and_why(sqlite_web: WebClient) -> None:
    bounce(sqlite_web)
    shown = words_of(sqlite_web, "/coordinator/people?flag=bounced")
    assert f"{ALICE} bounced November 22, 2026: the mailbox does not exist" in shown


def test_the_person_shows_what_the_server_said(sqlite_web: WebClient) -> None:
    bounce(sqlite_web, second_email="alice@home.example")
    number = sqlite_web.cast.people[ALICE]
    shown = words_of(sqlite_web, f"/coordinator/person/{number}")
    assert f"Email to {ALICE} has come back since November 22, 2026:" in shown
    assert "Email goes to alice@home.example instead." in shown
    assert f"The mail server said: “{SAID}”" in shown
    bounce(sqlite_web, dead_second_email="alice@home.example")
    shown = words_of(sqlite_web, f"/coordinator/person/{number}")
    assert "Email waits until the address is corrected." in shown
    assert "Email to the second address, alice@home.example, comes back, too." in shown


def test_a_complaint_is_shown_until_mail_is_wanted_again(sqlite_web: WebClient) -> None:
    number = sqlite_web.cast.people[ALICE]
    complaint = {"outcome": "complaint", "person_id": number, "recipient": ALICE, "reason": ""}
    with writing(sqlite_web.cast.engine) as session:
        row = {"digest": "1", "read_at": NOW, **complaint}
        session.connection().execute(insert(METADATA.tables["returned_mail"]).values(row))
        off = {"person_id": number, "kind": "early reminders", "at": NOW}
        session.connection().execute(insert(METADATA.tables["mail_off"]).values(off))
    assert f"Marked our email to {ALICE} as spam" in words_of(sqlite_web, "/coordinator")
    shown = words_of(sqlite_web, f"/coordinator/person/{number}")
    assert "marked our email as spam on November 22, 2026" in shown
    with writing(sqlite_web.cast.engine) as session:
        session.connection().execute(METADATA.tables["mail_off"].delete())
    assert "as spam" not in words_of(sqlite_web, "/coordinator")


def test_signing_in_with_an_address_shows_that_it_works(web: WebClient) -> None:
    bounce(web, second_email=None)
    alice = web.visit()
    _, code = ask(web, alice)
    assert alice.post("/sign-in/code", {"code": code}).status_code == 303
    assert f"Email to {ALICE} bounced" not in words_of(web, "/coordinator")
    [person] = web.cast.rows("person", email=ALICE)
    assert (person["email_refused_at"], person["email_refused_reason"]) == (None, None)


def test_a_corrected_address_clears_the_cause(sqlite_web: WebClient) -> None:
    bounce(sqlite_web, second_email=None)
    path = f"/coordinator/person/{sqlite_web.cast.people[ALICE]}/change/email"
    change(sqlite_web.visit(CAROL), path, {"email": "alice@new.example"})
    assert "bounced because" not in words_of(sqlite_web, "/coordinator")
