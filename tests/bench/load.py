"""Load on a web server from a process of its own: kept connections, one request at a time on each.

``load(port, requests)`` runs it. In the child: sockets and epoll alone, because every
microsecond that it takes is taken from the server that it measures.
"""

import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_TIMEOUT = 60
# Where an app of `sites` tells by which process it is answered.
WORKER = "/worker"


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back: how long it took in all, and for each request its answer.

    ``latencies`` are seconds in the order of the answers, as are ``statuses``; ``locations`` are
    where the redirects led, with the number of the request that each answers.
    """

    seconds: float
    latencies: Sequence[float]
    statuses: Sequence[int]
    locations: Sequence[tuple[int, str]]

    def percentile(self, share: float) -> float:
        """The latency, in milliseconds, that this share of the requests did not exceed."""
        ranked = sorted(self.latencies)
        return 1000 * ranked[min(len(ranked) - 1, int(len(ranked) * share))]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds

    def errors(self, expected: int) -> int:
        """How many answers did not have the status that is expected."""
        return sum(status != expected for status in self.statuses)


def load(port: int, requests: Sequence[bytes], connections: int, workers: int = 1) -> Answers:
    """Send every request once, on so many connections to a server on this machine.

    With several ``workers`` each gets as many of the connections: their number is a multiple.
    """
    work = {
        "port": port,
        "connections": connections,
        "workers": workers,
        "requests": [r.decode() for r in requests],
    }
    finished = subprocess.run(
        [sys.executable, "-m", "tests.bench.load"],
        input=json.dumps(work),
        check=True,
        capture_output=True,
        text=True,
    )
    return Answers(**json.loads(finished.stdout))


@dataclass(slots=True)
class _Client:
    """One kept connection, and the request that it waits on."""

    socket: socket.socket
    number: int = 0
    sent_at: float = 0.0
    got: bytes = b""

    def send(self, number: int, request: bytes) -> None:
        self.number, self.got = number, b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def answered(self) -> bool:
        """Take what has come; whether that is a whole answer."""
        part = self.socket.recv(262_144)
        if not part:
            message = f"the server hung up on request {self.number}"
            raise ConnectionError(message)
        self.got += part
        head, found, body = self.got.partition(b"\r\n\r\n")
        return bool(found) and len(body) >= int(_header(head, b"content-length") or 0)


@dataclass(slots=True)
class _Run:
    waiting: Iterator[tuple[int, bytes]]
    latencies: list[float] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    locations: list[tuple[int, str]] = field(default_factory=list)

    def note(self, client: _Client) -> None:
        self.latencies.append(time.perf_counter() - client.sent_at)
        self.statuses.append(int(client.got[9:12]))
        location = _header(client.got.partition(b"\r\n\r\n")[0], b"location")
        if location:
            self.locations.append((client.number, location.decode()))


def _header(head: bytes, name: bytes) -> bytes:
    start = head.lower().find(b"\r\n" + name + b":")
    if start < 0:
        return b""
    return head[start + 2 :].split(b"\r\n", 1)[0].split(b":", 1)[1].strip()


def _main() -> None:
    work = json.loads(sys.stdin.read())
    requests = enumerate([text.encode() for text in work["requests"]])
    run = _Run(requests)
    with selectors.DefaultSelector() as selector:
        clients = _spread(work["port"], work["connections"], work["workers"])
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
        start = time.perf_counter()
        open_ones = sum(_next(run, client) for client in clients)
        while open_ones:
            for key, _ in selector.select(_TIMEOUT):
                if key.data.answered():
                    run.note(key.data)
                    open_ones -= not _next(run, key.data)
        seconds = time.perf_counter() - start
        for client in clients:
            client.socket.close()
    json.dump(
        {
            "seconds": seconds,
            "latencies": run.latencies,
            "statuses": run.statuses,
            "locations": run.locations,
        },
        sys.stdout,
    )


def _spread(port: int, connections: int, workers: int) -> list[_Client]:
    """So many connections, as many with each worker, as a proxy would have them.

    Left to themselves they may all be with whichever worker was idle first.
    """
    if workers == 1:
        return [_connect(port) for _ in range(connections)]
    found: dict[bytes, list[_Client]] = {}
    while sum(map(len, found.values())) < connections:
        client = _connect(port)
        mine = found.setdefault(_who(client), [])
        if len(mine) < connections // workers:
            mine.append(client)
        else:
            client.socket.close()
    return [client for mine in found.values() for client in mine]


def _who(client: _Client) -> bytes:
    """The worker at the other end of a new connection."""
    client.send(0, f"GET {WORKER} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    while not client.answered():
        pass
    return client.got.rpartition(b"\r\n")[2]


def _connect(port: int) -> _Client:
    opened = socket.create_connection(("127.0.0.1", port), _TIMEOUT)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return _Client(opened)


def _next(run: _Run, client: _Client) -> bool:
    """Send the next request, if there is one."""
    following = next(run.waiting, None)
    if following is not None:
        client.send(*following)
    return following is not None


if __name__ == "__main__":
    _main()
