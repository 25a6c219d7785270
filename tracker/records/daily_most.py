"""How many sessions one person can log within a day, by pages and programs; imports are not bound.

Sessions of a provider that the person confirms are among them. Whoever logs more is a program run
wild: pages and files of one person stay usable.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from tracker.records.tables import METADATA

MOST_A_DAY = 60
_A_DAY = timedelta(days=1)
_ENTRY = METADATA.tables["entry"]
_EVENT = METADATA.tables["audit_event"]


def has_logged_most(connection: Connection, person_id: int, at: datetime) -> bool:
    """Whether as many sessions as can be were stored for the person in the 24 hours to ``at``."""
    # An import has no form's key. With the sixtieth newest, all that are newer came later.
    by_hand = (_ENTRY.c.person_id == person_id) & _ENTRY.c.form_key.is_not(None)
    newest = select(_ENTRY.c.id).where(by_hand).order_by(_ENTRY.c.id.desc())
    entry_id = connection.scalar(newest.offset(MOST_A_DAY - 1).limit(1))
    if entry_id is None:
        return False
    stored = (_EVENT.c.table_name == "entry") & (_EVENT.c.row_id == entry_id)
    first = select(func.max(_EVENT.c.at)).where(stored & _EVENT.c.before.is_(None))
    stored_at = connection.scalar(first)
    return stored_at is not None and stored_at > at - _A_DAY
