"""Changes to the members of group sessions, each with its audit event."""

from collections.abc import Iterable
from typing import Any

from sqlmodel import col, select

from tracker.db.log import GroupMember
from tracker.services.context import ServiceContext

AUDITED_MEMBER = {"group_session_id", "email", "person_id", "state", "note", "entry_id", "asked_at"}


def update_members(
    context: ServiceContext,
    members: Iterable[GroupMember],
    **values: Any,  # noqa: ANN401 - values of columns
) -> None:
    """Set columns of these members."""
    for member in members:
        context.update_row(member, AUDITED_MEMBER, **values)


def release_entry(context: ServiceContext, entry_id: int) -> None:
    """Before an entry is deleted, let the session that it confirmed wait for an answer again.

    The person is not reminded of a session whose entry they deleted.
    """
    query = select(GroupMember).execution_options(populate_existing=True)
    confirmed = context.session.exec(query.where(GroupMember.entry_id == entry_id)).first()
    if confirmed is None:
        return
    of_person = context.session.exec(
        query.where(
            GroupMember.group_session_id == confirmed.group_session_id,
            GroupMember.person_id == confirmed.person_id,
        ).order_by(col(GroupMember.id))
    ).all()
    update_members(
        context,
        of_person,
        state="asked",
        answered_at=None,
        entry_id=None,
        reminded_at=context.now,
    )
