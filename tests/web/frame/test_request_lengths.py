"""Requests whose length can be read in two ways."""

import socket
from collections.abc import Iterator

import pytest

from tests.support.live_server import open_server

HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
CONTRADICTIONS = (
    b"Content-Length: 0\r\nContent-Length: %d" % len(HIDDEN),
    b"Transfer-Encoding: xchunked\r\nContent-Length: 0",
    b"Content-Length : 0",
    b"Content-Length: -1",
)
HEAD = b"POST /sign-out HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\n"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a running site."""
    with open_server(tmp_path_factory.mktemp("site")) as server:
        yield int(server.url.rpartition(":")[2])


def send(port: int, request: bytes) -> list[bytes]:
    """Send bytes as they are; return the status lines of all that is answered."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.settimeout(0.5)
        connection.sendall(request)
        try:
            while received := connection.recv(65_536):
                answer += received
        except TimeoutError:
            pass
    return [line for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


@pytest.mark.parametrize("headers", CONTRADICTIONS)
def test_contradicting_lengths_smuggle_no_request(port: int, headers: bytes) -> None:
    answers = send(port, HEAD + headers + b"\r\n\r\n" + HIDDEN)
    assert answers == [b"HTTP/1.1 400 Bad Request"]


def test_chunks_decide_over_a_stated_length(port: int) -> None:
    headers = b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN)
    # The first request ends with its last chunk, and the next bytes are the second one.
    answers = send(port, HEAD + headers + b"0\r\n\r\n" + HIDDEN)
    assert answers == [b"HTTP/1.1 303 See Other", b"HTTP/1.1 200 OK"]
