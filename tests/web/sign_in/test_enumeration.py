"""Nobody learns who is registered (promise 13): same bytes and same work for every address.

Work, not time: a test that times fails on a busy machine and passes with a small gap. The time is
measured by `python -m tests.bench.registered`.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote

import pytest
from httpx2 import Response
from sqlalchemy import event

from tests.support.cast import ALICE, CAROL
from tests.web.client import Visitor, WebClient
from tests.web.signing import ask, wrong
from tracker.mail.compose import Composer, Rendered
from tracker.web.background import BackgroundWork

UNKNOWN = "nobody@example.org"
# A first address, a second one, a coordinator's, and none.
ADDRESSES = (ALICE, "alice@home.example", CAROL, UNKNOWN)
TIMES = 25


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """The work that answers do not wait for, to be done when a test says so."""
    waiting: list[Callable[[], None]] = []
    monkeypatch.setattr(
        BackgroundWork, "run", lambda _self, job, *given: waiting.append(lambda: job(*given))
    )
    return waiting


@pytest.fixture(autouse=True)
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process reads the team and the maintenance again after a while, whatever is asked."""
    for name in ("tracker.clock.stopwatch", "tracker.web.background.stopwatch"):
        monkeypatch.setattr(name, lambda: 0.0)


@contextmanager
def watching(web: WebClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every statement and every composed mail while it lasts, in their order."""
    done: list[str] = []
    compose = Composer.compose

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        # The writer sets how long this save may still wait, which is no two times the same.
        words = re.sub(r"lock_timeout = \d+", "lock_timeout = N", statement)
        done.append(" ".join(words.split()))

    def noted(*given: object, **named: object) -> Rendered:
        done.append("compose a mail")
        return compose(*given, **named)  # type: ignore[arg-type]

    event.listen(web.cast.engine, "before_cursor_execute", note)
    with monkeypatch.context() as patch:
        patch.setattr(Composer, "compose", noted)
        yield done
    event.remove(web.cast.engine, "before_cursor_execute", note)


def plain_visit(web: WebClient) -> Visitor:
    """A browser that gets pages unpacked: packed ones are as long as chance will have it."""
    visitor = web.visit()
    visitor.client.headers["accept-encoding"] = "identity"
    return visitor


def seen(answer: Response, visitor: Visitor, email: str) -> tuple[object, ...]:
    """All that one sees of an answer, without the token and the ``email`` that one has typed."""
    # The length is that of the page, which is compared itself.
    random = {"set-cookie", "x-request-id", "content-length"}
    headers = {k: v for k, v in answer.headers.items() if k not in random}
    cookie = re.sub("=[^;]{43};", "=TOKEN;", answer.headers.get("set-cookie", ""))
    page = visitor.follow(answer).text if answer.is_redirect else answer.text
    typed = email.strip().lower()
    shown = (cookie.replace(quote(typed), "EMAIL"), page.replace(typed, "EMAIL"))
    return answer.status_code, headers, *shown


def test_every_address_causes_the_same_work(
    web: WebClient, later: list[Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    web.visit().post("/sign-in", {"email": "first@example.org"})
    later.pop()()  # makes the keys
    answers, paths = set(), set()
    kept: dict[str, set[tuple[str, ...]]] = {email: set() for email in ADDRESSES}
    for _ in range(TIMES):
        web.pass_time(hours=1)
        for email in ADDRESSES:
            visitor = plain_visit(web)
            with watching(web, monkeypatch) as done:
                answer = visitor.post("/sign-in", {"email": email})
            paths.add(tuple(done))
            answers.add(str(seen(answer, visitor, email)))
            with watching(web, monkeypatch) as done:
                later.pop()()
            kept[email].add(tuple(s for s in done if not s.startswith("INSERT INTO outbox")))
    assert len(answers) == 1
    assert len(paths) == 1
    path = " ".join(paths.pop())
    assert "compose" not in path
    assert re.search(r"\b(person|sign_in|outbox)\b", path) is None
    # What is done after the answer differs in nothing but the mail itself.
    assert len({frozenset(works) for works in kept.values()}) == 1
    assert all(len(works) == 1 and "compose a mail" in str(works) for works in kept.values())
    assert len(web.mails()) == TIMES * (len(ADDRESSES) - 1)


def test_every_code_causes_the_same_work(web: WebClient, monkeypatch: pytest.MonkeyPatch) -> None:
    _, code = ask(web, web.visit())

    def tried(email: str) -> list[tuple[object, ...]]:
        """Six wrong codes, then one that comes too late."""
        web.pass_time(hours=1)
        visitors = [plain_visit(web), plain_visit(web)]
        for visitor in visitors:
            visitor.post("/sign-in", {"email": email})
        web.settle()
        found = []
        for number in range(7):
            visitor = visitors[number // 6]
            if number == 6:
                web.pass_time(minutes=10)
            with watching(web, monkeypatch) as done:
                answer = visitor.post("/sign-in/code", {"code": wrong(code)})
            found.append((*seen(answer, visitor, email), tuple(done)))
        return found

    first, *others = [tried(email) for email in ADDRESSES]
    assert len({str(one) for one in first}) == 3  # wrong, void, expired
    for other in others:
        assert other == first


def test_an_unknown_address_is_stored_nowhere(web: WebClient) -> None:
    web.visit().post("/sign-in", {"email": UNKNOWN})
    web.settle()
    assert web.mails() == []
    for table in ("sign_in", "sign_in_try", "outbox", "audit_event"):
        assert UNKNOWN not in str(web.cast.rows(table))


def test_a_shared_second_address_counts_as_unknown(sqlite_web: WebClient) -> None:
    with sqlite_web.cast.engine.connect().execution_options(writes=True) as connection:
        connection.exec_driver_sql("UPDATE person SET second_email = 'office@example.org'")
        connection.commit()
    sqlite_web.visit().post("/sign-in", {"email": "office@example.org"})
    sqlite_web.settle()
    assert sqlite_web.mails() == []
