"""What the pages have done about references, as their audit events tell."""

import json
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, RowMapping, select

from tracker.records.schema.tables import METADATA
from tracker.records.store.bulk import in_chunks
from tracker.transfer.bulk import CHUNK

_AUDIT = METADATA.tables["audit_event"]


class Withdrawn(NamedTuple):
    """A referee whom the applicant has removed from an application."""

    application_id: int
    email: str
    name: str
    role: str


def answered_by_link(connection: Connection, references: Iterable[RowMapping]) -> set[int]:
    """The ids of those of the references that the referees themselves have answered.

    Theirs are the events in their own name; an import's events are in its own.
    """
    emails = {row["id"]: row["email"] for row in references if row["received_at"] is not None}
    found = set[int]()
    for chunk in in_chunks(sorted(emails), CHUNK):
        for row_id, who, after in _events(connection, _AUDIT.c.row_id.in_(chunk), _AUDIT.c.after):
            if who == emails[row_id] and after.get("received_at"):
                found.add(row_id)
    return found


def withdrawn(connection: Connection, application_ids: Collection[int]) -> set[Withdrawn]:
    """Whom the applicants have removed from these applications, in each name and role."""
    # Only a withdrawal deletes a reference: there are few, and no column tells whose they are.
    events = _events(connection, _AUDIT.c.after.is_(None), _AUDIT.c.before)
    found = (Withdrawn(*(before[n] for n in Withdrawn._fields)) for _, _, before in events)
    return {each for each in found if each.application_id in application_ids}


def _events(
    connection: Connection, which: ColumnElement[bool], shape: ColumnElement[Any]
) -> Iterator[tuple[int, str, dict[str, Any]]]:
    query = select(_AUDIT.c.row_id, _AUDIT.c.who, shape).where(
        _AUDIT.c.table_name == "reference", which, shape.is_not(None)
    )
    for row_id, who, text in connection.execute(query):
        yield row_id, who, json.loads(text)
