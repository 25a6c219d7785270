"""A mail server that takes everything and forgets all but what tests ask about.

It runs in a thread of its own, so that the code under test has its event loop to itself. Run as
a module it is a process of its own: ``python -m tests.mail.sink`` prints its port.
"""

import asyncio
import re
import sys
import threading
from types import TracebackType
from typing import NamedTuple, Self

_MESSAGE_ID = re.compile(rb"^Message-ID: (\S+)", re.MULTILINE)


class Taken(NamedTuple):
    """A message that was accepted: by the time the 250 goes out it is in the list."""

    recipient: str
    message_id: str
    content: bytes


class _Session(asyncio.Protocol):
    def __init__(self, taken: list[Taken], *, keep: bool) -> None:
        self._taken, self._keep = taken, keep
        self._buffer = b""
        self._in_data = False
        self._recipient = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            end = b"\r\n.\r\n" if self._in_data else b"\r\n"
            piece, found, rest = self._buffer.partition(end)
            if not found:
                return
            self._buffer = rest
            self._transport.write(self._content(piece) if self._in_data else self._command(piece))

    def _content(self, content: bytes) -> bytes:
        self._in_data = False
        found = _MESSAGE_ID.search(content)
        message_id = found[1].decode() if found else ""
        self._taken.append(Taken(self._recipient, message_id, content if self._keep else b""))
        return b"250 taken\r\n"

    def _command(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"RCPT":
            self._recipient = line.partition(b"<")[2].partition(b">")[0].decode()
        if verb == b"DATA":
            self._in_data = True
            return b"354 go on\r\n"
        if verb == b"QUIT":
            return b"221 bye\r\n"
        return b"250 fine\r\n"


class Sink:
    """``with Sink() as sink``: listens on 127.0.0.1, ``sink.port``; ``sink.taken`` in order."""

    def __init__(self, *, keep: bool = True) -> None:
        self.taken: list[Taken] = []
        self.port = 0
        self._keep = keep
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}?tls=none"

    def _run(self) -> None:
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(
            lambda: _Session(self.taken, keep=self._keep), "127.0.0.1", 0
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


if __name__ == "__main__":
    with Sink(keep=False) as standing_alone:
        sys.stdout.write(f"{standing_alone.port}\n")
        sys.stdout.flush()
        sys.stdin.read()
