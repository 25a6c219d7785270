"""Which group session members are to be notified or reminded by email."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, exists, or_, select

from tracker.db.applications import Application
from tracker.db.ledgers import Outbox
from tracker.db.log import GroupMember, GroupSession
from tracker.db.people import Endorsement, Person
from tracker.services.applications import list_undecided_applications
from tracker.services.endorsements import endorsements_of


class GroupNotification(NamedTuple):
    """A member to notify of a session, and the provider's name.

    ``person`` is None if no known person has the address.
    """

    member: GroupMember
    session: GroupSession
    person: Person | None
    provider: str


def list_group_notifications(
    session: Session, member_ids: Collection[int]
) -> list[GroupNotification]:
    """The notifications of these members."""
    return _list(session, col(GroupMember.id).in_(member_ids))


def list_unanswered(
    session: Session, association: str, before: datetime
) -> list[GroupNotification]:
    """Members at an association who were asked before the instant and not reminded yet."""
    return _list(session, *_waiting(association), col(GroupMember.asked_at) < before)


def list_unnotified(
    session: Session, association: str, kind: str, since: datetime, before: datetime
) -> list[GroupNotification]:
    """Members who were asked from ``since`` to ``before`` and got no mail of the kind since then.

    They had one that day already, or the session was corrected after it.
    """
    notified = exists().where(
        col(Outbox.person_id) == GroupMember.person_id,
        col(Outbox.kind) == kind,
        col(Outbox.created_at) >= GroupMember.asked_at,
    )
    asked_at = col(GroupMember.asked_at)
    return _list(session, *_waiting(association), asked_at >= since, asked_at < before, ~notified)


def mark_reminded(
    session: Session, member_ids: Collection[int], now: datetime, *, asked_before: datetime
) -> None:
    """Store that these members were reminded, but for those who have just been asked anew."""
    reminded = update(GroupMember).where(
        col(GroupMember.id).in_(member_ids), col(GroupMember.asked_at) < asked_before
    )
    session.exec(reminded.values(reminded_at=now))


def had_mail(session: Session, person_id: int, kinds: Collection[str], since: datetime) -> bool:
    """Whether a mail of one of these kinds was written to a person after ``since``."""
    written = exists().where(
        col(Outbox.person_id) == person_id,
        col(Outbox.kind).in_(kinds),
        col(Outbox.created_at) > since,
        col(Outbox.state) != "dropped",
    )
    return session.exec(select(written)).one()


def list_people_with_requests(session: Session, people: Collection[int]) -> set[int]:
    """Those of these people who have yet to answer about a session that a provider logged."""
    query = (
        select(GroupMember.person_id)
        .join(GroupSession)
        .where(
            col(GroupMember.person_id).in_(people),
            GroupMember.state == "asked",
            col(GroupSession.withdrawn_at).is_(None),
        )
    )
    return {person_id for person_id in session.exec(query) if person_id is not None}


def find_association(session: Session, person_id: int) -> str | None:
    """An association whose coordinators can help a person; None if there is none."""
    for endorsement in endorsements_of(session, person_id):
        return endorsement.association
    for application in list_undecided_applications(session, person_id):
        return application.association
    return None


def _waiting(association: str) -> tuple[ColumnElement[bool], ...]:
    """Conditions: the member is at the association, and has neither answered nor been reminded."""
    belongs = [
        exists().where(
            col(table.person_id) == GroupMember.person_id, col(table.association) == association
        )
        for table in (Endorsement, Application)
    ]
    return (
        col(GroupMember.state) == "asked",
        col(GroupMember.reminded_at).is_(None),
        col(GroupSession.withdrawn_at).is_(None),
        or_(*belongs),
    )


def _list(session: Session, *where: ColumnElement[bool]) -> list[GroupNotification]:
    provider = aliased(Person)
    query = (
        select(GroupMember, GroupSession, Person, provider.name)
        .join(GroupSession, col(GroupSession.id) == GroupMember.group_session_id)
        .join(provider, col(provider.id) == GroupSession.provider_id)
        .outerjoin(Person, col(Person.id) == GroupMember.person_id)
        .where(*where)
        .order_by(col(GroupMember.person_id), col(GroupSession.held_on), col(GroupMember.id))
        .execution_options(populate_existing=True)
    )
    return [GroupNotification(*row) for row in session.exec(query)]
