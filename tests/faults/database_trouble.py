"""Get the database into trouble while forms are posted, and count what is lost or unclear.

``python -m tests.faults.database_trouble --rounds 20 [--postgres]``; the test suite tries each
trouble once. It is locked, full, read-only, gone, stalled, slow, restarted, or moved on by a newer
version of the program, and then well again; the server that people use runs on throughout.
PostgreSQL is one of the trial's own, as it is stopped; a SQLite file can't be gone or restarted.
"""

import asyncio
import os
import random
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from threading import Event, Lock
from typing import Self

import psycopg
from sqlalchemy import make_url

from tests.bench.load import Answers
from tests.bench.stored import lost, wrongly_judged
from tests.bench.visits import Visitors, populate, served
from tests.faults.kill_server import Requests
from tests.faults.long_form import Fault, run_long
from tests.support.databases import new_name, sqlalchemy_url
from tests.support.postgres import Server, restartable_server
from tracker.db.migrate import migrate

_CLIENTS = 4
_PEOPLE_A_TROUBLE = 10  # each of whom may log 60 sessions a day
_PAUSE = 0.03  # seconds between an answer and a client's next form
_LONGEST = 1.5  # seconds of trouble
_PATIENCE = 40  # seconds for an answer
_AFTERWARD = 3  # forms that each client has to get saved afterward
_HANG_UP = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
_SOCKET = ".s.PGSQL.5432"


@dataclass
class Tally:
    """What became of the forms.

    ``acknowledged`` ones were saved, ``refused`` ones answered with 503, ``unclear`` ones
    otherwise, ``unanswered`` ones not at all; ``lost`` ones were acknowledged and are not stored.
    ``wrong`` standings differ from a full evaluation. ``down`` clients got nothing saved afterward.
    """

    troubles: int = 0
    acknowledged: int = 0
    refused: int = 0
    unclear: int = 0
    unanswered: int = 0
    lost: int = 0
    wrong: int = 0
    down: int = 0


@dataclass
class Clients:
    """What the posting clients know of the answers, by their status; ``led`` is where to."""

    port: int
    requests: Requests
    lock: Lock = field(default_factory=Lock)
    ended: Event = field(default_factory=Event)
    statuses: list[int] = field(default_factory=list)
    led: list[str] = field(default_factory=list)

    def post(self) -> bool:
        """Post until the trouble has ended, and on until a few are saved; whether they were."""
        saved, until = 0, None
        while saved < _AFTERWARD:
            if self.ended.is_set():
                until = until or time.monotonic() + _PATIENCE
                if time.monotonic() > until:
                    return False
            time.sleep(_PAUSE)
            is_after = self.ended.is_set()
            with suppress(OSError, HTTPException):
                status, location = self._send()
                with self.lock:
                    self.statuses.append(status)
                    self.led += [location] if status == 303 else []
                saved += is_after and status == 303
                continue
            with self.lock:
                self.statuses.append(0)
        return True

    def _send(self) -> tuple[int, str]:
        with socket.create_connection(("127.0.0.1", self.port), _PATIENCE) as connection:
            connection.sendall(self.requests.next())
            answer = HTTPResponse(connection, method="POST")
            answer.begin()
            answer.read()
            return answer.status, answer.getheader("location", "")


def run(database_url: str, rounds: int, seed: int) -> Tally:
    """Have each trouble so many times, for a random while."""
    chance, tally = random.Random(seed), Tally()  # noqa: S311 - not for secrets
    with ExitStack() as stack:
        url, troubles = stack.enter_context(_prepared(database_url))
        visitors = populate(url, _PEOPLE_A_TROUBLE * rounds * len(troubles.names))
        requests = Requests(visitors)
        served_from = Visitors(troubles.url, visitors.tokens)
        port, process = stack.enter_context(served("site", served_from, 1, subprocess.DEVNULL))
        troubles.process_id = process.pid
        locations = list[str]()
        for _ in range(rounds):
            for name in troubles.names:
                clients = Clients(port, requests)
                _trouble(troubles, name, clients, chance.uniform(0.2, _LONGEST), tally)
                locations += clients.led
                assert process.poll() is None, f"the server ended while the database was {name}"
        tally.lost = lost(url, [Answers(1, (), (), [*enumerate(locations)])])
        tally.wrong = wrongly_judged(url, [*visitors.tokens])
    return tally


def _trouble(
    troubles: "Troubles", name: str, clients: Clients, seconds: float, tally: Tally
) -> None:
    with ThreadPoolExecutor(_CLIENTS) as threads:
        posting = [threads.submit(clients.post) for _ in range(_CLIENTS)]
        try:
            with (SQLITE | POSTGRESQL)[name](troubles):
                time.sleep(seconds)
        finally:
            clients.ended.set()
        tally.down += sum(not each.result() for each in posting)
    counts = {status: clients.statuses.count(status) for status in set(clients.statuses)}
    sys.stderr.write(f"{name} for {seconds:.1f} s: {counts}\n")
    tally.troubles += 1
    tally.acknowledged += counts.pop(303, 0)
    tally.refused += counts.pop(503, 0)
    tally.unanswered += counts.pop(0, 0)
    tally.unclear += sum(counts.values())


@dataclass
class Troubles:
    """What can be done to a database, and to the process of the server that uses it."""

    url: str
    names: list[str]
    file: str = ""
    server: Server | None = None
    database: str = ""
    proxy: "Proxy | None" = None
    process_id: int = 0

    def execute(self, statement: str, database: str | None = None) -> None:
        """Run a statement as somebody else, past the server and the proxy."""
        with self.connected(database) as connection:
            connection.execute(statement)

    @contextmanager
    def connected(self, database: str | None = None) -> Iterator[psycopg.Connection]:
        """A connection of somebody else."""
        assert self.server is not None
        named = self.server.url.replace("/postgres?", f"/{database or self.database}?")
        with psycopg.connect(named, autocommit=True) as connection:
            yield connection


@contextmanager
def _prepared(database_url: str) -> Iterator[tuple[str, Troubles]]:
    """The database to read afterward, and the troubles that its engine can be in."""
    if make_url(database_url).get_backend_name() == "sqlite":
        file = str(make_url(database_url).database)
        yield database_url, Troubles(database_url, [*SQLITE], file)
        return
    with (
        restartable_server(durable=True) as server,
        Proxy(server.folder) as proxy,
    ):
        name = new_name()
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        url = sqlalchemy_url(server.url, name)
        migrate(url)
        through = make_url(url).update_query_dict({"host": str(proxy.folder)})
        named = through.render_as_string(hide_password=False)
        yield url, Troubles(named, [*POSTGRESQL], "", server, name, proxy)


@contextmanager
def locked_file(troubles: Troubles) -> Iterator[None]:
    """Another program holds the write lock."""
    connection = sqlite3.connect(troubles.file, isolation_level=None, timeout=_PATIENCE)
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.execute("ROLLBACK")
    connection.close()


@contextmanager
def full_disk(troubles: Troubles) -> Iterator[None]:
    """No file of the server may grow beyond the size of the database."""
    with _limited(troubles, Path(troubles.file).stat().st_size):
        yield


@contextmanager
def read_only_disk(troubles: Troubles) -> Iterator[None]:
    """The server may write nothing at all."""
    with _limited(troubles, 0):
        yield


@contextmanager
def _limited(troubles: Troubles, size: int) -> Iterator[None]:
    _, most = resource.prlimit(troubles.process_id, resource.RLIMIT_FSIZE)
    resource.prlimit(troubles.process_id, resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.prlimit(troubles.process_id, resource.RLIMIT_FSIZE, (most, most))


@contextmanager
def newer_file(troubles: Troubles) -> Iterator[None]:
    """A newer version has migrated the database, and the old process still serves."""
    with sqlite3.connect(troubles.file, timeout=_PATIENCE) as connection:
        [known] = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        connection.execute("ALTER TABLE entry ADD COLUMN newer TEXT")
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    yield
    with connection:
        connection.execute("ALTER TABLE entry DROP COLUMN newer")
        connection.execute("UPDATE alembic_version SET version_num = ?", [known])
    connection.close()


@contextmanager
def locked_table(troubles: Troubles) -> Iterator[None]:
    """Somebody else has locked the table of entries."""
    with troubles.connected() as connection, connection.transaction():
        connection.execute("LOCK TABLE entry IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def read_only_database(troubles: Troubles) -> Iterator[None]:
    """As while a replica takes over: no transaction may write."""
    named = f'ALTER DATABASE "{troubles.database}" SET default_transaction_read_only'
    troubles.execute(f"{named} = on", "postgres")
    troubles.execute(_HANG_UP)
    yield
    troubles.execute(f"{named} = off", "postgres")
    troubles.execute(_HANG_UP)


@contextmanager
def newer_database(troubles: Troubles) -> Iterator[None]:
    """A newer version has migrated the database, and the old process still serves."""
    with troubles.connected() as connection:
        [known] = connection.execute("SELECT version_num FROM alembic_version").fetchone() or ("",)
    troubles.execute("ALTER TABLE entry ADD COLUMN newer TEXT")
    troubles.execute("UPDATE alembic_version SET version_num = '9999'")
    yield
    troubles.execute("ALTER TABLE entry DROP COLUMN newer")
    troubles.execute(f"UPDATE alembic_version SET version_num = '{known}'")  # noqa: S608


@contextmanager
def restarted(troubles: Troubles) -> Iterator[None]:
    """The server of the database is stopped, and started again."""
    assert troubles.server is not None
    troubles.server.stop()
    try:
        yield
    finally:
        troubles.server.start()


@contextmanager
def gone(troubles: Troubles) -> Iterator[None]:
    """Connections are cut, and no new one is answered."""
    assert troubles.proxy is not None
    troubles.proxy.refuse()
    yield
    troubles.proxy.pass_on()


@contextmanager
def stalled(troubles: Troubles) -> Iterator[None]:
    """Nothing comes through, and nothing is cut."""
    assert troubles.proxy is not None
    troubles.proxy.hold()
    yield
    troubles.proxy.pass_on()


@contextmanager
def slow(troubles: Troubles) -> Iterator[None]:
    """Each message takes a while."""
    assert troubles.proxy is not None
    troubles.proxy.delay = 0.05
    yield
    troubles.proxy.delay = 0


SQLITE = {
    "locked by a program": locked_file,
    "on a full disk": full_disk,
    "on a read-only disk": read_only_disk,
    "of a newer version": newer_file,
}
POSTGRESQL = {
    "locked by a session": locked_table,
    "read-only": read_only_database,
    "migrated by a newer version": newer_database,
    "restarted": restarted,
    "gone": gone,
    "stalled": stalled,
    "slow": slow,
}


class Proxy:
    """Stands between a program and PostgreSQL's socket: ``folder`` has its own.

    It runs in a thread. ``delay`` is in seconds, before each piece that it passes on.
    """

    def __init__(self, behind: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tracker-px-", dir="/tmp"))
        self.delay = 0.0
        self._behind = str(behind / _SOCKET)
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._refusing = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        self.pass_on()
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def pass_on(self) -> None:
        """Pass on what comes, from now on."""
        self._refusing = False
        self._loop.call_soon_threadsafe(self._open.set)

    def hold(self) -> None:
        """Pass on nothing, and cut nothing."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def refuse(self) -> None:
        """Cut everything, and answer nobody."""
        self._refusing = True
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for writer in self._writers:
            writer.close()
        self._open.set()

    def _call(self, work: Coroutine[object, object, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _listen(self) -> None:
        path = str(self.folder / _SOCKET)
        self._server = await asyncio.start_unix_server(self._answer, path)
        os.chmod(path, 0o777)  # noqa: PTH101, S103 - PostgreSQL's own socket is as open

    async def _close(self) -> None:
        self._server.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self._refusing:
                return
            behind, there = await asyncio.open_unix_connection(self._behind)
            self._writers.add(there)
            try:
                await asyncio.gather(self._pass(reader, there), self._pass(behind, writer))
            finally:
                there.close()
                self._writers.discard(there)
        except OSError:
            return
        finally:
            writer.close()
            self._writers.discard(writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await self._open.wait()
                if self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(data)
                await writer.drain()
        writer.close()


FAULT = Fault(
    run,
    {"rounds": 20, "seed": 1},
    lambda found: found.lost or found.wrong or found.down or found.unclear or found.unanswered,
)

if __name__ == "__main__":
    run_long(__doc__, FAULT)
