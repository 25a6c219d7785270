"""Let many processes do what is due, day by day in many time zones, and count what is not once.

``python -m tests.faults.many_runners --days 3652 --processes 8 --zones 12 [--database URL]``.
All processes get the same instant at the same time; the hour drifts from day to day.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from structlog.testing import capture_logs

from tests.faults.long_form import Fault, run_long
from tests.jobs.harness import TWO, JobHarness
from tests.jobs.test_schedule import ZONES
from tracker.jobs.schedule import Job
from tracker.rulebooks import Rulebooks

_FIRST = datetime(2020, 1, 1, tzinfo=UTC)
_DAILY = (Job.EVALUATE, Job.NOTICES, Job.REFERENCES)


@dataclass
class Tally:
    """What the days came to, in runs of a job for an association and a local date.

    ``doubled`` ones were done by two processes, ``skipped`` dates by none, ``unlisted`` ones are
    not in the run ledger, or are there and nobody did them.
    """

    days: int = 0
    done: int = 0
    doubled: int = 0
    skipped: int = 0
    unlisted: int = 0


def run(database_url: str, days: int, processes: int, zones: int) -> Tally:
    """Have so many processes do so many days."""
    done: Counter[tuple[str, str, str]] = Counter()
    with started(database_url, processes, zones) as children:
        for day in range(days):
            # The hours drift, so that each is tried on each side of each change of the clock.
            instant = _FIRST + timedelta(days=day, hours=day * 7 % 24)
            for child in children:
                assert child.stdin is not None
                child.stdin.write(f"{instant.isoformat()}\n")
                child.stdin.flush()
            for child in children:
                assert child.stdout is not None
                done.update(tuple(key) for key in json.loads(child.stdout.readline()))
    return count(database_url, days, zones, done)


def count(database_url: str, days: int, zones: int, done: Counter[tuple[str, str, str]]) -> Tally:
    """Compare what the processes did with the calendar and with the run ledger."""
    tally = Tally(days, done.total(), sum(times - 1 for times in done.values()))
    jobs = JobHarness(database_url, rulebooks=in_zones(zones))
    listed = set[tuple[str, str, str]]()
    for association in jobs.rulebooks.associations:
        for job in Job:
            dates = jobs.runs(job, association)
            listed |= {(job.value, association, str(day)) for day in dates}
            if job in _DAILY:
                tally.skipped += sum(
                    (later - earlier).days - 1 for earlier, later in pairwise(dates)
                )
                tally.skipped += max(0, days - 1 - len(dates))
    jobs.engine.dispose()
    caught_up = {key for key in listed - set(done) if is_caught_up(key, done)}
    tally.unlisted = len((listed - caught_up) ^ set(done))
    return tally


def is_caught_up(key: tuple[str, str, str], done: Counter[tuple[str, str, str]]) -> bool:
    """Whether a date was missed as its hour had not come, and done together with the next day's."""
    job, association, day = key
    return (job, association, str(date.fromisoformat(day) + timedelta(days=1))) in done


def in_zones(zones: int) -> Rulebooks:
    """As many associations, each in a time zone of its own."""
    rulebook = next(iter(TWO.associations.values()))
    own = [
        rulebook.model_copy(update={"id": f"ZONE-{number}", "time_zone": zone})
        for number, zone in enumerate(ZONES[:zones])
    ]
    return replace(TWO, associations={each.id: each for each in own})


@contextmanager
def started(
    database_url: str, processes: int, zones: int
) -> Iterator[list["subprocess.Popen[str]"]]:
    """Processes that wait for instants, until the block ends."""
    command = [sys.executable, "-m", "tests.faults.many_runners", "--child", database_url]
    children = [
        subprocess.Popen([*command, str(zones)], stdin=-1, stdout=-1, text=True)
        for _ in range(processes)
    ]
    try:
        yield children
    finally:
        for child in children:
            child.kill()
            child.communicate()


def work(database_url: str, zones: int) -> None:
    """In a child: at each instant that comes, do what is due, and answer with what was done."""
    jobs = JobHarness(database_url, rulebooks=in_zones(zones), coordinators=(), may_be_killed=True)
    with capture_logs():
        for line in sys.stdin:
            ran = jobs.run(datetime.fromisoformat(line.strip()))
            keys = [(each.job.value, each.association, str(each.due.local_date)) for each in ran]
            sys.stdout.write(json.dumps(keys) + "\n")
            sys.stdout.flush()


FAULT = Fault(
    run,
    {"days": 3652, "processes": 8, "zones": 12},
    lambda found: found.doubled or found.skipped or found.unlisted,
)

if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        work(sys.argv[2], int(sys.argv[3]))
    else:
        run_long(__doc__, FAULT)
