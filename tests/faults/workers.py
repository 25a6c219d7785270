"""Let workers die, freeze, lose the network, or have a wrong clock, and count what is lost.

``python -m tests.faults.workers --rounds 20 --people 200``; the test suite runs a few rounds. Each
round is a day: one worker begins, and something happens to it in the middle of a job; others do
the rest. It uses a PostgreSQL of its own, which one of the faults restarts. The end is compared
with what one process comes to on SQLite that runs the same days without any fault.

To cut a worker off takes root (``ip netns``); for a wrong clock, libfaketime is preloaded. A
fault that this machine cannot have is named in the output.
"""

import argparse
import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tests.jobs.harness import JobHarness, at
from tests.jobs.workers import build_worker
from tests.mail.sink import Sink
from tests.support.databases import sqlalchemy_url
from tests.support.postgres import Server, restartable_server
from tracker.db.engine import reading, writing
from tracker.db.migrate import migrate
from tracker.db.tables import METADATA
from tracker.jobs.distributed import run_worker

AUTUMN, FIRST_DAY = at("2024-09-15"), at("2024-12-02")
KILLED, FROZEN, CUT_OFF, CLOCK, RESTART = FAULTS = (
    *("killed", "frozen", "cut off", "wrong clock", "database restarted"),
)
_FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
_NAMESPACE, _OURS, _THEIRS = "tracker-cut-off", "10.213.47.1", "10.213.47.2"
_DATABASE = "postgres"
_PATIENCE = 120.0


@dataclass
class Tally:
    """What the rounds came to.

    ``different`` are the tables, of those that matter, whose rows are not those of one process
    without faults; ``lost`` and ``altered`` are mails; ``repeats`` came twice, with the same bytes.
    ``slowest`` is how many seconds passed at most from a fault until another worker had done the
    job, and ``lease`` when a worker is taken for dead.
    """

    lease: int
    rounds: Counter[str] = field(default_factory=Counter)
    mails: int = 0
    lost: int = 0
    altered: int = 0
    repeats: int = 0
    different: list[str] = field(default_factory=list)
    slowest: float = 0.0

    @property
    def is_wrong(self) -> bool:
        """Whether something was lost, doubled, or taken over too late."""
        return bool(self.lost or self.altered or self.different or self.slowest > 2 * self.lease)


def possible_faults() -> list[str]:
    """The faults that this machine can have."""
    missing = set()
    if os.geteuid() != 0 or shutil.which("ip") is None:
        missing.add(CUT_OFF)
    if _FAKETIME is None:
        missing.add(CLOCK)
    return [fault for fault in FAULTS if fault not in missing]


def run(faults: list[str], people: int, lease: int, others: int = 0) -> Tally:
    """Let a day pass for each of the ``faults``, with so many people in each association.

    A worker of this process survives all of them, and so do ``others``, processes of each day.
    """
    tally = Tally(lease)
    with ExitStack() as stack:
        host = stack.enter_context(_network()) if CUT_OFF in faults else ""
        server = stack.enter_context(restartable_server(host=host))
        url = sqlalchemy_url(server.url, _DATABASE)
        migrate(url)
        jobs = JobHarness(url)
        file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "reference.db"
        migrate(f"sqlite:///{file}")
        reference = JobHarness(f"sqlite:///{file}")
        for harness in (jobs, reference):
            stack.callback(harness.engine.dispose)
            _fill(harness, people)
        sink = stack.enter_context(Sink(host=host or "127.0.0.1"))
        survivor = stack.enter_context(Survivor(jobs, sink, lease))
        day = Day(server, jobs, sink, lease, host, others, survivor)
        day.wait_for_all(AUTUMN)
        reference.run(AUTUMN)
        for number, fault in enumerate(faults):
            instant = FIRST_DAY + timedelta(days=number)
            took = day.pass_with(fault, instant)
            tally.rounds[fault] += 1
            tally.slowest = max(tally.slowest, took)
            reference.run(instant)
        _compare(tally, jobs, reference, sink)
    return tally


def _fill(jobs: JobHarness, people: int) -> None:
    jobs.add_alice(AUTUMN)
    with jobs.storing(AUTUMN) as stored:
        for number in range(people):
            stored.add(f"Carol{number}", ["NCIMHA IFS 2020-01-01", "CT-AIMH IFS 2021-01-01"])


@dataclass
class Day:
    """The processes of one round, on one database."""

    server: Server
    jobs: JobHarness
    sink: Sink
    lease: int
    host: str
    others: int
    survivor: "Survivor"

    def pass_with(self, fault: str, instant: datetime) -> float:
        """Let the jobs of a day be done in spite of a fault; seconds until it was made good."""
        with ExitStack() as stack:
            victim, lock = self._begin(stack, fault, instant)
            for _ in range(self.others):
                stack.enter_context(self._worker(instant))
            self.survivor.begin_day(instant)
            began = time.monotonic()
            self._do(fault, victim)
            lock.close()
            wait_until(lambda: self._is_done(instant, ["evaluate"]))
            took = time.monotonic() - began
            self.wait_for_all(instant)
            if fault == FROZEN:
                victim.send_signal(signal.SIGCONT)
            elif fault == CUT_OFF:
                _ip("-n", _NAMESPACE, "link", "set", "cutoff1", "up")
        return took

    def wait_for_all(self, instant: datetime) -> None:
        """Wait until all jobs of a day are done, and all mail has left."""
        wait_until(lambda: self._is_done(instant, ["evaluate", "notices", "references"]))
        nothing = "SELECT count(*) = 0 FROM {} WHERE {}"
        wait_until(lambda: self._count(nothing.format("procrastinate_jobs", "queue_name = 'jobs'")))
        wait_until(lambda: self._count(nothing.format("outbox", "state <> 'sent'")))

    def _begin(
        self, stack: ExitStack, fault: str, instant: datetime
    ) -> tuple["subprocess.Popen[bytes]", ExitStack]:
        """A worker in the middle of a job; it cannot go on until the second result is closed."""
        lock = ExitStack()
        if fault != RESTART:
            # What an evaluation reads once it has begun.
            session = lock.enter_context(writing(self.jobs.engine))
            session.connection().execute(text("LOCK TABLE standing"))
        # In reverse order: at the end, a worker that waits for the lock can stop.
        victim = stack.enter_context(self._worker(instant, fault))
        stack.enter_context(lock)
        running = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'"
        if fault == RESTART:
            done = "SELECT count(*) FROM run_ledger WHERE local_date = :day"
            wait_until(lambda: self._count(done, day=instant.date()))
        else:
            waiting = (
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND datname = current_database()"
            )
            wait_until(lambda: self._count(running) and self._count(waiting))
        return victim, lock

    def _do(self, fault: str, victim: "subprocess.Popen[bytes]") -> None:
        if fault == KILLED:
            victim.kill()
        elif fault == FROZEN:
            victim.send_signal(signal.SIGSTOP)
        elif fault == CUT_OFF:
            _ip("-n", _NAMESPACE, "link", "set", "cutoff1", "down")
        elif fault == RESTART:
            self.jobs.engine.dispose()
            self.server.restart()

    @contextmanager
    def _worker(self, instant: datetime, fault: str = "") -> Iterator["subprocess.Popen[bytes]"]:
        """A worker for which it is ``instant`` now; at the end it stops by itself."""
        behind = (datetime.now(UTC) - instant).total_seconds()
        url, prefix, environment = self.jobs.url, [], dict(os.environ)
        if fault == CUT_OFF:
            prefix = ["ip", "netns", "exec", _NAMESPACE]
            url = f"postgresql+psycopg://postgres@{self.host}/{_DATABASE}"
        if fault == CLOCK:
            environment |= {"LD_PRELOAD": str(_FAKETIME), "FAKETIME": "+3d"}
            environment["FAKETIME_DONT_FAKE_MONOTONIC"] = "1"
        command = [*prefix, sys.executable, "-m", "tests.faults.working"]
        arguments = [url, self.sink.url, str(behind), str(self.lease)]
        with subprocess.Popen(
            [*command, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            try:
                yield process
            finally:
                process.terminate()
                process.wait(_PATIENCE)

    def _is_done(self, instant: datetime, names: list[str]) -> bool:
        query = "SELECT count(*) FROM run_ledger WHERE local_date = :day AND job = ANY(:names)"
        count = self._count(query, day=instant.date(), names=names)
        return count == len(names) * len(self.jobs.rulebooks.associations)

    def _count(self, query: str, **parameters: object) -> int:
        with reading(self.jobs.engine) as session:
            return int(session.connection().execute(text(query), parameters).scalar_one())


class Survivor:
    """A worker of this process, in a thread of its own; its days begin when they are told."""

    def __init__(self, jobs: JobHarness, sink: Sink, lease: int) -> None:
        self.begin_day(AUTUMN)
        self._worker = build_worker(jobs, sink.url, self._clock, lease_seconds=lease, patience=20)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()), daemon=True)

    def begin_day(self, instant: datetime) -> None:
        """Let it be ``instant``; the time goes on from there."""
        self._began = instant, time.monotonic()

    def _clock(self) -> datetime:
        instant, began = self._began
        return instant + timedelta(seconds=time.monotonic() - began)

    async def _work(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await run_worker(self._worker, self._stop)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_PATIENCE)
        self._worker.engine.dispose()


def wait_until(reached: Callable[[], object]) -> None:
    """Wait for a condition of the database, through its restart if need be."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            if reached():
                return
        except OperationalError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)


def _compare(tally: Tally, jobs: JobHarness, reference: JobHarness, sink: Sink) -> None:
    """Compare the rows of both databases without what no two runs have in common."""
    for name in ("run_ledger", "run_failure", "standing", "standing_history", "notice", "outbox"):
        if _rows(jobs, name) != _rows(reference, name):
            tally.different.append(name)
    with reading(jobs.engine) as session:
        table = METADATA.tables["outbox"]
        stored = set(session.scalars(table.select().with_only_columns(table.c.message_id)))
    arrived = Counter(taken.message_id for taken in sink.taken)
    tally.mails = len(stored)
    tally.lost = len(stored - set(arrived))
    tally.repeats = sum(arrived.values()) - len(arrived)
    tally.altered = len(set(sink.taken)) - len(arrived)


_UNLIKE = {
    *("message_id", "body", "text", "started_at", "finished_at", "report", "fence", "attempts"),
    *("lease_until", "next_attempt_at", "created_at", "decided_at", "first_failed_at"),
    *("last_failed_at", "state", "last_error", "id", "about_id", "person_id", "subject_id"),
}


def _rows(jobs: JobHarness, name: str) -> Counter[tuple[Any, ...]]:
    table = METADATA.tables[name]
    columns = [column for column in table.columns if column.name not in _UNLIKE]
    with reading(jobs.engine) as session:
        rows = session.connection().execute(table.select().with_only_columns(*columns))
        return Counter(tuple(row) for row in rows)


@contextmanager
def _network() -> Iterator[str]:
    """A network namespace that is joined to ours by a cable; our address on it."""
    _ip("netns", "add", _NAMESPACE)
    try:
        _ip("link", "add", "cutoff0", "type", "veth", "peer", "cutoff1", "netns", _NAMESPACE)
        _ip("addr", "add", f"{_OURS}/30", "dev", "cutoff0")
        _ip("link", "set", "cutoff0", "up")
        _ip("-n", _NAMESPACE, "addr", "add", f"{_THEIRS}/30", "dev", "cutoff1")
        _ip("-n", _NAMESPACE, "link", "set", "cutoff1", "up")
        yield _OURS
    finally:
        _ip("netns", "del", _NAMESPACE)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for option, usual in {"rounds": 20, "people": 200, "lease": 5}.items():
        parser.add_argument(f"--{option}", type=int, default=usual)
    given = parser.parse_args()
    possible = possible_faults()
    if left_out := [fault for fault in FAULTS if fault not in possible]:
        sys.stdout.write(f"Not possible on this machine: {', '.join(left_out)}\n")
    chosen = [possible[number % len(possible)] for number in range(given.rounds)]
    found = run(chosen, given.people, given.lease, others=2)
    sys.stdout.write(f"{found}\n")
    sys.exit(found.is_wrong)
