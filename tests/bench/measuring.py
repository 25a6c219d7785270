"""Times a piece of work in a process of its own, so that its peak memory is its own."""

import gc
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

_KILOBYTES_IN_MEGABYTE = 1024


class Figure(NamedTuple):
    """Seconds, peak memory of the process in megabytes, and how many things were done."""

    seconds: float
    megabytes: float
    done: int


def measure(module: str, *arguments: str, runs: int = 3) -> Figure:
    """Run ``python -m module arguments`` some times; the median by seconds."""
    figures = []
    for _ in range(runs):
        finished = subprocess.run(
            [sys.executable, "-m", module, *arguments], check=True, capture_output=True, text=True
        )
        figures.append(Figure(*json.loads(finished.stdout.splitlines()[-1])))
    return sorted(figures)[len(figures) // 2]


def report(work: Callable[[], int]) -> None:
    """In the child: do the work and print its figure."""
    gc.freeze()  # as every command does (tracker.cli.context)
    start = time.perf_counter()
    done = work()
    seconds = time.perf_counter() - start
    sys.stdout.write(json.dumps([seconds, _peak(), done]) + "\n")


def _peak() -> float:
    """Of this process; what ``getrusage`` tells can be that of the process that began it."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) / _KILOBYTES_IN_MEGABYTE


def say(name: str, figure: Figure, *, floor: Figure | None = None, hold: str = "") -> None:
    """Print one line: seconds, rate, memory, and the ratio to its floor."""
    ratio = f"{figure.seconds / floor.seconds:5.2f} x floor" if floor else " " * 13
    rate = f"{figure.done / figure.seconds:>10,.0f}/s"
    line = f"  {name:<42}{figure.seconds:8.2f} s {rate} {figure.megabytes:6.0f} MB  {ratio}  {hold}"
    sys.stdout.write(line.rstrip() + "\n")


def heading(words: str) -> None:
    """Print what the next lines are about."""
    sys.stdout.write(f"\n{words}\n")
