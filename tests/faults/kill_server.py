"""Kill a server while forms are posted, and count what was acknowledged and is not stored.

``python -m tests.faults.kill_server --kills 200 [--database URL]``; the test suite runs a few.
kill -9 is not a power cut: that is the database's promise (synchronous=EXTRA), and not tried here.
"""

import random
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from threading import Lock, Timer

from tests.bench.load import Answers
from tests.bench.stored import lost, wrongly_judged
from tests.bench.visits import Visitors, populate, post_requests, served
from tests.faults.long_form import Fault, run_long

_PEOPLE = 60
_CONNECTIONS = 16
_LONGEST_LIFE = 0.6  # seconds from ready to dead
# A server takes less than 900 sessions in that time, and of one person 60 a day.
_PEOPLE_A_KILL = 15
_TIMEOUT = 60


@dataclass
class Tally:
    """What the kills came to.

    ``acknowledged`` sessions were answered before the end of a server, ``lost`` ones of them are
    not stored with their audit event, ``wrong`` standings differ from a full evaluation.
    """

    kills: int = 0
    acknowledged: int = 0
    lost: int = 0
    wrong: int = 0


class Requests:
    """Posts for several threads, each once; every other brings a ``proof`` if there is one."""

    def __init__(self, visitors: Visitors, proof: bytes = b"") -> None:
        self._lock = Lock()
        self._rest = chain.from_iterable(self._some(visitors, proof))

    def next(self) -> bytes:
        """The next one, which nobody had before."""
        with self._lock:
            return next(self._rest)

    @staticmethod
    def _some(visitors: Visitors, proof: bytes) -> Iterator[list[bytes]]:
        first = 0
        while True:
            yield post_requests(visitors, len(visitors.tokens), first, proof)
            first += len(visitors.tokens)


def run(database_url: str, kills: int, seed: int) -> Tally:
    """Start and kill a server so many times, posting all the while."""
    chance, tally = random.Random(seed), Tally()  # noqa: S311 - not for secrets
    visitors = populate(database_url, max(_PEOPLE, kills * _PEOPLE_A_KILL))
    requests, locations = Requests(visitors), list[str]()
    for _ in range(kills):
        with served("site", visitors, 1) as (port, process):
            killing = Timer(chance.uniform(0, _LONGEST_LIFE), process.kill)
            killing.start()
            with ThreadPoolExecutor(_CONNECTIONS) as threads:
                for found in threads.map(_post, [port] * _CONNECTIONS, [requests] * _CONNECTIONS):
                    locations += found
            killing.join()
        tally.kills += 1
    tally.acknowledged = len(locations)
    answers = Answers(1, (), (), [*enumerate(locations)])
    tally.lost = lost(database_url, [answers])
    tally.wrong = wrongly_judged(database_url, [*visitors.tokens])
    return tally


def _post(port: int, requests: Requests) -> list[str]:
    """Post until the server is gone; where each acknowledged form led."""
    led: list[str] = []
    try:
        with socket.create_connection(("127.0.0.1", port), _TIMEOUT) as connection:
            answers = connection.makefile("rb")
            while True:
                connection.sendall(requests.next())
                led += answered(iter(answers.readline, b""))
    except ConnectionError:
        return led


def answered(lines: Iterator[bytes]) -> Iterator[str]:
    """Where an answer leads: it has no body. A server that is gone ends in ConnectionError."""
    status = next(lines, b"")
    location = ""
    for line in lines:
        if line == b"\r\n":
            break
        if line.startswith(b"location: "):
            location = line.decode().strip().partition(": ")[2]
    else:
        raise ConnectionError
    if not status.startswith(b"HTTP/1.1 303"):
        message = f"a form was answered with {status!r}"
        raise RuntimeError(message)
    yield location


FAULT = Fault(run, {"kills": 200, "seed": 1}, lambda found: found.lost or found.wrong)

if __name__ == "__main__":
    run_long(__doc__, FAULT)
