"""Each request gets an id of its own: in its answer, and in every line that is logged for it."""

import secrets

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, get_contextvars

HEADER = "x-request-id"
_KEY = "request_id"
_BYTES = 8


class NamesRequests:
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
