"""A token opens one association, as far as its scopes go, until it is revoked or expires."""

from datetime import timedelta

import pytest

from tests.web.api.calling import Program, make
from tests.web.visiting import WebClient
from tracker.db.engine import reading, writing
from tracker.services.api_tokens import find_caller, list_tokens, revoke_token

CALLS = {
    ("GET", "/standings"): "standings:read",
    ("GET", "/standings/1"): "standings:read",
    ("GET", "/entries"): "entries:read",
    ("GET", "/entries/1"): "entries:read",
    ("POST", "/entries"): "entries:write",
}


@pytest.mark.parametrize("scope", sorted(set(CALLS.values())))
def test_a_token_may_do_what_its_scopes_say_and_no_more(page_house: WebClient, scope: str) -> None:
    program = Program(page_house, make(page_house, "NCIMHA", scope))
    for (method, path), needed in CALLS.items():
        answer = program.client.request(method, f"/api/v1{path}")
        if needed == scope:
            assert answer.status_code in {200, 422}
        else:
            assert answer.status_code == 403
            assert needed in answer.json()["detail"]


def test_unknown_revoked_and_expired_tokens_answer_alike(page_house: WebClient) -> None:
    expired = make(page_house, expires_at=page_house.now)
    revoked = make(page_house)
    with writing(page_house.cast.engine) as session:
        caller = find_caller(session, revoked, page_house.now)
        assert caller is not None
        assert revoke_token(session, caller.token_id, page_house.now)
        assert not revoke_token(session, 999, page_house.now)
    answers = [
        Program(page_house, secret).get("/entries")
        for secret in ("", "ert_no", "e" * 5000, expired, revoked)
    ]
    assert {a.status_code for a in answers} == {401}
    assert len({a.content for a in answers}) == 1
    assert {a.headers["www-authenticate"] for a in answers} == {"Bearer"}


def test_a_session_of_the_pages_opens_nothing_here(page_house: WebClient) -> None:
    assert page_house.visit("alice@example.org").get("/api/v1/entries").status_code == 401


def test_the_day_of_the_last_use_is_kept(page_house: WebClient) -> None:
    program = Program(page_house, make(page_house))
    program.get("/entries")
    page_house.pass_time(days=2)
    program.get("/entries")
    with reading(page_house.cast.engine) as session:
        [token] = list_tokens(session, page_house.now)
    assert token.last_used_on == (page_house.now - timedelta(hours=5)).date()
    assert token.state == "valid"


def test_the_secret_itself_is_stored_nowhere(page_house: WebClient) -> None:
    secret = make(page_house)
    assert secret not in str(page_house.cast.rows("api_token"))
