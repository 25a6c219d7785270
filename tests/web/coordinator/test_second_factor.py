"""A second factor protects the desk where someone set it up, or the association requires it."""

import re

import pyotp
import pytest
from httpx2 import Response
from sqlmodel import Session

from tests.support.cast import BOOKS, CAROL
from tests.support.overlap import overlap_call
from tests.web.client import Visitor, WebClient, problems, text_of
from tracker.services.context import Actor, ServiceContext
from tracker.services.second_factor import confirm_setup, enter_code, start_setup

SET_UP = "/second-factor/set-up"


def switch_on(web: WebClient) -> tuple[str, list[str]]:
    """Carol sets up her app; its secret, and her recovery codes."""
    carol = web.visit(CAROL)
    page = carol.post(SET_UP, {"action": "start"})
    secret = secret_of(page)
    done = carol.post(SET_UP, {"factor_code": code_of(web, secret)})
    assert "Keep your recovery codes" in text_of(done)
    assert carol.get("/coordinator").status_code == 200
    codes = re.findall(r"<code>([0-9a-f ]+)</code>", done.text)
    # The next code belongs to another half minute.
    web.pass_time(minutes=2)
    return secret, codes


def secret_of(page: Response) -> str:
    return "".join(re.findall(r"[A-Z2-7]{4}", page.text.partition("<code>")[2].partition("<")[0]))


def code_of(web: WebClient, secret: str) -> str:
    return pyotp.TOTP(secret).at(web.now)


def enter(visitor: Visitor, code: str) -> bool:
    """Whether the code opens the desk."""
    answer = visitor.post("/second-factor?next=/coordinator", {"code": code})
    return answer.status_code == 303 and visitor.get("/coordinator").status_code == 200


def context_of(web: WebClient, session: Session) -> ServiceContext:
    return ServiceContext(session, BOOKS, Actor(CAROL, None), web.now)


def test_a_new_browser_needs_the_code(web: WebClient) -> None:
    secret, _ = switch_on(web)
    carol = web.visit(CAROL)
    asked = carol.get("/coordinator?status=lapsed")
    assert asked.headers["location"] == "/second-factor?next=%2Fcoordinator%3Fstatus%3Dlapsed"
    assert not enter(carol, "000000")
    assert enter(carol, code_of(web, secret))


def test_a_code_works_once(sqlite_web: WebClient) -> None:
    secret, _ = switch_on(sqlite_web)
    assert enter(sqlite_web.visit(CAROL), code_of(sqlite_web, secret))
    assert not enter(sqlite_web.visit(CAROL), code_of(sqlite_web, secret))


def test_a_recovery_code_works_once(sqlite_web: WebClient) -> None:
    _, codes = switch_on(sqlite_web)
    assert len(codes) == 10
    assert enter(sqlite_web.visit(CAROL), codes[0])
    assert not enter(sqlite_web.visit(CAROL), codes[0])
    assert enter(sqlite_web.visit(CAROL), codes[1].replace(" ", "").upper())


def test_five_wrong_codes_pause_all(sqlite_web: WebClient) -> None:
    secret, _ = switch_on(sqlite_web)
    carol = sqlite_web.visit(CAROL)
    for _ in range(5):
        assert not enter(carol, "123456")
    refused = carol.post("/second-factor", {"code": code_of(sqlite_web, secret)})
    assert [words for _, words in problems(refused)] == [
        "Five codes were wrong. Wait 15 minutes, then try again."
    ]
    sqlite_web.pass_time(minutes=15)
    assert enter(carol, code_of(sqlite_web, secret))


@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_a_code_entered_twice_at_once_works_once(postgres_web: WebClient, kind: str) -> None:
    secret, codes = switch_on(postgres_web)
    code = code_of(postgres_web, secret) if kind == "app" else codes[0]
    first, second = overlap_call(
        postgres_web.cast.engine,
        lambda session: enter_code(context_of(postgres_web, session), CAROL, code, "other"),
        lambda: postgres_web.visit(CAROL).post("/second-factor", {"code": code}).status_code,
    )
    assert (first, second) == (None, 422)


def test_wrong_codes_entered_at_once_both_count(postgres_web: WebClient) -> None:
    switch_on(postgres_web)
    overlap_call(
        postgres_web.cast.engine,
        lambda session: enter_code(context_of(postgres_web, session), CAROL, "1", "other"),
        lambda: postgres_web.visit(CAROL).post("/second-factor", {"code": "2"}),
    )
    [factor] = postgres_web.cast.rows("second_factor")
    assert factor["wrong_codes"] == 2


def test_a_setup_confirmed_twice_at_once_has_one_set_of_codes(postgres_web: WebClient) -> None:
    carol = postgres_web.visit(CAROL)
    code = code_of(postgres_web, secret_of(carol.post(SET_UP, {"action": "start"})))
    shown, answer = overlap_call(
        postgres_web.cast.engine,
        lambda session: confirm_setup(context_of(postgres_web, session), CAROL, code, "other"),
        lambda: carol.post(SET_UP, {"factor_code": code}).status_code,
    )
    assert (len(shown), answer) == (10, 303)


def test_a_setup_begun_twice_at_once_shows_one_key(postgres_web: WebClient) -> None:
    first, second = overlap_call(
        postgres_web.cast.engine,
        lambda session: start_setup(context_of(postgres_web, session), CAROL).secret,
        lambda: secret_of(postgres_web.visit(CAROL).post(SET_UP, {"action": "start"})),
    )
    assert first == second


def test_removing_it_takes_a_code_first(sqlite_web: WebClient) -> None:
    secret, _ = switch_on(sqlite_web)
    carol = sqlite_web.visit(CAROL)
    assert carol.get(SET_UP).headers["location"].startswith("/second-factor?next=")
    assert enter(carol, code_of(sqlite_web, secret))
    assert "Remove the second factor" in text_of(carol.get(SET_UP))
    assert carol.post(SET_UP, {"action": "remove"}).status_code == 303
    assert sqlite_web.cast.rows("second_factor") == []


def test_no_form_gets_past_the_second_factor(sqlite_web: WebClient) -> None:
    switch_on(sqlite_web)
    carol = sqlite_web.visit(CAROL)
    sent = carol.post("/coordinator/hand-over", {"notes": "stolen"})
    assert sent.headers["location"].startswith("/second-factor?")
    assert carol.post(SET_UP, {"action": "remove"}).status_code == 404
    assert sqlite_web.cast.rows("team_setting") == []
    assert len(sqlite_web.cast.rows("second_factor")) == 1


def test_an_association_can_require_it(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    carol.post("/coordinator/team", {"action": "require"})
    asked = carol.get("/coordinator")
    assert asked.headers["location"] == f"{SET_UP}?next=%2Fcoordinator"
    assert "Your association requires it" in text_of(carol.follow(asked))
    switch_on(sqlite_web)


def test_the_secret_is_not_readable_in_the_database(sqlite_web: WebClient) -> None:
    secret, codes = switch_on(sqlite_web)
    [row] = sqlite_web.cast.rows("second_factor")
    assert secret.encode() not in row["secret"]
    assert not any(code.replace(" ", "") in row["recovery"] for code in codes)


def test_wrong_setup_codes_switch_nothing_on(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    carol.post(SET_UP, {"action": "start"})
    refused = carol.post(SET_UP, {"factor_code": "000000"})
    assert "This code isn't right" in text_of(refused)
    assert sqlite_web.cast.rows("second_factor")[0]["confirmed_at"] is None
