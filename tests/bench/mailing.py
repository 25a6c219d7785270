"""`tracker run-due` and `tracker deliver` as whole commands, start-up included."""

import os
import resource
import subprocess
import sys
import time

from tests.bench.measuring import Figure, measure, say

# The day on which 90 days are left, and all are short.
_AS_OF = "2026-10-02T18:00+00:00"
_KILOBYTES_IN_MEGABYTE = 1024


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
        sent = _command(environment, mails, "deliver")
        assert sink.stdin
        sink.stdin.close()
    say("tracker run-due", decided)
    say("tracker deliver", sent)
    both = Figure(decided.seconds + sent.seconds, max(decided.megabytes, sent.megabytes), mails)
    say("both", both, hold="hold 400/s, 128 MB")


def _command(environment: dict[str, str], mails: int, *arguments: str) -> Figure:
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", "from tracker.cli import main; main()", *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    return Figure(time.perf_counter() - start, _megabytes(usage), mails)


def _megabytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / _KILOBYTES_IN_MEGABYTE
