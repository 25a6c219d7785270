"""Let many log at the same time, in several processes, and count what is refused or lost.

``python -m tests.faults.many_writers --writers 32 --each 1000 [--database URL]``; the test suite
runs a few. Half of the writers log for the same few people.
"""

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from sqlmodel import Session

from tests.bench.population import AS_OF, PROVIDERS
from tests.bench.stored import wrongly_judged
from tests.bench.visits import populate
from tests.bench.work import CONFIG, NIGHT
from tests.faults.long_form import Fault, run_long
from tracker.db.engine import open_engine, reading
from tracker.db.writer import Writer
from tracker.rulebooks import load_rulebooks
from tracker.services import entries
from tracker.services.context import Actor, ServiceContext
from tracker.services.entries import EntrySource, create_entry
from tracker.services.entry_rules import EntryInput

_PROCESSES = 2
_PEOPLE = 40
_SHARED = 4
_DAYS = 270


@dataclass
class Tally:
    """What the writers came to: ``refused`` got an error, ``lost`` are not stored.

    ``wrong`` standings differ from a full evaluation, ``unaudited`` entries have no event.
    """

    written: int = 0
    refused: int = 0
    lost: int = 0
    unaudited: int = 0
    wrong: int = 0


def run(database_url: str, writers: int, each: int) -> Tally:
    """Log ``each`` sessions by so many writers, shared out among some processes."""
    populate(database_url, _PEOPLE)
    share = writers // _PROCESSES
    command = [sys.executable, "-m", "tests.faults.many_writers", "--child", database_url]
    children = [
        subprocess.Popen([*command, str(number * share), str(share), str(each)], stdout=-1)
        for number in range(_PROCESSES)
    ]
    refused = sum(int(child.communicate()[0]) for child in children)
    asked = share * _PROCESSES * each
    engine = open_engine(database_url)
    with reading(engine) as session:
        stored = session.scalar(text("SELECT COUNT(*) FROM entry WHERE form_key IS NOT NULL"))
        audited = session.scalar(
            text("SELECT COUNT(*) FROM audit_event WHERE table_name = 'entry'")
        )
    engine.dispose()
    people = range(PROVIDERS + 1, PROVIDERS + 1 + _PEOPLE)
    return Tally(
        written=stored or 0,
        refused=refused,
        lost=asked - refused - (stored or 0),
        unaudited=(stored or 0) - (audited or 0),
        wrong=wrongly_judged(database_url, people),
    )


def write(database_url: str, first: int, writers: int, each: int) -> int:
    """In a child: log by so many threads; how many were refused."""
    engine, rulebooks = open_engine(database_url), load_rulebooks(CONFIG)
    writer = Writer(engine)
    # The long form logs more in a day than a person may.
    setattr(entries, "DAILY_LIMIT", sys.maxsize)  # noqa: B010 - for this process only

    def one(number: int) -> Counter[bool]:
        done: Counter[bool] = Counter()
        person = PROVIDERS + 1 + number % (_SHARED if number % 2 else _PEOPLE)
        actor = Actor("writer@example.org", person)
        for turn in range(each):
            day = AS_OF - timedelta(days=turn % _DAYS)
            entry = EntryInput("rsc", day, 1, "RSC", 1 + turn % PROVIDERS)
            source = EntrySource(f"{number} {turn}", is_from_provider=True)

            def work(session: Session) -> object:
                context = ServiceContext(session, rulebooks, actor, NIGHT)
                return create_entry(context, person, entry, source)  # noqa: B023

            try:
                writer.run(work)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
                sys.stderr.write(f"{error}\n")
                done[False] += 1
        return done

    with ThreadPoolExecutor(writers) as threads:
        counted = sum(threads.map(one, range(first, first + writers)), Counter[bool]())
    engine.dispose()
    return counted[False]


FAULT = Fault(
    run,
    {"each": 1000, "writers": 32},
    lambda found: found.refused or found.lost or found.unaudited or found.wrong,
)

if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _, _, _url, *_numbers = sys.argv
        sys.stdout.write(str(write(_url, *map(int, _numbers))))
    else:
        run_long(__doc__, FAULT)
