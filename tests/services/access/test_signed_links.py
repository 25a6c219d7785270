"""Links that carry what they open, signed with a key of this installation."""

from hashlib import sha256

import pytest
from itsdangerous import URLSafeSerializer
from sqlmodel import Session

from tracker.db.access import Secret
from tracker.db.signing_keys import CALENDAR, UNSUBSCRIBE, get_signing_key
from tracker.services.signed_links import LinkSigner, read_token, sign_token

SALT = "mail-off"


def sign_long(session: Session, length: int) -> str:
    """A link of so many characters."""
    # Digits that can't be compressed.
    text = "".join(sha256(bytes([n])).hexdigest() for n in range(50))
    signer = LinkSigner(session, UNSUBSCRIBE, SALT)
    return next(token for n in range(2500, 2700) if len(token := signer.sign([text[:n]])) == length)


def test_a_link_carries_what_was_signed(session: Session) -> None:
    assert read_token(session, UNSUBSCRIBE, SALT, "made.up") is None
    token = sign_token(session, UNSUBSCRIBE, SALT, (7, "digest"))
    assert LinkSigner(session, UNSUBSCRIBE, SALT).sign([7, "digest"]) == token
    assert read_token(session, UNSUBSCRIBE, SALT, token) == [7, "digest"]
    get_signing_key(session, CALENDAR)
    assert read_token(session, UNSUBSCRIBE, "other", token) is None
    assert read_token(session, CALENDAR, SALT, token) is None


def test_a_link_is_signed_with_sha256(session: Session) -> None:
    key = get_signing_key(session, UNSUBSCRIBE)
    serializer = URLSafeSerializer(key, salt=SALT, signer_kwargs={"digest_method": sha256})
    token = sign_token(session, UNSUBSCRIBE, SALT, [7])
    assert serializer.dumps([7]) == token


def test_a_link_of_an_earlier_version_stays_valid(session: Session) -> None:
    former = "ab" * 32
    session.add(Secret(name=UNSUBSCRIBE, value=former))
    token = str(URLSafeSerializer(former, salt=SALT).dumps([7]))
    # Before and after this version has a key of its own.
    assert read_token(session, UNSUBSCRIBE, SALT, token) == [7]
    sign_token(session, UNSUBSCRIBE, SALT, [8])
    assert read_token(session, UNSUBSCRIBE, SALT, token) == [7]
    assert read_token(session, UNSUBSCRIBE, "other", token) is None


@pytest.mark.parametrize("token", ["", ".", "a.b.c", "é", "\udc80", "W10.\x00", "." * 3000])
def test_any_other_text_is_no_link(session: Session, token: str) -> None:
    get_signing_key(session, UNSUBSCRIBE)
    assert read_token(session, UNSUBSCRIBE, SALT, token) is None


def test_a_link_has_at_most_2000_characters(session: Session) -> None:
    longest, too_long = sign_long(session, 2000), sign_long(session, 2001)
    assert read_token(session, UNSUBSCRIBE, SALT, longest)
    assert read_token(session, UNSUBSCRIBE, SALT, too_long) is None
