"""Kill the desk's long work at any statement, and count what is lost, half done, or done twice.

``python -m tests.faults.kill_long_work --kills 200 [--database URL]``; the test suite runs a few.
The work is a mailing, an audit file, and certificates, about five people in batches of two. A
killed process leaves the last batch that it stored; the next one has to go on behind it.
"""

import random
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from itertools import cycle

import pytest

from tests.faults.long_form import Fault, run_long
from tests.support.desk_work import LongWork, fill_desk, use_small_batches
from tests.support.dying import KILLED
from tracker.services.desk_tasks import AUDIT_FILE, CERTIFICATES, MAILING

_KINDS = (MAILING, AUDIT_FILE, CERTIFICATES)
_MOST_STATEMENTS = 60
_MOST_KILLS_OF_ONE = 4
_TICKS = 2_000  # PostgreSQL notices a moment later that a process is gone


@dataclass
class Tally:
    """What the kills came to.

    ``cut`` processes died at work; ``torn`` of them left a part that the task does not count.
    ``undone`` works did not come to their end afterward, ``doubled`` ones did something twice.
    """

    kills: int = 0
    cut: int = 0
    torn: int = 0
    undone: int = 0
    doubled: int = 0


def run(database_url: str, kills: int, seed: int) -> Tally:
    """Kill so many processes, a few at each work, and let it end."""
    chance, tally = random.Random(seed), Tally()  # noqa: S311 - not for secrets
    work, kinds = LongWork(fill_desk(database_url)), cycle(_KINDS)
    with pytest.MonkeyPatch.context() as patch:
        use_small_batches(patch.setattr)
        while tally.kills < kills:
            _do_one(work, next(kinds), chance, tally)
            # On another day the same people can get another mailing.
            work.now += timedelta(days=1)
    work.cast.engine.dispose()
    return tally


def _do_one(work: LongWork, kind: str, chance: random.Random, tally: Tally) -> None:
    """Kill one work of a kind a few times, let it end, and look at what came of it."""
    before, task_id = _count(work, kind), work.start(kind)
    for _ in range(chance.randint(1, _MOST_KILLS_OF_ONE)):
        tally.kills += 1
        if _dies(work, task_id, chance.randrange(_MOST_STATEMENTS)):
            tally.cut += 1
            tally.torn += _count(work, kind) - before != work.task(task_id).done
    _go_on(work)
    found = _count(work, kind) - before
    tally.undone += work.task(task_id).state != "done" or found < len(work.people)
    tally.doubled += found > len(work.people)


def _dies(work: LongWork, task_id: int, statements: int) -> bool:
    """Let a process do the work for so many statements; whether it died before the end."""
    arguments = [work.cast.url, str(task_id), work.now.isoformat(), str(statements)]
    dying = [sys.executable, "-m", "tests.jobs.dying_desk_work", *arguments]
    return subprocess.run(dying, check=False).returncode == KILLED


def _count(work: LongWork, kind: str) -> int:
    """For how many people there is what this kind of work makes."""
    if kind == MAILING:
        return len(work.mailed())
    pieces = work.cast.rows("desk_task_piece")
    if kind == CERTIFICATES:
        return sum(row["name"].endswith(".pdf") for row in pieces)
    parts = [row for row in pieces if row["name"] == "renewals.csv"]
    lines = sum(row["content"].count(b"\r\n") for row in parts)
    return int(lines - sum(row["number"] == 0 for row in parts))


def _go_on(work: LongWork) -> None:
    """Tick until nothing is left to do."""
    for _ in range(_TICKS):
        if not work.runner.run_waiting():
            return


FAULT = Fault(
    run,
    {"kills": 200, "seed": 1},
    lambda found: found.torn or found.undone or found.doubled or not found.cut,
)

if __name__ == "__main__":
    run_long(__doc__, FAULT)
