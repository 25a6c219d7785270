"""What a person has logged on one day: what is left of it, and what looks like the same session."""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from rapidfuzz import fuzz
from sqlalchemy import Connection

from tracker.records.entries.entry_writes import Content
from tracker.records.store.quick import run

_NEAR_MINUTES = 15
# Of 100: a letter or two may differ.
_ALIKE = 85.0


class Logged(NamedTuple):
    """An entry of the day, with its minutes; ``provider`` is a name, whoever that is."""

    id: int
    activity: str
    minutes: int
    title: str
    provider_id: int | None
    provider: str | None


def logged_on(connection: Connection, person_id: int, day: date) -> list[Logged]:
    """All that a person has logged on one day, oldest entry first."""
    rows = run(connection, _LOGGED, [person_id, day.isoformat()])
    return [Logged._make((*row[:5], row[5] or row[6])) for row in rows]


_LOGGED = """
    SELECT e.id, e.activity, e.minutes, e.title, e.provider_id, e.provider_name, p.name
    FROM entry e LEFT JOIN person p ON p.id = e.provider_id
    WHERE e.person_id = ? AND e.held_on = ? ORDER BY e.id
"""


def find_twin(content: Content, logged: Iterable[Logged]) -> Logged | None:
    """The first of the day's entries that looks like this one, logged before."""
    return next((each for each in logged if _is_twin(content, each)), None)


def _is_twin(content: Content, logged: Logged) -> bool:
    if content.activity != logged.activity:
        return False
    near = abs(content.minutes - logged.minutes) <= _NEAR_MINUTES
    if content.activity != "rsc":
        alike = fuzz.ratio(content.title.casefold(), logged.title.casefold())
        return alike >= (_ALIKE if near else 100)
    # Two sessions with one provider on one day are rare, whatever their lengths.
    return _same_provider(content, logged) if near else _surely_same_provider(content, logged)


def _surely_same_provider(content: Content, logged: Logged) -> bool:
    if content.provider_id or logged.provider_id:
        return content.provider_id == logged.provider_id
    return bool(content.provider_name and logged.provider) and _same_provider(content, logged)


def _same_provider(content: Content, logged: Logged) -> bool:
    if content.provider_id and logged.provider_id:
        return content.provider_id == logged.provider_id
    if content.provider_name and logged.provider and not logged.provider_id:
        ratio = fuzz.ratio(content.provider_name.casefold(), logged.provider.casefold())
        return ratio >= _ALIKE
    # A mere name may be that of a known provider: better asked once too often.
    return True
