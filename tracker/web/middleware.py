"""What surrounds every page: request ids, compression, security headers, and limits on forms."""

import gzip
import io
import re
import secrets
import sys
from asyncio import wait_for
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import structlog
from fastapi import FastAPI, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipResponder, IdentityResponder
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, get_contextvars

from tracker.web.dependencies import is_signed_in, site_of
from tracker.web.flash import redirect_with_flash

_log = structlog.get_logger(__name__)

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def allow_header(request: Request) -> dict[str, str]:
    """The ``Allow`` header of an address: the methods of all of its routes, for a 405.

    Starlette names the methods of one route only, and a page and its form are two.
    """
    app: FastAPI = request.app
    allowed = []
    for method in _METHODS:
        scope = {**request.scope, "method": method}
        if any(route.matches(scope)[0] is Match.FULL for route in app.router.routes):
            allowed.append(method)
    if "GET" in allowed:
        allowed.append("HEAD")
    return {"Allow": ", ".join(allowed)}


REQUEST_ID = "x-request-id"
_REQUEST_ID_BYTES = 8


class RequestContext:
    """Gives each request an id for logs and answers it, and answers HEAD as GET.

    The id is always our own: one that a client sends could be anything, and end up in the log.
    Servers send no body after HEAD.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(_REQUEST_ID_BYTES)
        # Never unbound: each request is a task of its own, and errors are logged after its end.
        bind_contextvars(request_id=request_id)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send_with_id)


def current_request_id() -> str:
    """The id of the request that is being answered; empty outside of a request."""
    return str(get_contextvars().get("request_id", ""))


# A shorter body takes one packet anyway.
_SHORTEST_COMPRESSED = 1400
_FAST = 1
_MOST_PADDING = 96


class Compression:
    """Starlette's gzip, with a random length added, as Django does.

    So the length of a page tells little about what is in it (BREACH). An answer marked
    ``no-transform``, such as a page that shows a secret, is not compressed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and compress the answer if the client accepts gzip."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        kind = IdentityResponder
        if "gzip" in Headers(scope=scope).get("accept-encoding", ""):
            kind = _PaddedGzip
        await kind(self._app, _SHORTEST_COMPRESSED)(scope, receive, send)


class _PaddedGzip(GZipResponder):
    is_stream = False

    async def send_with_compression(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = Headers(raw=message["headers"])
            if "no-transform" in headers.get("cache-control", ""):
                self.minimum_size = sys.maxsize
        await super().send_with_compression(message)

    async def apply_compression(self, body: bytes, *, more_body: bool) -> bytes:
        self.is_stream = self.is_stream or more_body
        if self.is_stream:
            return await super().apply_compression(body, more_body=more_body)
        padding = "-" * secrets.randbelow(_MOST_PADDING)
        compressed = io.BytesIO()
        with gzip.GzipFile(padding, "wb", _FAST, compressed, mtime=0) as file:
            file.write(body)
        return compressed.getvalue()


# Only the browser that shows a page may keep it, and only for its history: any other visit asks
# us first. With `no-store`, Back would lose what was typed and could not show the answer to a
# form. After signing out Back shows none of them: `Clear-Site-Data` drops them, and the cookie
# that they vary by is gone. Nothing may keep files, tables, and feeds.
_PAGE_CACHING = "private, no-cache"
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def security_headers(*, https: bool) -> dict[str, str]:
    """The security headers of every answer. With `no-referrer` forms would lose their Origin."""
    headers = {
        "content-security-policy": _CONTENT_SECURITY_POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
    }
    if https:
        headers["strict-transport-security"] = "max-age=31536000"
    return headers


class SecurityHeaders:
    """Adds the security headers, and says who may keep an answer unless its page has said so."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._headers = security_headers(https=https)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add the headers to its answer."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                is_page = headers.get("content-type", "").startswith("text/html")
                if is_page and "cache-control" not in headers:
                    headers.add_vary_header("cookie")
                headers.setdefault("cache-control", _PAGE_CACHING if is_page else "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)


_SAFE_METHODS = {"GET", "HEAD", "OPTIONS", "TRACE"}
# A token authorizes these, not a cookie, and their clients send no Origin: mail programs that
# unsubscribe (RFC 8058), and programs that use the API.
_NEEDS_NO_ORIGIN = ("/unsubscribe/", "/api/")
_LARGEST_FORM = 64 * 1024
_LONGEST_CONTENT_LENGTH = 12
_LONGEST_ORIGIN = 200
# The forms that may bring files, which go to the disk as they come, up to this size in all.
_FORMS_WITH_FILES = re.compile(r"/log|/entries/[0-9]{1,10}/edit")
LARGEST_UPLOAD = 32 * 1024 * 1024
# This many uploads at once bound the space on the disk; one that pauses for longer is given up.
_MOST_UPLOADS, _IDLE_SECONDS = 16, 30
# Browsers show an answer only once they have sent everything, so we read and drop this much.
_MOST_DROPPED = 8 * LARGEST_UPLOAD


class FormGuard:
    """Refuses forms of other sites, and bodies that are too large or cut off.

    ``base_url`` is where people reach the site; a form may also come from the host that the
    request itself names (a demo opened as localhost). ``refuse`` makes the error page from the
    request and an HTTP status. Files of a request without a session are not written to the disk.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        base_url: str,
        refuse: Callable[[Request, int], Awaitable[Response]],
    ) -> None:
        self._app = app
        self._refuse = refuse
        self._uploads = 0
        parts = urlsplit(base_url)
        self._scheme = parts.scheme
        self._origin = f"{parts.scheme}://{parts.netloc}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a refusal."""
        if scope["type"] != "http" or scope["method"] in _SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        length = _content_length(request)
        # A small form with files is read like any other, so that the answer keeps what was typed.
        is_large = length is None or length > _LARGEST_FORM
        has_files = request.headers.get("content-type", "").startswith("multipart/form-data")
        if not self._is_same_origin(request):
            self._log_refusal(request)
            answer = await self._refuse(request, 403)
            await answer(scope, receive, send)
        elif is_large and has_files and _FORMS_WITH_FILES.fullmatch(request.url.path):
            await self._pass_on_files(request, send)
        else:
            await self._pass_on_form(request, length or 0, send)

    def _is_same_origin(self, request: Request) -> bool:
        if request.url.path.startswith(_NEEDS_NO_ORIGIN):
            return True
        fetch_site = request.headers.get("sec-fetch-site")
        if fetch_site is not None:
            return fetch_site in {"same-origin", "none"}
        origins = {self._origin}
        if host := request.headers.get("host"):
            # Of our own scheme only: another server may answer for this host over plain HTTP.
            origins.add(f"{self._scheme}://{host}")
        return request.headers.get("origin") in origins

    def _log_refusal(self, request: Request) -> None:
        """One line with both addresses: a wrong base_url refuses every form."""
        origin = request.headers.get("origin", "none")[:_LONGEST_ORIGIN]
        _log.warning(
            "a form was refused: it was sent from another address than base_url",
            sent_from=origin.encode("ascii", "backslashreplace").decode(),
            base_url=self._origin,
        )

    async def _pass_on_form(self, request: Request, length: int, send: Send) -> None:
        """Read the whole body first, so that a form that is cut off changes nothing."""
        body = bytearray()
        try:
            if length <= _LARGEST_FORM:
                async for chunk in request.stream():
                    body += chunk
                    length = len(body)
                    if length > _LARGEST_FORM:
                        break
        except ClientDisconnect:
            await Response(status_code=400)(request.scope, request.receive, send)
            return
        if length > _LARGEST_FORM:
            refusal = await self._refuse(request, 413)
            await refusal(request.scope, request.receive, send)
            return
        messages: list[Message] = [
            {"type": "http.request", "body": bytes(body), "more_body": False}
        ]

        async def replay() -> Message:
            return messages.pop() if messages else await request.receive()

        await self._app(request.scope, replay, send)

    async def _pass_on_files(self, request: Request, send: Send) -> None:
        """Let the body stream to the page, within limits; only for people who are signed in."""
        site = site_of(request)
        if not await is_signed_in(site, request):
            await _drop_body(request.receive)
            query = {"next": request.url.path}
            answer = redirect_with_flash(site, "/sign-in", "undone", query)
            await answer(request.scope, request.receive, send)
        elif self._uploads >= _MOST_UPLOADS:
            await _drop_body(request.receive)
            refusal = await self._refuse(request, 503)
            refusal.headers["retry-after"] = "10"
            await refusal(request.scope, request.receive, send)
        else:
            self._uploads += 1
            try:
                await self._app(request.scope, _limit_upload(request), send)
            finally:
                self._uploads -= 1


def _content_length(request: Request) -> int | None:
    """The length that a request declares; None if it declares none."""
    length = request.headers.get("content-length")
    if length is None:
        return None
    if not length.isdecimal() or len(length) > _LONGEST_CONTENT_LENGTH:
        return sys.maxsize
    return int(length)


def _limit_upload(request: Request) -> Receive:
    """A `receive` that fails with 413 or 408 once the body is too large or too slow."""
    length = _content_length(request) or 0
    received, is_complete = 0, False

    async def receive() -> Message:
        nonlocal received, is_complete
        if is_complete:
            return await request.receive()
        try:
            message = await wait_for(request.receive(), _IDLE_SECONDS)
        except TimeoutError:
            raise HTTPException(408) from None
        is_complete = not message.get("more_body", False)
        received += len(message.get("body", b""))
        if max(received, length) > LARGEST_UPLOAD:
            if not is_complete:
                await _drop_body(request.receive)
            raise HTTPException(413)
        return message

    return receive


async def _drop_body(receive: Receive) -> None:
    """Read what is left of a body that is refused, and keep none of it."""
    dropped = 0
    while dropped <= _MOST_DROPPED:
        message = await receive()
        dropped += len(message.get("body", b""))
        if not message.get("more_body", False):
            return
