"""Entries as an association's programs read them: as far as its endorsements go."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from sqlalchemy import ColumnElement, Select, and_, exists, select
from sqlmodel import Session

from tracker.db.tables import METADATA
from tracker.rules.explain import LoggedEntry
from tracker.services.entries import select_entries

_PERSON = METADATA.tables["person"]
_ENTRY = METADATA.tables["entry"]
_ENDORSEMENT = METADATA.tables["endorsement"]
_APPLICATION = METADATA.tables["application"]


class Wanted(NamedTuple):
    """Which entries or endorsements; the days count, None and an empty text set no limit."""

    association: str
    email: str = ""
    held_from: date | None = None
    held_to: date | None = None


class PersonSummary(NamedTuple):
    """A person's name and first address."""

    name: str
    email: str


def person_within(session: Session, association: str, email: str, today: date) -> int | None:
    """The id of whoever has that address and holds or asks an endorsement of the association.

    None for anybody else, known or not, and for those whose endorsement ended before ``today``.
    """
    theirs = (_PERSON.c.email == email) & _concerns(association, _PERSON.c.id, today)
    return session.scalar(select(_PERSON.c.id).where(theirs))


def page_of_entries(
    session: Session, wanted: Wanted, *, after: int, most: int
) -> list[LoggedEntry]:
    """At most ``most`` entries with an id above ``after``, by id."""
    query = select(_ENTRY.c.id).where(and_(_ENTRY.c.id > after, *_limits(wanted)))
    ids = session.scalars(query.order_by(_ENTRY.c.id).limit(most)).all()
    return sorted(select_entries(session, _ENTRY.c.id.in_(ids)), key=lambda e: e.id)


def entry_within(session: Session, association: str, entry_id: int) -> LoggedEntry | None:
    """One entry; None where it is absent or not the association's to see."""
    one = (_ENTRY.c.id == entry_id) & _is_seen_by(association)
    return next(select_entries(session, one), None)


def page_of_endorsements(
    session: Session, wanted: Wanted, *, category: str, after: int, most: int
) -> list[int]:
    """At most ``most`` ids of the association's endorsements above ``after``, in order."""
    where = [_ENDORSEMENT.c.association == wanted.association, _ENDORSEMENT.c.id > after]
    if category:
        where.append(_ENDORSEMENT.c.category == category)
    if wanted.email:
        where.append(_ENDORSEMENT.c.person_id.in_(_with_address(wanted.email)))
    query = select(_ENDORSEMENT.c.id).where(and_(*where)).order_by(_ENDORSEMENT.c.id).limit(most)
    return list(session.scalars(query))


def known_people(session: Session, ids: Sequence[int]) -> dict[int, PersonSummary]:
    """Who these people are, by id."""
    query = select(_PERSON.c.id, _PERSON.c.name, _PERSON.c.email).where(_PERSON.c.id.in_(ids))
    return {
        row.id: PersonSummary(row.name, row.email) for row in session.connection().execute(query)
    }


def person_with_address(session: Session, email: str) -> int | None:
    """The id of whoever has that first address."""
    return session.scalar(select(_PERSON.c.id).where(_PERSON.c.email == email))


def _limits(wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [_is_seen_by(wanted.association)]
    if wanted.email:
        found.append(_ENTRY.c.person_id.in_(_with_address(wanted.email)))
    if wanted.held_from:
        found.append(_ENTRY.c.held_on >= wanted.held_from)
    if wanted.held_to:
        found.append(_ENTRY.c.held_on <= wanted.held_to)
    return found


def _with_address(email: str) -> Select[tuple[int]]:
    return select(_PERSON.c.id).where(_PERSON.c.email == email)


def _is_seen_by(association: str) -> ColumnElement[bool]:
    """Entries of its applicants, and those that were held before an endorsement of its ended."""
    return _concerns(association, _ENTRY.c.person_id, _ENTRY.c.held_on)


def _concerns(
    association: str,
    person_id: ColumnElement[int],
    day: date | ColumnElement[date],
) -> ColumnElement[bool]:
    """That an endorsement has not ended before ``day``, or an application is not decided yet."""
    lasting = _ENDORSEMENT.c.ends_on.is_(None) | (_ENDORSEMENT.c.ends_on >= day)
    endorsed = _ENDORSEMENT.c.person_id == person_id
    holds = exists().where(endorsed & (_ENDORSEMENT.c.association == association) & lasting)
    asking = (_APPLICATION.c.person_id == person_id) & _APPLICATION.c.decided_on.is_(None)
    return holds | exists().where(asking & (_APPLICATION.c.association == association))
