"""What the notices job reads of applications: which there are, what was decided, who was asked."""

from collections import defaultdict
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, TextClause, func, select, text

from tracker.records.schema.tables import METADATA
from tracker.rules.notices import Key, Kind

_APPLICATION = METADATA.tables["application"]
_NOTICE = METADATA.tables["notice"]
_REFERENCE = METADATA.tables["reference"]
_UNDECIDED = ("open", "submitted")


def undecided_in(connection: Connection, association: str) -> dict[int, int]:
    """The undecided applications of an association, each with its person."""
    return _undecided(connection, _APPLICATION.c.association == association)


def undecided_of(connection: Connection, people: str) -> dict[int, int]:
    """The undecided applications, at any association, of those in the temporary table."""
    return _undecided(connection, text(f"application.person_id IN (SELECT id FROM {people})"))


def _undecided(connection: Connection, which: ColumnElement[bool] | TextClause) -> dict[int, int]:
    query = select(_APPLICATION.c.id, _APPLICATION.c.person_id).where(
        which, _APPLICATION.c.state.in_(_UNDECIDED)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def decided_for_applications(connection: Connection, table: str) -> dict[int, dict[Key, bool]]:
    """By application in the temporary ``table``: the decisions taken; True: it was sent."""
    found: defaultdict[int, dict[Key, bool]] = defaultdict(dict)
    columns = ("application_id", "kind", "subject_key", "due_on", "step", "outcome")
    query = select(*(_NOTICE.c[name] for name in columns)).where(
        text(f"notice.application_id IN (SELECT id FROM {table})")
    )
    for application_id, kind, subject_key, due_on, step, outcome in connection.execute(query):
        found[application_id][Key(Kind(kind), subject_key, due_on, step)] = outcome == "sent"
    return found


def last_asked(connection: Connection, table: str) -> dict[int, datetime]:
    """By application in the temporary ``table``: when its last referee was asked, if any was."""
    query = (
        select(_REFERENCE.c.application_id, func.max(_REFERENCE.c.asked_at))
        .where(
            text(f"reference.application_id IN (SELECT id FROM {table})"),
            _REFERENCE.c.asked_at.is_not(None),
        )
        .group_by(_REFERENCE.c.application_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}
