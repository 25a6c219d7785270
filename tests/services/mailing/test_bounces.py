"""Mail to an address that refuses it: where it goes instead, and when that ends."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, insert, select, update

from tracker.db.engine import open_engine, reading, writing
from tracker.db.tables import METADATA
from tracker.mail import outbox
from tracker.mail.bounces import SOFT_LIMIT, SOFT_SPAN
from tracker.mail.outbox import Message
from tracker.mail.refusals import Cause, find_cause

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


def set_person(engine: Engine, **values: object) -> None:
    with writing(engine) as session:
        session.connection().execute(update(PERSON).values(**values))


def finish(engine: Engine, *, refused: bool, answer: str = "550") -> None:
    """Have every mail that waits sent; with ``refused`` those to the first address come back."""
    for claimed in outbox.claim(engine, NOON, 10, timedelta(minutes=5)):
        with writing(engine) as session:
            if refused and claimed.recipient == WORK:
                outbox.mark_failed(session, claimed, NOON, answer, recipient_refused=True)
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


def test_a_dead_address_gets_no_more_mail(engine: Engine) -> None:
    put(engine, mail("day:1"))
    finish(engine, refused=True)
    finish(engine, refused=False)
    put(engine, mail("day:2"))
    finish(engine, refused=True)
    assert recipients(engine)[2:] == [(HOME, "sent")]


def test_mail_without_a_working_address_is_held(engine: Engine) -> None:
    set_person(engine, second_email=None, email_refused_at=NOON)
    put(engine, mail("day:1"))
    finish(engine, refused=False)
    assert recipients(engine) == [(WORK, "waiting")]
    with reading(engine) as session:
        assert outbox.count_by_state(session) == {"held": 1}
        assert outbox.get_oldest_waiting(session) is None
        assert [each.held for each in outbox.list_messages(session)] == [True]


def test_held_mail_leaves_once_an_address_works(engine: Engine) -> None:
    set_person(engine, second_email=None, email_refused_at=NOON)
    put(engine, mail("day:1"))
    set_person(engine, second_email="Alice@New.example")
    [claimed] = outbox.claim(engine, NOON, 10, timedelta(minutes=5))
    assert claimed.recipient == "alice@new.example"
    assert b"To: alice@new.example\r\n" in claimed.body


def test_a_dead_second_address_holds_mail_too(engine: Engine) -> None:
    set_person(engine, email_refused_at=NOON, dead_second_email=HOME)
    put(engine, mail("day:1"))
    finish(engine, refused=False)
    assert recipients(engine) == [(WORK, "waiting")]


def test_soft_refusals_count_up_to_the_limit(engine: Engine) -> None:
    for number in range(1, SOFT_LIMIT + 1):
        assert marked(engine) is None
        put(engine, mail(f"day:{number}"))
        finish(engine, refused=True, answer="envelope: 552 5.2.2 mailbox full")
    assert marked(engine) == NOON


def test_soft_refusals_long_ago_do_not_count(engine: Engine) -> None:
    for number in range(1, SOFT_LIMIT):
        put(engine, mail(f"day:{number}"))
        finish(engine, refused=True, answer="envelope: 552 5.2.2 mailbox full")
    with writing(engine) as session:
        long_ago = NOON - SOFT_SPAN - timedelta(seconds=1)
        session.connection().execute(update(OUTBOX).values(finished_at=long_ago))
    put(engine, mail("day:9"))
    finish(engine, refused=True, answer="envelope: 552 5.2.2 mailbox full")
    assert marked(engine) is None


def test_a_server_that_takes_mail_again_clears_its_own_refusal(engine: Engine) -> None:
    put(engine, mail("day:1"))
    finish(engine, refused=True)
    put(engine, replace(mail("sign-in:1"), urgent=True))
    finish(engine, refused=False)
    assert marked(engine) is None
    put(engine, mail("day:3"))
    assert recipients(engine)[-1] == (WORK, "waiting")


def test_a_server_that_takes_mail_does_not_clear_a_report(engine: Engine) -> None:
    set_person(engine, email_refused_at=NOON)
    with writing(engine) as session:
        hard = {"outcome": "hard", "person_id": 1, "recipient": WORK, "reason": "550"}
        row = {"digest": "1", "read_at": NOON, **hard}
        session.connection().execute(insert(METADATA.tables["returned_mail"]).values(row))
    put(engine, replace(mail("sign-in:1"), urgent=True))
    finish(engine, refused=False)
    assert marked(engine) == NOON


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ("envelope: 550 5.1.1 <alice@work.example>: User unknown", Cause.NO_MAILBOX),
        ("envelope: 550 no such mailbox", Cause.NO_MAILBOX),
        ("smtp; 550 5.4.1 Recipient address rejected: Access denied", Cause.NO_MAILBOX),
        ("smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound", Cause.NO_MAILBOX),
        ("5.1.2", Cause.NO_DOMAIN),
        ("smtp; 550 5.2.1 The email account is disabled", Cause.DISABLED),
        ("smtp; 552 5.2.2 The email account is over quota", Cause.FULL),
        ("4.2.2 smtp; 452 4.2.2 mailbox full", Cause.FULL),
        ("smtp; 550 5.7.1 blocked, see our list at 192.0.2.55", Cause.POLICY),
        ("smtp; 554 Transaction failed", Cause.POLICY),
        ("4.4.7 smtp; 421 4.4.1 connect to mx.example:587 timed out", Cause.DELAY),
        ("smtp; 550 5.1.8 sender address rejected", Cause.POLICY),
        ("5.0.0", Cause.NO_MAILBOX),
        ("", Cause.NO_MAILBOX),
    ],
)
def test_a_code_says_whether_the_address_is_dead(answer: str, cause: Cause) -> None:
    assert find_cause(answer) is cause


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
    finish(engine, refused=False)
    code = replace(mail("sign-in:1"), urgent=True)
    digest = replace(mail("digest:1"), person_id=None)
    elsewhere = replace(mail("code:2"), recipient=HOME)
    put(engine, code, digest, elsewhere)
    finish(engine, refused=False)
    assert sorted(recipients(engine)[2:]) == [(HOME, "sent"), (WORK, "sent"), (WORK, "sent")]
