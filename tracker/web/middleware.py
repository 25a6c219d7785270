"""What surrounds every page: request ids, compression, security headers, and limits on forms."""

import gzip
import io
import re
import secrets
import sys
from asyncio import Queue, timeout, wait_for
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
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
from structlog.contextvars import bind_contextvars

from tracker.clock import stopwatch
from tracker.services.sign_in import client_network
from tracker.settings import Settings
from tracker.web.dependencies import find_user, site_of
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
# Only the coordinator's pages have a script, in a file of our own: it adds keys.
_DESK = "/coordinator"
DESK_POLICY = f"{_CONTENT_SECURITY_POLICY}; script-src 'self'"
PREVIEW_POLICY = f"{DESK_POLICY}; frame-src 'self'"


def embed_policy(websites: Sequence[str]) -> str:
    """The policy of a page that these websites (origins, or ``*``) and we may show in a frame.

    Such a page reads no cookie, so a click in it can do nothing in a visitor's name.
    """
    ancestors = " ".join(["'self'", *websites])
    return _CONTENT_SECURITY_POLICY.replace(
        "frame-ancestors 'none'", f"frame-ancestors {ancestors}"
    )


def security_headers(settings: Settings) -> dict[str, str]:
    """The security headers of every answer. With `no-referrer` forms would lose their Origin."""
    headers = {
        "content-security-policy": _CONTENT_SECURITY_POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
    }
    if settings.is_https:
        subdomains = "; includeSubDomains" if settings.web.hsts_subdomains else ""
        headers["strict-transport-security"] = f"max-age=31536000{subdomains}"
    return headers


class SecurityHeaders:
    """Adds the security headers, and says who may keep an answer unless its page has said so."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self._app = app
        self._headers = security_headers(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add the headers to its answer."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                is_page = headers.get("content-type", "").startswith("text/html")
                if is_page and (scope["path"] + "/").startswith(f"{_DESK}/"):
                    headers.setdefault("content-security-policy", DESK_POLICY)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
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
_FORMS_WITH_FILES = re.compile(
    r"/log|/entries/[0-9]{1,10}/edit|/audits/[0-9]{1,10}/documents"
    r"|/coordinator/(import|rules/what-if)"
)
LARGEST_UPLOAD = 32 * 1024 * 1024
# This many uploads at once bound the space on the disk, so nobody may take all of the places. An
# upload that pauses for longer is given up.
_MOST_UPLOADS, _UPLOADS_PER_PERSON, _IDLE_SECONDS = 16, 2, 30
# For a whole body: this long, and longer by the length of its files, as on a slow phone (1 Mbit/s).
_BODY_SECONDS, _FILE_BYTES_PER_SECOND = 30.0, 128 * 1024
# Browsers show an answer only once they have sent everything, so we read and drop this much.
_MOST_DROPPED = 8 * LARGEST_UPLOAD
# What is refused before it is read: nothing more of its connection is waited for.
_TRY_AGAIN = {"retry-after": "10", "connection": "close"}
_TOO_SLOW, _CLOSE = 408, {"connection": "close"}


def body_seconds(length: int | None) -> float:
    """How long a body may take in all, by the length that its request declares."""
    return _BODY_SECONDS + min(length or 0, LARGEST_UPLOAD) / _FILE_BYTES_PER_SECOND


class FormGuard:
    """Refuses forms of other sites, and bodies that are too large, too slow, or cut off.

    ``base_url`` is where people reach the site; a form may also come from the host that the
    request itself names (a demo opened as localhost). ``refuse`` makes the error page from the
    request, an HTTP status, and headers. Of one client at most ``per_client`` bodies are read at
    once. Files of a request without a session are not written to the disk.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        base_url: str,
        refuse: Callable[[Request, int, Mapping[str, str]], Awaitable[Response]],
        per_client: int,
    ) -> None:
        self._app = app
        self._refuse = refuse
        self._per_client = per_client
        # What is being read now: bodies by client, and uploads by person.
        self._bodies = Counter[str]()
        self._uploads = Counter[str]()
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
        client = client_network(scope["client"][0]) if scope.get("client") else ""
        if not self._is_same_origin(request):
            self._log_refusal(request)
            answer = await self._refuse(request, 403, {})
            await answer(scope, receive, send)
        elif self._bodies[client] >= self._per_client:
            _log.warning("refused a form: its client sends too many at once")
            answer = await self._refuse(request, 429, _TRY_AGAIN)
            await answer(scope, receive, send)
        elif is_large and has_files and _FORMS_WITH_FILES.fullmatch(request.url.path):
            await self._pass_on_files(request, client, length, send)
        else:
            await self._pass_on_form(request, client, length, send)

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
            kind="form",
            outcome="refused",
            sent_from=origin.encode("ascii", "backslashreplace").decode(),
            base_url=self._origin,
        )

    async def _pass_on_form(
        self, request: Request, client: str, length: int | None, send: Send
    ) -> None:
        """Read the whole body first, so that a form that is cut off changes nothing."""
        body, refusal, length = bytearray(), None, length or 0
        self._bodies[client] += 1
        try:
            async with timeout(_BODY_SECONDS):
                if length <= _LARGEST_FORM:
                    async for chunk in request.stream():
                        body += chunk
                        length = len(body)
                        if length > _LARGEST_FORM:
                            break
        except TimeoutError:
            refusal = await self._refuse(request, _TOO_SLOW, _CLOSE)
        except ClientDisconnect:
            refusal = Response(status_code=400)
        finally:
            self._bodies[client] -= 1
            # Without those that are zero.
            self._bodies += Counter()
        if length > _LARGEST_FORM:
            refusal = await self._refuse(request, 413, {})
        if refusal is not None:
            await refusal(request.scope, request.receive, send)
            return
        # After its form a client may hang up: the form is saved all the same.
        replay = Queue[Message]()
        replay.put_nowait({"type": "http.request", "body": bytes(body), "more_body": False})
        await self._app(request.scope, replay.get, send)

    async def _pass_on_files(
        self, request: Request, client: str, length: int | None, send: Send
    ) -> None:
        """Let the body stream to the page, within limits; only for people who are signed in."""
        site, user = site_of(request), await find_user(request)
        person = "" if user is None else str(user.person_id or user.email)
        self._bodies[client] += 1
        self._uploads[person] += 1
        try:
            if user is None:
                await _drop_body(request.receive, length)
                query = {"next": request.url.path}
                answer: ASGIApp = redirect_with_flash(site, "/sign-in", "undone", query)
            elif self._uploads[person] > _UPLOADS_PER_PERSON:
                await _drop_body(request.receive, length)
                answer = await self._refuse(request, 429, _TRY_AGAIN)
            elif self._uploads.total() - self._uploads[""] > _MOST_UPLOADS:
                await _drop_body(request.receive, length)
                answer = await self._refuse(request, 503, _TRY_AGAIN)
            else:
                answer = self._app
            await answer(request.scope, _limit_upload(request, length), send)
        finally:
            self._bodies[client] -= 1
            self._uploads[person] -= 1
            self._bodies += Counter()
            self._uploads += Counter()


def _content_length(request: Request) -> int | None:
    """The length that a request declares; None if it declares none."""
    length = request.headers.get("content-length")
    if length is None:
        return None
    if not length.isdecimal() or len(length) > _LONGEST_CONTENT_LENGTH:
        return sys.maxsize
    return int(length)


def _limit_upload(request: Request, length: int | None) -> Receive:
    """A `receive` that fails with 413 or 408 once the body is too large or too slow."""
    received, is_complete = 0, False
    deadline = stopwatch() + body_seconds(length)

    async def receive() -> Message:
        nonlocal received, is_complete
        if is_complete:
            return await request.receive()
        try:
            message = await wait_for(request.receive(), min(_IDLE_SECONDS, deadline - stopwatch()))
            is_complete = not message.get("more_body", False)
            received += len(message.get("body", b""))
            if max(received, length or 0) > LARGEST_UPLOAD:
                if not is_complete:
                    await _drop_body(request.receive, length)
                raise HTTPException(413)
        except TimeoutError:
            raise HTTPException(_TOO_SLOW, headers=_CLOSE) from None
        return message

    return receive


async def _drop_body(receive: Receive, length: int | None) -> None:
    """Read what is left of a body that is refused, while it comes in time, and keep none of it."""
    dropped = 0
    with suppress(TimeoutError):
        async with timeout(body_seconds(length)):
            while dropped <= _MOST_DROPPED:
                message = await receive()
                dropped += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
