"""Mail that names a person leaves before the erasure, or never."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert, text, update
from sqlmodel import Session

from tests.mail.samples import REMINDER
from tests.support.backups import Kept
from tests.support.cast import ALICE, BASE_URL, BOB, BOOKS, NOW
from tests.support.erasing import NAME, erase, find_traces
from tracker.db.engine import writing
from tracker.db.signing_keys import body_cipher
from tracker.db.tables import METADATA
from tracker.errors import UserError
from tracker.mail.compose import Composer
from tracker.services.context import Actor, ServiceContext
from tracker.services.erased_mail import ErasedMail, MailOnItsWay, read_message_text
from tracker.services.erasure import erase_person
from tracker.services.identifying_text import IdentifyingText
from tracker.settings import templates_folder

OUTBOX = METADATA.tables["outbox"]
COMPOSER = Composer(templates_folder(), BASE_URL)
# Quoted-printable has at most 76 characters in a line.
LONG = "Maximiliana Bartholomea Concepcion Delgado Wolfeschlegelstein von Hohenburg-Ehrenbreitstein"


def write(kept: Kept, *, intro: str = "", subject: str = "x", state: str = "waiting") -> None:
    """Give the message to Bob this text, in this state."""
    mail = replace(REMINDER, subject=subject, intro=intro)
    rendered = COMPOSER.compose(mail, sender="a@example.org", recipient=("Bob", BOB), at=NOW)
    with writing(kept.cast.engine) as session:
        body = body_cipher(session).encrypt("<1@erasing>", rendered.body)
        values = {"state": state, "body": body, "subject": subject, "text": None}
        to_bob = OUTBOX.c.message_id == "<1@erasing>"
        session.connection().execute(update(OUTBOX).where(to_bob).values(values))


def rename(kept: Kept, name: str) -> None:
    with writing(kept.cast.engine) as session:
        statement = text("UPDATE person SET name = :name WHERE email = :email")
        session.connection().execute(statement, {"name": name, "email": ALICE})


def mark_dead(kept: Kept, email: str) -> None:
    """Let mail to an address come back; there is no second one."""
    with writing(kept.cast.engine) as session:
        statement = text("UPDATE person SET email_refused_at = :at WHERE email = :email")
        session.connection().execute(statement, {"at": NOW, "email": email})


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        (NAME, {"intro": f"About {NAME}"}),
        (NAME, {"subject": f"{NAME} confirmed your session"}),
        (LONG, {"intro": f"About {LONG}"}),
        ("Ann O'Neil", {"intro": "About Ann O'Neil"}),
    ],
)
def test_mail_that_names_the_person_leaves_first(
    file_kept: Kept, name: str, texts: dict[str, str]
) -> None:
    rename(file_kept, name)
    write(file_kept, **texts)
    error = erase(ALICE).exception
    assert isinstance(error, UserError)
    assert str(error) == (
        f"1 email to others that name {ALICE} wait to be sent. Run `tracker deliver`, and try again"
    )


def test_held_mail_that_names_the_person_is_dropped(kept: Kept) -> None:
    write(kept, intro=f"About {NAME}", subject=f"From {NAME}")
    mark_dead(kept, BOB)
    assert erase(ALICE).exit_code == 0
    assert find_traces(kept.cast.engine, NAME) == []
    [message] = kept.cast.rows("outbox", message_id="<1@erasing>")
    assert (message["state"], message["body"]) == ("dropped", b"")
    assert message["finished_at"] is not None
    # Its occasion may have another message.
    assert message["dedupe_key"].endswith(f":dropped:{message['id']}")


def add_mail(
    session: Session, key: str, to: tuple[int | None, str], state: str = "waiting", words: str = "x"
) -> None:
    """Add a message of which the body, and what coordinators can read, say this."""
    mail = replace(REMINDER, intro=words)
    rendered = COMPOSER.compose(mail, sender="a@example.org", recipient=("x", to[1]), at=NOW)
    cipher = body_cipher(session)
    values = {
        "dedupe_key": key, "message_id": key, "kind": "notices", "subject": "x", "state": state,
        "created_at": NOW, "next_attempt_at": NOW, "last_error": "x",
        "body": cipher.encrypt(key, rendered.body), "text": cipher.encrypt(key, words.encode()),
    }  # fmt: skip
    statement = insert(OUTBOX).values(person_id=to[0], recipient=to[1], **values)
    session.connection().execute(statement)


def test_mail_on_its_way_is_counted(file_kept: Kept) -> None:
    people = file_kept.cast.people
    alice, bob = (people[ALICE], ALICE), (people[BOB], BOB)
    with writing(file_kept.cast.engine) as session:
        for number, (to, state, words) in enumerate(
            (
                (alice, "sending", "x"), (bob, "sending", NAME), (bob, "sending", "x"),
                (bob, "waiting", NAME), (bob, "waiting", NAME), (bob, "waiting", "x"),
                (alice, "waiting", NAME), (bob, "dropped", NAME),
            )
        ):  # fmt: skip
            add_mail(session, str(number), to, state, words)
        naming = IdentifyingText([ALICE], [NAME], (), address="x", label="x")
        mail = ErasedMail(session, people[ALICE], [ALICE], naming)
        assert mail.count_on_its_way() == MailOnItsWay(sending=2, waiting=2)


def test_only_the_fact_is_kept_of_mail_to_the_person(file_kept: Kept) -> None:
    cast = file_kept.cast
    number = cast.people[ALICE]
    with writing(cast.engine) as session:
        add_mail(session, "by number", (number, "ali@example.net"))
        add_mail(session, "by address", (None, ALICE.title()))
        add_mail(session, "other", (cast.people[BOB], BOB))
        add_mail(session, "dropped", (cast.people[BOB], BOB), "dropped", NAME)
    [other] = cast.rows("outbox", dedupe_key="other")
    with writing(cast.engine) as session:
        context = ServiceContext(session, BOOKS, Actor("tracker person"), NOW)
        changed = erase_person(context, ALICE, "Asked for it", ()).changed
    # Three to the person, two that name them, and the keys of two.
    assert changed["outbox"] == 7
    address = f"erased-{number}@erased.invalid"
    for key in ("by number", "by address"):
        [row] = cast.rows("outbox", dedupe_key=key)
        assert (row["person_id"], row["recipient"]) == (None, address)
        assert (row["subject"], row["body"], row["text"], row["last_error"]) == (
            "",
            b"",
            None,
            None,
        )
        assert (row["state"], row["finished_at"]) == ("dropped", NOW)
    assert cast.rows("outbox", dedupe_key="other") == [other]


def test_the_subject_of_a_message_is_read_with_its_text() -> None:
    assert read_message_text(b"Subject: =?utf-8?q?Zo=C3=AB?=\n\nHello") == "Zoë\nHello"
    assert read_message_text(b"") == "\n"


def test_other_held_mail_stays(file_kept: Kept) -> None:
    write(file_kept, intro="About Eve Chen")
    mark_dead(file_kept, BOB)
    before = file_kept.cast.rows("outbox", message_id="<1@erasing>")
    erase(ALICE)
    after = file_kept.cast.rows("outbox", message_id="<1@erasing>")
    assert [row["body"] for row in after] == [row["body"] for row in before]
    assert [row["state"] for row in after] == ["waiting"]


def test_dropped_mail_that_names_the_person_is_emptied(file_kept: Kept) -> None:
    write(file_kept, intro=f"About {NAME}", state="dropped")
    erase(ALICE)
    [message] = file_kept.cast.rows("outbox", message_id="<1@erasing>")
    assert (message["state"], message["body"]) == ("dropped", b"")
    assert ":dropped:" not in message["dedupe_key"]


def test_mail_to_others_being_sent_is_no_hindrance(file_kept: Kept) -> None:
    write(file_kept, intro="About Eve Chen", state="sending")
    assert erase(ALICE).exit_code == 0


def test_mail_being_sent_to_the_person_is_awaited(file_kept: Kept) -> None:
    with writing(file_kept.cast.engine) as session:
        to_alice = OUTBOX.c.message_id == "<0@erasing>"
        values = {"state": "sending", "lease_until": NOW + timedelta(minutes=5)}
        session.connection().execute(update(OUTBOX).where(to_alice).values(values))
    error = erase(ALICE).exception
    assert isinstance(error, UserError)
    assert str(error) == (
        f"an email to {ALICE}, or one that names them, is being sent right now. "
        "Try again in a minute"
    )


def test_mail_being_sent_about_the_person_is_awaited(file_kept: Kept) -> None:
    write(file_kept, intro=f"About {NAME}", state="sending")
    assert "is being sent right now" in str(erase(ALICE).exception)
