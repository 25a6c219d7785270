"""Those who hang up in the midst of a form."""

import asyncio
from collections.abc import Sequence
from urllib.parse import urlencode

import pytest
from starlette.types import Message, Scope

from tests.support.cast import ALICE, BASE_URL
from tests.web.client import TRAINING, WebClient

URL_ENCODED = "application/x-www-form-urlencoded"
GONE: Message = {"type": "http.disconnect"}


def post_as_alice(
    web: WebClient, path: str, kind: str, length: int, coming: Sequence[Message]
) -> list[Message]:
    """What is answered to a request whose body comes as these messages."""
    cookies = web.visit(ALICE).client.cookies
    headers = {
        "host": "x",
        "origin": BASE_URL,
        "cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
        "content-type": kind,
        "content-length": str(length),
    }
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "server": ("x", 80),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    waiting, sent = list(coming), list[Message]()

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(web.app(scope, receive, send))
    return sent


def piece(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def test_lost_connections_are_not_failures(
    sqlite_web: WebClient, capsys: pytest.CaptureFixture[str]
) -> None:
    coming = [piece(b"--x\r\n"), GONE]
    kind = "multipart/form-data; boundary=x"
    sent = post_as_alice(sqlite_web, "/log", kind, 100_000, coming)
    assert sent[0]["status"] == 400
    assert "failed" not in capsys.readouterr().err


def test_a_truncated_form_changes_nothing(
    sqlite_web: WebClient, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = sqlite_web.cast.rows("entry")
    whole = urlencode(TRAINING | {"form_key": "0" * 31 + "7", "title": "Book club"}).encode()
    # Cut between two fields, where what came is a form by itself.
    half = whole.rpartition(b"&")[0]
    sent = post_as_alice(sqlite_web, "/log", URL_ENCODED, len(whole), [piece(half), GONE])
    assert [message.get("status") for message in sent] == [400, None]
    assert sqlite_web.cast.rows("entry") == entries
    assert "failed" not in "".join(capsys.readouterr())
    coming = [piece(half), piece(whole.removeprefix(half), more=False)]
    sent = post_as_alice(sqlite_web, "/log", URL_ENCODED, len(whole), coming)
    assert sent[0]["status"] == 303
    assert len(sqlite_web.cast.rows("entry")) == len(entries) + 1


def test_a_truncated_sign_out_changes_nothing(sqlite_web: WebClient) -> None:
    post_as_alice(sqlite_web, "/sign-out", URL_ENCODED, 100, [piece(b"a=b"), GONE])
    assert len(sqlite_web.cast.rows("web_session")) == 1
