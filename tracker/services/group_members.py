"""Changes rows of group_member, each change with its audit event."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import select, update
from sqlmodel import Session

from tracker.db.audit import Change, Stamp, record_changes
from tracker.db.tables import METADATA

_MEMBER = METADATA.tables["group_member"]
_AUDITED = ("group_session_id", "email", "person_id", "state", "note", "entry_id", "asked_at")
Shapes = Mapping[int, Mapping[str, Any]]


def change_members(
    session: Session,
    stamp: Stamp,
    member_ids: Collection[int],
    **values: Any,  # noqa: ANN401 - values of columns
) -> None:
    """Set columns of these rows."""
    before = shapes_of(session, member_ids)
    session.connection().execute(update(_MEMBER).where(_MEMBER.c.id.in_(member_ids)).values(values))
    record_members(session, stamp, before, shapes_of(session, member_ids))


def release_entry(session: Session, stamp: Stamp, entry_id: int) -> None:
    """Before an entry is deleted: a session that it confirmed waits for an answer again.

    Whoever takes it back is not reminded of it.
    """
    its = select(_MEMBER.c.group_session_id, _MEMBER.c.person_id)
    row = session.connection().execute(its.where(_MEMBER.c.entry_id == entry_id)).first()
    if row is None:
        return
    of_session = (_MEMBER.c.group_session_id == row[0]) & (_MEMBER.c.person_id == row[1])
    ids = session.scalars(select(_MEMBER.c.id).where(of_session)).all()
    asked = {"state": "asked", "answered_at": None, "entry_id": None, "reminded_at": stamp.at}
    change_members(session, stamp, ids, **asked)


def shapes_of(session: Session, member_ids: Collection[int]) -> Shapes:
    """What audit events hold of these rows, by id."""
    query = select(_MEMBER.c.id, *(_MEMBER.c[name] for name in _AUDITED))
    rows = session.connection().execute(query.where(_MEMBER.c.id.in_(member_ids)))
    return {row[0]: dict(zip(_AUDITED, row[1:], strict=True)) for row in rows}


def record_members(session: Session, stamp: Stamp, before: Shapes, after: Shapes) -> None:
    """Write the audit events of what changed between two states of rows."""
    keys = sorted({*before, *after})
    record_changes(
        session,
        [
            Change(stamp.who, stamp.at, "group_member", key, before.get(key), after.get(key))
            for key in keys
        ],
    )
