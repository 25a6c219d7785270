"""What a program's token is, how long it holds, and which answers are kept for it."""

from datetime import date, timedelta

import pytest
from sqlmodel import Session, select

from tests.support.cast import NOW
from tracker.db.access import ApiAnswer, ApiToken
from tracker.services.api_tokens import (
    claim_key,
    create_token,
    find_caller,
    forget_answers,
    keep_answer,
    list_tokens,
    note_use,
    revoke_token,
    state_of,
)
from tracker.services.sign_in import hash_token

SECOND = timedelta(seconds=1)
LATER = NOW + timedelta(hours=1)
WEEK = timedelta(days=7)


def add_token(session: Session, name: str = "Members") -> int:
    token_id, _ = create_token(
        session, association="NCIMHA", name=name, scopes=("entries:read",), now=NOW
    )
    return token_id


def list_bodies(session: Session) -> dict[tuple[int, str], str]:
    session.expire_all()
    rows = session.exec(select(ApiAnswer)).all()
    return {(row.token_id, row.key): row.body for row in rows}


def test_a_token_is_stored_without_its_secret(session: Session) -> None:
    scopes = ("standings:read", "entries:write", "standings:read")
    token_id, secret = create_token(
        session, association="NCIMHA", name="Members", scopes=scopes, now=NOW, expires_at=LATER
    )
    session.expire_all()
    assert session.get_one(ApiToken, token_id).model_dump() == {
        "id": token_id,
        "association": "NCIMHA",
        "name": "Members",
        "scopes": "entries:write standings:read",
        "token_hash": hash_token(secret),
        "created_at": NOW,
        "expires_at": LATER,
        "revoked_at": None,
        "last_used_on": None,
    }
    assert secret.startswith("ert_")
    # 32 random bytes, which nobody guesses.
    assert len(secret) == len("ert_") + 43
    assert session.get_one(ApiToken, add_token(session)).expires_at is None


def test_a_token_holds_until_expired_or_revoked(session: Session) -> None:
    add_token(session, "another")
    token_id, secret = create_token(
        session, association="NCIMHA", name="Members", scopes=(), now=NOW, expires_at=LATER
    )
    found = find_caller(session, secret, LATER - SECOND)
    assert found is not None
    assert found.id == token_id
    assert state_of(found, LATER - SECOND) == "valid"
    assert state_of(found, LATER) == "expired"
    assert find_caller(session, secret, LATER) is None
    assert find_caller(session, "ert_unknown", NOW) is None
    assert revoke_token(session, token_id, NOW) is True
    assert revoke_token(session, token_id, LATER) is True
    session.expire_all()
    assert found.revoked_at == NOW
    assert state_of(found, LATER) == "revoked"
    assert find_caller(session, secret, NOW) is None
    assert revoke_token(session, 999, NOW) is False


def test_only_the_used_token_is_marked(session: Session) -> None:
    for name in ("first", "second", "third"):
        add_token(session, name)
    second = list_tokens(session)[1]
    note_use(session, second.id, date(2026, 11, 22))
    session.expire_all()
    assert [(each.name, each.last_used_on) for each in list_tokens(session)] == [
        ("first", None),
        ("second", date(2026, 11, 22)),
        ("third", None),
    ]


def test_a_key_is_answered_once_per_token(session: Session) -> None:
    token_id, other_id = add_token(session), add_token(session, "another")
    for owner, key in ((token_id, "key"), (token_id, "other"), (other_id, "key")):
        assert claim_key(session, owner, key, "hash", NOW) is None
    claimed = session.get_one(ApiAnswer, (token_id, "key"))
    assert claimed.model_dump() == {
        "token_id": token_id,
        "key": "key",
        "request_hash": "hash",
        "status": 0,
        "body": "",
        "at": NOW,
    }
    keep_answer(session, token_id, "key", 201, "{}")
    again = claim_key(session, token_id, "key", "changed", LATER)
    assert again is not None
    assert (again.status, again.body, again.request_hash, again.at) == (201, "{}", "hash", NOW)
    bodies = {(token_id, "key"): "{}", (token_id, "other"): "", (other_id, "key"): ""}
    assert list_bodies(session) == bodies


@pytest.mark.parametrize(("is_for_all", "kept"), [(False, ["new", "other"]), (True, ["new"])])
def test_answers_are_kept_for_seven_days(
    session: Session, *, is_for_all: bool, kept: list[str]
) -> None:
    token_id, other_id = add_token(session), add_token(session, "another")
    for owner, key, at in (
        (token_id, "old", NOW - WEEK - SECOND),
        (token_id, "unanswered", NOW - WEEK - SECOND),
        (token_id, "new", NOW - WEEK),
        (other_id, "other", NOW - WEEK - SECOND),
    ):
        claim_key(session, owner, key, "hash", at)
        if key != "unanswered":
            keep_answer(session, owner, key, 201, key)
    count = forget_answers(session, None if is_for_all else token_id, NOW)
    bodies = list_bodies(session)
    assert [body for body in bodies.values() if body] == kept
    assert (count, len(bodies)) == (3 - len(kept), 4)
