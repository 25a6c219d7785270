"""Servers for tests: in a thread of their own, on a free port of 127.0.0.1."""

import asyncio
import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class ServerThread:
    """A server in an event loop of its own: subclasses listen on ``port``, and close in the end."""

    def __init__(self) -> None:
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()

    async def _listen(self) -> None:
        raise NotImplementedError

    async def _close(self) -> None:
        """End what still runs in the loop."""
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

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
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Served(ServerThread):
    """``with Served(protocol) as server``: listens on ``server.port`` until the end."""

    def __init__(
        self,
        protocol: Callable[[], asyncio.BaseProtocol],
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        super().__init__()
        self.host = host
        self._tls = tls
        self._protocol = protocol
        self._transports: list[asyncio.WriteTransport] = []

    @property
    def url(self) -> str:
        return f"smtp://{self.host}:{self.port}?tls=none"

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(self._answer, self.host, 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    def _answer(self) -> asyncio.BaseProtocol:
        """A protocol whose connection is closed at the end, whatever the client does."""
        protocol = self._protocol()
        connection_made = protocol.connection_made

        def note_connection(transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.WriteTransport)
            self._transports.append(transport)
            connection_made(transport)

        protocol.connection_made = note_connection  # type: ignore[method-assign]
        return protocol

    async def _close(self) -> None:
        self._server.close()
        for transport in self._transports:
            transport.abort()
        await super()._close()
        await asyncio.sleep(0)
