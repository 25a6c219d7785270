"""The audit log: who changed which row, when, from what to what."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from tracker.db.log import AuditEvent
from tracker.db.statements import in_chunks, insert_rows
from tracker.db.tables import METADATA

# Tables whose events have the id of the person, or of the endorsement, as the id of the row.
_OF_PERSON = {"person", "mail_off", "calendar_feed", "web_session"}
_OF_ENDORSEMENT = {"settled_cycle"}
# The columns that name the row to which another one belongs, and its table.
_OWNERS = {
    "endorsement_id": "endorsement",
    "application_id": "application",
    "entry_id": "entry",
}
_IDS_PER_QUERY = 1_000
_Row = tuple[str, int]


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
    changed = [change for change in changes if change.before != change.after]
    for change, person_id in zip(changed, _find_people(session, changed), strict=True):
        event: dict[str, Any] = {
            "at": change.at,
            "who": change.who,
            "table_name": change.table,
            "row_id": change.row_id,
            "before": None,
            "after": None,
            "person_id": person_id,
        }
        for name, values in (("before", change.before), ("after", change.after)):
            if values is not None:
                event[name] = json.dumps(
                    dict(values), default=_to_iso, ensure_ascii=False, sort_keys=True
                )
        events.append(event)
    return insert_rows(session, AuditEvent, events)


def _find_people(session: Session, changes: Sequence[Change]) -> list[int | None]:
    """Whose row each of the changes is about; None if it is nobody's."""
    people = [_find_named_person(change) for change in changes]
    owners = {
        index: _find_owner(change) for index, change in enumerate(changes) if people[index] is None
    }
    if owners:
        found = _read_people(session, set(owners.values()))
        for index, owner in owners.items():
            people[index] = found.get(owner)
    return people


def _find_named_person(change: Change) -> int | None:
    """The person whom a change names itself."""
    if change.table in _OF_PERSON:
        return change.row_id or None
    for values in (change.after, change.before):
        if values and isinstance(values.get("person_id"), int):
            return int(values["person_id"])
    return None


def _find_owner(change: Change) -> _Row:
    """The row that knows whose a change is: its owner's, or its own."""
    if change.table in _OF_ENDORSEMENT:
        return "endorsement", change.row_id
    for values in (change.after, change.before):
        for column, table in _OWNERS.items():
            if values and isinstance(values.get(column), int):
                return table, int(values[column])
    return change.table, change.row_id


def _read_people(session: Session, rows: Iterable[_Row]) -> dict[_Row, int]:
    """The person of each of the rows that are there and belong to one."""
    by_table: defaultdict[str, list[int]] = defaultdict(list)
    for name, row_id in rows:
        by_table[name].append(row_id)
    people: dict[_Row, int] = {}
    for name, ids in by_table.items():
        query = _select_people(name)
        if query is None:
            continue
        session.flush()
        for chunk in in_chunks(ids, _IDS_PER_QUERY):
            own = query.where(METADATA.tables[name].c.id.in_(chunk))
            for row_id, person_id in session.connection().execute(own):
                people[name, row_id] = person_id
    return people


def _select_people(name: str) -> Any:  # noqa: ANN401 - a Select of two columns, or None
    """The id and the person of each row of a table; None if its rows belong to nobody."""
    table = METADATA.tables.get(name)
    if table is None or "id" not in table.c:
        return None
    if "person_id" in table.c:
        return select(table.c.id, table.c.person_id)
    for column, owner_name in _OWNERS.items():
        if column in table.c:
            owner = METADATA.tables[owner_name]
            return select(table.c.id, owner.c.person_id).join(owner, owner.c.id == table.c[column])
    return None


def _to_iso(value: object) -> str:
    if isinstance(value, date):  # an instant is a date too
        return value.isoformat()
    raise TypeError(f"an audit event cannot hold {value!r}")
