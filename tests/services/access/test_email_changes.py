"""A changed address: what follows it, and what the former one still means."""

from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, col, select, update

from tests.services.conftest import Act
from tests.support.audit_log import LoggedChange, list_changes
from tests.support.cast import ALICE, BOB, BOOKS, CAROL, DANA, ERIN, EVE, NOW, Cast
from tests.support.waiting_mail import add_mail
from tracker.db.access import BrowserSession, SignIn, Unsubscribed
from tracker.db.corrections import FormerEmail
from tracker.db.ledgers import Outbox
from tracker.db.people import Person
from tracker.services.browser_sessions import create_browser_session
from tracker.services.context import Actor, NotFound, Refusal, Refused, ServiceContext
from tracker.services.dead_addresses import mark_address
from tracker.services.email_changes import (
    change_email,
    find_former_emails,
    find_holder,
    move_email,
    release_email,
    return_access,
)
from tracker.services.sign_in import create_sign_in, hash_token

NEW, HOME = "new@example.org", "alice@home.example"
BEFORE = NOW - timedelta(days=1)


@pytest.fixture
def operator(session: Session) -> ServiceContext:
    return ServiceContext(session, BOOKS, Actor("tracker person"), NOW)


@pytest.fixture
def alice(session: Session, cast: Cast) -> Person:
    person = session.get_one(Person, cast.people[ALICE])
    person.second_email_confirmed_at = BEFORE
    session.flush()
    return person


def move(session: Session, person: Person, new: str) -> None:
    move_email(session, person, new, who=CAROL, now=NOW)
    session.flush()
    session.expire_all()


def list_sessions(session: Session) -> set[tuple[str, int | None]]:
    return {(each.email, each.person_id) for each in session.exec(select(BrowserSession))}


def list_former(session: Session) -> set[tuple[str, int, datetime]]:
    columns = (FormerEmail.email, FormerEmail.person_id, FormerEmail.changed_at)
    return {tuple(row) for row in session.exec(select(*columns))}  # type: ignore[misc]


def test_a_changed_address_is_a_persons_own(session: Session, alice: Person) -> None:
    mark_address(session, alice.id, ALICE, "no such user", BEFORE)
    session.add(FormerEmail(email=ALICE, person_id=1, changed_at=BEFORE))
    session.add(FormerEmail(email=NEW, person_id=alice.id, changed_at=BEFORE))
    move(session, alice, NEW)
    assert (alice.email, alice.second_email) == (NEW, HOME)
    assert (alice.email_refused_at, alice.email_refused_reason) == (None, None)
    assert list_former(session) == {(ALICE, alice.id, NOW)}
    confirmed = {"second_email": HOME, "second_email_confirmed_at": BEFORE.isoformat()}
    before = {"email": ALICE, "email_refused_at": BEFORE.isoformat(), **confirmed}
    after = {"email": NEW, "email_refused_at": None, **confirmed}
    assert list_changes(session, "person")[-1] == LoggedChange(CAROL, alice.id, before, after)


def test_a_second_address_can_become_the_first(session: Session, alice: Person) -> None:
    alice.second_email = HOME.upper()
    move(session, alice, HOME)
    row = session.get_one(Person, alice.id)
    assert (row.email, row.second_email, row.second_email_confirmed_at) == (HOME, None, None)


@pytest.mark.parametrize(
    ("new", "code", "facts"),
    [
        ("new", "email-invalid", {}),
        (BOB, "email-is-first", {}),
        (ERIN, "email-of-other-person", {"email": ERIN, "name": "Erin Vance"}),
        (HOME, "email-of-other-person", {"email": HOME, "name": "Alice Moreno"}),
    ],
)
def test_a_new_address_is_checked(
    session: Session, cast: Cast, new: str, code: str, facts: dict[str, str]
) -> None:
    bob = session.get_one(Person, cast.people[BOB])
    with pytest.raises(Refused) as refused:
        move(session, bob, new)
    assert refused.value.refusals == (Refusal("email", code, facts),)
    assert list_former(session) == set()


def test_the_former_address_opens_nothing(session: Session, cast: Cast, alice: Person) -> None:
    # Another person has one with this address.
    token = create_browser_session(session, ALICE, NOW)
    session.get_one(BrowserSession, hash_token(token)).person_id = cast.people[BOB]
    for email in (ALICE, HOME, BOB):
        create_browser_session(session, email, NOW)
        for token in ("open", "used"):
            create_sign_in(session, f"{email} {token}", email, NOW)
        session.flush()
        session.get_one(SignIn, hash_token(f"{email} used")).used_at = NOW
    move(session, alice, NEW)
    bob = cast.people[BOB]
    assert list_sessions(session) == {(ALICE, bob), (HOME, alice.id), (BOB, bob)}
    left = session.exec(select(SignIn.email, SignIn.used_at)).all()
    assert sorted(email for email, used_at in left if used_at) == [ALICE, HOME, BOB]
    assert sorted(email for email, used_at in left if not used_at) == [HOME, BOB]


def test_waiting_mail_follows_the_address(session: Session, cast: Cast, alice: Person) -> None:
    add_mail(session, "waiting", person_id=alice.id)
    add_mail(session, "sent", person_id=alice.id, state="sent")
    add_mail(session, "to the second address", person_id=alice.id, recipient=HOME)
    add_mail(session, "another person's", person_id=cast.people[BOB])
    for email, kind in ((ALICE, "digest"), (BOB, "pace")):
        session.add(Unsubscribed(email=email, kind=kind, association="NCIMHA", at=BEFORE))
    session.add(Unsubscribed(email=NEW, kind="digest", association="CT-AIMH", at=BEFORE))
    move(session, alice, NEW)
    recipients = session.exec(select(Outbox.recipient).order_by(col(Outbox.id))).all()
    assert recipients == [NEW, ALICE, HOME, ALICE]
    unwanted = session.exec(select(Unsubscribed).where(Unsubscribed.email == NEW)).all()
    kept = sorted((each.association, each.kind, each.at) for each in unwanted)
    assert kept == [("CT-AIMH", "digest", BEFORE), ("NCIMHA", "digest", BEFORE)]


def test_a_first_address_precedes_a_second_one(session: Session, cast: Cast) -> None:
    session.get_one(Person, cast.people[ALICE]).second_email = BOB.upper()
    session.flush()
    for email, name in ((BOB, "Bob Osei"), (ERIN, "Erin Vance"), (NEW, None)):
        holder = find_holder(session, email)
        assert (holder and holder.name) == name
    session.get_one(Person, cast.people[BOB]).email = NEW
    session.flush()
    holder = find_holder(session, BOB)
    assert holder is not None
    assert holder.name == "Alice Moreno"


def test_former_addresses_name_present_ones(session: Session, cast: Cast, alice: Person) -> None:
    move(session, alice, NEW)
    move(session, alice, "newer@example.org")
    erin = session.get_one(Person, cast.people[ERIN])
    move(session, erin, "erin@new.example")
    # Somebody else has Erin's former address now.
    session.get_one(Person, cast.people[EVE]).email = ERIN
    session.flush()
    found = find_former_emails(session, iter([ALICE, BOB, ALICE, NEW, ERIN]))
    assert found == {ALICE: "newer@example.org", NEW: "newer@example.org"}
    assert find_former_emails(session, [BOB]) == {}


def test_a_former_owners_browsers_are_signed_out(
    operator: ServiceContext, cast: Cast, alice: Person
) -> None:
    session, bob = operator.session, cast.people[BOB]
    # From before they had a record.
    for email in (ALICE, NEW, CAROL):
        create_browser_session(session, email, NOW)
    session.exec(update(BrowserSession).values(person_id=None))
    bobs = session.get_one(BrowserSession, hash_token(create_browser_session(session, NEW, NOW)))
    bobs.person_id = bob
    move(session, alice, NEW)
    move(session, alice, HOME)
    assert len(list_sessions(session)) == 4
    release_email(operator, ALICE)
    assert list_sessions(session) == {(CAROL, None), (NEW, bob), (NEW, None)}
    move(session, session.get_one(Person, bob), NEW)
    assert list_sessions(session) == {(CAROL, None), (NEW, bob)}


def test_a_released_address_means_nobody(operator: ServiceContext, alice: Person) -> None:
    move(operator.session, alice, NEW)
    assert release_email(operator, ALICE) == NEW
    assert list_former(operator.session) == set()
    change = list_changes(operator.session, "person")[-1]
    assert change == ("tracker person", alice.id, {"former_email": ALICE}, {"former_email": None})
    for email in (ALICE, NEW, BOB):
        with pytest.raises(NotFound):
            release_email(operator, email)


def test_coordinators_change_their_peoples_addresses(
    session: Session, act: Act, operator: ServiceContext, cast: Cast
) -> None:
    changed = change_email(act(CAROL), ALICE, NEW)
    assert (changed.id, changed.email) == (cast.people[ALICE], NEW)
    assert list_former(session) == {(ALICE, cast.people[ALICE], NOW)}
    assert list_changes(session, "person")[-1].who == CAROL
    assert release_email(act(CAROL), ALICE) == NEW
    # Erin is at another association, Dana and Eve hold nothing, and nobody has the last one.
    for email in (ERIN, DANA, EVE, ALICE):
        with pytest.raises(NotFound):
            change_email(act(CAROL), email, "other@example.org")
    assert change_email(operator, ERIN, "other@example.org").name == "Erin Vance"
    with pytest.raises(NotFound):
        release_email(act(CAROL), ERIN)


def sign_in_all(session: Session, *emails: str) -> None:
    for email in emails:
        create_browser_session(session, email, NOW)
        create_sign_in(session, email, email, NOW)
    session.flush()


def test_an_undone_change_gives_the_address_back(session: Session, alice: Person) -> None:
    before = alice.model_dump()
    move(session, alice, NEW)
    after = {**before, "email": NEW}
    sign_in_all(session, NEW, HOME, BOB)
    add_mail(session, "waiting", person_id=alice.id, recipient=NEW)
    session.add(Unsubscribed(email=NEW, kind="digest", association="NCIMHA", at=BEFORE))
    session.add(FormerEmail(email=BOB, person_id=alice.id, changed_at=BEFORE))
    alice.email = ALICE
    session.flush()
    return_access(session, before, after)
    assert sorted(session.exec(select(BrowserSession.email))) == [HOME, BOB]
    assert sorted(session.exec(select(SignIn.email))) == [HOME, BOB]
    session.expire_all()
    assert session.exec(select(Outbox.recipient)).all() == [ALICE]
    assert session.get(Unsubscribed, (ALICE, "digest", "NCIMHA"))
    assert list_former(session) == {(BOB, alice.id, BEFORE)}


@pytest.mark.parametrize(
    ("before", "after", "signed_in"),
    [
        (None, HOME.upper(), [ALICE]),
        (BOB, HOME, [ALICE]),
        (HOME.upper(), HOME, [ALICE, HOME]),
        (HOME, None, [ALICE, HOME]),
    ],
)
def test_an_undone_second_address_signs_in_nobody(
    session: Session, alice: Person, before: str | None, after: str | None, signed_in: list[str]
) -> None:
    sign_in_all(session, ALICE, HOME)
    row = alice.model_dump()
    session.add(FormerEmail(email=ALICE, person_id=alice.id, changed_at=BEFORE))
    return_access(session, {**row, "second_email": before}, {**row, "second_email": after})
    assert sorted(session.exec(select(BrowserSession.email))) == signed_in
    assert sorted(session.exec(select(SignIn.email))) == signed_in
    # The first address is as it was.
    assert len(list_former(session)) == 1
