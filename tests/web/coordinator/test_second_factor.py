"""A second factor protects the desk where someone set it up, or the association requires it."""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pyotp
from httpx2 import Response
from sqlmodel import select

from tests.support.cast import BOOKS, CAROL
from tests.support.databases import wait_for_waiting
from tests.web.client import Visitor, WebClient, problems, text_of
from tracker.db.desk import SecondFactor
from tracker.db.engine import writing
from tracker.services.context import Actor, ServiceContext
from tracker.services.second_factor import start_setup

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


def post_at_once(web: WebClient, visitors: Sequence[Visitor], typed: dict[str, str]) -> list[int]:
    """The answers' status codes; each form is looked at before any of them is saved."""
    path = SET_UP if "factor_code" in typed else "/second-factor"
    with ThreadPoolExecutor(len(visitors)) as threads:
        with writing(web.cast.engine) as session:
            session.exec(select(SecondFactor).with_for_update()).one()
            sent = [threads.submit(visitor.post, path, typed) for visitor in visitors]
            wait_for_waiting(session, len(visitors))
        return sorted(each.result().status_code for each in sent)


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


def test_a_code_posted_at_once_works_once(postgres_web: WebClient) -> None:
    secret, codes = switch_on(postgres_web)
    visitors = [postgres_web.visit(CAROL) for _ in range(3)]
    for code in (code_of(postgres_web, secret), codes[0]):
        assert post_at_once(postgres_web, visitors, {"code": code}) == [303, 422, 422]


def test_wrong_codes_posted_at_once_all_count(postgres_web: WebClient) -> None:
    secret, _ = switch_on(postgres_web)
    visitors = [postgres_web.visit(CAROL) for _ in range(5)]
    post_at_once(postgres_web, visitors, {"code": "123456"})
    assert not enter(visitors[0], code_of(postgres_web, secret))


def test_a_setup_confirmed_at_once_has_one_set_of_codes(postgres_web: WebClient) -> None:
    visitors = [postgres_web.visit(CAROL) for _ in range(3)]
    page = visitors[0].post(SET_UP, {"action": "start"})
    typed = {"factor_code": code_of(postgres_web, secret_of(page))}
    assert post_at_once(postgres_web, visitors, typed) == [200, 303, 303]


def test_a_setup_begun_twice_shows_one_key(postgres_web: WebClient) -> None:
    now = postgres_web.now
    with ThreadPoolExecutor(1) as threads:
        with writing(postgres_web.cast.engine) as session:
            context = ServiceContext(session, BOOKS, Actor(CAROL, None), now)
            first = start_setup(context, CAROL)
            later = threads.submit(postgres_web.visit(CAROL).post, SET_UP, {"action": "start"})
            wait_for_waiting(session, 1)
        assert secret_of(later.result()) == first.secret


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
