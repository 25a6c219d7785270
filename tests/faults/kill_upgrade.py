"""Kill an upgrade at any point, and run it again: the database is as before, or upgraded.

``python -m tests.faults.kill_upgrade --kills 200 [--database URL]``; the test suite runs a few.
The database is emptied and filled as an older version left it before each round.
"""

import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.long_form import Fault, run_long
from tests.support.cast import NOW
from tests.support.old_schema import FILLED_VERSION, fill_older, read_rows
from tracker.clock import stopwatch
from tracker.db.engine import open_engine
from tracker.db.schema import schema_version
from tracker.db.schema_versions import newest_version
from tracker.master_key import MasterKey
from tracker.services.upgrade import Installation, upgrade_database

# Keys are drawn at random, and bodies encrypted with them.
_RANDOM = ("key_generation", "secret")
Rows = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass
class Tally:
    """What the kills came to.

    ``torn`` databases were neither as before nor upgraded after a kill, ``differs`` not like one
    that was upgraded in peace after the second run; ``cut`` runs were killed before their end, and
    ``before`` of those left the older schema.
    """

    kills: int = 0
    cut: int = 0
    before: int = 0
    torn: int = 0
    differs: int = 0


def run(database_url: str, kills: int, seed: int) -> Tally:
    """Kill ``kills`` upgrades of the database, which is emptied and filled, and finish each."""
    chance, tally = random.Random(seed), Tally()  # noqa: S311 - not for secrets
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = _refill(database_url, folder)
        old = _comparable(url)
        started = stopwatch()
        _upgrade(url, folder / "first")
        longest = stopwatch() - started
        new = _comparable(url)
        for number in range(kills):
            url = _refill(database_url, folder)
            backups = folder / f"backups-{number}"
            tally.cut += _kill(url, backups, chance.uniform(0, longest))
            tally.kills += 1
            version = schema_version(url)
            tally.before += version == FILLED_VERSION
            expected = {FILLED_VERSION: old, newest_version(): new}.get(version or "")
            tally.torn += _comparable(url) != expected
            _upgrade(url, folder / f"again-{number}")
            tally.differs += _comparable(url) != new
    return tally


def _refill(url: str, folder: Path) -> str:
    """Leave the database as the older program did; on SQLite it is another file each time."""
    if url.startswith("sqlite"):
        shutil.rmtree(folder / "data", ignore_errors=True)
        (folder / "data").mkdir()
        return fill_older(url, folder / "data")
    engine = open_engine(url)
    with engine.begin() as connection:
        # A killed program's own connection ends once the server notices.
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()
    (folder / "filled.db").unlink(missing_ok=True)
    return fill_older(url, folder)


def _comparable(url: str) -> Rows:
    rows = {name: found for name, found in read_rows(url).items() if name not in _RANDOM}
    for row in rows["outbox"]:
        row["body"] = bool(row["body"])
    # A migration notes when it ran.
    for row in rows.get("association_start", ()):
        row["set_at"] = bool(row["set_at"])
    return rows


def _upgrade(url: str, backups: Path) -> None:
    installation = Installation(url, None, MasterKey.beside(url))
    upgrade_database(installation, backups, NOW, lambda _session: [])


def _kill(url: str, backups: Path, life: float) -> bool:
    command = [sys.executable, "-m", "tests.faults.running_upgrade", url, str(backups)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            process.wait(life)
        except subprocess.TimeoutExpired:
            process.kill()
            return True
    return False


FAULT = Fault(
    run=run,
    numbers={"kills": 200, "seed": 1},
    is_wrong=lambda found: found.torn or found.differs or found.kills == 0,
)

if __name__ == "__main__":
    run_long(__doc__, FAULT)
