"""The outbox on both engines: one occasion, one message; one message, one sender."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, insert, select

from tracker.db.engine import open_engine, reading, writing
from tracker.db.tables import METADATA
from tracker.mail import outbox
from tracker.mail.outbox import Claimed, Message

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
LEASE = timedelta(minutes=5)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


def message(key: str, recipient: str = "alice@example.org", **changes: object) -> Message:
    values = {
        "dedupe_key": key,
        "message_id": f"<{key}@example.org>",
        "kind": "notices",
        "association": "NCIMHA",
        "person_id": None,
        "recipient": recipient,
        "subject": "3.5 RSC hours by Dec 31",
        "body": b"Subject: 3.5 RSC hours by Dec 31\r\n\r\nHello\r\n",
    }
    return Message(**(values | changes))  # type: ignore[arg-type]


def put(engine: Engine, *messages: Message, at: datetime = NOON) -> set[str]:
    with writing(engine) as session:
        return outbox.enqueue(session, messages, at)


def claim(engine: Engine, at: datetime = NOON, limit: int = 100) -> list[Claimed]:
    return outbox.claim(engine, at, limit, LEASE)


def states(engine: Engine) -> dict[str, int]:
    with reading(engine) as session:
        return outbox.count_by_state(session)


def listed(engine: Engine) -> list[outbox.ListedMessage]:
    with reading(engine) as session:
        return list(outbox.list_messages(session))


def test_a_second_message_for_the_same_occasion_is_not_stored(engine: Engine) -> None:
    assert put(engine, message("day:1"), message("day:2")) == {"day:1", "day:2"}
    assert put(engine, message("day:2", message_id="<other@x>"), message("day:3")) == {"day:3"}
    assert states(engine) == {"waiting": 3}


def test_the_same_occasion_twice_in_one_batch_is_stored_once(engine: Engine) -> None:
    assert put(engine, message("day:1"), message("day:1", message_id="<b@x>")) == {"day:1"}


def test_more_messages_than_one_statement_takes_are_all_stored(engine: Engine) -> None:
    keys = {f"day:{number}" for number in range(450)}
    assert put(engine, *(message(key) for key in keys)) == keys


def test_nothing_to_store_is_no_error(engine: Engine) -> None:
    assert put(engine) == set()


def test_a_decision_rolled_back_takes_its_message_with_it(engine: Engine) -> None:
    def decide() -> None:
        with writing(engine) as session:
            outbox.enqueue(session, [message("day:1")], NOON)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        decide()
    assert states(engine) == {}


def test_a_claimed_message_carries_its_bytes_and_is_claimed_once(engine: Engine) -> None:
    put(engine, message("day:1"))
    [mine] = claim(engine)
    assert (mine.message_id, mine.recipient) == ("<day:1@example.org>", "alice@example.org")
    assert mine.body.endswith(b"Hello\r\n")
    assert (mine.attempts, mine.fence, mine.lease_until) == (1, 1, NOON + LEASE)
    assert mine.created_at == NOON
    assert claim(engine) == []


def test_a_message_is_due_at_its_instant_and_not_before(engine: Engine) -> None:
    put(engine, message("day:1"))
    assert claim(engine, NOON - timedelta(microseconds=1)) == []
    assert len(claim(engine, NOON)) == 1


def test_an_urgent_message_goes_first(engine: Engine) -> None:
    put(engine, message("day:1"), at=NOON - MINUTE)
    put(engine, message("sign-in:1", urgent=True))
    [first] = claim(engine, limit=1)
    assert first.message_id == "<sign-in:1@example.org>"


def test_a_lease_that_ran_out_is_taken_up_and_the_old_sender_cannot_mark(engine: Engine) -> None:
    put(engine, message("day:1"))
    [old] = claim(engine)
    assert claim(engine, NOON + LEASE) == []  # its last instant still belongs to the old sender
    later = NOON + LEASE + timedelta(seconds=1)
    [new] = claim(engine, later)
    assert (new.fence, new.attempts, new.body) == (2, 2, old.body)
    with writing(engine) as session:
        assert outbox.mark_sent(session, [old], later) == 0
        assert outbox.mark_retry(session, [old], later, "late") == 0
        assert not outbox.mark_failed(session, old, later, "late", recipient_refused=True)
        assert outbox.renew(session, [old], later, LEASE) == {}
        assert outbox.mark_sent(session, [new], later) == 1
    assert states(engine) == {"sent": 1}


def test_a_living_sender_renews_and_is_not_robbed(engine: Engine) -> None:
    put(engine, message("day:1"))
    held = claim(engine)
    with writing(engine) as session:
        renewed = outbox.renew(session, held, NOON + 4 * MINUTE, LEASE)
    assert renewed == {held[0].id: NOON + 9 * MINUTE}
    assert claim(engine, NOON + 8 * MINUTE) == []


def test_a_message_that_is_put_back_waits_for_its_instant(engine: Engine) -> None:
    put(engine, message("day:1"))
    held = claim(engine)
    with writing(engine) as session:
        assert outbox.mark_retry(session, held, NOON + MINUTE, "451 try\x00 later\udcff") == 1
    assert claim(engine, NOON) == []
    [row] = listed(engine)
    assert (row.state, row.attempts, row.last_error) == ("waiting", 1, "451 try  later?")
    assert [again.attempts for again in claim(engine, NOON + MINUTE)] == [2]


def test_an_attempt_that_never_reached_the_server_does_not_count(engine: Engine) -> None:
    put(engine, message("day:1"))
    held = claim(engine)
    with writing(engine) as session:
        outbox.mark_retry(session, held, NOON, "no route", tried=False)
    assert [again.attempts for again in claim(engine)] == [1]


def test_a_failed_message_is_final_and_says_why(engine: Engine) -> None:
    put(engine, message("day:1"))
    [mine] = claim(engine)
    with writing(engine) as session:
        assert outbox.mark_failed(session, mine, NOON, "550 no", recipient_refused=True)
        assert outbox.get_oldest_waiting(session) is None
    assert claim(engine, NOON + timedelta(days=400)) == []
    [row] = listed(engine)
    assert (row.state, row.last_error, row.finished_at) == ("failed", "550 no", NOON)


@pytest.mark.parametrize(
    ("recipient", "refused", "marked"),
    [
        ("Alice@Example.org", True, True),
        ("alice@example.org", False, False),
        ("alice.private@example.org", True, False),
    ],
    ids=["her address was refused", "the content was refused", "her second address was refused"],
)
def test_only_a_refusal_of_the_address_marks_the_person(
    engine: Engine,
    recipient: str,
    *,
    refused: bool,
    marked: bool,
) -> None:
    person = METADATA.tables["person"]
    with writing(engine) as session:
        alice = {"email": "alice@example.org", "name": "Alice", "highest_degree": "none"}
        [alice_id] = (
            session.connection()
            .execute(insert(person).values(provides_rsc=False, **alice).returning(person.c.id))
            .one()
        )
    put(engine, message("day:1", recipient, person_id=alice_id))
    [mine] = claim(engine)
    with writing(engine) as session:
        outbox.mark_failed(session, mine, NOON, "550 no", recipient_refused=refused)
        since = session.scalar(select(person.c.email_refused_at))
    assert since == (NOON if marked else None)


def test_the_oldest_waiting_message_is_told(engine: Engine) -> None:
    put(engine, message("day:1"))
    put(engine, message("day:2"), at=NOON + MINUTE)
    with reading(engine) as session:
        assert outbox.get_oldest_waiting(session) == NOON


def test_claims_of_many_senders_never_overlap(engine: Engine) -> None:
    put(engine, *(message(f"day:{number}") for number in range(300)))

    def take(_sender: int) -> list[int]:
        mine: list[int] = []
        while batch := claim(engine, limit=7):
            mine += [taken.id for taken in batch]
            with writing(engine) as session:
                outbox.mark_sent(session, batch, NOON)
        return mine

    with ThreadPoolExecutor(8) as pool:
        taken = [number for mine in pool.map(take, range(8)) for number in mine]
    assert len(taken) == len(set(taken)) == 300
    assert states(engine) == {"sent": 300}
