"""Times a piece of work in a process of its own, and prints it as one row of a table.

Times are processor seconds, because they differ least between a busy machine and an idle one: those
of the process and, on PostgreSQL, of its server, both of user and system. Waiting (for the disk, or
for another process) is in the clock seconds beside them only.
"""

import gc
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from math import log
from pathlib import Path
from statistics import linear_regression
from tempfile import TemporaryFile
from typing import NamedTuple

import psycopg
from sqlalchemy.engine import make_url

_KILOBYTES_IN_MEGABYTE = 1024
_TICKS = os.sysconf("SC_CLK_TCK")


class Figure(NamedTuple):
    """Processor and clock seconds, peak memory in megabytes, and how many things were done."""

    cpu: float
    seconds: float
    megabytes: float
    done: int

    @property
    def rate(self) -> float:
        """Things a processor second."""
        return self.done / self.cpu


class Hold(NamedTuple):
    """What a figure has to keep, each None if it is not asked.

    ``most`` and ``least`` are processor seconds beside the floor's: at most so many times as much
    for each thing, or at least so many times the floor's rate.
    """

    most: float | None = None
    least: float | None = None
    megabytes: float | None = None
    cpu: float | None = None

    def describe(self, figure: Figure, floor: Figure | None) -> str:
        """The limits, and ``kept`` or ``over``."""
        rate = figure.rate / floor.rate if floor else 0.0
        limits = (
            (self.most, f"<= {self.most} x", self.most and rate * self.most >= 1),
            (self.least, f">= {self.least} x", self.least and rate >= self.least),
            (self.cpu, f"<= {self.cpu} s", self.cpu and figure.cpu <= self.cpu),
            (
                self.megabytes,
                f"<= {self.megabytes} MB",
                self.megabytes and figure.megabytes <= self.megabytes,
            ),
        )
        held = [(text, kept) for limit, text, kept in limits if limit is not None]
        verdict = "kept" if all(kept for _, kept in held) else "OVER"
        return f"{', '.join(text for text, _ in held)}: {verdict}"


def measure(module: str, *arguments: str, runs: int = 3) -> Figure:
    """Run ``python -m module arguments`` some times; the run that took the least."""
    figures = []
    for _ in range(runs):
        finished = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        figures.append(Figure(*json.loads(finished.stdout.splitlines()[-1])))
    return min(figures)


def report(work: Callable[[], int], url: str = "") -> None:
    """In the child: do the work (on the database ``url``) and print its figure."""
    gc.freeze()  # as every command does (tracker.cli.context)
    server = find_server(url)
    began, start, served = time.process_time(), time.perf_counter(), server_seconds(server)
    done = work()
    cpu = time.process_time() - began + server_seconds(server) - served
    seconds = time.perf_counter() - start
    sys.stdout.write(json.dumps([cpu, seconds, _peak(), done]) + "\n")


def find_server(url: str) -> int | None:
    """The number of the process that begins all others of a PostgreSQL server; else None."""
    if not url.startswith("postgresql"):
        return None
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        found = connection.execute("SELECT pg_read_file('postmaster.pid')").fetchone()
    assert found
    return int(found[0].splitlines()[0])


def server_seconds(server: int | None) -> float:
    """The processor seconds that a server and all its processes, also ended ones, took so far."""
    if server is None:
        return 0.0
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        # proc(5): 2 the state, 3 the process that began it, 13 to 16 its own and its children's.
        if int(stat.parent.name) == server:
            ticks += sum(map(int, fields[11:15]))
        elif int(fields[1]) == server:
            ticks += sum(map(int, fields[11:13]))
    return ticks / _TICKS


def _peak() -> float:
    """Of this process; what ``getrusage`` tells can be that of the process that began it."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) / _KILOBYTES_IN_MEGABYTE


def find_exponent(figures: Sequence[Figure]) -> float:
    """How processor seconds grow with the things done: 1 is in proportion, 2 with the square.

    The slope of the line through their logarithms.
    """
    sizes = [log(figure.done) for figure in figures]
    return linear_regression(sizes, [log(figure.cpu) for figure in figures]).slope


def heading(words: str) -> None:
    """Print what the next rows are about, and their columns."""
    columns = f"{'things':>9}{'CPU s':>9}{'clock s':>9}{'a CPU s':>10}{'MB':>6}"
    write(f"\n{words}\n  {'':<46}{columns}  beside the floor")


def say(
    name: str,
    figure: Figure,
    *,
    floor: Figure | None = None,
    hold: Hold | None = None,
    peer: str = "",
) -> None:
    """Print one row; ``peer`` is what the best other way came to, as measured elsewhere."""
    line = (
        f"  {name:<46}{figure.done:>9,}{figure.cpu:>9.2f}{figure.seconds:>9.2f}"
        f"{figure.rate:>10,.0f}{figure.megabytes:>6.0f}"
    )
    if floor and hold and hold.least:
        line += f"  {figure.rate / floor.rate:5.2f} x its rate"
    elif floor:
        line += f"  {floor.rate / figure.rate:5.2f} x its time"
    if hold:
        line += f"  hold {hold.describe(figure, floor)}"
    if peer:
        line += f"  (peer: {peer})"
    write(line)


def say_growth(name: str, figures: Sequence[Figure]) -> None:
    """Print how a piece of work grows from the smallest to the largest number of things."""
    memory = ", ".join(f"{figure.megabytes:.0f}" for figure in figures)
    sizes = ", ".join(f"{figure.done:,}" for figure in figures)
    write(f"  growth of {name}: things^{find_exponent(figures):.2f}; {memory} MB at {sizes}")


def write(line: str) -> None:
    """Print a line at once, also into a file."""
    sys.stdout.write(line.rstrip() + "\n")
    sys.stdout.flush()


def say_machine() -> None:
    """Print the speed of the machine: no ratio depends on it, every absolute figure does."""
    turns, waits, messages = 5_000_000, 20, 500
    began = time.process_time()
    for _ in range(turns):
        pass
    loop = turns / (time.process_time() - began)
    with TemporaryFile(buffering=0) as file:
        start = time.perf_counter()
        for _ in range(waits):
            file.write(b"x")
            os.fsync(file.fileno())
        sync = (time.perf_counter() - start) / waits
    began = time.process_time()
    for _ in range(messages):
        build_message("To whom it may concern\n", "<p>To whom it may concern</p>\n")
    built = (time.process_time() - began) / messages
    write(
        f"this machine: {loop / 1e6:,.0f} million turns of a bare Python loop a second, "
        f"{1_000 * sync:.1f} ms an fsync, {1e6 * built:,.0f} us an EmailMessage"
    )


def build_message(text: str, html: str) -> bytes:
    """A message as the email package alone builds it: the floor of every mail."""
    message = EmailMessage()
    message["From"] = "Renewals <renewals@example.org>"
    message["To"] = "Alice Andrews <alice@example.org>"
    message["Subject"] = "Your endorsement renewal is due on December 31, 2026"
    message["Message-ID"] = "<0123456789abcdef@example.org>"
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    return message.as_bytes()
