"""A running server keeps its pages up while clients send or read slowly, or open too much."""

import functools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import uvicorn
from httpx2 import Client

from tests.faults import slow_forms
from tests.faults.slow_forms import is_open, open_form
from tests.support.cast import ALICE
from tests.support.live_server import LiveServer, ServerPort, free_port, open_server
from tracker.db.migrate import migrate
from tracker.web import connections, middleware
from tracker.web.connections import ConnectionLimits, LimitedConnection


@contextmanager
def limited_server(folder: Path, limits: ConnectionLimits) -> Iterator[LiveServer]:
    """The site on a port whose connections have these limits."""
    port = ServerPort(f"http://127.0.0.1:{free_port()}")
    config = uvicorn.Config(
        port,
        port=int(port.base_url.rpartition(":")[2]),
        log_level="critical",
        lifespan="off",
        http=cast("Any", functools.partial(LimitedConnection, limits=limits)),
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        with open_server(folder, port=port) as live:
            yield live
    finally:
        server.should_exit = True
        thread.join(10)


def port_of(live: LiveServer) -> int:
    return int(live.url.rpartition(":")[2])


def wait_until_closed(connection: socket.socket, seconds: float) -> bytes:
    """What comes until the other side closes; the test fails if that takes longer."""
    connection.settimeout(seconds)
    found = b""
    try:
        while part := connection.recv(65_536):
            found += part
    except ConnectionError:
        pass
    return found


def shows_a_page(live: LiveServer) -> bool:
    with Client(base_url=live.url, timeout=5) as browser:
        return browser.get("/sign-in").status_code == 200


def test_slow_forms_leave_pages_to_others(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tracker.db'}"
    migrate(url)
    tally = slow_forms.run(url, forms=130, clients=2, seconds=0)
    assert (tally.failed, tally.held) == (0, 120)


def test_headers_have_one_total_deadline(tmp_path: Path) -> None:
    limits = ConnectionLimits(50, 50, header_seconds=0.3)
    with limited_server(tmp_path, limits) as live:
        with socket.create_connection(("127.0.0.1", port_of(live))) as slow:
            began = time.monotonic()
            slow.sendall(b"GET / HTTP/1.1\r\n")
            while is_open(slow) and time.monotonic() < began + 5:
                time.sleep(0.05)
                slow.send(b"X")
        assert 0.25 < time.monotonic() - began < 3
        assert shows_a_page(live)


def test_a_slow_form_is_answered_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "_BODY_SECONDS", 0.2)
    with (
        limited_server(tmp_path, ConnectionLimits(50, 50)) as live,
        open_form(port_of(live), 0, 1) as slow,
    ):
        answer = wait_until_closed(slow, 5)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"That took too long" in answer


def test_a_body_that_no_page_reads_has_a_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "_BODY_SECONDS", 0.1)
    monkeypatch.setattr(connections, "_GRACE_SECONDS", 0.1)
    with (
        limited_server(tmp_path, ConnectionLimits(50, 50)) as live,
        socket.create_connection(("127.0.0.1", port_of(live))) as slow,
    ):
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\ne")
        assert wait_until_closed(slow, 4).startswith(b"HTTP/1.1 200")


def test_a_client_has_a_limit_of_its_own(tmp_path: Path) -> None:
    with limited_server(tmp_path, ConnectionLimits(50, 3)) as live, ExitStack() as opened:
        forms = [opened.enter_context(open_form(port_of(live), 0, 1)) for _ in range(4)]
        assert wait_until_closed(forms[3], 5).startswith(b"HTTP/1.1 503")
        assert [is_open(form) for form in forms] == [True, True, True, False]
        assert shows_a_page(live)


def test_a_full_server_drops_the_slowest_connection(tmp_path: Path) -> None:
    with limited_server(tmp_path, ConnectionLimits(6, 50)) as live, ExitStack() as opened:
        other = opened.enter_context(open_form(port_of(live), 1, 2))
        forms = [opened.enter_context(open_form(port_of(live), 0, 2)) for _ in range(5)]
        assert shows_a_page(live)
        # The page was asked for by another client than that which has most connections.
        assert [is_open(form) for form in forms] == [False, True, True, True, True]
        assert is_open(other)


def test_a_visitor_behind_a_proxy_has_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "_BODY_SECONDS", 5)
    head = b"POST /sign-in HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\n"
    head += b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 50\r\n"
    head += b"X-Forwarded-For: 192.0.2.%d\r\n\r\n"
    with limited_server(tmp_path, ConnectionLimits(100, 3)) as live, ExitStack() as opened:
        # As many as the default of `connections_per_client`, and one more.
        for _ in range(61):
            form = socket.create_connection(("127.0.0.1", port_of(live)))
            opened.enter_context(form).sendall(head % 1)
        answer = wait_until_closed(form, 4)
        assert answer.startswith(b"HTTP/1.1 429")
        assert b"Too many forms at once" in answer
        with socket.create_connection(("127.0.0.1", port_of(live))) as other:
            other.sendall(head % 2 + b"email=%s" % ALICE.encode() + b"&" * (44 - len(ALICE)))
            other.settimeout(4)
            assert other.recv(100).startswith(b"HTTP/1.1 303")


def test_keep_alive_serves_request_after_request(tmp_path: Path) -> None:
    limits = ConnectionLimits(50, 50, header_seconds=0.3)
    with limited_server(tmp_path, limits) as live, Client(base_url=live.url) as browser:
        for _ in range(3):
            assert browser.get("/sign-in").status_code == 200
            time.sleep(0.2)
        [own] = limits.open.values()
        assert len(own) == 1
