"""Addresses that do not work: where mail goes instead, and how marks are set and cleared."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlmodel import Session

from tests.rules.case_data import CasePeople, insert_row
from tracker.db.engine import open_engine, writing
from tracker.db.people import Person
from tracker.db.tables import METADATA
from tracker.services.dead_addresses import (
    COMPLAINTS_SHOWN,
    Addresses,
    Complaint,
    clear_accepted,
    clear_address,
    clear_marks,
    find_rerouted,
    is_held,
    list_addresses,
    list_complaints,
    mark_address,
    retry_addresses,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LATER = NOW + SECOND
WORK, HOME, BOB = "alice@example.org", "alice@home.example", "bob@example.org"
PERSON, OUTBOX = METADATA.tables["person"], METADATA.tables["outbox"]
ALICE_ID, BOB_ID = 1, 2
DIGESTS = count()


@pytest.fixture
def session(database_url: str) -> Iterator[Session]:
    """Alice, who has a second address, and Bob, who has none."""
    engine = open_engine(database_url)
    with writing(engine) as session:
        people = CasePeople(session)
        people.add("Alice")
        people.add("Bob")
        assert people.ids == {"Alice": ALICE_ID, "Bob": BOB_ID}
        set_person(session, second_email="Alice@Home.example")
        yield session
    engine.dispose()


def set_person(session: Session, number: int = ALICE_ID, **values: object) -> None:
    """Set columns of Alice, or of another person."""
    session.connection().execute(update(PERSON).where(PERSON.c.id == number).values(values))


def mark(session: Session, number: int = ALICE_ID, second: str | None = None) -> None:
    """Mark somebody's first address, and perhaps a second one."""
    marks = {"email_refused_at": NOW, "email_refused_reason": "550", "dead_second_email": second}
    set_person(session, number, **marks)


def marks(session: Session, number: int = ALICE_ID) -> tuple[Any, ...]:
    """Since when and why the first address does not work, and the second one that does not."""
    names = ("email_refused_at", "email_refused_reason", "dead_second_email")
    query = select(*(PERSON.c[name] for name in names)).where(PERSON.c.id == number)
    return tuple(session.connection().execute(query).one())


@pytest.mark.parametrize(
    ("is_refused", "second", "dead_second", "working", "dead"),
    [
        (False, HOME, "", WORK, set()),
        (False, HOME, HOME, WORK, {HOME}),
        (False, "", "", WORK, set()),
        (True, HOME, "", HOME, {WORK}),
        (True, HOME, "old@home.example", HOME, {WORK}),
        (True, HOME, HOME, None, {WORK, HOME}),
        (True, "", HOME, None, {WORK}),
        (True, "", "", None, {WORK}),
    ],
)
def test_mail_goes_to_the_first_address_that_works(
    *, is_refused: bool, second: str, dead_second: str, working: str | None, dead: set[str]
) -> None:
    addresses = Addresses(ALICE_ID, WORK, second, NOW if is_refused else None, dead_second)
    assert addresses.working == working
    assert addresses.dead == dead


def test_addresses_are_in_lower_case_by_person(session: Session) -> None:
    assert list_addresses(session, [ALICE_ID, BOB_ID]) == {
        ALICE_ID: Addresses(ALICE_ID, WORK, HOME, None, ""),
        BOB_ID: Addresses(BOB_ID, BOB, "", None, ""),
    }
    mark(session, second=HOME)
    assert list_addresses(session, [ALICE_ID]) == {
        ALICE_ID: Addresses(ALICE_ID, WORK, HOME, NOW, HOME)
    }


def put(session: Session, key: str, recipient: str, **values: object) -> int:
    """Store a message to Alice and return its id."""
    content = {"message_id": key, "kind": "notices", "subject": "", "body": b""}
    times = {"created_at": NOW, "next_attempt_at": NOW}
    row = {"person_id": ALICE_ID, **content, **times, **values}
    return insert_row(session, "outbox", dedupe_key=key, recipient=recipient, **row)


def test_mail_is_held_or_rerouted_while_an_address_is_dead(session: Session) -> None:
    first = put(session, "first", "Alice@Example.org")
    second = put(session, "second", "ALICE@home.example")
    put(session, "elsewhere", "alice@other.example")
    put(session, "urgent", WORK, next_attempt_at=NOW - SECOND)
    put(session, "code", WORK, expires_at=LATER)
    put(session, "nobody's", WORK, person_id=None)
    put(session, "Bob's", BOB, person_id=BOB_ID)
    every = session.connection().execute(select(OUTBOX.c.id)).scalars().all()

    def held() -> list[int]:
        query = select(OUTBOX.c.id).where(is_held()).order_by(OUTBOX.c.id)
        return list(session.connection().execute(query).scalars())

    # Bob can't be reached at an address that both have.
    mark(session, BOB_ID, second=HOME)
    set_person(session, BOB_ID, second_email=HOME)
    bobs = every[-1]
    assert (held(), find_rerouted(session, every)) == ([bobs], {})
    set_person(session, BOB_ID, email_refused_at=None)
    mark(session)
    assert (held(), find_rerouted(session, every)) == ([], {first: HOME})
    assert find_rerouted(session, [second]) == find_rerouted(session, []) == {}
    mark(session, second="old@home.example")
    assert (held(), find_rerouted(session, every)) == ([], {first: HOME})
    mark(session, second=HOME)
    assert (held(), find_rerouted(session, every)) == ([first, second], {})
    set_person(session, second_email=None)
    assert (held(), find_rerouted(session, every)) == ([first], {})
    set_person(session, email_refused_at=None)
    assert (held(), find_rerouted(session, every)) == ([], {})


def test_an_address_is_marked_once(session: Session) -> None:
    assert mark_address(session, ALICE_ID, "Alice@Example.org", "550 unknown", NOW)
    assert marks(session) == (NOW, "550 unknown", None)
    assert not mark_address(session, ALICE_ID, WORK, "again", LATER)
    assert marks(session) == (NOW, "550 unknown", None)
    assert mark_address(session, ALICE_ID, "ALICE@home.example", "551", LATER)
    assert not mark_address(session, ALICE_ID, HOME, "551", LATER)
    assert marks(session) == (NOW, "550 unknown", HOME)
    # Not hers, or nobody's anymore.
    assert not mark_address(session, ALICE_ID, BOB, "550", NOW)
    assert not mark_address(session, 3, WORK, "550", NOW)
    assert marks(session) == (NOW, "550 unknown", HOME)
    assert marks(session, BOB_ID) == (None, None, None)


def test_only_marks_of_proven_addresses_are_cleared(session: Session) -> None:
    held = session.get(Person, ALICE_ID)
    mark(session, second=HOME)
    mark(session, BOB_ID)
    assert clear_marks(session, [(BOB_ID, WORK), (ALICE_ID, BOB)]) == set()
    assert clear_marks(session, [(ALICE_ID, "Alice@Home.example"), (3, WORK)]) == {ALICE_ID}
    assert marks(session) == (NOW, "550", None)
    mark(session, second=HOME)
    assert clear_marks(session, [(ALICE_ID, WORK.upper())]) == {ALICE_ID}
    assert marks(session) == (None, None, HOME)
    assert marks(session, BOB_ID) == (NOW, "550", None)
    assert held is not None


def test_reading_mail_clears_an_address_of_all_who_have_it(session: Session) -> None:
    mark(session)
    mark(session, BOB_ID, second=WORK)
    set_person(session, BOB_ID, second_email=WORK)
    assert clear_address(session, "Alice@Example.org") == {ALICE_ID, BOB_ID}
    assert marks(session) == (None, None, None)
    assert marks(session, BOB_ID) == (NOW, "550", None)
    assert clear_address(session, WORK) == set()


def events(session: Session) -> list[tuple[Any, ...]]:
    """Who changed whose address, when, and from what to what."""
    table = METADATA.tables["audit_event"]
    names = ("who", "at", "table_name", "row_id", "before", "after")
    query = select(*(table.c[name] for name in names)).order_by(table.c.id)
    return [tuple(row) for row in session.connection().execute(query)]


def test_an_operator_tries_an_address_again(session: Session) -> None:
    mark(session, second=HOME)
    mark(session, BOB_ID)
    set_person(session, BOB_ID, second_email=None, dead_second_email=HOME)
    assert retry_addresses(session, "tracker bounces", LATER, email=HOME.upper(), since=NOW) == {
        ALICE_ID
    }
    assert marks(session) == (NOW, "550", None)
    before, after = f'{{"dead_email": "{HOME}"}}', '{"dead_email": null}'
    assert events(session) == [
        ("tracker bounces", LATER, "person", ALICE_ID, before, after),
    ]


def test_an_operator_tries_all_addresses_marked_since(session: Session) -> None:
    mark(session, second=HOME)
    mark(session, BOB_ID)
    set_person(session, BOB_ID, email_refused_at=NOW - SECOND)
    assert retry_addresses(session, "tracker bounces", LATER, since=NOW) == {ALICE_ID}
    assert marks(session) == (None, None, HOME)
    assert marks(session, BOB_ID) == (NOW - SECOND, "550", None)
    [event] = events(session)
    assert event[3:5] == (ALICE_ID, f'{{"dead_email": "{WORK}"}}')


def report(session: Session, number: int, recipient: str, **values: object) -> int:
    """Store a report about a message to somebody and return its id."""
    row = {
        "digest": str(next(DIGESTS)),
        "outcome": "hard",
        "read_at": NOW,
        "person_id": number,
        **values,
    }
    return insert_row(session, "returned_mail", recipient=recipient, **row)


@pytest.mark.parametrize("outcome", ["hard", "soft"])
def test_accepted_mail_does_not_clear_a_report(session: Session, outcome: str) -> None:
    mark(session, second=HOME)
    mark(session, BOB_ID)
    clear_accepted(session, [(ALICE_ID, WORK)])
    assert marks(session) == (None, None, HOME)
    mark(session, second=HOME)
    report(session, ALICE_ID, "Alice@Example.org", outcome=outcome)
    report(session, ALICE_ID, HOME, outcome="complaint")
    report(session, ALICE_ID, BOB, outcome=outcome)
    clear_accepted(session, [(ALICE_ID, WORK), (ALICE_ID, "Alice@Home.example"), (None, BOB)])
    assert marks(session) == (NOW, "550", None)
    assert marks(session, BOB_ID) == (NOW, "550", None)
    clear_accepted(session, [(BOB_ID, BOB), (ALICE_ID, BOB)])
    assert marks(session, BOB_ID) == (None, None, None)


def test_complaints_are_the_latest_of_people_without_optional_mail(session: Session) -> None:
    off = {"kind": "digest", "at": NOW}
    insert_row(session, "mail_off", person_id=ALICE_ID, **off)
    complaint = {"outcome": "complaint"}
    earliest = NOW - COMPLAINTS_SHOWN + SECOND
    number = report(session, ALICE_ID, "Alice@Example.org", **complaint, read_at=earliest)
    report(session, BOB_ID, BOB, **complaint)
    report(session, ALICE_ID, WORK)
    report(session, ALICE_ID, "alice@old.example", **complaint)
    report(session, ALICE_ID, HOME, **complaint, read_at=earliest - SECOND)
    assert list_complaints(session, NOW) == {ALICE_ID: Complaint(number, WORK, earliest)}
    second = report(session, ALICE_ID, "Alice@Home.example", **complaint)
    assert list_complaints(session, NOW) == {ALICE_ID: Complaint(second, HOME, NOW)}
    insert_row(session, "mail_off", person_id=BOB_ID, **off)
    assert list(list_complaints(session, NOW)) == [ALICE_ID, BOB_ID]
