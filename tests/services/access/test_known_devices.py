"""Browsers that signed in before are known for their addresses."""

from sqlmodel import Session

from tests.support.cast import ALICE, BOB
from tracker.db.signing_keys import DEVICE
from tracker.services.known_devices import find_device, remember_device
from tracker.services.signed_links import sign_token


def test_a_browser_is_known_for_its_addresses(session: Session) -> None:
    assert find_device(session, "made.up", ALICE) is None
    cookie = remember_device(session, "", ALICE)
    name = find_device(session, cookie, ALICE)
    assert name
    for cookie_sent, email in ((cookie, BOB), ("", ALICE), ("made.up", ALICE), (cookie, "\udc80")):
        assert find_device(session, cookie_sent, email) is None
    shared = remember_device(session, cookie, BOB)
    assert find_device(session, shared, ALICE) == find_device(session, shared, BOB) == name
    other = remember_device(session, "", ALICE)
    assert find_device(session, other, ALICE) not in (name, None)


def test_a_browser_keeps_its_latest_five_addresses(session: Session) -> None:
    cookie = ""
    for email in (*"abcde", "a", "f"):
        cookie = remember_device(session, cookie, email)
    known = [email for email in "abcdef" if find_device(session, cookie, email)]
    assert known == [*"acdef"]


def test_no_other_link_is_a_known_browser(session: Session) -> None:
    cookie = remember_device(session, "", ALICE)
    name = find_device(session, cookie, ALICE)
    assert name
    assert find_device(session, sign_token(session, DEVICE, "other", [name, []]), ALICE) is None
