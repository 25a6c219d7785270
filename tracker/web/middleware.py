"""Which methods an address takes: said wherever another one is refused."""

import gzip
import io
import re
import secrets
from asyncio import wait_for
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as Request_of_requests
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, get_contextvars

from tracker.web.dependencies import site_of
from tracker.web.flash import redirect_with_flash

_NOT_ALLOWED = 405
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def with_allowed(
    request: Request, status: int, headers: Mapping[str, str] | None
) -> Mapping[str, str] | None:
    """The headers of a refusal; of 405 with all that the address takes.

    The router names the methods of one route only, and a page and its form are two.
    """
    if status != _NOT_ALLOWED:
        return headers
    return {**(headers or {}), "Allow": ", ".join(_allowed(request))}


def _allowed(request: Request) -> list[str]:
    app: FastAPI = request.app
    found = [
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in app.router.routes
        )
    ]
    # HEAD is answered as GET before any route is looked for.
    return ["GET", "HEAD", *found[1:]] if "GET" in found else found


class HeadRequests:
    """Lets routes know GET only; what they write is dropped, its length is still told."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, a HEAD as a GET."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, without_body)


# Less than this goes over in one packet anyway.
_SMALLEST = 1400
_QUICK = 1
_MOST_PADDING = 96


def takes_gzip(accept_encoding: str) -> bool:
    """Whether a browser that sends this header unpacks gzip."""
    for part in accept_encoding.lower().split(","):
        name, _, quality = part.partition(";")
        if name.strip() in {"gzip", "*"}:
            return quality.replace(" ", "").rstrip("0.") != "q="
    return False


class GzipPages:
    """Packs HTML for browsers that take it; every other answer passes untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the site does, packed where that helps."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        takes = takes_gzip(Headers(scope=scope).get("accept-encoding", ""))
        start: Message = {}

        async def packed(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_page(message):
                start = message
                return
            if start:
                message = _pack(start, message) if takes else message
                await send(start)
                start = {}
            await send(message)

        await self._app(scope, receive, packed)


def _is_page(start: Message) -> bool:
    headers = MutableHeaders(scope=start)
    if not headers.get("content-type", "").startswith("text/html"):
        return False
    headers.add_vary_header("accept-encoding")
    kept = "no-transform" in headers.get("cache-control", "")
    return not kept and "content-encoding" not in headers


def _pack(start: Message, message: Message) -> Message:
    """The body packed, and its head told so; a body in several parts is left as it is."""
    body = message.get("body", b"")
    if message.get("more_body") or len(body) < _SMALLEST:
        return message
    found = io.BytesIO()
    padding = "-" * secrets.randbelow(_MOST_PADDING)
    with gzip.GzipFile(padding, "wb", _QUICK, found, mtime=0) as file:
        file.write(body)
    headers = MutableHeaders(scope=start)
    headers["content-encoding"] = "gzip"
    headers["content-length"] = str(len(found.getvalue()))
    return {**message, "body": found.getvalue()}


HEADER = "x-request-id"
_KEY = "request_id"
_BYTES = 8


class RequestIds:
    """Always our own id: what a visitor sends could be anything, and stand in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, under its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = secrets.token_hex(_BYTES)
        # Never unbound: each request is a task of its own, and an error is logged after its end.
        bind_contextvars(**{_KEY: name})

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = name
            await send(message)

        await self._app(scope, receive, answer)


def id_of_request() -> str:
    """The id of the request that is being answered here; empty outside of any."""
    return str(get_contextvars().get(_KEY, ""))


_SAFE_METHODS = {"GET", "HEAD", "OPTIONS", "TRACE"}
# Their token is the authority, not a cookie: mail programs post to a link (RFC 8058), programs to
# the API, both without an Origin.
_NEEDS_NO_ORIGIN = ("/unsubscribe/", "/api/")
_LARGEST_BODY = 64 * 1024
_LONGEST_LENGTH = 12
# The forms that bring files: their bodies go to the disk as they come, up to this size in all.
_BRINGS_FILES = re.compile(r"/log|/entries/[0-9]{1,10}/edit")
LARGEST_UPLOAD = 32 * 1024 * 1024
# So many at once, which bounds what lies on the disk; and none that waits for its sender longer.
_MOST_UPLOADS, _IDLE_SECONDS = 16, 30
# Browsers show an answer only once they have sent all: so much of what is refused is read on.
_READ_ON = 8 * LARGEST_UPLOAD
# Pages may be kept by the browser that shows them, by no other cache, and only for its history:
# any other visit asks us first. With `no-store` Back would lose what was typed, and could not show
# the answer to a form (the page that "Today" or a problem brings back) at all. After signing out
# Back shows none of them: `Clear-Site-Data` (cookies.py) drops them, also those that are kept
# whole in memory, and the cookie that they vary by is gone. Over plain HTTP, which is for trying
# the site out, browsers heed only the second of these. What is taken away (files, tables, feeds),
# and pages that show a secret, are kept by nobody.
_PAGE = "private, no-cache"
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def security_headers(*, https: bool) -> dict[str, str]:
    """What every answer tells the browser. With `no-referrer` forms would lose their Origin."""
    headers = {
        "content-security-policy": _POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
    }
    if https:
        headers["strict-transport-security"] = "max-age=31536000"
    return headers


class Guard:
    """Refuses forms of other sites and bodies too large, and adds the security headers.

    ``base_url`` is where people reach the site; a form may also come from the host that the
    request itself names (a demo opened as localhost). ``refuse`` makes the page that says no,
    from the request and an HTTP status. ``knows`` tells whether somebody signed in sends it: only
    their files are written to the disk.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        base_url: str,
        refuse: Callable[[Request_of_requests, int], Awaitable[Response]],
        knows: Callable[[Request_of_requests], Awaitable[bool]],
    ) -> None:
        self._app = app
        self._knows = knows
        self._uploads = 0
        self._refuse = refuse
        self._origin = _origin(base_url)
        self._scheme = urlsplit(base_url).scheme
        self._headers = security_headers(https=base_url.startswith("https://"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add_headers(MutableHeaders(scope=message))
            await send(message)

        if scope["method"] in _SAFE_METHODS:
            await self._app(scope, receive, answer)
            return
        if not self._is_own_form(scope):
            await (await self._refuse(Request_of_requests(scope), 403))(scope, receive, answer)
            return
        take = self._take_files if _may_bring_files(scope) else self._take_text
        await take(scope, receive, answer)

    async def _take_text(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _read_body(scope, receive)
        except ClientDisconnect:
            # Nobody reads it. The handler of errors.py lies further in, and hears nothing of it.
            await Response(status_code=400)(scope, receive, send)
            return
        if body is None:
            await (await self._refuse(Request_of_requests(scope), 413))(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

    async def _take_files(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not await self._knows(Request_of_requests(scope)):
            await _read_on(receive)
            back = {"next": scope["path"]}
            answer = redirect_with_flash(
                site_of(Request_of_requests(scope)), "/sign-in", "undone", back
            )
            await answer(scope, receive, send)
            return
        if self._uploads >= _MOST_UPLOADS:
            await _read_on(receive)
            refusal = await self._refuse(Request_of_requests(scope), 503)
            refusal.headers["retry-after"] = "10"
            await refusal(scope, receive, send)
            return
        self._uploads += 1
        try:
            await self._app(scope, _limited(scope, receive), send)
        finally:
            self._uploads -= 1

    def _add_headers(self, headers: MutableHeaders) -> None:
        for name, value in self._headers.items():
            headers.setdefault(name, value)
        if "cache-control" in headers:
            return
        is_page = headers.get("content-type", "").startswith("text/html")
        headers["cache-control"] = _PAGE if is_page else "no-store"
        if is_page:
            headers.add_vary_header("cookie")

    def _is_own_form(self, scope: Scope) -> bool:
        if scope["path"].startswith(_NEEDS_NO_ORIGIN):
            return True
        headers = Headers(scope=scope)
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site in {"same-origin", "none"}
        host = headers.get("host", "")
        # Of the same scheme only: who can answer for it over http is not who answers over https.
        own = {self._origin, f"{self._scheme}://{host}"} if host else {self._origin}
        return headers.get("origin", "") in own


def _may_bring_files(scope: Scope) -> bool:
    kind = Headers(scope=scope).get("content-type", "")
    if not kind.startswith("multipart/form-data") or not _BRINGS_FILES.fullmatch(scope["path"]):
        return False
    # Without a length it could be any. What is small is answered with all that was typed.
    told = _told(scope)
    return not told or told > _LARGEST_BODY


def _limited(scope: Scope, receive: Receive) -> Receive:
    """A `receive` that gives the body as it comes, and fails with 413 where that is too much.

    What came before has then been written nowhere but to a nameless file, which is closed.
    """
    told, so_far, ended = _told(scope), 0, False

    async def give() -> Message:
        nonlocal so_far, ended
        if ended:
            return await receive()
        try:
            message = await wait_for(receive(), _IDLE_SECONDS)
        except TimeoutError:
            raise HTTPException(408) from None
        ended = not message.get("more_body", False)
        so_far += len(message.get("body", b""))
        if told is not None and max(so_far, told) <= LARGEST_UPLOAD:
            return message
        while message.get("more_body", False) and so_far <= _READ_ON:
            message = await receive()
            so_far += len(message.get("body", b""))
        raise HTTPException(413)

    return give


async def _read_on(receive: Receive) -> None:
    """Read what is refused and keep none of it: browsers show an answer only after that."""
    so_far = 0
    while so_far <= _READ_ON:
        message = await receive()
        so_far += len(message.get("body", b""))
        if not message.get("more_body", False):
            return


def _told(scope: Scope) -> int | None:
    """The length that the request says it has, 0 if it says none; None if that is no length."""
    told = Headers(scope=scope).get("content-length", "0")
    return int(told) if told.isdecimal() and len(told) <= _LONGEST_LENGTH else None


async def _read_body(scope: Scope, receive: Receive) -> bytes | None:
    """The whole body; None if it is larger than any form of ours.

    Raises ClientDisconnect where it is cut off: part of a form says what nobody meant.
    """
    told = _told(scope)
    if told is None or told > _LARGEST_BODY:
        return None
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _LARGEST_BODY:
            return None
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body that was read, then whatever comes."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
