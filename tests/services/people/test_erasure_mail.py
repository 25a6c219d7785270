"""Mail that names a person leaves before the erasure, or never."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text, update

from tests.mail.samples import REMINDER
from tests.support.backups import Kept
from tests.support.cast import ALICE, BASE_URL, BOB, NOW
from tests.support.erasing import NAME, erase, find_traces
from tracker.db.engine import writing
from tracker.db.signing_keys import body_cipher
from tracker.db.tables import METADATA
from tracker.errors import UserError
from tracker.mail.compose import Composer
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
    assert f"1 email to others that name {ALICE} wait" in str(error)
    assert "Run `tracker deliver`" in str(error)


def test_held_mail_that_names_the_person_is_dropped(kept: Kept) -> None:
    write(kept, intro=f"About {NAME}", subject=f"From {NAME}")
    mark_dead(kept, BOB)
    assert erase(ALICE).exit_code == 0
    assert find_traces(kept.cast.engine, NAME) == []
    [message] = kept.cast.rows("outbox", message_id="<1@erasing>")
    assert (message["state"], message["body"]) == ("dropped", b"")
    # Its occasion may have another message.
    assert ":dropped:" in message["dedupe_key"]


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
    assert "is being sent right now. Try again in a minute" in str(error)


def test_mail_being_sent_about_the_person_is_awaited(file_kept: Kept) -> None:
    write(file_kept, intro=f"About {NAME}", state="sending")
    assert "is being sent right now" in str(erase(ALICE).exception)
