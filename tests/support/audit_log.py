"""What the audit log has about a table."""

import json
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from tracker.db.log import AuditEvent


class LoggedChange(NamedTuple):
    """An audit event, with its rows as they were stored; None for no row."""

    who: str
    row_id: int
    before: dict[str, Any] | None
    after: dict[str, Any] | None


def list_changes(session: Session, table: str) -> list[LoggedChange]:
    """The events about rows of a table, the oldest first."""
    query = select(AuditEvent).where(AuditEvent.table_name == table).order_by(col(AuditEvent.id))
    return [
        LoggedChange(
            event.who,
            event.row_id,
            None if event.before is None else json.loads(event.before),
            None if event.after is None else json.loads(event.after),
        )
        for event in session.exec(query)
    ]
