"""Kill a reader of returned mail again and again, at any point, and count what is lost or doubled.

``python -m tests.faults.kill_reading --kills 1000 [--database URL]``; the test suite runs a few.
"""

import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pydantic import SecretStr
from sqlalchemy import Engine, func, insert, select

from tests.faults.long_form import Fault, run_long
from tests.mail.returned import write_report
from tracker import clock
from tracker.db.engine import open_engine, reading, writing
from tracker.db.signing_keys import BOUNCE, body_cipher, get_signing_key
from tracker.db.tables import METADATA
from tracker.jobs.returned_mail import read_returned_mail
from tracker.mail.return_paths import ReturnPaths
from tracker.notifications.context import JobContext, open_context
from tracker.rulebooks import load_rulebooks
from tracker.settings import Bounces, Mail, Settings, configuration_folder

_ADDRESS = "bounces@renewals.example"
_BATCH = 20
_LONGEST_LIFE = 0.5  # seconds from ready to dead
PERSON, OUTBOX = METADATA.tables["person"], METADATA.tables["outbox"]
RETURNED = METADATA.tables["returned_mail"]


@dataclass
class Tally:
    """What a run came to; everything but ``kills`` and ``reports`` has to be 0.

    ``unread`` reports were lost, ``doubled`` ones recorded twice; ``not_forwarded`` emails have no
    copy for the second address, or several; ``not_moved`` files stayed where they were.
    """

    kills: int = 0
    reports: int = 0
    unread: int = 0
    doubled: int = 0
    not_forwarded: int = 0
    not_moved: int = 0


def run(database_url: str, kills: int, seed: int) -> Tally:
    """Kill ``kills`` readers, each with reports waiting; then let one finish."""
    chance, tally = random.Random(seed), Tally()  # noqa: S311 - not for secrets
    with tempfile.TemporaryDirectory() as name:
        maildir = Path(name) / "Maildir"
        for part in ("new", "cur", "tmp"):
            (maildir / part).mkdir(parents=True)
        mailbox = SecretStr(f"maildir://{maildir}")
        settings = Settings(
            database_url=SecretStr(database_url),
            config_dir=configuration_folder(),
            mail=Mail(bounces=Bounces(address=_ADDRESS, mailbox=mailbox)),
        )
        rulebooks = load_rulebooks(settings.config_dir)

        def open_job(engine: Engine) -> JobContext:
            return open_context(settings, rulebooks, engine)

        while tally.kills < kills:
            if not any((maildir / "new").iterdir()):
                _add_reports(database_url, maildir, tally)
            ready, say = os.pipe()
            child = os.fork()
            if child == 0:
                _read(database_url, open_job, say)
            os.read(ready, 1)
            os.close(ready)
            os.close(say)
            time.sleep(chance.uniform(0, _LONGEST_LIFE))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            tally.kills += 1
        engine = open_engine(database_url)
        read_returned_mail(open_job(engine), clock.now())
        _count(engine, maildir, tally)
        engine.dispose()
    return tally


def _read(database_url: str, open_job: Callable[[Engine], JobContext], say: int) -> NoReturn:
    """What a child does: read everything, over and over, until it is killed."""
    engine = open_engine(database_url)
    context = open_job(engine)
    os.write(say, b".")
    while True:
        read_returned_mail(context, clock.now())
        time.sleep(0.001)


def _add_reports(database_url: str, maildir: Path, tally: Tally) -> None:
    """A batch of people, each with a second address and an email that comes back, and a spam."""
    engine = open_engine(database_url)
    now = clock.now()
    with writing(engine) as session:
        paths = ReturnPaths(get_signing_key(session, BOUNCE), _ADDRESS, "+")
        for number in range(tally.reports + 1, tally.reports + _BATCH + 1):
            email, message_id = f"p{number}@work.example", f"<{number}@renewals.example>"
            person = {"id": number, "name": f"P{number}", "email": email}
            person |= {"second_email": f"p{number}@home.example", "highest_degree": "none"}
            session.connection().execute(insert(PERSON).values(**person, provides_rsc=False))
            mail: dict[str, object] = {"dedupe_key": str(number), "message_id": message_id}
            mail |= {"person_id": number, "recipient": email, "subject": "Leave", "body": b""}
            mail["kind"] = "request"
            times = {"created_at": now, "next_attempt_at": now, "finished_at": now}
            text = body_cipher(session).encrypt(message_id, b"Your leave was granted.")
            row = {"state": "sent", "attempts": 1, "fence": 1, "text": text}
            stored = insert(OUTBOX).values(**mail, **times, **row).returning(OUTBOX.c.id)
            outbox_id = session.connection().execute(stored).scalar_one()
            report = write_report("exim-no-mailbox", paths.create(outbox_id, message_id), email)
            (maildir / "tmp" / f"{number}.x").write_bytes(report)
            (maildir / "tmp" / f"{number}.x").rename(maildir / "new" / f"{number}.x")
    tally.reports += _BATCH
    engine.dispose()


def _count(engine: Engine, maildir: Path, tally: Tally) -> None:
    originals = OUTBOX.c.dedupe_key.not_like("%:second")
    with reading(engine) as session:

        def count(condition: object) -> int:
            return (
                session.connection()
                .execute(
                    select(func.count()).where(condition)  # type: ignore[arg-type]
                )
                .scalar_one()
            )

        recorded = count(RETURNED.c.outcome == "hard")
        failed = count(originals & (OUTBOX.c.state == "failed") & OUTBOX.c.bounced)
        copies = count(OUTBOX.c.dedupe_key.like("%:second"))
        marked = count(PERSON.c.email_refused_at.is_not(None))
    tally.unread = tally.reports - min(recorded, failed, marked)
    tally.doubled = max(recorded - tally.reports, 0)
    tally.not_forwarded = abs(copies - tally.reports)
    tally.not_moved = tally.reports - len(list((maildir / ".Processed" / "cur").iterdir()))


FAULT = Fault(
    run=run,
    numbers={"kills": 100, "seed": 1},
    is_wrong=lambda found: found.unread or found.doubled or found.not_forwarded or found.not_moved,
)

if __name__ == "__main__":
    run_long(__doc__, FAULT)
