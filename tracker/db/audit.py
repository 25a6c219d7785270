"""The audit log: who changed which row, when, from what to what."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlmodel import Session

from tracker.db.log import AuditEvent
from tracker.db.statements import insert_rows


@dataclass(frozen=True, slots=True)
class Change:
    """One row's change: ``before`` is None for a new row, ``after`` for a deleted one.

    ``at`` is an aware instant. Dates in the two mappings are written in ISO form.
    """

    who: str
    at: datetime
    table: str
    row_id: int
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


def record_changes(session: Session, changes: Iterable[Change]) -> int:
    """Write an audit event for each change and return how many.

    A change whose ``before`` equals its ``after`` leaves no event. The events belong to the
    caller's transaction: a change and its event are stored together or not at all. Raises
    TypeError for a value that has no JSON form.
    """
    events = []
    for change in changes:
        if change.before == change.after:
            continue
        event: dict[str, Any] = {
            "at": change.at,
            "who": change.who,
            "table_name": change.table,
            "row_id": change.row_id,
            "before": None,
            "after": None,
        }
        for name, values in (("before", change.before), ("after", change.after)):
            if values is not None:
                event[name] = json.dumps(
                    dict(values), default=_to_iso, ensure_ascii=False, sort_keys=True
                )
        events.append(event)
    return insert_rows(session, AuditEvent, events)


def _to_iso(value: object) -> str:
    if isinstance(value, date):  # an instant is a date too
        return value.isoformat()
    raise TypeError(f"an audit event cannot hold {value!r}")
