"""What is kept about sign-ins and downloads, and for how long."""

from datetime import timedelta

from sqlmodel import Session, select
from structlog.testing import capture_logs

from tests.support.cast import ALICE, BOB, NOW, Cast
from tracker.db.access import SecurityEvent
from tracker.services.security_events import (
    Client,
    forget_old_events,
    list_events,
    log_event,
    record_event,
)
from tracker.services.sign_in import hash_client

CLIENT = Client("192.0.2.1", "request")
SECOND = timedelta(seconds=1)


def test_an_event_is_logged_and_stored(session: Session, cast: Cast) -> None:
    alice = cast.people[ALICE]
    with capture_logs() as lines:
        record_event(session, NOW, CLIENT, "sign-in", "wrong", alice)
        log_event("download", "done")
    hashed = hash_client(session, "192.0.2.1")
    event = {"log_level": "info", "event": "security event"}
    assert lines == [
        {**event, "kind": "sign-in", "outcome": "wrong", "person_id": alice, "client": hashed},
        {**event, "kind": "download", "outcome": "done", "person_id": None, "client": ""},
    ]
    [stored] = session.exec(select(SecurityEvent)).all()
    assert stored.model_dump(exclude={"id"}) == {
        "at": NOW,
        "kind": "sign-in",
        "outcome": "wrong",
        "person_id": alice,
        "client_hash": hashed,
        "request_id": "request",
    }
    record_event(session, NOW, Client("192.0.2.1", ""), "sign-in", "done", None)
    assert session.exec(select(SecurityEvent.request_id)).all() == ["request", None]


def test_the_latest_fifty_events_are_listed(session: Session, cast: Cast) -> None:
    for number in range(50):
        at = NOW + number // 2 * SECOND
        record_event(session, at, CLIENT, "sign-in", f"{number}", cast.people[ALICE])
    record_event(session, NOW - SECOND, CLIENT, "sign-in", "oldest", cast.people[ALICE])
    record_event(session, NOW, CLIENT, "sign-in", "done", cast.people[BOB])
    listed = [event.outcome for event in list_events(session, cast.people[ALICE])]
    assert listed == [f"{number}" for number in reversed(range(50))]


def test_events_are_kept_for_a_year(session: Session) -> None:
    for age in (0, 1, 2):
        record_event(session, NOW - age * SECOND, CLIENT, "sign-in", f"{age}", None)
    assert forget_old_events(session, NOW + timedelta(days=365) - SECOND) == 1
    assert session.exec(select(SecurityEvent.outcome)).all() == ["0", "1"]
