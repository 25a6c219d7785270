"""A mail server that takes everything, and can be told to fail.

It runs in a thread of its own, so that the code under test has its event loop to itself. Run as
a module it is a process of its own: ``python -m tests.mail.sink`` prints its port.
"""

import asyncio
import re
import ssl
import sys
import threading
from typing import NamedTuple

from tests.mail.serving import Served

_MESSAGE_ID = re.compile(rb"^Message-ID: (\S+)", re.MULTILINE)
STAGES = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "dot")
FAULTS = ("4xx", "5xx", "421", "EOF", "hang", "slow drip", "garbage")
_ANSWERS = {
    "4xx": b"451 4.3.0 try again later\r\n",
    "5xx": b"550 5.7.1 go away\r\n",
    "421": b"421 4.3.2 closing\r\n",
    "garbage": b"<html>\x00\xff what?\r\n",
}
_USUAL = {"DATA": b"354 go on\r\n", "QUIT": b"221 bye\r\n", "AUTH": b"235 welcome\r\n"}


class Taken(NamedTuple):
    """A message that was accepted: by the time the 250 goes out it is in the list."""

    recipient: str
    message_id: str
    content: bytes


class Sink(Served):
    """``with Sink() as sink``: ``sink.taken`` holds what it took, in order.

    ``sink.fault = ("RCPT", "5xx")`` makes it fail at that stage for that reason, until it is
    None again. A stage is one of ``STAGES``, or the first four letters of another command.
    ``refuse`` names recipients that it has never heard of.
    """

    def __init__(
        self,
        *,
        keep: bool = True,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        super().__init__(lambda: _Session(self), tls, host)
        self.taken: list[Taken] = []
        self.commands: list[str] = []
        self.fault: tuple[str, str] | None = None
        self.answers: dict[str, bytes] = {}  # instead of the usual ones, by command
        self.greetings: list[str] = []  # the names in EHLO
        self.senders: list[str] = []  # the addresses in MAIL
        self.refuse: frozenset[str] = frozenset()
        self.knows_ehlo = True
        self.hangs = threading.Event()  # set once somebody waits in vain
        self.delay = 0.0  # seconds before each answer
        self.idle = threading.Event()  # set while nobody is connected
        self.idle.set()
        self.sessions = 0
        self.keep = keep


class _Session(asyncio.Protocol):
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._buffer = b""
        self._in_data = False
        self._recipient = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._sink.sessions += 1
        self._sink.idle.clear()
        self._answer("greeting", b"220 sink\r\n")

    def connection_lost(self, _error: Exception | None) -> None:
        self._sink.sessions -= 1
        if self._sink.sessions == 0:
            self._sink.idle.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            end = b"\r\n.\r\n" if self._in_data else b"\r\n"
            piece, found, rest = self._buffer.partition(end)
            if not found:
                return
            self._buffer = rest
            if self._in_data:
                self._content(piece)
            else:
                self._command(piece)

    def _content(self, content: bytes) -> None:
        self._in_data = False
        refused = ("dot", "4xx"), ("dot", "5xx"), ("dot", "421")
        if self._sink.fault not in refused:
            found = _MESSAGE_ID.search(content)
            message_id = found[1].decode() if found else ""
            kept = content if self._sink.keep else b""
            self._sink.taken.append(Taken(self._recipient, message_id, kept))
        self._answer("dot", b"250 taken\r\n")

    def _command(self, line: bytes) -> None:
        verb = line[:4].upper().decode()
        if self._sink.keep:
            self._sink.commands.append(verb)
        if verb == "EHLO":
            self._sink.greetings.append(line[5:].decode())
        if verb == "MAIL" and self._sink.keep:
            self._sink.senders.append(line.partition(b"<")[2].partition(b">")[0].decode())
        answer = self._sink.answers.get(verb) or _USUAL.get(verb, b"250 fine\r\n")
        if verb == "RCPT":
            self._recipient = line.partition(b"<")[2].partition(b">")[0].decode()
            if self._recipient in self._sink.refuse:
                answer = b"550 5.1.1 no such mailbox\r\n"
        if verb == "EHLO" and not self._sink.knows_ehlo:
            answer = b"502 5.5.1 what?\r\n"
        self._in_data = verb == "DATA" and self._sink.fault not in {
            ("DATA", fault) for fault in FAULTS
        }
        self._answer("EHLO" if verb == "HELO" else verb, answer)

    def _answer(self, stage: str, usual: bytes) -> None:
        failing, fault = self._sink.fault or ("", "")
        if stage != failing:
            self._say(usual)
        elif fault == "EOF":
            self._transport.close()
        elif fault == "slow drip":
            self._drip(usual)
        elif fault == "hang":
            self._sink.hangs.set()
        else:
            self._transport.write(_ANSWERS[fault])

    def _say(self, answer: bytes) -> None:
        if self._sink.delay:
            loop = asyncio.get_running_loop()
            loop.call_later(self._sink.delay, self._transport.write, answer)
        else:
            self._transport.write(answer)

    def _drip(self, rest: bytes) -> None:
        """Send all but the line's end, a byte every 20 ms: never silent, and never done."""
        if len(rest) > 1 and not self._transport.is_closing():
            self._transport.write(rest[:1])
            asyncio.get_running_loop().call_later(0.02, self._drip, rest[1:])


if __name__ == "__main__":
    with Sink(keep=False) as standing_alone:
        sys.stdout.write(f"{standing_alone.port}\n")
        sys.stdout.flush()
        sys.stdin.read()
