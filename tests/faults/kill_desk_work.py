"""Kill the desk's long work at any statement, and count what is half done or done twice.

``python -m tests.faults.kill_desk_work --kills 200 [--database URL]``; the test suite runs a few.
The work is an import of a list of people, which is applied, and undone again. A killed process
leaves its state behind; the next tick has to go on from there, as it does after a restart.
"""

import random
import subprocess
import sys
from dataclasses import dataclass

from tests.faults.long_form import Fault, run_long
from tests.importer.uploads import Desk, as_csv
from tests.support.cast import NOW, fill
from tests.support.dying import KILLED
from tracker.importer.plans import start_applying, start_undoing

_PEOPLE = ("Zoe Hart", "Yan Li", "Omar Reyes")
_ROSTER = [
    ["Name", "E-mail", "Endorsement", "Date endorsed"],
    *([name, f"{name.split()[0]}@example.org", "IFA", "2024-03-14"] for name in _PEOPLE),
]
_MOST_STATEMENTS = 120
_TICKS = 2_000  # PostgreSQL notices a moment later that a process is gone


@dataclass
class Tally:
    """What the kills came to.

    ``cut`` processes died at work; ``torn`` of them left something of it behind. ``undone`` works
    were not done afterward, ``doubled`` ones twice, ``kept`` ones could not be undone.
    """

    kills: int = 0
    cut: int = 0
    torn: int = 0
    undone: int = 0
    doubled: int = 0
    kept: int = 0


def run(database_url: str, kills: int, seed: int) -> Tally:
    """Kill so many processes: at applying, and at undoing what the next one applied."""
    chance, tally = random.Random(seed), Tally()  # noqa: S311 - not for secrets
    desk = Desk(fill(database_url))
    while tally.kills < kills:
        before = desk.restored()
        plan_id = desk.upload(("roster.csv", as_csv(_ROSTER)))
        for start, state in ((start_applying, "applied"), (start_undoing, "undone")):
            earlier = desk.restored()
            desk.do(start, plan_id)
            tally.kills += 1
            if _dies(desk, plan_id, chance.randrange(_MOST_STATEMENTS)):
                tally.cut += 1
                tally.torn += desk.restored() != earlier
            _go_on(desk)
            tally.undone += desk.state(plan_id) != (state, "")
            if state == "applied":
                added = len(desk.cast.rows("endorsement")) - len(before["endorsement"])
                tally.doubled += max(0, added - len(_PEOPLE))
                tally.undone += max(0, len(_PEOPLE) - added)
        tally.kept += desk.restored() != before
    desk.cast.engine.dispose()
    return tally


def _dies(desk: Desk, plan_id: int, statements: int) -> bool:
    """Let a process do the work for so many statements; whether it died before the end."""
    arguments = [desk.cast.url, str(plan_id), str(statements)]
    dying = [sys.executable, "-m", "tests.importer.dying_import", *arguments]
    return subprocess.run(dying, check=False).returncode == KILLED


def _go_on(desk: Desk) -> None:
    """Tick until nothing is left to do."""
    for _ in range(_TICKS):
        if not desk.runner.run_waiting(NOW):
            return


FAULT = Fault(
    run,
    {"kills": 200, "seed": 1},
    lambda found: found.torn or found.undone or found.doubled or found.kept or not found.cut,
)

if __name__ == "__main__":
    run_long(__doc__, FAULT)
