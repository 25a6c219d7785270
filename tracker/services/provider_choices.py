"""Whom somebody may name as the provider of a session, and how to tell two of a name apart."""

from collections.abc import Collection, Iterable
from datetime import date
from typing import NamedTuple

from sqlalchemy import ColumnElement, exists, func, select
from sqlmodel import Session

from tracker.db.statements import run
from tracker.db.tables import METADATA

_PERSON = METADATA.tables["person"]
_ENDORSEMENT = METADATA.tables["endorsement"]
_VETTING = METADATA.tables["vetting"]
_ENTRY = METADATA.tables["entry"]
_SPAN = METADATA.tables["provider_span"]
_MOST_NAMES = 20


class Choice(NamedTuple):
    """A provider to pick; ``last_on`` is the last day of a session with them, None without one."""

    id: int
    name: str
    last_on: date | None


def provider_choices(session: Session, person_id: int, rules: Iterable[str]) -> list[Choice]:
    """Those a person has logged with, the latest logged first, then others who qualify, by name.

    ``rules`` are the provider rules that hold for the person. Of those who do not provide RSC
    not even the name is told. Nobody supervises themselves, so the person is not among them.
    """
    used = _used(session, person_id)
    wanted = _PERSON.c.id.in_(used) | _offered(rules)
    people = session.connection().execute(
        select(_PERSON.c.id, _PERSON.c.name).where(wanted & (_PERSON.c.id != person_id))
    )
    order = {id_: number for number, id_ in enumerate(used)}
    found = [Choice(id_, name, used.get(id_)) for id_, name in people]
    return sorted(found, key=lambda c: (order.get(c.id, len(order)), c.name.casefold(), c.id))


def may_name(session: Session, person_id: int, rules: Iterable[str], provider_id: int) -> bool:
    """Whether this provider is among those choices."""
    if provider_id == person_id:
        return False
    used = run(session, _USED_BY, [person_id, provider_id])
    if used:
        return True
    qualified = {row[0] for row in run(session, _RULES_OF, [provider_id, provider_id])}
    return not qualified.isdisjoint(rules)


_USED_BY = "SELECT 1 FROM entry WHERE person_id = ? AND provider_id = ? LIMIT 1"
_RULES_OF = """
    SELECT DISTINCT s.rule FROM provider_span s JOIN person p ON p.id = s.provider_id
    WHERE s.provider_id = ?
        AND (p.provides_rsc OR EXISTS (SELECT 1 FROM entry e WHERE e.provider_id = ?))
"""


def names_used(session: Session, person_id: int) -> list[str]:
    """The names of providers nobody knows yet that a person has logged with, newest first."""
    own = (_ENTRY.c.person_id == person_id) & _ENTRY.c.provider_name.is_not(None)
    query = (
        select(_ENTRY.c.provider_name)
        .where(own)
        .group_by(_ENTRY.c.provider_name)
        .order_by(func.max(_ENTRY.c.id).desc())
        .limit(_MOST_NAMES)
    )
    return list(session.scalars(query))


def credentials_of(
    session: Session, ids: Collection[int], associations: Collection[str]
) -> dict[int, str]:
    """What tells providers of one name apart: their latest endorsement, or who vetted them.

    Only what these ``associations`` gave them is told, which they publish themselves.
    """
    found: dict[int, str] = {}
    for table, words in ((_VETTING, "vetted by {}"), (_ENDORSEMENT, "{} {}")):
        columns = [table.c.association] + ([table.c.category] if table is _ENDORSEMENT else [])
        rows = session.connection().execute(
            select(table.c.person_id, *columns)
            .where(table.c.person_id.in_(ids), table.c.association.in_(associations))
            .order_by(table.c.starts_on, table.c.id)
        )
        found |= {row[0]: words.format(*row[1:]) for row in rows}
    return found


def _used(session: Session, person_id: int) -> dict[int, date]:
    """The last day with each provider whom a person has logged with, the latest logged first."""
    own = (_ENTRY.c.person_id == person_id) & _ENTRY.c.provider_id.is_not(None)
    rows = session.connection().execute(
        select(_ENTRY.c.provider_id, func.max(_ENTRY.c.held_on))
        .where(own)
        .group_by(_ENTRY.c.provider_id)
        .order_by(func.max(_ENTRY.c.id).desc())
    )
    return {row[0]: row[1] for row in rows}


def _offered(rules: Iterable[str]) -> ColumnElement[bool]:
    qualified = select(_SPAN.c.provider_id).where(_SPAN.c.rule.in_(list(rules)))
    provides = _PERSON.c.provides_rsc | exists().where(_ENTRY.c.provider_id == _PERSON.c.id)
    return _PERSON.c.id.in_(qualified) & provides
