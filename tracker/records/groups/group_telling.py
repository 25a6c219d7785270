"""Whom a mail about a provider's sessions goes to, and who has not answered for some days."""

from collections.abc import Collection
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, or_, select, update

from tracker.records.applying.applicants import undecided_of
from tracker.records.judging.endorsees import endorsements_of
from tracker.records.schema.tables import METADATA

_APPLICATION = METADATA.tables["application"]
_ENDORSEMENT = METADATA.tables["endorsement"]
_MEMBER = METADATA.tables["group_member"]
_OUTBOX = METADATA.tables["outbox"]
_PERSON = METADATA.tables["person"]
_SESSION = METADATA.tables["group_session"]


class Telling(NamedTuple):
    """A row to tell somebody of; whole minutes. Without a ``person_id`` nobody is known."""

    member_id: int
    session_id: int
    asked_at: datetime
    person_id: int | None
    name: str | None
    email: str | None
    provider: str
    held_on: date
    minutes: int
    title: str


def tellings_of(connection: Connection, member_ids: Collection[int]) -> list[Telling]:
    """What is to be told of these rows, in their order."""
    query = _tellings().where(_MEMBER.c.id.in_(member_ids))
    return [Telling(*row) for row in connection.execute(query)]


def unanswered(connection: Connection, association: str, before: datetime) -> list[Telling]:
    """What people of an association were asked before the instant, and not reminded of yet."""
    waits = _waits(association) & (_MEMBER.c.asked_at < before)
    return [Telling(*row) for row in connection.execute(_tellings().where(waits))]


def untold(
    connection: Connection, association: str, kind: str, since: datetime, before: datetime
) -> list[Telling]:
    """What people were asked between the instants, with no mail of the kind from then on.

    They had one that day already; the same session may have been corrected meanwhile.
    """
    told = exists().where(
        _OUTBOX.c.person_id == _MEMBER.c.person_id,
        _OUTBOX.c.kind == kind,
        _OUTBOX.c.created_at >= _MEMBER.c.asked_at,
    )
    asked = (_MEMBER.c.asked_at >= since) & (_MEMBER.c.asked_at < before)
    query = _tellings().where(_waits(association) & asked & ~told)
    return [Telling(*row) for row in connection.execute(query)]


def mark_reminded(connection: Connection, member_ids: Collection[int], now: datetime) -> None:
    """Store that somebody was reminded of these rows."""
    mine = _MEMBER.c.id.in_(member_ids)
    connection.execute(update(_MEMBER).where(mine).values(reminded_at=now))


def had_mail(
    connection: Connection, person_id: int, kinds: Collection[str], since: datetime
) -> bool:
    """Whether a mail of one of these kinds was written to a person after the instant."""
    written = (
        (_OUTBOX.c.person_id == person_id)
        & _OUTBOX.c.kind.in_(kinds)
        & (_OUTBOX.c.created_at > since)
    )
    return connection.scalar(select(_OUTBOX.c.id).where(written).limit(1)) is not None


def association_of(connection: Connection, person_id: int) -> str | None:
    """An association whose coordinators a person can ask; None where there is none."""
    found = [e.association for e in endorsements_of(connection, person_id)]
    found += [a.association for a in undecided_of(connection, person_id)]
    return found[0] if found else None


def _waits(association: str) -> ColumnElement[bool]:
    """Of people of an association: not answered, and not reminded of."""
    belongs = [
        exists().where(table.c.person_id == _MEMBER.c.person_id, table.c.association == association)
        for table in (_ENDORSEMENT, _APPLICATION)
    ]
    return and_(
        _MEMBER.c.state == "asked",
        _MEMBER.c.reminded_at.is_(None),
        _SESSION.c.withdrawn_at.is_(None),
        or_(*belongs),
    )


def _tellings() -> Select[Any]:
    provider = _PERSON.alias("provider")
    return (
        select(
            _MEMBER.c.id,
            _MEMBER.c.group_session_id,
            _MEMBER.c.asked_at,
            _MEMBER.c.person_id,
            _PERSON.c.name,
            _PERSON.c.email,
            provider.c.name,
            _SESSION.c.held_on,
            _SESSION.c.minutes,
            _SESSION.c.title,
        )
        .select_from(
            _MEMBER.join(_SESSION)
            .join(provider, provider.c.id == _SESSION.c.provider_id)
            .outerjoin(_PERSON, _PERSON.c.id == _MEMBER.c.person_id)
        )
        .order_by(_MEMBER.c.person_id, _SESSION.c.held_on, _MEMBER.c.id)
    )
