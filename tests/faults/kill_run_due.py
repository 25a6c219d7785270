"""Kill a run of what is due, at any point, and count what is torn, lost or told twice.

``python -m tests.faults.kill_run_due --kills 1000 [--database URL]``; the test suite runs a few.
Every other one dies at a random statement, so that the last job of the day dies as often as the
first; the others at a random moment.
kill -9 is not a power cut: that is the database's promise (synchronous=EXTRA), and not tried here.
"""

import random
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tests.faults.long_form import Fault, run_long
from tests.jobs.harness import JobHarness, at

_PEOPLE = 40
_LONGEST_LIFE = 0.5  # seconds from ready to dead
_MOST_STATEMENTS = 600  # a run takes fewer
_STEPS = (-90, -60, -30, -14, -7, -1, 1, 14, 32)


@dataclass
class Tally:
    """What the kills came to.

    ``torn`` decisions have no mail, or mails no decision; ``lost`` people were not told after a
    second run, ``twice`` were told twice; ``owed`` jobs were still due after it. ``cut`` runs were
    killed before their end.
    """

    kills: int = 0
    cut: int = 0
    torn: int = 0
    lost: int = 0
    twice: int = 0
    owed: int = 0


def run(database_url: str, kills: int, seed: int) -> Tally:
    """Kill ``kills`` runs, one a step of the calendar, and finish each by a second run."""
    chance, tally = random.Random(seed), Tally()  # noqa: S311 - not for secrets
    jobs = JobHarness(database_url, may_be_killed=True)
    with jobs.storing(at("2024-09-01")) as people:
        for number in range(_PEOPLE):
            people.add(f"Alice{number}", ["NCIMHA IFS 2020-01-01", "CT-AIMH IFS 2020-01-01"])
    jobs.run(at("2024-09-01"))
    for number in range(kills):
        due_on = date(2024 + number // len(_STEPS), 12, 31)
        instant = at(str(due_on + timedelta(days=_STEPS[number % len(_STEPS)])))
        known = len(jobs.mails())
        if number % 2:
            life, statements = None, chance.randrange(_MOST_STATEMENTS)
        else:
            life, statements = chance.uniform(0, _LONGEST_LIFE), None
        tally.cut += _kill(database_url, instant, life, statements)
        tally.kills += 1
        tally.torn += _torn(jobs)
        jobs.run(instant)
        tally.torn += _torn(jobs)
        told = Counter(mail.recipient for mail in jobs.mails()[known:])
        tally.lost += _PEOPLE - len(told)
        tally.owed += len(jobs.run(instant))
        tally.twice += sum(count > 1 for count in told.values())
    jobs.engine.dispose()
    return tally


def _kill(database_url: str, instant: datetime, life: float | None, statements: int | None) -> bool:
    """Let a process run for so many seconds or statements; whether that ended it."""
    command = [sys.executable, "-m", "tests.faults.running_due", database_url, instant.isoformat()]
    command += [] if statements is None else [str(statements)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            process.wait(life)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.returncode == -signal.SIGKILL


def _torn(jobs: JobHarness) -> int:
    decided = {row["message_id"] for row in jobs.decisions(outcome="sent")}
    return len(decided ^ {mail.message_id for mail in jobs.mails()})


FAULT = Fault(
    run,
    {"kills": 1000, "seed": 1},
    lambda found: found.torn or found.lost or found.twice or found.owed,
)

if __name__ == "__main__":
    run_long(__doc__, FAULT)
