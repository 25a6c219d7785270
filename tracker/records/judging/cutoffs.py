"""Providers lately seen who stop qualifying soon."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, func, select, text

from tracker.records.judging.providers import load_providers
from tracker.records.schema.tables import Entry, ProviderSpan
from tracker.rulebooks import Rulebooks
from tracker.rules.notices import Cutoff
from tracker.rules.providers import Ending, why_it_ends

_ENTRY = Entry.__table__  # type: ignore[attr-defined]
_SPAN = ProviderSpan.__table__  # type: ignore[attr-defined]


class Horizon(NamedTuple):
    """Sessions from ``used_since`` on, with providers whose last day is ``first`` to ``last``."""

    used_since: date
    first: date
    last: date


def cutoffs_of(
    connection: Connection, books: Rulebooks, people: str, horizon: Horizon
) -> dict[tuple[int, str], list[Cutoff]]:
    """By person and provider rule: whose sessions stop counting, for those in table ``people``."""
    found: defaultdict[tuple[int, str], list[Cutoff]] = defaultdict(list)
    query = (
        select(
            _ENTRY.c.person_id,
            _SPAN.c.rule,
            _SPAN.c.provider_id,
            _SPAN.c.ends_on,
            func.sum(_ENTRY.c.minutes),
        )
        .where(_seen(horizon), text(f"entry.person_id IN (SELECT id FROM {people})"))
        .group_by(_ENTRY.c.person_id, _SPAN.c.rule, _SPAN.c.provider_id, _SPAN.c.ends_on)
        .order_by(_ENTRY.c.person_id, _SPAN.c.ends_on, _SPAN.c.provider_id)
    )
    rows = connection.execute(query).all()
    providers = load_providers(connection, {row[2] for row in rows}) if rows else {}
    # One for all who see the provider: they are many more than the providers.
    endings: dict[tuple[str, int, date], Ending] = {}
    for person_id, rule, provider_id, last_day, minutes in rows:
        if rule in books.provider_rules:
            provider, about = providers[provider_id], (rule, provider_id, last_day)
            if about not in endings:
                endings[about] = why_it_ends(*books.provider_rules[rule], provider, last_day)
            cutoff = Cutoff(provider_id, provider.name, endings[about], minutes)
            found[person_id, rule].append(cutoff)
    return found


def people_with_cutoffs(connection: Connection, horizons: Iterable[Horizon]) -> set[int]:
    """Everyone who lately saw a provider whose last day lies in one of the horizons."""
    people: set[int] = set()
    for horizon in horizons:
        people.update(
            connection.scalars(select(_ENTRY.c.person_id).distinct().where(_seen(horizon)))
        )
    return people


def _seen(horizon: Horizon) -> ColumnElement[bool]:
    return and_(
        _SPAN.c.ends_on.between(horizon.first, horizon.last),
        _ENTRY.c.provider_id == _SPAN.c.provider_id,
        _ENTRY.c.activity == "rsc",
        _ENTRY.c.held_on >= horizon.used_since,
    )
