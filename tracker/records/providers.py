"""Keeps provider_span: on which days each provider's sessions count under each rule."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, exists, insert, null, or_, select, text

from tracker.records.tables import Endorsement, Entry, Person, ProviderSpan, Vetting
from tracker.rulebooks import Rulebooks
from tracker.rules.providers import Credential, Provider, qualified_spans

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
        wanted = or_(_PERSON.c.provides_rsc, exists().where(_ENTRY.c.provider_id == _PERSON.c.id))
    else:
        wanted = _PERSON.c.id.in_(person_ids)
    people = select(_PERSON.c.id, _PERSON.c.name, _PERSON.c.highest_degree).where(wanted)
    found = {row.id: (row.name, row.highest_degree) for row in connection.execute(people)}
    held: defaultdict[int, list[Credential]] = defaultdict(list)
    for table, category in ((_ENDORSEMENT, _ENDORSEMENT.c.category), (_VETTING, null())):
        rows = connection.execute(
            select(
                table.c.person_id, table.c.association, category, table.c.starts_on, table.c.ends_on
            ).where(table.c.person_id.in_(select(_PERSON.c.id).where(wanted)))
        )
        for person_id, *credential in rows:
            held[person_id].append(Credential(*credential))
    return {
        person_id: Provider(name, degree, tuple(sorted(held[person_id], key=str)))
        for person_id, (name, degree) in found.items()
    }


def refresh_provider_spans(
    connection: Connection, books: Rulebooks, *, among: Collection[int] | None = None
) -> set[int]:
    """Work out the spans anew and store what differs; the ids of providers who changed.

    ``among`` narrows it to these people (default: everyone who provides RSC).
    """
    if among is not None and len(among) > _MANY:
        among = None
    wanted = set(_work_out(books, load_providers(connection, among)))
    stored_rows = (
        select(_SPAN) if among is None else select(_SPAN).where(_SPAN.c.provider_id.in_(among))
    )
    stored = {
        (row.rule, row.provider_id, row.starts_on, row.ends_on)
        for row in connection.execute(stored_rows)
    }
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
    for name, (association, rule) in books.provider_rules.items():
        for provider_id, provider in providers.items():
            for span in qualified_spans(association, rule, provider):
                yield name, provider_id, span.starts_on, span.ends_on
