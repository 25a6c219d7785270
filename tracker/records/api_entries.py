"""Entries as programs of an association read them: of whoever holds or asks its endorsement."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from sqlalchemy import ColumnElement, CompoundSelect, Connection, Select, and_, select, union

from tracker.records.entries import select_entries
from tracker.records.tables import METADATA
from tracker.rules.explain import LoggedEntry

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


class Known(NamedTuple):
    """A person's name and first address."""

    name: str
    email: str


def person_within(connection: Connection, association: str, email: str) -> int | None:
    """The id of whoever has that address and holds or asks an endorsement of the association.

    None for anybody else, known or not.
    """
    theirs = (_PERSON.c.email == email) & _PERSON.c.id.in_(_people_of(association))
    return connection.scalar(select(_PERSON.c.id).where(theirs))


def page_of_entries(
    connection: Connection, wanted: Wanted, *, after: int, most: int
) -> list[LoggedEntry]:
    """At most ``most`` entries with an id above ``after``, by id."""
    query = select(_ENTRY.c.id).where(and_(_ENTRY.c.id > after, *_limits(wanted)))
    ids = connection.scalars(query.order_by(_ENTRY.c.id).limit(most)).all()
    return sorted(select_entries(connection, _ENTRY.c.id.in_(ids)), key=lambda e: e.id)


def entry_within(connection: Connection, association: str, entry_id: int) -> LoggedEntry | None:
    """One entry; None where it is absent or of nobody of the association's."""
    one = (_ENTRY.c.id == entry_id) & _ENTRY.c.person_id.in_(_people_of(association))
    return next(select_entries(connection, one), None)


def page_of_endorsements(
    connection: Connection, wanted: Wanted, *, category: str, after: int, most: int
) -> list[int]:
    """At most ``most`` ids of the association's endorsements above ``after``, in order."""
    where = [_ENDORSEMENT.c.association == wanted.association, _ENDORSEMENT.c.id > after]
    if category:
        where.append(_ENDORSEMENT.c.category == category)
    if wanted.email:
        where.append(_ENDORSEMENT.c.person_id.in_(_with_address(wanted.email)))
    query = select(_ENDORSEMENT.c.id).where(and_(*where)).order_by(_ENDORSEMENT.c.id).limit(most)
    return list(connection.scalars(query))


def known_people(connection: Connection, ids: Sequence[int]) -> dict[int, Known]:
    """Who these people are, by id."""
    query = select(_PERSON.c.id, _PERSON.c.name, _PERSON.c.email).where(_PERSON.c.id.in_(ids))
    return {row.id: Known(row.name, row.email) for row in connection.execute(query)}


def person_with_address(connection: Connection, email: str) -> int | None:
    """The id of whoever has that first address."""
    return connection.scalar(select(_PERSON.c.id).where(_PERSON.c.email == email))


def _limits(wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [_ENTRY.c.person_id.in_(_people_of(wanted.association))]
    if wanted.email:
        found.append(_ENTRY.c.person_id.in_(_with_address(wanted.email)))
    if wanted.held_from:
        found.append(_ENTRY.c.held_on >= wanted.held_from)
    if wanted.held_to:
        found.append(_ENTRY.c.held_on <= wanted.held_to)
    return found


def _with_address(email: str) -> Select[tuple[int]]:
    return select(_PERSON.c.id).where(_PERSON.c.email == email)


def _people_of(association: str) -> CompoundSelect[tuple[int]]:
    endorsed = select(_ENDORSEMENT.c.person_id).where(_ENDORSEMENT.c.association == association)
    applying = select(_APPLICATION.c.person_id).where(_APPLICATION.c.association == association)
    return union(endorsed, applying)
