"""`tracker run-due` and `tracker deliver` as whole commands, start-up included, and their floors.

The floors are what no program can do without: building so many messages with the email package
alone, rendering them (templates and message, from decisions that are there already), and giving
ready bytes to the mail server over kept connections. `python -m tests.bench.mailing FLOOR URL N
PORT` does one of them, on a database whose notices are due.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from email import message_from_bytes
from email.policy import SMTP as SMTP_POLICY
from typing import NamedTuple

from aiosmtplib import SMTP
from sqlalchemy import select, update

from tests.bench.measuring import (
    Figure,
    Hold,
    build_message,
    find_server,
    heading,
    measure,
    report,
    say,
    say_growth,
    server_seconds,
)
from tests.bench.population import CATEGORY
from tests.bench.work import CONFIG
from tracker.clock import now
from tracker.db.engine import open_engine, writing
from tracker.db.statements import in_chunks
from tracker.db.tables import METADATA
from tracker.jobs.notices import RunContext, decide_notices, write_message
from tracker.notifications.context import dry_run_context, open_context
from tracker.rulebooks import load_rulebooks
from tracker.rules.notices import Decision
from tracker.settings import Settings

_MODULE = "tests.bench.mailing"
# The day on which 90 days are left, and all are short.
_AS_OF = "2026-10-02T18:00+00:00"
_KILOBYTES_IN_MEGABYTE = 1024
# So many of the mails are enough for a floor.
_SAMPLE = 2_000
_CONNECTIONS = 10
_PEOPLE = 250
_HOLD = Hold(least=1.5, megabytes=128)
_PEERS = "Tendenci 0.18 x, 369 MB; healthchecks 0.18 x, 79 MB"
# Until it runs a program of its own a process is as large as the one that began it, and that is
# counted as its peak. So this one, which is too large, does not begin the command itself.
_BEGUN_BY_A_SMALL_ONE = """
import os, subprocess, sys
begun = subprocess.Popen([sys.argv[1], *sys.argv[2:]], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(begun.pid, 0)
begun.returncode = os.waitstatus_to_exitcode(status)
print(usage.ru_maxrss, usage.ru_utime + usage.ru_stime)
sys.exit(begun.returncode)
"""
_TRACKER = ("-c", "from tracker.cli.main import main; main()")


class _Floors(NamedTuple):
    built: Figure
    rendered: Figure
    sent: Figure


def measure_mailing(urls: Iterable[tuple[int, str]]) -> None:
    """Fill each database for so many people, take the first night, then time both commands."""
    both = [_measure_size(url, mails) for mails, url in urls]
    if len(both) > 1:
        say_growth("deciding and mailing", both)


def _measure_size(url: str, mails: int) -> Figure:
    heading(f"{mails:,} endorsees with a reminder due, whole commands, to a local sink")
    measure("tests.bench.work", "fill-short", url, str(mails), runs=1)
    measure("tests.bench.work", "night", url, runs=1)
    with running_sink() as port:
        floors = _measure_floors(url, min(mails, _SAMPLE), port)
        environment = {
            **os.environ,
            "TRACKER_DATABASE_URL": url,
            "TRACKER_SMTP_URL": f"smtp://127.0.0.1:{port}?tls=none",
        }
        decided = _command(environment, mails, *_TRACKER, "run-due", "--as-of", _AS_OF)
        _pretend_no_time_has_passed(url)
        sent = _command(environment, mails, *_TRACKER, "deliver")
        idle = _command(environment, 1, *_TRACKER, "run-due", "--as-of", _AS_OF)
    say("the floor: building with the email package", floors.built)
    say("rendering alone: templates and message", floors.rendered, floor=floors.built)
    say("SMTP alone: ready bytes, 10 kept connections", floors.sent)
    say("tracker run-due", decided, floor=floors.rendered)
    say("tracker deliver", sent, floor=floors.sent)
    both = Figure(
        decided.cpu + sent.cpu,
        decided.seconds + sent.seconds,
        max(decided.megabytes, sent.megabytes),
        mails,
    )
    say("both", both, floor=floors.built, hold=_HOLD, peer=_PEERS)
    say("tracker run-due, nothing due any more", idle, hold=Hold(cpu=0.5, megabytes=60))
    say("bare Python, for comparison", _command(environment, 1, "-c", "pass"))
    return both


@contextmanager
def running_sink() -> Iterator[str]:
    """The port of a mail server in a process of its own, until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.mail.sink"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as sink:
        assert sink.stdout
        assert sink.stdin
        yield sink.stdout.readline().strip()
        sink.stdin.close()


def _measure_floors(url: str, mails: int, port: str) -> _Floors:
    return _Floors(
        *(measure(_MODULE, name, url, str(mails), port) for name in ("build", "render", "send"))
    )


def _pretend_no_time_has_passed(url: str) -> None:
    """Or else what was decided for that day would have waited, and be dropped."""
    engine = open_engine(url)
    with writing(engine) as session:
        session.connection().execute(update(METADATA.tables["outbox"]).values(created_at=now()))
    engine.dispose()


def _command(environment: dict[str, str], done: int, *arguments: str) -> Figure:
    server = find_server(environment["TRACKER_DATABASE_URL"])
    start, served = time.perf_counter(), server_seconds(server)
    printed = subprocess.run(
        [sys.executable, "-S", "-c", _BEGUN_BY_A_SMALL_ONE, sys.executable, *arguments],
        env=environment,
        check=True,
        capture_output=True,
    )
    seconds, served = time.perf_counter() - start, server_seconds(server) - served
    kilobytes, cpu = map(float, printed.stdout.split())
    return Figure(cpu + served, seconds, kilobytes / _KILOBYTES_IN_MEGABYTE, done)


def _floor(name: str, url: str, mails: int, port: int) -> None:
    engine, rulebooks = open_engine(url), load_rulebooks(CONFIG)
    settings = Settings(database_url=url, config_dir=CONFIG, base_url="https://example.org")
    instant = datetime.fromisoformat(_AS_OF)
    endorsement = METADATA.tables["endorsement"]
    query = select(endorsement.c.person_id).where(endorsement.c.category == CATEGORY).limit(mails)
    decided: list[Sequence[Decision]] = []
    with (
        dry_run_context(open_context(settings, rulebooks, engine), engine) as context,
        context.transaction() as session,
    ):
        run = RunContext(context, session, instant.date(), instant)
        for people in in_chunks(session.scalars(query).all(), _PEOPLE):
            decided += decide_notices(run, people).values()
        _time_floor(name, run, decided, port)


def _time_floor(
    name: str, run: RunContext, decided: Sequence[Sequence[Decision]], port: int
) -> None:
    def render() -> list[bytes]:
        return [write_message(run, "alice@example.org", each).body for each in decided]

    ready = render()
    if name == "build":
        text, html = _split(ready[0])
        report(lambda: sum(1 for _ in decided if build_message(text, html)))
    elif name == "render":
        report(lambda: len(render()))
    else:
        report(lambda: asyncio.run(_send_all(ready, port)))


def _split(message: bytes) -> tuple[str, str]:
    """The two texts of a mail of ours, so that the floor builds messages of the same length."""
    parsed = message_from_bytes(message, policy=SMTP_POLICY)
    parts = (parsed.get_body((kind,)) for kind in ("plain", "html"))
    text, html = (part.get_content() for part in parts if part)
    return text, html


async def _send_all(ready: Sequence[bytes], port: int) -> int:
    """Give ready bytes to the server, as many at a time as there are connections."""
    waiting = iter(ready)

    async def send() -> int:
        sent = 0
        async with SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
            for body in waiting:
                await client.sendmail("renewals@example.org", "alice@example.org", body)
                sent += 1
        return sent

    return sum(await asyncio.gather(*(send() for _ in range(_CONNECTIONS))))


if __name__ == "__main__":
    _, name_, url_, mails_, port_ = sys.argv
    _floor(name_, url_, int(mails_), int(port_))
