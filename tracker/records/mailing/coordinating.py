"""What a coordinator's page lists: standings, worst first, and providers to confirm."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from tracker.records.schema.tables import METADATA

_STANDING = METADATA.tables["standing"]
_ENDORSEMENT = METADATA.tables["endorsement"]
_PERSON = METADATA.tables["person"]
_ENTRY = METADATA.tables["entry"]
_MOST_NAMES = 200

# Worst first; `behind` is the part of `open` that an even pace no longer reaches.
FILTERS = ("lapsed", "overdue", "behind", "open", "excused", "met", "no rules")


class Listed(NamedTuple):
    """One renewal; ``short`` is minutes by requirement id, only of what is short."""

    endorsement_id: int
    name: str
    email: str
    category: str
    due_on: date | None
    cycle_starts_on: date
    state: str
    short: Mapping[str, int]


class NamedProvider(NamedTuple):
    """A provider known by name only; minutes that would count, and for how many people."""

    name: str
    minutes: int
    users: tuple[tuple[int, str], ...]


def count_standings(connection: Connection, association: str, today: date) -> dict[str, int]:
    """How many renewals an association has in each state of `FILTERS`."""
    state = _state(today)
    query = (
        select(state, func.count())
        .select_from(_STANDING)
        .where(_is_listed(association, today))
        .group_by(state)
    )
    found = {row[0]: row[1] for row in connection.execute(query)}
    return {name: found.get(name, 0) for name in FILTERS}


def list_standings(
    connection: Connection, association: str, today: date, *, state: str, skip: int, most: int
) -> list[Listed]:
    """At most ``most`` renewals, worst first, in one state or (empty) in any."""
    worst_first = case({name: i for i, name in enumerate(FILTERS)}, value=_state(today))
    wanted = _is_listed(association, today)
    query = (
        select(
            _STANDING.c.endorsement_id,
            _PERSON.c.name,
            _PERSON.c.email,
            _ENDORSEMENT.c.category,
            _STANDING.c.due_on,
            _STANDING.c.cycle_starts_on,
            _state(today),
            _STANDING.c.requirements,
        )
        .join_from(_STANDING, _ENDORSEMENT)
        .join(_PERSON, _PERSON.c.id == _ENDORSEMENT.c.person_id)
        .where(and_(wanted, _state(today) == state) if state else wanted)
        .order_by(
            worst_first,
            _STANDING.c.due_on,
            _STANDING.c.short_minutes.desc(),
            func.lower(_PERSON.c.name),
            _STANDING.c.endorsement_id,
            _STANDING.c.cycle_starts_on,
        )
        .offset(skip)
        .limit(most)
    )
    return [Listed._make([*row[:7], _short(row[7])]) for row in connection.execute(query)]


def providers_to_confirm(
    connection: Connection, association: str, today: date
) -> list[NamedProvider]:
    """Providers whom the association's endorsees named in a cycle that is listed, most used first.

    Names are the same when they differ in case and space only.
    """
    query = (
        select(
            _ENTRY.c.provider_name,
            _ENDORSEMENT.c.id,
            _PERSON.c.name,
            _ENTRY.c.id,
            _ENTRY.c.minutes,
        )
        .join_from(_STANDING, _ENDORSEMENT)
        .join(_PERSON, _PERSON.c.id == _ENDORSEMENT.c.person_id)
        .join(
            _ENTRY,
            and_(
                _ENTRY.c.person_id == _PERSON.c.id,
                _ENTRY.c.held_on.between(_STANDING.c.cycle_starts_on, _STANDING.c.cycle_ends_on),
            ),
        )
        .where(_is_listed(association, today) & _ENTRY.c.provider_name.is_not(None))
        .order_by(_ENTRY.c.id)
    )
    return _by_name(connection.execute(query).all())


def _by_name(rows: Sequence[Any]) -> list[NamedProvider]:
    names: dict[str, str] = {}
    minutes: dict[str, dict[int, int]] = {}
    users: dict[str, dict[int, str]] = {}
    for name, endorsement_id, person, entry_id, lasted in rows:
        key = " ".join(name.casefold().split())
        names.setdefault(key, name)
        # An entry stands here once for each endorsement that it could count for.
        minutes.setdefault(key, {})[entry_id] = lasted
        if person not in users.setdefault(key, {}).values():
            users[key][endorsement_id] = person
    found = [
        NamedProvider(name, sum(minutes[key].values()), tuple(users[key].items()))
        for key, name in names.items()
    ]
    return sorted(found, key=lambda p: (-p.minutes, p.name))[:_MOST_NAMES]


def _state(today: date) -> ColumnElement[str]:
    is_behind = (_STANDING.c.status == "open") & (_STANDING.c.falls_behind_on <= today)
    return case((is_behind, "behind"), else_=_STANDING.c.status)


def _is_listed(association: str, today: date) -> ColumnElement[bool]:
    """The current cycle, and the one before it as long as it is not settled."""
    is_current = or_(_STANDING.c.cycle_ends_on.is_(None), _STANDING.c.cycle_ends_on >= today)
    unsettled = _STANDING.c.status.in_(("lapsed", "overdue", "open"))
    return and_(_STANDING.c.association == association, or_(is_current, unsettled))


def _short(requirements: str) -> dict[str, int]:
    return {row[0]: row[4] for row in json.loads(requirements) if row[5] == "short"}
