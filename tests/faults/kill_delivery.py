"""Kill a sender again and again, at any point, and count what is lost and what comes twice.

``python -m tests.faults.kill_delivery --kills 10000 [--database URL]``; the test suite runs a few.
kill -9 is not a power cut: that is the database's promise (synchronous=EXTRA), and not tried here.
"""

import random
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Engine, text

from tests.faults.long_form import Fault, run_long
from tests.mail.conftest import letter
from tests.mail.sink import Sink
from tracker import clock
from tracker.db.engine import open_engine, reading, writing
from tracker.mail import outbox

_BATCH = 200
_MOST_DRAINS = 20  # until what is left is lost
_LONGEST_LIFE = 0.25  # seconds from ready to dead


@dataclass
class Tally:
    """What a run came to, in messages.

    ``worst`` is the most repeats after one kill, ``allowed`` how many there may be.
    """

    kills: int = 0
    messages: int = 0
    lost: int = 0
    repeats: int = 0
    altered: int = 0
    worst: int = 0
    allowed: int = 0


def run(database_url: str, kills: int, connections: int, seed: int) -> Tally:
    """Kill ``kills`` senders, each with messages waiting; then let one finish."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    tally = Tally(allowed=connections)
    engine = open_engine(database_url)
    with Sink() as sink:
        while tally.kills < kills:
            _top_up(engine, tally)
            before = len(sink.taken)
            _drain(database_url, sink.url, connections, chance.uniform(0, _LONGEST_LIFE))
            sink.idle.wait()  # what the dead sender sent last may still be on its way
            _expire_leases(engine)
            tally.kills += 1
            tally.worst = max(tally.worst, _unmarked(engine, sink, before))
        _finish(engine, database_url, sink.url, connections)
        _count(engine, sink, tally)
    engine.dispose()
    return tally


def _top_up(engine: Engine, tally: Tally) -> None:
    with writing(engine) as session:
        waiting = outbox.count_by_state(session).get("waiting", 0)
        if waiting < _BATCH:
            names = range(tally.messages, tally.messages + _BATCH)
            letters = [letter(f"person{number}@example.org") for number in names]
            outbox.enqueue(session, letters, clock.now())
            tally.messages += _BATCH


def _drain(database_url: str, smtp_url: str, connections: int, life: float | None) -> None:
    command = [sys.executable, "-m", "tests.mail.draining"]
    arguments = [database_url, smtp_url, str(connections)]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            process.wait(life)
        except subprocess.TimeoutExpired:
            process.kill()


def _finish(engine: Engine, database_url: str, smtp_url: str, connections: int) -> None:
    """Let senders run until nothing is left.

    On a busy machine a sender runs into time limits, and puts messages off until later.
    """
    for _ in range(_MOST_DRAINS):
        if not _count_unsent(engine):
            return
        _drain(database_url, smtp_url, connections, None)
        _expire_leases(engine)
        with writing(engine) as session:
            due = {"past": (clock.now() - timedelta(seconds=1)).replace(tzinfo=None)}
            statement = text("UPDATE outbox SET next_attempt_at = :past WHERE state = 'waiting'")
            session.connection().execute(statement, due)


def _count_unsent(engine: Engine) -> int:
    with reading(engine) as session:
        return sum(row.state != "sent" for row in outbox.list_messages(session))


def _expire_leases(engine: Engine) -> None:
    """As if the dead sender's leases had run out; waiting for that would take an hour a kill."""
    with writing(engine) as session:
        past = clock.now() - timedelta(seconds=1)
        statement = text("UPDATE outbox SET lease_until = :past WHERE state = 'sending'")
        session.connection().execute(statement, {"past": past.replace(tzinfo=None)})


def _unmarked(engine: Engine, sink: Sink, before: int) -> int:
    """How many messages the dead sender had sent and not marked: each will come once more."""
    with reading(engine) as session:
        waiting = {row.message_id for row in outbox.list_messages(session) if row.state != "sent"}
    return sum(taken.message_id in waiting for taken in sink.taken[before:])


def _count(engine: Engine, sink: Sink, tally: Tally) -> None:
    unsent = _count_unsent(engine)
    arrivals = Counter(taken.message_id for taken in sink.taken)
    tally.lost = unsent + tally.messages - len(arrivals)
    tally.repeats = sum(arrivals.values()) - len(arrivals)
    tally.altered = len(set(sink.taken)) - len(arrivals)


FAULT = Fault(
    run,
    {"kills": 100, "connections": 4, "seed": 1},
    lambda found: found.lost or found.altered or found.worst > found.allowed,
)

if __name__ == "__main__":
    run_long(__doc__, FAULT)
