"""A real IMAP server in a thread: pymap, with one user and TLS, on a free port of 127.0.0.1."""

import asyncio
import ssl
from argparse import ArgumentParser
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import quote

from imapclient import IMAPClient
from proxyprotocol.reader import ProxyProtocolReader
from pymap.backend.dict import DictBackend
from pymap.imap import IMAPServer, IMAPService

from tests.mail.serving import ServerThread

CERTIFICATES = Path(__file__).parent / "certificates"
USER, PASSWORD = "bounces", "p@ss/word"


class ImapServer(ServerThread):
    """``with ImapServer() as server``: ``server.url`` opens its INBOX over TLS."""

    @property
    def url(self) -> str:
        ca = CERTIFICATES / "localhost.pem"
        password = quote(PASSWORD, safe="")
        return f"imaps://{USER}:{password}@localhost:{self.port}?ca={ca}"

    def connect(self) -> IMAPClient:
        """A client of a person, who has logged in."""
        context = ssl.create_default_context(cafile=CERTIFICATES / "localhost.pem")
        client = IMAPClient("localhost", self.port, ssl_context=context)
        client.login(USER, PASSWORD)
        return client

    def deliver(self, *messages: bytes) -> None:
        """Put messages into the INBOX, as a mail server does."""
        client = self.connect()
        for message in messages:
            client.append("INBOX", message)
        client.logout()

    def list(self, folder: str, *criteria: str) -> list[bytes]:
        """The messages of a folder; empty if there is no such folder."""
        client = self.connect()
        try:
            if not client.folder_exists(folder):
                return []
            client.select_folder(folder, readonly=True)
            found = client.search(list(criteria) or "ALL")
            return [client.fetch([uid], ["BODY.PEEK[]"])[uid][b"BODY[]"] for uid in found]
        finally:
            client.logout()

    async def _listen(self) -> None:
        parser = ArgumentParser()
        IMAPService.add_arguments(parser)
        DictBackend.add_subparser("dict", parser.add_subparsers())
        user = ["dict", "--demo-user", USER, "--demo-password", PASSWORD]
        args = parser.parse_args(["--no-tls", *user])
        args.debug, args.passlib_cfg = False, None
        backend, config = await DictBackend.init(args)
        config.apply_context()
        self._stack = AsyncExitStack()
        await backend.start(self._stack)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATES / "localhost.pem", CERTIFICATES / "localhost-key.pem")
        answer = ProxyProtocolReader(config.proxy_protocol).get_callback(
            IMAPServer(backend.login, config)
        )
        self._writers: list[asyncio.StreamWriter] = []

        async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._writers.append(writer)
            await answer(reader, writer)

        self._server = await asyncio.start_server(note, "127.0.0.1", 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        # TLS says goodbye after the client has left, which may take longer than the test.
        for writer in self._writers:
            writer.transport.abort()
        await super()._close()
        await asyncio.sleep(0)
        await self._stack.aclose()
