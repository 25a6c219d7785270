"""New keys: links that were sent stop working, and what waits with them does not leave."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlmodel import Session, select

from tests.support.audit_log import LoggedChange, list_changes
from tests.support.cast import ALICE, NOW, Cast
from tests.support.referees import apply
from tests.support.waiting_mail import add_mail
from tracker.db.applications import Reference
from tracker.db.engine import open_engine, writing
from tracker.db.ledgers import Outbox
from tracker.db.signing_keys import (
    CALENDAR,
    DEVICE,
    REFERENCE,
    SIGN_IN,
    UNSUBSCRIBE,
    get_signing_key,
    prepare_keys,
)
from tracker.master_key import MasterKey, MasterKeyError
from tracker.services.browser_sessions import revoke_all_access
from tracker.services.key_renewal import renew_keys

PURPOSES = [SIGN_IN, DEVICE, REFERENCE, UNSUBSCRIBE]
SENDING = {"state": "sending", "lease_until": NOW}


@pytest.fixture
def changed_key(cast: Cast) -> Iterator[Session]:
    """A database whose messages and keys are of a master key that is lost."""
    with writing(cast.engine) as session:
        prepare_keys(session)
        add_mail(session, "waiting")
        add_mail(session, "sending", **SENDING)
        add_mail(session, "sent", state="sent", lease_until=NOW)
    engine = open_engine(cast.url, master_key=MasterKey("another-master-key-0123456789-abcdef"))
    with writing(engine) as changed:
        yield changed
    engine.dispose()


def list_mail(session: Session, *columns: str) -> dict[str, tuple[Any, ...]]:
    """Columns of the messages by their keys."""
    session.expire_all()
    return {
        mail.dedupe_key: tuple(getattr(mail, name) for name in columns)
        for mail in session.exec(select(Outbox))
    }


@pytest.mark.parametrize("calendars", [False, True])
def test_every_sent_link_gets_a_new_key(session: Session, *, calendars: bool) -> None:
    everything = [*PURPOSES, CALENDAR]
    before = {purpose: get_signing_key(session, purpose) for purpose in everything}
    assert revoke_all_access(session, "operator", NOW, calendars=calendars, tokens=False)
    renewed = [each for each in everything if get_signing_key(session, each) != before[each]]
    assert renewed == (everything if calendars else PURPOSES)
    after = {"renewed": renewed}
    [change] = list_changes(session, "key_generation")
    assert change == LoggedChange("operator", 0, {"renewed": []}, after)


def test_waiting_codes_are_dropped(session: Session) -> None:
    add_mail(session, "code", expires_at=NOW)
    add_mail(session, "notice")
    add_mail(session, "sending", expires_at=NOW, **SENDING)
    add_mail(session, "sent", expires_at=NOW, state="sent")
    assert renew_keys(session, "operator", NOW, calendars=False, may_be_lost=True) is None
    assert list_mail(session, "state", "finished_at", "last_error", "body") == {
        "code": ("dropped", NOW, "its code was voided", b""),
        "notice": ("waiting", None, None, b"body"),
        "sending": ("sending", None, None, b"body"),
        "sent": ("sent", None, None, b"body"),
    }


def test_a_lost_key_loses_waiting_mail(changed_key: Session) -> None:
    revoked = revoke_all_access(
        changed_key, "operator", NOW, calendars=False, tokens=False, may_be_lost=True
    )
    assert revoked.lost_messages == 2
    lost = ("failed", NOW, None, "it was encrypted with a master key that is lost", False, b"")
    columns = ("state", "finished_at", "lease_until", "last_error", "bounced", "body")
    assert list_mail(changed_key, *columns) == {
        "waiting": lost,
        "sending": lost,
        "sent": ("sent", None, NOW, None, None, b"body"),
    }


def test_a_lost_key_is_an_error_otherwise(changed_key: Session) -> None:
    with pytest.raises(MasterKeyError):
        revoke_all_access(changed_key, "operator", NOW, calendars=True, tokens=True)
    assert list_mail(changed_key, "state")["waiting"] == ("waiting",)


def test_unanswered_referees_need_a_new_link(session: Session, cast: Cast) -> None:
    application = apply(session, cast.people[ALICE])
    answered = {"received_at": NOW, "signed_as": "Pat Doe", "relationship": "Led the program"}
    for name, values in (
        ("asked", {}),
        ("answered", answered),
        ("declined", {"declined_at": NOW}),
        ("not mailed", {}),
        ("being mailed", {}),
        ("reminded", {}),
    ):
        reference = Reference(
            application_id=application,
            email=f"{name}@example.org",
            name=name,
            role="supervisor",
            token_hash=f"hash of {name}",
            **values,
        )
        session.add(reference)
        session.flush()
        key = f"reference:{reference.id}:0:{reference.token_hash[:16]}"  # type: ignore[index]
        if name == "not mailed":
            add_mail(session, key)
        elif name == "being mailed":
            add_mail(session, key, **SENDING)
        elif name == "reminded":
            add_mail(session, key, state="sent")
            add_mail(session, key.replace(":0:", ":1:"))
    nameless = Reference(application_id=application, email="none", name="none", role="supervisor")
    session.add(nameless)
    renew_keys(session, "operator", NOW, calendars=False, may_be_lost=False)
    session.expire_all()
    rows = session.exec(select(Reference.name, Reference.token_hash)).all()
    kept = {name for name, token_hash in rows if token_hash is not None}
    assert kept == {"answered", "declined", "not mailed", "being mailed"}
