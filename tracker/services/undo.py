"""Undoing what a coordinator decided about an application or a request, for a day.

`undoable` notes what a decision changes in the rows that it is about. `revert_decision` brings
them back, unless one of them has changed since. It is the same kind of record as a removal's.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Table, and_, delete, select, update
from sqlmodel import Session, col
from sqlmodel import select as select_rows

from tracker.db.corrections import Removal
from tracker.db.tables import METADATA
from tracker.services.context import (
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    lock_person,
    require_other_person,
)
from tracker.services.removals import DECIDED, MAY_UNDO_FOR, forget_old_deletions
from tracker.services.row_contents import Values, from_json, to_plain

# Decided anew each night, and so no reason against undoing.
DERIVED_COLUMNS = {"settled_cycle": {"differs_since"}}
# What goes with a row that a decision created; any other row that refers to it is a reason.
_GOES_ALONG = {"notice", "standing", "standing_history", "settled_cycle", "endorsement_end"}
# Keys of forms, what is personal, and what is long.
_NOT_AUDITED = {"form_key", "answer", "reason", "content"}
# What came after a decision, by the table in which it shows.
_CAME_AFTER = {
    "application": "a change of the application, or a new one,",
    "endorsement": "a change of the endorsement",
    "time_request": "another request or decision",
    "leave": "a change of the leave",
    "renewal": "a change of the due date",
    "settled_cycle": "the closing of a cycle",
}
# What a state of it says about the way out.
_HELP = {
    ("application", "open"): "This can be undone once the applicant has withdrawn that application",
    ("application", "submitted"): (
        "This can be undone once the applicant has withdrawn that application"
    ),
    ("time_request", "asked"): "This can be undone once the endorsee has withdrawn that request",
}
_DECIDE_ANEW = "Correct that first, or decide anew"
# Nothing depends on what people took back themselves.
_WITHDRAWN = "withdrawn"
_Rows = dict[str, Values]


@dataclass(frozen=True, slots=True)
class UndoableDecision:
    """What is decided: about the row ``subject_id`` of a ``kind``, for a person.

    ``watched`` are the rows that the decision may change, by table: those for which the condition
    holds.
    """

    kind: str
    subject_id: int
    person_id: int
    association: str
    description: str
    watched: Mapping[str, ColumnElement[bool]]


class UndoneDecision(NamedTuple):
    """A decision that was undone; ``decided`` are the values of its subject's row before that."""

    removal_id: int
    kind: str
    subject_id: int
    decided: Mapping[str, Any]


@contextmanager
def undoable(context: ServiceContext, decision: UndoableDecision) -> Iterator[None]:
    """Keep what the block changes in the watched rows, so that it can be undone for a day."""
    session = context.session
    forget_old_deletions(session, context.now)
    before = _read(session, decision.watched)
    yield
    after = _read(session, decision.watched)
    if after == before:
        return
    subject = f"{decision.kind}:{decision.subject_id}"
    state = str(after[subject]["state"])
    removal = Removal(
        person_id=decision.person_id,
        kind=f"{DECIDED}{decision.kind}",
        description=decision.description,
        reason=state,
        removed_at=context.now,
        removed_by=context.actor.label,
        association=decision.association,
        subject_id=decision.subject_id,
        content=json.dumps({"before": before, "after": after, "subject": subject}),
    )
    # The decision has its audit events already: one for each row.
    session.add(removal)
    session.flush()


def find_undoable(
    session: Session, kind: str, subject_ids: Collection[int], now: datetime
) -> Removal | None:
    """The last decision about one of these rows, if it can still be undone."""
    query = (
        select_rows(Removal)
        .where(Removal.kind == f"{DECIDED}{kind}", col(Removal.subject_id).in_(subject_ids))
        .order_by(col(Removal.id).desc())
    )
    removal = session.exec(query).first()
    if removal is None or removal.undone_at or removal.removed_at <= now - MAY_UNDO_FOR:
        return None
    return removal


def is_decision(session: Session, removal_id: int) -> bool:
    """Whether a removal keeps a decision, which `revert_decision` undoes."""
    removal = session.get(Removal, removal_id)
    return removal is not None and removal.kind.startswith(DECIDED)


def get_decision(context: ServiceContext, removal_id: int) -> Removal:
    """A decision that the actor may undo; its person stays locked until the transaction ends.

    Raises NotFound for one of another association, and Refused if it is too late.
    """
    removal = context.session.get(Removal, removal_id)
    actor = context.actor
    if removal is None or not removal.kind.startswith(DECIDED):
        raise NotFound
    if not actor.is_operator and removal.association not in actor.coordinates:
        raise NotFound
    require_other_person(context, removal.person_id)
    lock_person(context.session, removal.person_id)
    # Someone else may have undone it while we waited for the lock, or it was forgotten.
    removal = context.session.get(Removal, removal_id, populate_existing=True)
    if removal is None:
        raise NotFound
    if removal.undone_at is None and removal.removed_at <= context.now - MAY_UNDO_FOR:
        raise Refused(Refusal("undo", "undo-too-late"))
    return removal


def find_obstacle(
    session: Session, removal: Removal, watched: Mapping[str, ColumnElement[bool]]
) -> Refusal | None:
    """What came after a decision, so that it can't be undone; None if nothing did."""
    content = json.loads(removal.content)
    before, after = content["before"], content["after"]
    current = _read(session, watched)
    for key in {**after, **current}:
        was, now = after.get(key), current.get(key)
        is_untouched = before.get(key) == was
        has_withdrawn = is_untouched and now is not None and now.get("state") == _WITHDRAWN
        if was != now and not has_withdrawn:
            return _came_after(_table_of(key).name, now)
    for key in after:
        if key not in before:
            table = _table_of(key)
            for name, row in list_referring(session, table, from_json(table, after[key])):
                if not goes_along(name, row):
                    return _came_after(name, row)
    return None


def _table_of(key: str) -> Table:
    return METADATA.tables[key.partition(":")[0]]


def _came_after(table: str, row: Values | None) -> Refusal:
    what = _CAME_AFTER.get(table, f"a row of {table.replace('_', ' ')}")
    helps = _HELP.get((table, str((row or {}).get("state"))), _DECIDE_ANEW)
    return Refusal("undo", "undo-outdated", {"what": what, "help": helps})


def goes_along(table: str, row: Values) -> bool:
    """Whether a row is deleted with a row that a decision created."""
    return table in _GOES_ALONG or (table == "time_request" and row["state"] == _WITHDRAWN)


def list_referring(session: Session, table: Table, values: Values) -> Iterator[tuple[str, Values]]:
    """The rows that refer to one, each with its table."""
    for other in METADATA.sorted_tables:
        for key in other.foreign_keys:
            if key.column.table is table:
                query = select(other).where(key.parent == values["id"])
                for row in session.connection().execute(query).mappings().all():
                    yield other.name, dict(row)


def revert_decision(
    context: ServiceContext, removal: Removal, watched: Mapping[str, ColumnElement[bool]]
) -> UndoneDecision:
    """Bring back the rows as they were before a decision, with an audit event for each.

    The caller evaluates the person again. Raises Refused if something came
    after the decision.
    """
    if (obstacle := find_obstacle(context.session, removal, watched)) is not None:
        raise Refused(obstacle)
    content = json.loads(removal.content)
    before, after = content["before"], content["after"]
    # Rows that refer to others go first: the tables are watched in their order.
    for key in reversed(after):
        if before.get(key) != after[key]:
            table = _table_of(key)
            _bring_back(context, table, after[key], before.get(key))
    removal.undone_at, removal.undone_by = context.now, context.actor.label
    context.session.add(removal)
    context.session.flush()
    context.session.expire_all()
    subject = content["subject"]
    kind, number = subject.split(":")
    decided = from_json(METADATA.tables[kind], after[subject])
    return UndoneDecision(removal.id, kind, int(number), decided)


def _bring_back(
    context: ServiceContext, table: Table, decided: Values, before: Values | None
) -> None:
    """Give a row its values from before the decision; delete it if the decision created it."""
    connection = context.session.connection()
    decided = from_json(table, decided)
    same = and_(*(column == decided[column.name] for column in table.primary_key))
    if before is None:
        delete_what_goes_along(context, table, decided)
        connection.execute(delete(table).where(same))
        values = None
    else:
        values = from_json(table, before)
        connection.execute(update(table).where(same).values(values))
    row_id = int(decided.get("id") or decided["endorsement_id"])
    after = None if values is None else without_long_texts(values)
    context.record_change(table.name, row_id, before=without_long_texts(decided), after=after)


def without_long_texts(values: Values) -> Values:
    """The values that the audit log holds: no personal texts, and no keys of forms."""
    return {name: value for name, value in values.items() if name not in _NOT_AUDITED}


def delete_what_goes_along(context: ServiceContext, table: Table, values: Values) -> None:
    """Delete what refers to a row; `find_obstacle` has found nothing that has to stay."""
    for name, row in list_referring(context.session, table, values):
        other = METADATA.tables[name]
        same = [column == row[column.name] for column in other.primary_key]
        context.session.connection().execute(delete(other).where(*same))
        if name == "time_request":
            context.record_change(name, row["id"], before=without_long_texts(row))


def _read(session: Session, watched: Mapping[str, ColumnElement[bool]]) -> _Rows:
    """The watched rows as JSON has them, by table and key."""
    session.flush()
    rows = {}
    for name, condition in watched.items():
        table = METADATA.tables[name]
        found = session.connection().execute(select(table).where(condition)).mappings()
        for row in found.all():
            key = ":".join([name, *(str(row[column.name]) for column in table.primary_key)])
            hidden = DERIVED_COLUMNS.get(name, set())
            values = {column: value for column, value in row.items() if column not in hidden}
            rows[key] = to_plain(values)
    return rows
