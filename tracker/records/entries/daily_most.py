"""How many sessions one person can log within a day, by pages and programs; imports are not bound.

Sessions of a provider that the person confirms are among them. Whoever logs more is a program run
wild: pages and files of one person stay usable.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from tracker.records.schema.tables import METADATA
from tracker.records.store.quick import run

MOST_A_DAY = 60
_A_DAY = timedelta(days=1)
_EVENT = METADATA.tables["audit_event"]


def has_logged_most(connection: Connection, person_id: int, at: datetime) -> bool:
    """Whether as many sessions as can be were stored for the person in the 24 hours to ``at``."""
    # An import has no form's key. With the sixtieth newest, all that are newer came later.
    newest = run(connection, _NEWEST, [person_id, MOST_A_DAY - 1])
    return bool(newest) and is_of_a_day(connection, newest[0][0], at)


def is_of_a_day(connection: Connection, entry_id: int, at: datetime) -> bool:
    """Whether an entry was stored in the 24 hours to ``at``."""
    stored = (_EVENT.c.table_name == "entry") & (_EVENT.c.row_id == entry_id)
    first = select(func.max(_EVENT.c.at)).where(stored & _EVENT.c.before.is_(None))
    stored_at = connection.scalar(first)
    return stored_at is not None and stored_at > at - _A_DAY


_NEWEST = """
    SELECT id FROM entry WHERE person_id = ? AND form_key IS NOT NULL
    ORDER BY id DESC LIMIT 1 OFFSET ?
"""
