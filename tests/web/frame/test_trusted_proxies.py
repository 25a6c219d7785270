"""Only the proxies that the settings name say who a visitor is."""

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from tracker.services.sign_in import client_network
from tracker.settings import Web

VISITOR, LIAR = "198.51.100.7", "203.0.113.9"


def client_behind(peer: str, *headers: str, proxies: tuple[str, ...] = ("192.0.2.1",)) -> str:
    """Who a request from ``peer`` comes from, with these values of X-Forwarded-For."""
    seen: list[str] = []

    async def remember(scope: Any, *_: object) -> None:  # noqa: ANN401 - the server's
        seen.append(client_network(scope["client"][0]))

    trusted = Web(trusted_proxies=proxies).forwarding_addresses
    fields = [(b"x-forwarded-for", header.encode()) for header in headers]
    scope: Any = {"type": "http", "client": (peer, 50_000), "headers": fields, "scheme": "http"}
    asyncio.run(ProxyHeadersMiddleware(remember, trusted)(scope, None, None))  # type: ignore[arg-type]
    return seen[0]


def test_a_named_proxy_names_the_visitor() -> None:
    assert client_behind("192.0.2.1", VISITOR) == VISITOR
    assert client_behind("10.89.0.5", VISITOR, proxies=("10.89.0.0/24",)) == VISITOR


@pytest.mark.parametrize("peer", ["192.0.2.2", "10.89.1.5", "2001:db8::1", "127.0.0.1"])
def test_headers_of_anybody_else_are_ignored(peer: str) -> None:
    proxies = ("192.0.2.1", "10.89.0.0/24")
    assert client_behind(peer, VISITOR, proxies=proxies) == client_network(peer)


def test_without_a_setting_this_machine_is_trusted() -> None:
    proxies = Web().trusted_proxies
    assert client_behind("127.0.0.1", VISITOR, proxies=proxies) == VISITOR
    assert client_behind("::1", VISITOR, proxies=proxies) == VISITOR
    assert client_behind("192.0.2.1", VISITOR, proxies=proxies) == "192.0.2.1"


@pytest.mark.parametrize(
    "headers",
    [
        (f"{LIAR}, {VISITOR}",),
        (f"192.0.2.1, {VISITOR}",),
        (f"nonsense, {VISITOR}",),
        (LIAR, VISITOR),
    ],
)
def test_what_a_visitor_sent_to_the_proxy_is_ignored(headers: tuple[str, ...]) -> None:
    assert client_behind("192.0.2.1", *headers) == VISITOR


def test_each_proxy_of_a_chain_is_passed_over() -> None:
    proxies = ("192.0.2.1", "10.89.0.0/24")
    chain = f"{LIAR}, {VISITOR}, 10.89.0.7"
    assert client_behind("192.0.2.1", chain, proxies=proxies) == VISITOR
    # One that nobody named is the visitor itself.
    assert client_behind("192.0.2.1", f"{VISITOR}, 10.90.0.7", proxies=proxies) == "10.90.0.7"


def test_ipv6_proxies_and_visitors_are_known() -> None:
    proxies = ("2001:db8:0::/64",)
    visitor = client_behind("2001:db8::5", "[2001:db8:99::1]:443", proxies=proxies)
    assert visitor == client_network("2001:db8:99::1")
    assert client_behind("2001:db8:1::5", VISITOR, proxies=proxies) != VISITOR


def test_an_ipv4_proxy_may_come_by_ipv6() -> None:
    assert client_behind("::ffff:192.0.2.1", VISITOR) == VISITOR
    assert client_behind("::ffff:10.89.0.9", VISITOR, proxies=("10.89.0.0/24",)) == VISITOR
    assert client_behind("::ffff:192.0.2.2", VISITOR) == "192.0.2.2"


def test_nobody_is_trusted_if_none_is_named() -> None:
    assert client_behind("127.0.0.1", VISITOR, proxies=()) == "127.0.0.1"


@pytest.mark.parametrize(
    ("proxy", "reason"),
    [
        ("*", "Write its internet address"),
        ("", "Write its internet address"),
        ("proxy.example.org", "Write its internet address"),
        ("192.0.2.1,192.0.2.2", "Write its internet address"),
        ("192.0.2.256", "Write its internet address"),
        ("192.0.2.1:443", "Write its internet address"),
        ("10.89.0.5/24", "Did you mean 10.89.0.0/24?"),
        ("0.0.0.0/0", "is everybody"),
        ("::/0", "is everybody"),
    ],
)
def test_what_is_no_proxy_is_refused(proxy: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Web(trusted_proxies=(proxy,))
