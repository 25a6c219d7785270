"""Mail to a first address that is refused: who gets it besides, and when that ends."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, insert, select

from tracker.db.engine import open_engine, reading, writing
from tracker.db.tables import METADATA
from tracker.mail import outbox
from tracker.mail.outbox import Message

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
WORK, HOME = "alice@work.example", "alice@home.example"
PERSON, OUTBOX = METADATA.tables["person"], METADATA.tables["outbox"]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url)
    with writing(engine) as session:
        alice = {"email": WORK, "second_email": HOME, "name": "Alice", "highest_degree": "none"}
        session.connection().execute(insert(PERSON).values(id=1, provides_rsc=False, **alice))
    yield engine
    engine.dispose()


def mail(key: str) -> Message:
    message_id = f"<{key}@renewals.example>"
    body = (
        f'From: us@renewals.example\r\nTo: "Alice"\r\n <{WORK}>\r\nMessage-ID: {message_id}\r\n'
        f"Subject: Hours\r\n\r\nTo: {WORK} we write {message_id}\r\n"
    )
    return Message(key, message_id, "notices", "NCIMHA", 1, WORK, "Hours", body.encode())


def put(engine: Engine, *messages: Message) -> set[str]:
    with writing(engine) as session:
        return outbox.enqueue(session, messages, NOON)


def finish(engine: Engine, *, refused: bool) -> None:
    """Have every mail that waits sent; with ``refused`` those to the first address come back."""
    for claimed in outbox.claim(engine, NOON, 10, timedelta(minutes=5)):
        with writing(engine) as session:
            if refused and claimed.recipient == WORK:
                outbox.mark_failed(session, claimed, NOON, "550", recipient_refused=True)
            else:
                outbox.mark_sent(session, [claimed], NOON)


def recipients(engine: Engine) -> list[tuple[str, str]]:
    with reading(engine) as session:
        query = select(OUTBOX.c.recipient, OUTBOX.c.state).order_by(OUTBOX.c.id)
        return [(row[0], row[1]) for row in session.connection().execute(query)]


def marked(engine: Engine) -> datetime | None:
    with reading(engine) as session:
        since: datetime | None = session.scalar(select(PERSON.c.email_refused_at))
        return since


def test_what_the_first_address_refuses_follows_to_the_second(engine: Engine) -> None:
    put(engine, mail("day:1"))
    finish(engine, refused=True)
    assert marked(engine) == NOON
    assert recipients(engine) == [(WORK, "failed"), (HOME, "waiting")]
    finish(engine, refused=True)
    assert recipients(engine) == [(WORK, "failed"), (HOME, "sent")]
    # That the second took it says nothing of the first.
    assert marked(engine) == NOON


def test_from_then_on_both_get_everything_until_the_first_takes_mail_again(
    engine: Engine,
) -> None:
    put(engine, mail("day:1"))
    finish(engine, refused=True)
    assert put(engine, mail("day:2")) == {"day:2"}
    assert put(engine, mail("day:2")) == set()
    assert recipients(engine)[2:] == [(WORK, "waiting"), (HOME, "waiting")]
    finish(engine, refused=False)
    assert marked(engine) is None
    put(engine, mail("day:3"))
    assert recipients(engine)[4:] == [(WORK, "waiting")]


def test_a_refusal_of_what_both_had_adds_no_third_mail(engine: Engine) -> None:
    put(engine, mail("day:1"))
    finish(engine, refused=True)
    put(engine, mail("day:2"))
    finish(engine, refused=True)
    assert recipients(engine)[2:] == [(WORK, "failed"), (HOME, "sent")]


def test_a_copy_is_a_message_of_its_own_with_the_same_text(engine: Engine) -> None:
    first = mail("day:1")
    put(engine, first)
    [claimed] = outbox.claim(engine, NOON, 10, timedelta(minutes=5))
    with writing(engine) as session:
        outbox.mark_failed(session, claimed, NOON, "550", recipient_refused=True)
    with reading(engine) as session:
        copy = session.connection().execute(select(OUTBOX).order_by(OUTBOX.c.id)).all()[1]
    [sent] = outbox.claim(engine, NOON, 10, timedelta(minutes=5))
    head, _, text = sent.body.decode().partition("\r\n\r\n")
    assert text == first.body.decode().partition("\r\n\r\n")[2]
    assert f"To: {HOME}\r\nMessage-ID: {copy.message_id}\r\n" in head
    assert copy.message_id != first.message_id
    assert copy.dedupe_key == "day:1:second"


def test_what_is_waited_for_or_nobodys_goes_to_one_address_only(engine: Engine) -> None:
    put(engine, mail("day:1"))
    finish(engine, refused=True)
    code = replace(mail("sign-in:1"), urgent=True)
    digest = replace(mail("digest:1"), person_id=None)
    elsewhere = replace(mail("code:2"), recipient=HOME)
    put(engine, code, digest, elsewhere)
    assert [to for to, _ in recipients(engine)[2:]] == [WORK, WORK, HOME]
