"""Audit events: who changed which row, when, from what to what."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from tracker.records.schema.tables import METADATA
from tracker.records.store.bulk import insert_rows
from tracker.records.store.late import late_on
from tracker.records.store.quick import insert_few, instant_for

_AUDIT_EVENT = METADATA.tables["audit_event"]


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who changes something, and when (an aware instant)."""

    who: str
    at: datetime


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


def record_changes(connection: Connection, changes: Iterable[Change]) -> int:
    """Write an audit event for each change; return how many.

    A change whose ``before`` equals its ``after`` is none and leaves no event. The events
    belong to the caller's transaction: a change and its event are stored together or not at
    all. Raises TypeError for a value that has no JSON form.
    """
    late = late_on(connection)
    if late is None:
        return insert_rows(connection, _AUDIT_EVENT, _events(changes))
    events = [*_events(changes)]
    late.events += events
    return len(events)


def write_events(connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
    """Write the events that were left for the end of a transaction."""
    if connection.dialect.name == "postgresql":
        insert_rows(connection, _AUDIT_EVENT, events)
    else:
        rows = [{**event, "at": instant_for(connection, event["at"])} for event in events]
        insert_few(connection, _AUDIT_EVENT.name, rows)


def _events(changes: Iterable[Change]) -> Iterator[dict[str, Any]]:
    for change in changes:
        if change.before != change.after:
            yield {
                "at": change.at,
                "who": change.who,
                "table_name": change.table,
                "row_id": change.row_id,
                "before": _as_json(change.before),
                "after": _as_json(change.after),
            }


def _as_json(values: Mapping[str, Any] | None) -> str | None:
    if values is None:
        return None
    return _TO_JSON(dict(values))


def _iso(value: object) -> str:
    if isinstance(value, date):  # an instant is a date too
        return value.isoformat()
    message = f"an audit event cannot hold {value!r}"
    raise TypeError(message)


# Kept: to make an encoder takes as long as to use it.
_TO_JSON = json.JSONEncoder(default=_iso, ensure_ascii=False, sort_keys=True).encode
