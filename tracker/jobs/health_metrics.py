"""What tells whether the work gets done: when jobs last ran, and what became of the mail."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlmodel import Session

from tracker.db.ledgers import Outbox
from tracker.mail.outbox import counts, oldest_waiting
from tracker.services.run_ledger import last_finished

_OUTBOX = Outbox.__table__  # type: ignore[attr-defined]


class Vitals(NamedTuple):
    """Read at one instant from the database, so that every process and machine says the same.

    ``ran_at`` has, by job and association, when the last good run ended; ``mails`` how many
    there are in each state that occurs; ``put_off`` how many of the waiting ones were tried
    before.
    """

    ran_at: dict[tuple[str, str], datetime]
    mails: dict[str, int]
    oldest_waiting: datetime | None
    put_off: int


def read_vitals(session: Session) -> Vitals:
    """All of it."""
    waits_again = (_OUTBOX.c.state == "waiting") & (_OUTBOX.c.attempts > 0)
    put_off = session.scalar(select(func.count()).select_from(_OUTBOX).where(waits_again))
    return Vitals(last_finished(session), counts(session), oldest_waiting(session), put_off or 0)
