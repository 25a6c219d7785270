"""Decides requests for time: a granted one becomes leave, or a later due date, at once."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, insert, select, true, update

from tracker.records.entries.entry_writes import lock_person
from tracker.records.judging.judging_late import evaluate_soon
from tracker.records.profile.time_requests import DECLINED, GRANTED, LEAVE, Request, settle
from tracker.records.schema.tables import METADATA
from tracker.records.store.audit import Change, Stamp, record_changes
from tracker.rulebooks import Rulebooks

_REQUEST = METADATA.tables["time_request"]
_LEAVE = METADATA.tables["leave"]
_RENEWAL = METADATA.tables["renewal"]


@dataclass(frozen=True, slots=True)
class Grant:
    """The days in force: a leave's first and last (None: open), or a cycle's and the due date."""

    starts_on: date
    ends_on: date | None


def grant(
    connection: Connection,
    books: Rulebooks,
    request: Request,
    given: Grant,
    *,
    answer: str,
    by: Stamp,
) -> bool:
    """Grant with the days ``given``, and judge anew in the same transaction; False if it is late.

    The request then holds the days that were granted. Leave that began on the same day is
    replaced, and so is an earlier extension of the cycle.
    """
    lock_person(connection, request.person_id)
    values = {"starts_on": given.starts_on, "ends_on": given.ends_on, "answer": answer or None}
    if not settle(connection, request.id, by, true(), state=GRANTED, **values):
        return False
    if request.kind == LEAVE:
        _write_leave(connection, request, given, by)
    elif given.ends_on is not None:
        _extend(connection, request, given.ends_on, by)
    evaluate_soon(connection, books, request.person_id, by.at)
    return True


def decline(connection: Connection, request: Request, *, answer: str, by: Stamp) -> bool:
    """Decline with a word; False if somebody has decided before."""
    return settle(connection, request.id, by, true(), state=DECLINED, answer=answer)


def _write_leave(connection: Connection, request: Request, given: Grant, by: Stamp) -> None:
    _put(
        connection,
        "leave",
        {"endorsement_id": request.endorsement_id, "starts_on": given.starts_on},
        {"ends_on": given.ends_on, "reason": request.reason},
        by,
    )


def _extend(connection: Connection, request: Request, due_on: date, by: Stamp) -> None:
    _put(
        connection,
        "renewal",
        {"endorsement_id": request.endorsement_id, "cycle_starts_on": request.starts_on},
        {"extended_due_on": due_on, "reason": request.reason},
        by,
    )


def _put(
    connection: Connection, name: str, key: dict[str, Any], values: dict[str, Any], by: Stamp
) -> None:
    """Write the row that ``key`` names, new or changed, with its audit event."""
    table = METADATA.tables[name]
    before = connection.execute(select(table).filter_by(**key)).mappings().first()
    if before is None:
        statement = insert(table).values(**key, **values).returning(table.c.id)
        number = connection.execute(statement).scalar_one()
    else:
        number = before["id"]
        connection.execute(update(table).where(table.c.id == number).values(values))
    # As with requests: the reason stays where it was written.
    after = {**key, **{column: value for column, value in values.items() if column != "reason"}}
    old = None if before is None else {column: before[column] for column in after}
    record_changes(connection, [Change(by.who, by.at, name, number, old, after)])
