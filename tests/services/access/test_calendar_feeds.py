"""Secret addresses of calendars: made once, replaced, and revoked."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import Session, col, delete, select

from tests.services.conftest import Act
from tests.support.audit_log import LoggedChange, list_changes
from tests.support.cast import ALICE, BOB, CAROL, NOW, Cast
from tracker.db.access import CalendarFeed, KeyGeneration
from tracker.db.signing_keys import CALENDAR
from tracker.services.calendar_feeds import (
    delete_feed,
    find_feed_owner,
    get_feed_fingerprint,
    get_feed_token,
    replace_feed,
)
from tracker.services.context import NotFound
from tracker.services.signed_links import sign_token

LATER = NOW + timedelta(days=1)


def test_an_address_opens_one_calendar(act: Act, session: Session, cast: Cast) -> None:
    alice, bob = cast.people[ALICE], cast.people[BOB]
    assert get_feed_token(session, alice) is None
    assert get_feed_fingerprint(session, alice) == ""
    for email in (ALICE, BOB):
        replace_feed(act(email), "")
    token = get_feed_token(session, alice)
    assert token is not None
    assert find_feed_owner(session, token) == alice
    assert find_feed_owner(session, get_feed_token(session, bob) or "") == bob
    assert find_feed_owner(session, f"{token}x") is None
    nonce = session.get_one(CalendarFeed, alice).nonce
    # 18 random bytes can't be guessed, and 64 bits of their hash can't be mixed up.
    assert len(nonce) == 24
    fingerprints = {get_feed_fingerprint(session, each) for each in (alice, bob)}
    assert {len(each) for each in fingerprints} == {16}
    assert len(fingerprints) == 2
    assert find_feed_owner(session, sign_token(session, CALENDAR, "other", [alice, nonce])) is None
    with pytest.raises(NotFound):
        replace_feed(act(CAROL), "")


def test_a_new_address_replaces_the_one_on_the_page(act: Act, session: Session, cast: Cast) -> None:
    first, alice = act(ALICE), cast.people[ALICE]
    replace_feed(first, "")
    old, fingerprint = get_feed_token(session, alice), get_feed_fingerprint(session, alice)
    later = replace(first, now=LATER)
    # A form that was sent twice, and one of an older page.
    for _ in range(2):
        replace_feed(later, fingerprint)
    replace_feed(later, "")
    token = get_feed_token(session, alice)
    assert old
    assert token
    assert find_feed_owner(session, old) is None
    assert find_feed_owner(session, token) == alice
    assert session.get_one(CalendarFeed, alice).created_at == LATER
    then, now = ({"created_at": each.isoformat()} for each in (NOW, LATER))
    delete_feed(later)
    delete_feed(later)
    assert find_feed_owner(session, token) is None
    assert session.exec(select(CalendarFeed)).all() == []
    assert list_changes(session, "calendar_feed") == [
        LoggedChange(ALICE, alice, None, then),
        LoggedChange(ALICE, alice, then, now),
        LoggedChange(ALICE, alice, now, None),
    ]


def test_an_address_needs_the_key_that_signs_it(act: Act, session: Session, cast: Cast) -> None:
    replace_feed(act(ALICE), "")
    token = get_feed_token(session, cast.people[ALICE])
    session.exec(delete(KeyGeneration).where(col(KeyGeneration.purpose) == CALENDAR))
    assert get_feed_token(session, cast.people[ALICE]) is None
    assert find_feed_owner(session, token or "") is None
