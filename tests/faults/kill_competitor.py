"""Kill one of three senders again and again, and count what the living are late with or repeat.

``python -m tests.faults.kill_competitor --kills 1000 [--database URL]``. Leases are three seconds
and run out by themselves; a mail server that takes its time keeps all senders busy.
"""

import asyncio
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import DateTime, Engine, text

from tests.faults.long_form import Fault, run_long
from tests.mail.conftest import letter
from tests.mail.sink import Sink
from tracker import clock
from tracker.db.engine import open_engine, reading, writing
from tracker.mail import outbox
from tracker.mail.delivery import deliver_once
from tracker.mail.smtp_connection import parse_server
from tracker.settings import Mail

_LEASE = timedelta(seconds=3)
_SENDERS, _MESSAGES = 3, 30
_DELAY = 0.02  # seconds before each answer of the mail server
_SHORT = 0.1  # seconds between two looks


@dataclass
class Tally:
    """What the kills came to, in messages.

    ``slowest`` is the longest for which nobody took up one whose lease had run out, in tenths of a
    second; ``late`` kills are those in which that was longer than a second lease, or in which
    messages were left. More than one repeat a kill means that a living sender was robbed.
    """

    kills: int = 0
    messages: int = 0
    late: int = 0
    repeats: int = 0
    robbed: int = 0
    slowest: int = 0


def run(database_url: str, kills: int, seed: int) -> Tally:
    """Kill so many senders, each with two others that go on."""
    chance, tally = random.Random(seed), Tally()  # noqa: S311 - not for secrets
    engine = open_engine(database_url)
    with Sink() as sink:
        sink.delay = _DELAY
        senders = [start(database_url, sink.url) for _ in range(_SENDERS)]
        try:
            while tally.kills < kills:
                kill_one(engine, sink, senders, chance, tally)
                senders.append(start(database_url, sink.url))
        finally:
            for sender in senders:
                sender.kill()
                sender.communicate()
    engine.dispose()
    return tally


def kill_one(
    engine: Engine,
    sink: Sink,
    senders: list["subprocess.Popen[bytes]"],
    chance: random.Random,
    tally: Tally,
) -> None:
    """Put mail into the outbox, kill a sender while it is sent, and wait for the others."""
    before = len(sink.taken)
    names = [f"person{tally.messages + number}@example.org" for number in range(_MESSAGES)]
    with writing(engine) as session:
        outbox.enqueue(session, [letter(name) for name in names], clock.now())
    while len(sink.taken) - before < chance.randint(1, _MESSAGES // 2):
        time.sleep(_SHORT / 10)
    victim = senders.pop(chance.randrange(_SENDERS))
    victim.kill()
    victim.communicate()
    until, overdue = time.monotonic() + 20 * _LEASE.seconds, 0.0
    while (left := count_unsent(engine)) and time.monotonic() < until:
        overdue = max(overdue, seconds_overdue(engine))
        time.sleep(_SHORT)
    tally.kills += 1
    tally.messages += len(names)
    # A lease that the dead sender took just before the kill runs out one lease after it.
    tally.late += left or overdue > _LEASE.seconds
    tally.slowest = max(tally.slowest, round(10 * overdue))
    repeats = len(sink.taken) - before - len({taken.message_id for taken in sink.taken[before:]})
    tally.repeats += repeats
    tally.robbed += max(0, repeats - 1)


def start(database_url: str, smtp_url: str) -> "subprocess.Popen[bytes]":
    """A sender that goes on until it is killed, once it is ready."""
    command = [sys.executable, "-m", "tests.faults.kill_competitor", "--child"]
    sender = subprocess.Popen([*command, database_url, smtp_url], stdout=-1)
    assert sender.stdout is not None
    sender.stdout.readline()
    return sender


def count_unsent(engine: Engine) -> int:
    """How many messages are waiting, or held by a sender."""
    with reading(engine) as session:
        counts = outbox.count_by_state(session)
    return sum(count for state, count in counts.items() if state != "sent")


def seconds_overdue(engine: Engine) -> float:
    """How long ago the oldest lease ran out whose message nobody has taken up."""
    query = text("SELECT min(lease_until) AS ended FROM outbox WHERE state = 'sending'")
    with reading(engine) as session:
        ended = session.connection().scalar(query.columns(ended=DateTime()))
    return (clock.now().replace(tzinfo=None) - ended).total_seconds() if ended else 0


def send(database_url: str, smtp_url: str) -> None:
    """In a child: send what waits, over one connection, again and again."""
    mail = Mail(sender="renewals@example.org", connections=1, timeout_seconds=5)
    mail = mail.model_copy(update={"lease_seconds": _LEASE.seconds})
    engine, server = open_engine(database_url), parse_server(smtp_url)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        asyncio.run(deliver_once(engine, server, mail, clock.now))
        time.sleep(_SHORT)


FAULT = Fault(run, {"kills": 1000, "seed": 1}, lambda found: found.late or found.robbed)

if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        send(*sys.argv[2:])
    else:
        run_long(__doc__, FAULT)
