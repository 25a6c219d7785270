"""How many codes can be requested and entered in an hour, across all processes."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from tests.support.cast import ALICE, BASE_URL, BOB
from tests.web.client import Visitor, WebClient
from tests.web.signing import ask, wrong
from tracker.services.sign_in import client_network
from tracker.settings import SignInLimits

NOBODY = "nobody@example.org"


def limited(web: WebClient, **limits: int) -> WebClient:
    """The same site with other limits."""
    settings = web.cast.settings.model_copy(update={"sign_in": SignInLimits(**limits)})
    return WebClient(web.cast, settings=settings)


def visit_from(web: WebClient, host: str) -> Visitor:
    visitor = web.visit()
    visitor.client._transport.client = (host, 50_000)  # type: ignore[attr-defined]
    return visitor


def ask_for(web: WebClient, email: str, host: str = "192.0.2.1") -> Response:
    return visit_from(web, host).post("/sign-in", {"email": email})


@pytest.mark.both_engines
def test_fifty_simultaneous_requests_send_five_mails(web: WebClient) -> None:
    # A second process on the same database: it shares nothing else.
    sites = [web, WebClient(web.cast)]
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda n: ask_for(sites[n % 2], ALICE).status_code, range(50)))
    for each in sites:
        each.settle()
    assert sorted(answers) == [303] * 5 + [429] * 45
    assert len(web.mails()) == 5


def test_a_limited_request_says_how_long_to_wait(sqlite_web: WebClient) -> None:
    for _ in range(5):
        ask_for(sqlite_web, ALICE)
        sqlite_web.pass_time(minutes=5)
    refused = [ask_for(sqlite_web, ALICE) for _ in range(10)]
    assert {answer.status_code for answer in refused} == {429}
    # The first was 25 minutes ago; those that were refused do not count.
    assert {answer.headers["retry-after"] for answer in refused} == {"2100"}
    sqlite_web.pass_time(seconds=2100)
    assert ask_for(sqlite_web, ALICE).status_code == 303
    sqlite_web.settle()
    assert len(sqlite_web.mails()) == 6


def test_unknown_addresses_have_the_same_limit(sqlite_web: WebClient) -> None:
    def answers(email: str) -> list[tuple[int, bytes, str | None]]:
        found = [ask_for(sqlite_web, email) for _ in range(7)]
        return [(a.status_code, a.content, a.headers.get("retry-after")) for a in found]

    assert answers(ALICE) == answers(NOBODY)


def test_the_limit_of_one_address_affects_no_other(sqlite_web: WebClient) -> None:
    for _ in range(6):
        ask_for(sqlite_web, ALICE)
    assert ask_for(sqlite_web, BOB).status_code == 303


def test_twenty_people_can_share_a_connection(sqlite_web: WebClient) -> None:
    for number in range(20):
        for _ in range(3):
            assert ask_for(sqlite_web, f"colleague-{number}@example.org").status_code == 303
    assert ask_for(sqlite_web, "one-more@example.org").status_code == 429
    assert ask_for(sqlite_web, "one-more@example.org", "192.0.2.2").status_code == 303


def test_a_whole_ipv6_network_is_one_client(sqlite_web: WebClient) -> None:
    web = limited(sqlite_web, asks_per_client=2)
    assert ask_for(web, "a@example.org", "2001:db8:1:2::1").status_code == 303
    assert ask_for(web, "b@example.org", "2001:db8:1:2:ffff::2").status_code == 303
    assert ask_for(web, "c@example.org", "2001:db8:1:2:aaaa::3").status_code == 429
    assert ask_for(web, "d@example.org", "2001:db8:1:3::1").status_code == 303


@pytest.mark.parametrize(
    ("host", "same"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("2001:db8::1", "2001:0DB8:0:0:1::"),
        ("fe80::1%eth0", "fe80::2"),
    ],
)
def test_equivalent_addresses_are_one_client(host: str, same: str) -> None:
    assert client_network(host) == client_network(same)


def test_code_attempts_are_limited_for_any_link(sqlite_web: WebClient) -> None:
    web = limited(sqlite_web, codes_per_client=3)
    link, code = ask(web, web.visit())
    for path in (link, "/sign-in/no-such-link", link):
        assert web.visit().post(path, {"code": wrong(code)}).status_code == 422
    refused = [web.visit().post(p, {"code": code}) for p in (link, "/sign-in/none")]
    assert [(a.status_code, a.headers["retry-after"]) for a in refused] == [(429, "3600")] * 2
    assert refused[0].content == refused[1].content
    web.pass_time(hours=1)
    assert web.cast.rows("sign_in")[0]["wrong_codes"] == 2


def test_attempts_are_stored_hashed_for_a_day(sqlite_web: WebClient) -> None:
    ask_for(sqlite_web, ALICE)
    ask_for(sqlite_web, ALICE)
    (first, second) = sqlite_web.cast.rows("sign_in_try")
    assert first["address_hash"] == second["address_hash"]
    assert len(first["address_hash"]) == len(first["client_hash"]) == 64
    assert ALICE not in str(first)
    assert "192.0.2.1" not in str(first)
    sqlite_web.pass_time(days=1, seconds=1)
    ask_for(sqlite_web, BOB)
    assert [row["at"] for row in sqlite_web.cast.rows("sign_in_try")] == [sqlite_web.now]
    assert sqlite_web.now - first["at"] > timedelta(days=1)


def test_only_a_trusted_proxy_names_the_client(
    sqlite_web: WebClient,
) -> None:
    web = limited(sqlite_web, asks_per_client=1)
    proxied = ProxyHeadersMiddleware(web.app, trusted_hosts="127.0.0.1")  # type: ignore[arg-type]

    def answers(peer: str) -> list[int]:
        client = TestClient(proxied, follow_redirects=False, client=(peer, 50_000))  # type: ignore[arg-type]
        return [
            client.post(
                "/sign-in",
                data={"email": f"{number}@example.org"},
                headers={"Origin": BASE_URL, "X-Forwarded-For": f"198.51.100.{number}"},
            ).status_code
            for number in (1, 2)
        ]

    assert answers("127.0.0.1") == [303, 303]
    assert answers("192.0.2.1") == [303, 429]


def sign_in(web: WebClient, visitor: Visitor, email: str = ALICE) -> None:
    _, code = ask(web, visitor, email)
    assert visitor.post("/sign-in/code", {"code": code}).status_code == 303
    visitor.post("/sign-out")


def test_strangers_do_not_lock_out_a_known_browser(web: WebClient) -> None:
    alice = web.visit()
    sign_in(web, alice)
    for _ in range(6):
        answer = ask_for(web, ALICE, "192.0.2.66")
    assert answer.status_code == 429
    assert web.visit().post("/sign-in", {"email": ALICE}).status_code == 429
    sign_in(web, alice)


def test_a_known_browser_has_a_limit_too(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit()
    sign_in(sqlite_web, alice)
    answers = [alice.post("/sign-in", {"email": ALICE}).status_code for _ in range(6)]
    assert answers == [303] * 5 + [429]


def test_a_browser_is_known_for_its_own_addresses(sqlite_web: WebClient) -> None:
    bob = sqlite_web.visit()
    sign_in(sqlite_web, bob, BOB)
    for _ in range(6):
        ask_for(sqlite_web, ALICE, "192.0.2.66")
    assert bob.post("/sign-in", {"email": ALICE}).status_code == 429
    bob.client.cookies.set("device", "made.up")
    assert bob.post("/sign-in", {"email": BOB}).status_code == 303


def test_a_shared_browser_is_known_for_each_colleague(sqlite_web: WebClient) -> None:
    shared = sqlite_web.visit()
    for email in (BOB, ALICE):
        sign_in(sqlite_web, shared, email)
    for _ in range(6):
        ask_for(sqlite_web, BOB, "192.0.2.66")
    assert shared.post("/sign-in", {"email": BOB}).status_code == 303


def test_the_cookie_of_a_known_browser_signs_nobody_in(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit()
    sign_in(sqlite_web, alice)
    cookie = alice.client.cookies["device"]
    assert "alice" not in cookie
    assert alice.get("/my-year").status_code == 303
    thief = sqlite_web.visit()
    thief.client.cookies.set("session", cookie)
    assert thief.get("/my-year").status_code == 303
