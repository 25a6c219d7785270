"""Answers the requests of Starlette's test client with one call into the event loop.

Its own transport calls into the loop eight times a request, so that an answer can be read while it
is being written. No test does that, and the calls take longer than a small page.
"""

from typing import Any
from urllib.parse import unquote

import anyio
import httpx2
from starlette.types import ASGIApp, Message, Scope

_PORTS = {"http": 80, "https": 443}


def answer_at_once(transport: Any, request: httpx2.Request) -> httpx2.Response:  # noqa: ANN401 - private to Starlette
    """What the app of a test client's transport answers, whole.

    An error of the app is raised, or if the client does not want that, what it had sent until then.
    """
    call = _Call(_scope_of(request, transport.client), request.read())
    try:
        with transport.portal_factory() as portal:
            portal.call(call.run, transport.app)
    except Exception:
        if transport.raise_server_exceptions:
            raise
    return httpx2.Response(
        call.status, headers=call.headers, content=bytes(call.body), request=request
    )


class _Call:
    """One request on its way through an app; without an answer, it is a 500."""

    def __init__(self, scope: Scope, content: bytes) -> None:
        self.scope = scope
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()
        self._unread: list[bytes] = [content]

    async def run(self, app: ASGIApp) -> None:
        self._is_answered = anyio.Event()
        await app(self.scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if self._unread:
            return {"type": "http.request", "body": self._unread.pop(), "more_body": False}
        # The visitor stays until the answer is there.
        await self._is_answered.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        elif message["type"] == "http.response.body":
            if self.scope["method"] != "HEAD":
                self.body += message.get("body", b"")
            if not message.get("more_body"):
                self._is_answered.set()


def _scope_of(request: httpx2.Request, client: tuple[str, int]) -> Scope:
    url = request.url
    path, _, query = url.raw_path.partition(b"?")
    return {
        "type": "http",
        "http_version": "1.1",
        "method": request.method,
        "path": unquote(url.path),
        "raw_path": path,
        "root_path": "",
        "scheme": url.scheme,
        "query_string": query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": client,
        "server": (url.host, url.port or _PORTS[url.scheme]),
        "state": {},
    }
