"""Endorsements that come of applications: each begins on the day of the decision."""

from collections.abc import Collection, Mapping
from datetime import date
from typing import NamedTuple

from sqlalchemy import Connection, insert, select

from tracker.records.schema.tables import METADATA
from tracker.records.store.audit import Change, Stamp, record_changes
from tracker.records.store.bulk import in_chunks

_ENDORSEMENT = METADATA.tables["endorsement"]
_CHUNK = 1_000
# Whose endorsement (the person's id), at which association, in which category.
Held = tuple[int, str, str]
# First day, and last day (None: no end), both included.
Terms = Mapping[date, date | None]


class Begun(NamedTuple):
    """An endorsement that holds on the wanted day; not ``new`` if it did so already."""

    id: int
    new: bool


class ImpossibleChange(Exception):  # noqa: N818 - reads as the sentence it prints
    """What is asked cannot become of an application; says why."""


def covering(terms: Terms, day: date) -> date | None:
    """The first day of the term that holds on ``day``; None if none does."""
    for starts_on, ends_on in terms.items():
        if starts_on <= day and (ends_on is None or day <= ends_on):
            return starts_on
    return None


def in_the_way(terms: Terms, day: date) -> str | None:
    """Why no endless term may begin on ``day``, which none covers; None if it may."""
    later = min((starts_on for starts_on in terms if starts_on > day), default=None)
    if later is None:
        return None
    return (
        f"the same endorsement is held from {later} on, and one from {day} on would overlap it: "
        "enter that time as an endorsement with its end first"
    )


def begin_endorsements(
    connection: Connection, wanted: Collection[tuple[Held, date]], by: Stamp
) -> dict[tuple[Held, date], Begun]:
    """Let each wanted endorsement hold on its day.

    Where none covers the day, one that begins then, without an end, is stored with its audit
    event. Raises ImpossibleChange where one that begins later is in the way.
    """
    terms = _terms(connection, {held[0] for held, _ in wanted})
    found = dict[tuple[Held, date], Begun]()
    for held, day in sorted(wanted, key=lambda each: each[1]):
        own = terms.setdefault(held, {})
        ends = {starts_on: ends_on for starts_on, (_, ends_on) in own.items()}
        since = covering(ends, day)
        if since is None:
            if reason := in_the_way(ends, day):
                raise ImpossibleChange(reason)
            own[day] = (_begin(connection, held, day, by), None)
        found[held, day] = Begun(own[since or day][0], new=since is None)
    return found


def _terms(
    connection: Connection, person_ids: Collection[int]
) -> dict[Held, dict[date, tuple[int, date | None]]]:
    """People's endorsements: id and last day by the first day."""
    found = dict[Held, dict[date, tuple[int, date | None]]]()
    for chunk in in_chunks(person_ids, _CHUNK):
        query = select(_ENDORSEMENT).where(_ENDORSEMENT.c.person_id.in_(chunk))
        for row in connection.execute(query):
            held = (row.person_id, row.association, row.category)
            found.setdefault(held, {})[row.starts_on] = (row.id, row.ends_on)
    return found


def _begin(connection: Connection, held: Held, day: date, by: Stamp) -> int:
    values = {
        "person_id": held[0],
        "association": held[1],
        "category": held[2],
        "starts_on": day,
        "ends_on": None,
    }
    statement = insert(_ENDORSEMENT).values(values).returning(_ENDORSEMENT.c.id)
    new = int(connection.execute(statement).scalar_one())
    record_changes(connection, [Change(by.who, by.at, "endorsement", new, None, values)])
    return new
