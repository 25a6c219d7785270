"""Limits on connections: how many are open, and how long their headers and bodies may take.

uvicorn has no such limits: a client that sends a byte now and then would keep a connection, its
open file, and its memory for as long as it likes.
"""

import asyncio
import functools
import resource
from dataclasses import dataclass, field
from typing import Any, cast

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

from tracker.services.sign_in import client_network
from tracker.settings import Web
from tracker.web.middleware import body_seconds

_LOG = structlog.get_logger()
# From the opening of a connection, or the first byte of its next request, to the last header.
HEADER_SECONDS = 15.0
# The page that says so is sent within this time after the deadline. Then, how long a client may
# leave unread what it is sent.
_GRACE_SECONDS, _UNREAD_SECONDS = 5.0, 60.0
# Files that a process has open besides its connections: the database, uploads, libraries.
_OTHER_FILES = 200
# What a connection is waited for.
_HEADERS, _BODY, _READING, _END = "headers", "a body", "its reading", "the end"
_SLOW = {_HEADERS, _BODY}
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 32\r\n"
    b"Retry-After: 10\r\nConnection: close\r\n\r\nToo many connections. Try again."
)


@dataclass
class ConnectionLimits:
    """How many connections a process has open at most, in all and for one client.

    ``open`` are those that are open now, oldest first, by client. Tests shorten
    ``header_seconds``.
    """

    in_all: int
    per_client: int
    header_seconds: float = HEADER_SECONDS
    open: dict[str, list["LimitedConnection"]] = field(default_factory=dict)

    def has_place(self, client: str) -> bool:
        """Whether a client may have the connection that it has just opened.

        If all places are taken, the client that has most of them loses the connection that has
        kept us waiting longest.
        """
        if client and len(self.open[client]) > self.per_client:
            return False
        if sum(map(len, self.open.values())) <= self.in_all:
            return True
        for most in sorted(filter(None, self.open), key=lambda each: -len(self.open[each])):
            for connection in self.open[most]:
                if connection.is_slow():
                    connection.give_up()
                    return True
        return False


def limited_protocol(web: Web) -> type[asyncio.Protocol]:
    """What uvicorn makes for each connection; workers get it pickled.

    A process with fewer open files than ``web`` has connections takes fewer connections, because
    without a free file the server could not even refuse one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = web.connections + _OTHER_FILES
    if soft < wanted:
        soft = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    limits = ConnectionLimits(
        in_all=max(min(web.connections, soft - _OTHER_FILES), 1),
        per_client=web.connections_per_client,
    )
    # uvicorn only calls it.
    return cast("type[asyncio.Protocol]", functools.partial(LimitedConnection, limits=limits))


class LimitedConnection(H11Protocol):
    """One connection, closed if there are too many, or if it keeps us waiting for too long.

    A trusted proxy has any number of connections: it names its clients only in their requests,
    whose bodies `FormGuard` counts.
    """

    def __init__(self, *arguments: Any, limits: ConnectionLimits, **options: Any) -> None:  # noqa: ANN401 - uvicorn's
        super().__init__(*arguments, **options)
        self._limits = limits
        self._owner = ""
        self._waits_for = ""
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection, or refuse it."""
        super().connection_made(transport)
        host = self.client[0] if self.client else ""
        if host not in getattr(self.app, "trusted_hosts", ()):
            self._owner = client_network(host)
        self._limits.open.setdefault(self._owner, []).append(self)
        if not self._limits.has_place(self._owner):
            _LOG.warning("refused a connection: too many are open")
            transport.write(_REFUSAL)
            self._wait_for(_END, _UNREAD_SECONDS)
            transport.close()
            return
        self._wait_for(_HEADERS, self._limits.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._wait_for("", 0)
        own = self._limits.open[self._owner]
        own.remove(self)
        if not own:
            del self._limits.open[self._owner]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        super().data_received(data)
        self._follow()

    def on_response_complete(self) -> None:
        """Go on to the next request of the connection."""
        super().on_response_complete()
        self._follow()

    def pause_writing(self) -> None:
        """Wait for a client that does not read what it asked for."""
        super().pause_writing()
        self._wait_for(_READING, _UNREAD_SECONDS)

    def resume_writing(self) -> None:
        """Go on after a client has read."""
        super().resume_writing()
        self._waits_for = ""
        self._follow()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which no next request came."""
        super().timeout_keep_alive_handler()
        self._wait_for(_END, _UNREAD_SECONDS)

    def _follow(self) -> None:
        """Set the deadline for what the client has to do now, if there is anything."""
        if self.transport.is_closing():
            self._wait_for(_END, _UNREAD_SECONDS)
        elif self._waits_for == _READING:
            return
        elif self.conn.their_state is h11.SEND_BODY:
            self._wait_for(_BODY, self._body_seconds())
        elif self.conn.their_state is h11.IDLE and self.timeout_keep_alive_task is None:
            self._wait_for(_HEADERS, self._limits.header_seconds)
        else:
            self._wait_for("", 0)

    def _body_seconds(self) -> float:
        length = dict(self.headers).get(b"content-length", b"0")
        return body_seconds(int(length)) + _GRACE_SECONDS

    def _wait_for(self, what: str, seconds: float) -> None:
        """Close the connection in so many seconds, unless it waits for ``what`` already."""
        if what == self._waits_for:
            return
        if self._deadline is not None:
            self._deadline.cancel()
        self._waits_for, self._deadline = what, None
        if what:
            self._deadline = self.loop.call_later(seconds, self.give_up)

    def is_slow(self) -> bool:
        """Whether headers or a body are still to come, and the connection is not given up yet."""
        return self._waits_for in _SLOW and not self.transport.is_closing()

    def give_up(self) -> None:
        """Close the connection at once."""
        _LOG.info("closed a slow connection", waited_for=self._waits_for)
        self.transport.abort()
