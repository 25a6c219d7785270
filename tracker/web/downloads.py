"""Downloads of files that are made for one request: a few at a time, none for a dead connection."""

from asyncio import timeout, wait_for
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import IO

import structlog
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

_LOG = structlog.get_logger()
_CHUNK = 256 * 1024
# A client that pauses for longer, or takes fewer bytes a second, is given up.
_IDLE_SECONDS, _SLOWEST = 30.0, 64 * 1024


class Places:
    """A limited number of places, at most one for each person: each is a file on the disk."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: set[int] = set()
        self._lock = Lock()

    def take(self, person_id: int) -> bool:
        """Whether the person got a place; it is theirs until they `leave`."""
        with self._lock:
            if person_id in self._taken or len(self._taken) >= self._most:
                return False
            self._taken.add(person_id)
            return True

    def leave(self, person_id: int) -> None:
        """Make room for somebody else."""
        with self._lock:
            self._taken.discard(person_id)


class Download(StreamingResponse):
    """Sends the whole of an open ``file``; in the end it is closed and ``done`` called.

    A client that takes it too slowly gets only a part, which browsers notice by its length.
    """

    def __init__(
        self, file: IO[bytes], name: str, media_type: str, done: Callable[[], None]
    ) -> None:
        self._file = file
        self._size = file.seek(0, 2)
        self._done = done
        file.seek(0)
        headers = {
            "content-disposition": f'attachment; filename="{name}"',
            "content-length": str(self._size),
        }
        chunks = iter(partial(file.read, _CHUNK), b"")
        super().__init__(chunks, headers=headers, media_type=media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file piece by piece, as fast as the client takes it."""

        async def send_in_time(message: Message) -> None:
            await wait_for(send(message), _IDLE_SECONDS)

        try:
            async with timeout(_IDLE_SECONDS + self._size / _SLOWEST):
                await super().__call__(scope, receive, send_in_time)
        except TimeoutError:
            _LOG.warning("a download was given up: the client is too slow", bytes=self._size)
        finally:
            self._file.close()
            self._done()
