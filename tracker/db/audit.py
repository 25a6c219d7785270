"""What is left for the end of a transaction in which several things are saved together."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlmodel import Session

from tracker.db.statements import insert_few, insert_rows, instant_for
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks

_OPTION = "late"


@dataclass(slots=True)
class DeferredWork:
    """Audit events to write, and whom to judge by which rulebooks.

    ``changed`` are those of them of whom more may have changed than entries; ``providers`` are
    those whom changed entries name; ``instant`` is the latest change's.
    """

    events: list[Mapping[str, Any]] = field(default_factory=list)
    rulebooks: Rulebooks | None = None
    people: set[int] = field(default_factory=set)
    changed: set[int] = field(default_factory=set)
    providers: set[int] = field(default_factory=set)
    instant: datetime | None = None


def deferred_work(session: Session) -> DeferredWork | None:
    """What is left for the end of this connection's transaction; None where nothing may be."""
    found: DeferredWork | None = session.info.get(_OPTION)
    return found


def leave(session: Session, late: DeferredWork | None) -> None:
    """From now on leave things for the end, or, with None, no longer."""
    session.info[_OPTION] = late


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


def record_changes(session: Session, changes: Iterable[Change]) -> int:
    """Write an audit event for each change; return how many.

    A change whose ``before`` equals its ``after`` is none and leaves no event. The events
    belong to the caller's transaction: a change and its event are stored together or not at
    all. Raises TypeError for a value that has no JSON form.
    """
    late = deferred_work(session)
    if late is None:
        return insert_rows(session, _AUDIT_EVENT, _events(changes))
    events = [*_events(changes)]
    late.events += events
    return len(events)


def write_events(session: Session, events: Sequence[Mapping[str, Any]]) -> None:
    """Write the events that were left for the end of a transaction."""
    if session.connection().dialect.name == "postgresql":
        insert_rows(session, _AUDIT_EVENT, events)
    else:
        rows = [{**event, "at": instant_for(session, event["at"])} for event in events]
        insert_few(session, _AUDIT_EVENT.name, rows)


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
