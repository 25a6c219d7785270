"""Packs pages with gzip on their way out: a fifth of the bytes for a tenth of a millisecond.

Packing a page that holds both a secret and words of a request can betray the secret by its length
(BREACH). Why pages are packed all the same: no form holds a secret, since their origin is checked
instead; the session's cookie is not sent with requests that other sites make in the background;
and a random number of bytes is added to each answer. A page that does show something secret says
``Cache-Control: no-store, no-transform``, and is left alone.
"""

import gzip
import io
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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


class PacksPages:
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
