"""Optional mail that people switch off, and digests that addresses unsubscribe from."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import Session

from tests.rules.case_data import REAL, CasePeople
from tracker.db.engine import open_engine, writing
from tracker.db.tables import METADATA
from tracker.services.context import Actor, NotFound, ServiceContext
from tracker.services.notification_preferences import (
    ChoiceLinks,
    MailChoice,
    Subscription,
    add_disabled_kinds,
    create_choice_token,
    create_unsubscribe_token,
    disable_kinds,
    is_unsubscribed,
    list_disabled_kinds,
    list_disabled_kinds_by_person,
    read_choice_token,
    read_unsubscribe_token,
    set_disabled_kinds,
    subscribe_again,
    unsubscribe,
)

NOW = datetime(2026, 11, 22, 15, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
ALICE, BOB = "alice@example.org", "bob@example.org"
DIGEST = Subscription("dana@nc.example", "digest", "NCIMHA")


@pytest.fixture
def session(database_url: str) -> Iterator[Session]:
    """Alice and Bob."""
    engine = open_engine(database_url)
    with writing(engine) as session:
        people = CasePeople(session)
        people.add("Alice")
        people.add("Bob")
        assert people.ids == {"Alice": 1, "Bob": 2}
        yield session
    engine.dispose()


def act(session: Session, number: int, now: datetime = NOW) -> ServiceContext:
    """The context in which Alice (1) or Bob (2) acts."""
    return ServiceContext(session, REAL, Actor((ALICE, BOB)[number - 1], number), now)


def rows(session: Session, table: str, *columns: str) -> list[tuple[Any, ...]]:
    """Columns of all rows of a table, in order of them."""
    names = [METADATA.tables[table].c[name] for name in columns]
    return [tuple(row) for row in session.connection().execute(select(*names).order_by(*names))]


def test_a_choice_replaces_the_one_before(session: Session) -> None:
    set_disabled_kinds(act(session, 2), ["digest", "membership"])
    set_disabled_kinds(act(session, 1), ["sessions", "membership"])
    set_disabled_kinds(act(session, 1, LATER), ["membership", "digest"])
    assert list_disabled_kinds(session, 1) == {"membership", "digest"}
    assert rows(session, "mail_off", "person_id", "kind", "at") == [
        (1, "digest", LATER),
        (1, "membership", NOW),
        (2, "digest", NOW),
        (2, "membership", NOW),
    ]
    events = rows(session, "audit_event", "id", "who", "table_name", "row_id", "before", "after")
    both, replaced = '{"off": ["membership", "sessions"]}', '{"off": ["digest", "membership"]}'
    assert [event[1:] for event in events] == [
        (BOB, "mail_off", 2, '{"off": []}', replaced),
        (ALICE, "mail_off", 1, '{"off": []}', both),
        (ALICE, "mail_off", 1, both, replaced),
    ]
    set_disabled_kinds(act(session, 1), [])
    assert list_disabled_kinds_by_person(session, [1, 2]) == {2: {"digest", "membership"}}
    assert list_disabled_kinds_by_person(session, [1]) == {}


def test_a_link_adds_to_what_is_off(session: Session) -> None:
    set_disabled_kinds(act(session, 1), ["digest"])
    add_disabled_kinds(act(session, 1), ["sessions"])
    nobody = ServiceContext(session, REAL, Actor("link"), LATER)
    disable_kinds(nobody, MailChoice(1, ("membership", "digest")))
    disable_kinds(nobody, MailChoice(2, ("membership",)))
    assert list_disabled_kinds(session, 1) == {"digest", "membership", "sessions"}
    assert list_disabled_kinds(session, 2) == {"membership"}
    whose = [row[1:] for row in rows(session, "audit_event", "id", "who", "row_id", "at")]
    assert whose == [(ALICE, 1, NOW), (ALICE, 1, NOW), (ALICE, 1, LATER), (BOB, 2, LATER)]
    with pytest.raises(NotFound):
        disable_kinds(nobody, MailChoice(3, ("membership",)))


def test_a_link_is_valid_for_its_own_purpose_only(session: Session) -> None:
    token = create_choice_token(session, 1, ["digest", "sessions"])
    assert token == ChoiceLinks(session).create_token(1, ["digest", "sessions"])
    assert read_choice_token(session, token) == MailChoice(1, ("digest", "sessions"))
    other = create_unsubscribe_token(session, DIGEST)
    assert read_unsubscribe_token(session, other) == DIGEST
    for read, wrong in ((read_choice_token, other), (read_unsubscribe_token, token)):
        for each in (wrong, f"{wrong}x", ""):
            with pytest.raises(NotFound):
                read(session, each)


def test_a_subscription_ends_until_it_is_taken_up_again(session: Session) -> None:
    others = [
        DIGEST._replace(email="eve@nc.example"),
        DIGEST._replace(kind="health"),
        DIGEST._replace(association="CT-AIMH"),
    ]
    for each in (*others, DIGEST):
        assert not is_unsubscribed(session, each)
        unsubscribe(session, each, NOW)
    unsubscribe(session, DIGEST, LATER)
    assert rows(session, "unsubscribed", "at") == [(NOW,)] * 4
    subscribe_again(session, DIGEST)
    session.expire_all()
    assert not is_unsubscribed(session, DIGEST)
    assert all(is_unsubscribed(session, each) for each in others)
    subscribe_again(session, DIGEST)
