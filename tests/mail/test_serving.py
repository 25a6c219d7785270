"""Servers for tests leave nothing behind."""

import gc
import socket

from tests.mail.imap_server import ImapServer
from tests.mail.sink import Sink


def test_a_test_server_closes_its_open_connections() -> None:
    with Sink() as sink:
        client = socket.create_connection(("127.0.0.1", sink.port))
        assert client.recv(100) == b"220 sink\r\n"
    assert client.recv(100) == b""
    client.close()
    # What is left open warns here, which is an error.
    gc.collect()


def test_an_imap_server_closes_its_open_connections() -> None:
    with ImapServer() as server:
        client = server.connect()
    client.shutdown()
    gc.collect()
