"""Sends files that are made for one request: so many at a time, and none that nobody takes."""

from asyncio import timeout, wait_for
from collections.abc import Callable
from threading import Lock
from typing import IO

import structlog
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_LOG = structlog.get_logger()
_CHUNK = 256 * 1024
# For whom a piece waits longer, or who takes fewer bytes a second, has gone or means no good.
_IDLE_SECONDS, _SLOWEST = 30.0, 64 * 1024


class Places:
    """So many of them, and for nobody two: each is a file on the disk until it is sent."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: set[int] = set()
        self._lock = Lock()

    def take(self, person_id: int) -> bool:
        """Whether there was a place for the person; it is theirs until they `leave`."""
        with self._lock:
            if person_id in self._taken or len(self._taken) >= self._most:
                return False
            self._taken.add(person_id)
            return True

    def leave(self, person_id: int) -> None:
        """Make room for the next."""
        with self._lock:
            self._taken.discard(person_id)


class Download(Response):
    """The whole of an open ``file``; at the end, whatever it is, it is closed and ``done`` called.

    No thread waits for whoever takes it. If they stop, the answer ends in its midst, which
    browsers tell from the whole by its length.
    """

    def __init__(
        self, file: IO[bytes], name: str, media_type: str, done: Callable[[], None]
    ) -> None:
        self._file = file
        self._size = file.seek(0, 2)
        self._done = done
        headers = {
            "content-disposition": f'attachment; filename="{name}"',
            "content-length": str(self._size),
        }
        super().__init__(None, headers=headers, media_type=media_type)

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it piece by piece, as fast as it is taken."""
        try:
            async with timeout(_IDLE_SECONDS + self._size / _SLOWEST):
                await self._send(send)
        except TimeoutError:
            _LOG.warning("a download was given up: nobody took it", bytes=self._size)
        finally:
            self._file.close()
            self._done()

    async def _send(self, send: Send) -> None:
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        self._file.seek(0)
        while piece := await run_in_threadpool(self._file.read, _CHUNK):
            body = {"type": "http.response.body", "body": piece, "more_body": True}
            await wait_for(send(body), _IDLE_SECONDS)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
