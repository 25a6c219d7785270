"""`tracker run-due` and `tracker deliver` as whole commands, start-up included."""

import os
import subprocess
import sys
import time

from sqlalchemy import update

from tests.bench.measuring import Figure, measure, say
from tracker.clock import now
from tracker.db.engine import open_engine, writing
from tracker.db.tables import METADATA

# The day on which 90 days are left, and all are short.
_AS_OF = "2026-10-02T18:00+00:00"
_KILOBYTES_IN_MEGABYTE = 1024
# Until it runs a program of its own a process is as large as the one that began it, and that is
# counted as its peak. So this one, which is too large, does not begin the command itself.
_BEGUN_BY_A_SMALL_ONE = """
import os, subprocess, sys
begun = subprocess.Popen(
    [sys.argv[1], "-c", "from tracker.cli.main import main; main()", *sys.argv[2:]],
    stdout=subprocess.DEVNULL,
)
_, status, usage = os.wait4(begun.pid, 0)
begun.returncode = os.waitstatus_to_exitcode(status)
print(usage.ru_maxrss)
sys.exit(begun.returncode)
"""


def measure_mailing(url: str, mails: int) -> None:
    """Fill, take the first night, then time both commands and print mails a second."""
    measure("tests.bench.work", "fill-short", url, str(mails), runs=1)
    measure("tests.bench.work", "night", url, runs=1)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.mail.sink"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as sink:
        assert sink.stdout
        port = sink.stdout.readline().strip()
        environment = {
            **os.environ,
            "TRACKER_DATABASE_URL": url,
            "TRACKER_SMTP_URL": f"smtp://127.0.0.1:{port}?tls=none",
        }
        decided = _command(environment, mails, "run-due", "--as-of", _AS_OF)
        _pretend_no_time_has_passed(url)
        sent = _command(environment, mails, "deliver")
        assert sink.stdin
        sink.stdin.close()
    say("tracker run-due", decided)
    say("tracker deliver", sent)
    both = Figure(decided.seconds + sent.seconds, max(decided.megabytes, sent.megabytes), mails)
    say("both", both, hold="hold 400/s, 128 MB")


def _pretend_no_time_has_passed(url: str) -> None:
    """Or else what was decided for that day would have waited, and be dropped."""
    engine = open_engine(url)
    with writing(engine) as session:
        session.connection().execute(update(METADATA.tables["outbox"]).values(created_at=now()))
    engine.dispose()


def _command(environment: dict[str, str], mails: int, *arguments: str) -> Figure:
    start = time.perf_counter()
    said = subprocess.run(
        [sys.executable, "-S", "-c", _BEGUN_BY_A_SMALL_ONE, sys.executable, *arguments],
        env=environment,
        check=True,
        capture_output=True,
    )
    return Figure(time.perf_counter() - start, int(said.stdout) / _KILOBYTES_IN_MEGABYTE, mails)
