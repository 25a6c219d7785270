"""Let the clock jump at random, and count decisions that are missing, doubled, or too many.

``python -m tests.faults.clock_jumps --jumps 10000 [--database URL]``; the test suite tries a few.
Each jump is of at most two days, to either side. Rounds of 25 begin in nights with daylight saving,
on February 28 and 29, and around due dates; after each, the ledger and the mails of one person
are compared with an oracle that only knows the calendar (tests/jobs/test_catch_up.py).
"""

import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete

from tests.faults.long_form import Fault, run_long
from tests.jobs.harness import JobHarness, at
from tests.jobs.test_catch_up import MOMENTS, oracle
from tracker.db.engine import writing
from tracker.db.tables import METADATA

_ROUND = 25
_MOST_MINUTES = 2 * 24 * 60
_LEAP_DAYS = [at("2028-02-28 23:59"), at("2028-02-29 02:00"), at("2028-02-29 07:00")]
_STORED = at("2024-09-15")
_OTHERS = ("alembic_version", "signing_key")


@dataclass
class Tally:
    """What the jumps came to, in decisions and in mails.

    ``skipped`` decisions of the oracle were not made, ``extra`` ones are not the oracle's;
    ``doubled`` mails came a second time, ``untold`` ones never.
    """

    jumps: int = 0
    decisions: int = 0
    skipped: int = 0
    extra: int = 0
    doubled: int = 0
    untold: int = 0


def run(database_url: str, jumps: int, seed: int) -> Tally:
    """Let the clock jump so many times, in rounds on a database that is emptied before each."""
    chance, tally = random.Random(seed), Tally()  # noqa: S311 - not for secrets
    while tally.jumps < jumps:
        instants = [chance.choice(MOMENTS + _LEAP_DAYS)]
        for _ in range(min(_ROUND, jumps - tally.jumps)):
            jump = timedelta(minutes=chance.randint(-_MOST_MINUTES, _MOST_MINUTES))
            instants.append(max(instants[-1] + jump, _STORED))
        jobs = JobHarness(database_url)
        empty(jobs)
        jobs.add_alice(_STORED)
        jobs.run(*instants)
        compare(jobs, instants, tally)
        tally.jumps += len(instants) - 1
        jobs.engine.dispose()
    return tally


def empty(jobs: JobHarness) -> None:
    """Delete all rows, but nothing of the schema."""
    with writing(jobs.engine) as session:
        for table in reversed(METADATA.sorted_tables):
            if table.name not in _OTHERS:
                session.connection().execute(delete(table))


def compare(jobs: JobHarness, instants: Sequence[datetime], tally: Tally) -> None:
    """Add how the ledger and the mails differ from what the oracle expects."""
    expected = oracle(instants)
    rows = jobs.decisions(category="IFS")
    found = Counter((row["kind"], row["step"], row["due_on"]) for row in rows)
    wanted = Counter(expected.decided)
    mails = jobs.mails()
    told = {row["message_id"] for row in rows} - {None}
    tally.decisions += len(rows)
    tally.skipped += (wanted - found).total()
    tally.extra += (found - wanted).total()
    tally.doubled += max(0, len(mails) - expected.mails)
    tally.untold += max(0, expected.mails - len(mails)) + len(told ^ {m.message_id for m in mails})
    if found != wanted:
        sys.stderr.write(f"{[str(instant) for instant in instants]}: {found} is not {wanted}\n")


FAULT = Fault(
    run,
    {"jumps": 10_000, "seed": 1},
    lambda found: found.skipped or found.extra or found.doubled or found.untold,
)

if __name__ == "__main__":
    run_long(__doc__, FAULT)
