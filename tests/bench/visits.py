"""Who visits the served site in the benchmark, and with which requests."""

import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import select, update

from tests.bench.load import WORKER
from tests.bench.population import AS_OF, ASSOCIATION, PROVIDERS, fill
from tests.bench.sites import BASE_URL, DATABASE, TOKEN
from tests.bench.work import CONFIG, NIGHT
from tests.support.nights import evaluate_due
from tracker.db.engine import open_engine, writing
from tracker.db.tables import METADATA
from tracker.rulebooks import load_rulebooks
from tracker.services.browser_sessions import create_browser_session
from tracker.services.entry_rules import provider_key

CONNECTIONS = 32
_HOST = "127.0.0.1"
_WARMING_UP = 10  # one request in so many more, before any is measured
_DAYS = 270
_SHORT = 0.02  # seconds between two looks for a server that starts
_BOUNDARY = "----bench7MA4YWxkTrZu0gW"


@dataclass(frozen=True)
class Visitors:
    """The signed-in people of a database: tokens by id."""

    url: str
    tokens: dict[int, str]


def populate(url: str, people: int) -> Visitors:
    """Fill an empty database with so many endorsees, judged and signed in."""
    engine = open_engine(url)
    fill(engine, people)
    with writing(engine) as session:
        evaluate_due(session, load_rulebooks(CONFIG), ASSOCIATION, NIGHT)
    engine.dispose()
    return sign_in_all(url, people)


def sign_in_all(url: str, people: int) -> Visitors:
    """Open a session for each of so many endorsees of a filled database."""
    engine, person = open_engine(url), METADATA.tables["person"]
    query = select(person.c.id, person.c.email).where(person.c.id > PROVIDERS).limit(people)
    with writing(engine) as session:
        rows = session.connection().execute(query).all()
        tokens = {id_: create_browser_session(session, email, NIGHT) for id_, email in rows}
        # It is written once a day that somebody was here; this is not what is measured.
        session.connection().execute(update(METADATA.tables["web_session"]).values(seen_at=NIGHT))
    engine.dispose()
    return Visitors(url, tokens)


class Served(NamedTuple):
    """A server and where it answers; with one worker the process is the server itself."""

    port: int
    process: "subprocess.Popen[bytes]"


@contextmanager
def served(
    factory: str, visitors: Visitors, workers: int, log: int | None = None
) -> Iterator[Served]:
    """Serve an app of `sites` by so many processes, until the block ends.

    Their log goes to the file ``log``; None: to where ours goes.
    """
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "uvicorn", f"tests.bench.sites:{factory}", "--factory"]
    options = ["--port", str(port), "--workers", str(workers), "--no-access-log"]
    environment = {
        DATABASE: visitors.url,
        BASE_URL: f"http://{_HOST}:{port}",
        TOKEN: next(iter(visitors.tokens.values())),
    }
    with subprocess.Popen(
        [*command, *options, "--log-level", "error"],
        env=os.environ | environment,
        stdout=log,
        stderr=log,
    ) as process:
        try:
            _wait_for(port, process, workers)
            yield Served(port, process)
        finally:
            process.terminate()


def _wait_for(port: int, process: "subprocess.Popen[bytes]", workers: int) -> None:
    """Until every worker has answered: kept connections stay with whoever was ready for them."""
    answered: set[bytes] = set()
    while len(answered) < workers:
        if process.poll() is not None:
            message = f"the server ended with {process.returncode}"
            raise RuntimeError(message)
        with suppress(ConnectionRefusedError):
            answered.add(_who_answers(port))
        # Whoever asks without a break takes the time in which the server would start.
        with suppress(subprocess.TimeoutExpired):
            process.wait(_SHORT)


def _who_answers(port: int) -> bytes:
    """The number of the process that takes a new connection."""
    with socket.create_connection((_HOST, port), 60) as probe:
        request = f"GET {WORKER} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        probe.sendall(request.encode())
        with probe.makefile("rb") as answer:
            return answer.read().rpartition(b"\r\n")[2]


def year_requests(visitors: Visitors, number: int) -> list[bytes]:
    """Requests of My year, each of the next person."""
    tokens = [*visitors.tokens.values()]
    return [_request("GET /my-year", tokens[n % len(tokens)]) for n in range(number)]


def post_requests(
    visitors: Visitors, number: int, first: int = 0, proof: bytes = b""
) -> list[bytes]:
    """Forms that log a quarter of an hour, each of the next person, each with a key of its own.

    With a ``proof`` (a PDF, as ASCII) every other one brings it.

    No two of a person's are of the same day: count on from ``first`` where some were sent. None
    looks like a session that is there already, so that none is asked about.
    """
    tokens = [*visitors.tokens.values()]
    return [
        _request(
            "POST /log",
            tokens[n % len(tokens)],
            _form(_fields(n % len(tokens), n // len(tokens)), proof if n % 2 else b""),
        )
        for n in range(first, first + number)
    ]


def _fields(person: int, turn: int) -> dict[str, str]:
    day: date = AS_OF - timedelta(days=(person * 7 + turn) % _DAYS)
    # Half of them away from those with whom this person has sessions.
    provider = 1 + (person + PROVIDERS // 2) % PROVIDERS
    return {
        "form_key": uuid.uuid4().hex,
        "activity": "rsc",
        "day": str(day.day),
        "month": str(day.month),
        "year": str(day.year),
        "hours": "0.25",
        "title": "",
        "provider": str(provider),
        # Some no longer qualify on that day: as if the question about it were answered.
        "seen": provider_key(provider, day),
        "provider_name": "",
        "format": "group",
        "reference": "",
    }


def _request(what: str, token: str, body: str = "") -> bytes:
    lines = [f"{what} HTTP/1.1", "Host: bench", f"Cookie: session={token}"]
    if body:
        lines += [
            "Origin: http://bench",
            f"Content-Type: multipart/form-data; boundary={_BOUNDARY}",
            f"Content-Length: {len(body)}",
        ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def _form(fields: Mapping[str, str], proof: bytes) -> str:
    """As browsers send a form with a field for files, in which nobody has chosen any, or one."""
    parts = [f'name="{name}"\r\n\r\n{value}' for name, value in fields.items()]
    name, kind = ("proof.pdf", "application/pdf") if proof else ("", "application/octet-stream")
    head = f'name="files"; filename="{name}"\r\nContent-Type: {kind}'
    parts.append(f"{head}\r\n\r\n{proof.decode('ascii')}")
    opened = [f"--{_BOUNDARY}\r\nContent-Disposition: form-data; {part}\r\n" for part in parts]
    return "".join(opened) + f"--{_BOUNDARY}--\r\n"
