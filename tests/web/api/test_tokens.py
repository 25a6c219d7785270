"""A token opens one association, as far as its scopes go, until it is revoked or expires."""

from datetime import timedelta

import pytest

from tests.web.api.calling import Program, make
from tests.web.client import WebClient
from tracker.db.engine import reading, writing
from tracker.services.api_tokens import find_caller, list_tokens, revoke_token, state_of

CALLS = {
    ("GET", "/standings"): "standings:read",
    ("GET", "/standings/1"): "standings:read",
    ("GET", "/entries"): "entries:read",
    ("GET", "/entries/1"): "entries:read",
    ("POST", "/entries"): "entries:write",
}


@pytest.mark.parametrize("scope", sorted(set(CALLS.values())))
def test_a_token_may_do_what_its_scopes_say_and_no_more(sqlite_web: WebClient, scope: str) -> None:
    program = Program(sqlite_web, make(sqlite_web, "NCIMHA", scope))
    for (method, path), needed in CALLS.items():
        answer = program.client.request(method, f"/api/v1{path}")
        if needed == scope:
            assert answer.status_code in {200, 422}
        else:
            assert answer.status_code == 403
            assert needed in answer.json()["detail"]


def test_unknown_revoked_and_expired_tokens_answer_alike(sqlite_web: WebClient) -> None:
    expired = make(sqlite_web, expires_at=sqlite_web.now)
    revoked = make(sqlite_web)
    with writing(sqlite_web.cast.engine) as session:
        caller = find_caller(session, revoked, sqlite_web.now)
        assert caller is not None
        assert revoke_token(session, caller.id, sqlite_web.now)
        assert not revoke_token(session, 999, sqlite_web.now)
    answers = [
        Program(sqlite_web, secret).get("/entries")
        for secret in ("", "ert_no", "e" * 5000, expired, revoked)
    ]
    assert {a.status_code for a in answers} == {401}
    assert len({a.content for a in answers}) == 1
    assert {a.headers["www-authenticate"] for a in answers} == {"Bearer"}


def test_a_session_of_the_pages_opens_nothing_here(sqlite_web: WebClient) -> None:
    assert sqlite_web.visit("alice@example.org").get("/api/v1/entries").status_code == 401


def test_the_day_of_the_last_use_is_kept(sqlite_web: WebClient) -> None:
    program = Program(sqlite_web, make(sqlite_web))
    program.get("/entries")
    sqlite_web.pass_time(days=2)
    program.get("/entries")
    with reading(sqlite_web.cast.engine) as session:
        [token] = list_tokens(session)
    assert token.last_used_on == (sqlite_web.now - timedelta(hours=5)).date()
    assert state_of(token, sqlite_web.now) == "valid"


def test_the_secret_itself_is_stored_nowhere(sqlite_web: WebClient) -> None:
    secret = make(sqlite_web)
    assert secret not in str(sqlite_web.cast.rows("api_token"))
