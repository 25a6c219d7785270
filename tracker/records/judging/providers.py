"""Keeps provider_span: on which days each provider's sessions count under each rule."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select, text

from tracker.records.schema.tables import Endorsement, Entry, Person, ProviderSpan, Vetting
from tracker.records.store.quick import Chosen, among, as_date, run
from tracker.rulebooks import Rulebooks
from tracker.rules.providers import Credential, Provider, qualified_spans
from tracker.rules.standing import Span

SpanRow = tuple[str, int, date, date]

_PERSON = Person.__table__  # type: ignore[attr-defined]
_ENTRY = Entry.__table__  # type: ignore[attr-defined]
_SPAN = ProviderSpan.__table__  # type: ignore[attr-defined]
_ENDORSEMENT = Endorsement.__table__  # type: ignore[attr-defined]
_VETTING = Vetting.__table__  # type: ignore[attr-defined]
_BATCH = 500
# More people than this are not named in a query: everyone is looked at instead.
_MANY = 1_000


def load_providers(
    connection: Connection, person_ids: Collection[int] | None = None
) -> dict[int, Provider]:
    """Those who provide RSC (they say so, or a session names them), with what they hold.

    ``person_ids`` narrows it to these people, whether they provide RSC or not.
    """
    if person_ids is None:
        which = Chosen(f"IN (SELECT p.id FROM person p WHERE {_PROVIDES})")
    else:
        which = among(connection, person_ids)
    people: dict[int, tuple[str, str]] = {}
    held: defaultdict[int, list[Credential]] = defaultdict(list)
    sql = _WITH_CREDENTIALS.format(which=which.sql)
    for person_id, name, degree, *credential in run(connection, sql, which.parameters * 3):
        people[person_id] = name, degree
        if credential[0] is not None:
            held[person_id].append(_credential(*credential))
    return {
        person_id: Provider(name, degree, tuple(sorted(held[person_id], key=str)))
        for person_id, (name, degree) in people.items()
    }


def _credential(
    association: str, category: str | None, starts_on: date | str, ends_on: date | str | None
) -> Credential:
    ends = as_date(ends_on) if ends_on else None
    return Credential(association, category, as_date(starts_on), ends)


_PROVIDES = "p.provides_rsc OR EXISTS (SELECT 1 FROM entry e WHERE e.provider_id = p.id)"
_WITH_CREDENTIALS = """
    SELECT o.id, o.name, o.highest_degree, c.association, c.category, c.starts_on, c.ends_on
    FROM person o LEFT JOIN (
        SELECT person_id, association, category, starts_on, ends_on FROM endorsement
        WHERE person_id {which}
        UNION ALL
        SELECT person_id, association, NULL, starts_on, ends_on FROM vetting
        WHERE person_id {which}
    ) c ON c.person_id = o.id
    WHERE o.id {which}
"""


def refresh_provider_spans(
    connection: Connection, books: Rulebooks, *, only: Collection[int] | None = None
) -> set[int]:
    """Work out the spans anew and store what differs; the ids of providers who changed.

    ``only`` narrows it to these people (default: everyone who provides RSC).
    """
    if only is not None and len(only) > _MANY:
        only = None
    wanted = set(_work_out(books, load_providers(connection, only)))
    stored = _stored(connection, only)
    gone, new = stored - wanted, wanted - stored
    for rule, provider_id, starts_on, _ in gone:
        connection.execute(
            delete(_SPAN).where(
                _SPAN.c.rule == rule,
                _SPAN.c.provider_id == provider_id,
                _SPAN.c.starts_on == starts_on,
            )
        )
    if new:
        names = ("rule", "provider_id", "starts_on", "ends_on")
        connection.execute(
            insert(_SPAN), [dict(zip(names, row, strict=True)) for row in sorted(new)]
        )
    if connection.dialect.name == "postgresql" and len(new) > _BATCH // 10:
        # Until it is told, the planner takes a filled table for an empty one.
        connection.execute(text("ANALYZE provider_span"))
    return {provider_id for _, provider_id, _, _ in gone | new}


def _stored(connection: Connection, ids: Collection[int] | None) -> set[SpanRow]:
    which = Chosen("IS NOT NULL") if ids is None else among(connection, ids)
    sql = f"""
        SELECT rule, provider_id, starts_on, ends_on FROM provider_span
        WHERE provider_id {which.sql}
    """
    rows = run(connection, sql, which.parameters)
    return {(rule, id_, as_date(first), as_date(last)) for rule, id_, first, last in rows}


def newly_named(connection: Connection, provider_ids: Collection[int]) -> set[int]:
    """Those of the providers whose spans may not be stored.

    Of whoever says that they provide RSC they are, of anybody else only once a session names them.
    """
    if not provider_ids:
        return set()
    which = among(connection, provider_ids)
    sql = f"SELECT id FROM person WHERE id {which.sql} AND NOT provides_rsc"
    return {row[0] for row in run(connection, sql, which.parameters)}


def people_supervised_by(connection: Connection, provider_ids: Iterable[int]) -> set[int]:
    """The ids of people who ever logged a session with one of the providers."""
    return _distinct(connection, _ENTRY.c.person_id, _ENTRY.c.provider_id, provider_ids)


def providers_of(connection: Connection, person_ids: Iterable[int]) -> set[int]:
    """The ids of the providers with whom these people ever logged a session."""
    named = _distinct(connection, _ENTRY.c.provider_id, _ENTRY.c.person_id, person_ids)
    # A session without a known provider names nobody.
    return named - {None}


def _distinct(
    connection: Connection, column: ColumnElement[Any], of: ColumnElement[Any], ids: Iterable[int]
) -> set[int]:
    found: set[int] = set()
    wanted = sorted(ids)
    for start in range(0, len(wanted), _BATCH):
        batch = wanted[start : start + _BATCH]
        found.update(connection.scalars(select(column).distinct().where(of.in_(batch))))
    return found


def _work_out(books: Rulebooks, providers: dict[int, Provider]) -> Iterable[SpanRow]:
    for provider_id, provider in providers.items():
        for name, span in _qualified(books, provider.degree, provider.credentials):
            yield name, provider_id, span.starts_on, span.ends_on


# Worked out again for every session that somebody logs; it depends on nothing but these.
@lru_cache(maxsize=4_096)
def _qualified(
    books: Rulebooks, degree: str, credentials: tuple[Credential, ...]
) -> tuple[tuple[str, Span], ...]:
    return tuple(
        (name, span)
        for name, (association, rule) in books.provider_rules.items()
        for span in qualified_spans(association, rule, Provider("", degree, credentials))
    )
