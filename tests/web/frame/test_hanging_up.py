"""Those who hang up in the midst of a form."""

import asyncio

import pytest
from starlette.types import Message, Scope

from tests.support.cast import ALICE, BASE_URL
from tests.web.visiting import House


def test_a_lost_connection_is_no_fault_of_ours(
    page_house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    alice = page_house.visit(ALICE)
    cookies = "; ".join(f"{name}={value}" for name, value in alice.client.cookies.items())
    headers = {
        "host": "x",
        "origin": BASE_URL,
        "cookie": cookies,
        "content-type": "multipart/form-data; boundary=x",
        "content-length": "100000",
    }
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/log",
        "raw_path": b"/log",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "server": ("x", 80),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    coming: list[Message] = [
        {"type": "http.request", "body": b"--x\r\n", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return coming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(page_house.app(scope, receive, send))
    assert sent[0]["status"] == 400
    assert "failed" not in capsys.readouterr().err
