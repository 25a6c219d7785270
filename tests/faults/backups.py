"""Take backups while forms are posted, restore each, and count what it lacks.

``python -m tests.faults.backups --backups 50 [--postgres]``; the test suite takes a few.
"""

import os
import socket
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Condition
from unittest.mock import patch

from sqlalchemy import select

from tests.bench.load import Answers
from tests.bench.stored import lost, wrongly_judged
from tests.bench.visits import populate, served
from tests.bench.work import NIGHT
from tests.faults.kill_server import Requests, answered
from tests.faults.long_form import Fault, run_long
from tests.support.backups import empty_beside
from tests.support.files import PDF
from tracker.db.engine import open_engine, reading
from tracker.db.tables import METADATA
from tracker.services.backup import make_backup
from tracker.services.restore import restore_backup

_WRITERS, _PROCESSES = 8, 2
# Between one backup and the next so many forms are acknowledged at the least.
_FORMS_BETWEEN = 20


@dataclass
class Tally:
    """What became of the backups, all of which were restored.

    ``acknowledged`` sessions were, when the last one began; ``lost`` ones of those before a
    backup's begin are not in it, ``wrong`` standings differ from a full evaluation, ``missing``
    files of evidence have a row and are not there as they were sent.
    """

    backups: int = 0
    acknowledged: int = 0
    files: int = 0
    lost: int = 0
    wrong: int = 0
    missing: int = 0


class _Posting:
    """Writers that post until they are told to stop, every other form with a file."""

    def __init__(self, port: int, requests: Requests) -> None:
        self._port = port
        self._requests = requests
        self._led: list[str] = []
        self._more = Condition()
        self._stopped = False

    def write(self) -> None:
        """Post, and note where each acknowledged form led."""
        with socket.create_connection(("127.0.0.1", self._port), 60) as connection:
            answers = connection.makefile("rb")
            while not self._stopped:
                connection.sendall(self._requests.next())
                led = [*answered(iter(answers.readline, b""))]
                with self._more:
                    self._led += led
                    self._more.notify_all()

    def acknowledged(self, more: int) -> list[str]:
        """What is acknowledged, once so many more are."""
        with self._more:
            enough = len(self._led) + more
            assert self._more.wait_for(lambda: len(self._led) >= enough, 120), "nobody writes"
            return [*self._led]

    def stop(self) -> None:
        """Have everybody end after the form that is on its way."""
        self._stopped = True


def run(database_url: str, folder: Path, backups: int, people: int) -> Tally:
    """Take so many backups of an empty, migrated database that is filled meanwhile."""
    visitors, tally = populate(database_url, people), Tally()
    evidence = folder / "evidence"
    found = []
    with (
        patch.dict(os.environ, {"TRACKER_EVIDENCE_DIR": str(evidence)}),
        served("site", visitors, _PROCESSES) as (port, _),
        _posting(_Posting(port, Requests(visitors, PDF))) as posting,
    ):
        for number in range(backups):
            before = posting.acknowledged(_FORMS_BETWEEN)
            at = NIGHT + timedelta(seconds=number)
            found.append((make_backup(database_url, evidence, folder / "backups", at), before))
    tally.backups, tally.acknowledged = len(found), len(found[-1][1])
    for number, (made, before) in enumerate(found):
        with empty_beside(database_url, folder, number) as url:
            there = folder / f"evidence-{number}"
            restored = restore_backup(made.path, url, there, NIGHT)
            tally.files += made.files
            tally.missing += len(made.missing) + len(restored.missing)
            tally.lost += lost(url, [Answers(1, (), (), [*enumerate(before)])])
            tally.wrong += wrongly_judged(url, [*visitors.tokens])
            tally.wrong += _without_audit(url)
    return tally


@contextmanager
def _posting(posting: _Posting) -> Iterator[_Posting]:
    with ThreadPoolExecutor(_WRITERS) as threads:
        writing = [threads.submit(posting.write) for _ in range(_WRITERS)]
        try:
            yield posting
        finally:
            posting.stop()
        for one in writing:
            one.result()


def _without_audit(url: str) -> int:
    """Sessions that were posted and have no audit event: they were stored in one transaction."""
    entry, audit = METADATA.tables["entry"], METADATA.tables["audit_event"]
    engine = open_engine(url)
    with reading(engine) as session:
        audited = select(audit.c.row_id).where(audit.c.table_name == "entry")
        posted = select(entry.c.id).where(entry.c.form_key.is_not(None))
        found = session.connection().execute(posted.where(entry.c.id.not_in(audited))).all()
    engine.dispose()
    return len(found)


def run_in_folder(database_url: str, backups: int, people: int) -> Tally:
    """The same in a folder that is removed in the end."""
    with tempfile.TemporaryDirectory() as folder:
        return run(database_url, Path(folder), backups, people)


# One person may log sixty sessions a day at the most.
FAULT = Fault(
    run_in_folder,
    {"backups": 50, "people": 400},
    lambda found: found.lost or found.wrong or found.missing,
)

if __name__ == "__main__":
    run_long(__doc__, FAULT)
