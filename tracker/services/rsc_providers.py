"""Keeps provider_span: on which days each provider's sessions count under each rule."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, delete, func, insert, select, text
from sqlmodel import Session

from tracker.db.ledgers import ProviderSpan
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Person, Vetting
from tracker.db.statements import Chosen, among, as_date, run
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks
from tracker.rules.notices import Cutoff
from tracker.rules.providers import Credential, Ending, Provider, find_ending, qualified_spans
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
    session: Session, person_ids: Collection[int] | None = None
) -> dict[int, Provider]:
    """Those who provide RSC (they say so, or a session names them), with what they hold.

    ``person_ids`` narrows it to these people, whether they provide RSC or not.
    """
    if person_ids is None:
        which = Chosen(f"IN (SELECT p.id FROM person p WHERE {_PROVIDES})")
    else:
        which = among(session, person_ids)
    people: dict[int, tuple[str, str]] = {}
    held: defaultdict[int, list[Credential]] = defaultdict(list)
    sql = _WITH_CREDENTIALS.format(which=which.sql)
    for person_id, name, degree, *credential in run(session, sql, which.parameters * 3):
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
    session: Session, rulebooks: Rulebooks, *, only: Collection[int] | None = None
) -> set[int]:
    """Work out the spans anew and store what differs; the ids of providers who changed.

    ``only`` narrows it to these people (default: everyone who provides RSC).
    """
    if only is not None and len(only) > _MANY:
        only = None
    wanted = set(_work_out(rulebooks, load_providers(session, only)))
    stored = _stored(session, only)
    gone, new = stored - wanted, wanted - stored
    for rule, provider_id, starts_on, _ in gone:
        session.connection().execute(
            delete(_SPAN).where(
                _SPAN.c.rule == rule,
                _SPAN.c.provider_id == provider_id,
                _SPAN.c.starts_on == starts_on,
            )
        )
    if new:
        names = ("rule", "provider_id", "starts_on", "ends_on")
        session.connection().execute(
            insert(_SPAN), [dict(zip(names, row, strict=True)) for row in sorted(new)]
        )
    if session.connection().dialect.name == "postgresql" and len(new) > _BATCH // 10:
        # Until it is told, the planner takes a filled table for an empty one.
        session.connection().execute(text("ANALYZE provider_span"))
    return {provider_id for _, provider_id, _, _ in gone | new}


def _stored(session: Session, ids: Collection[int] | None) -> set[SpanRow]:
    which = Chosen("IS NOT NULL") if ids is None else among(session, ids)
    sql = f"""
        SELECT rule, provider_id, starts_on, ends_on FROM provider_span
        WHERE provider_id {which.sql}
    """
    rows = run(session, sql, which.parameters)
    return {(rule, id_, as_date(first), as_date(last)) for rule, id_, first, last in rows}


def newly_named(session: Session, provider_ids: Collection[int]) -> set[int]:
    """Those of the providers whose spans may not be stored.

    Of whoever says that they provide RSC they are, of anybody else only once a session names them.
    """
    if not provider_ids:
        return set()
    which = among(session, provider_ids)
    sql = f"SELECT id FROM person WHERE id {which.sql} AND NOT provides_rsc"
    return {row[0] for row in run(session, sql, which.parameters)}


def people_supervised_by(session: Session, provider_ids: Iterable[int]) -> set[int]:
    """The ids of people who ever logged a session with one of the providers."""
    return _distinct(session, _ENTRY.c.person_id, _ENTRY.c.provider_id, provider_ids)


def providers_of(session: Session, person_ids: Iterable[int]) -> set[int]:
    """The ids of the providers with whom these people ever logged a session."""
    named = _distinct(session, _ENTRY.c.provider_id, _ENTRY.c.person_id, person_ids)
    # A session without a known provider names nobody.
    return named - {None}


def _distinct(
    session: Session, column: ColumnElement[Any], of: ColumnElement[Any], ids: Iterable[int]
) -> set[int]:
    found: set[int] = set()
    wanted = sorted(ids)
    for start in range(0, len(wanted), _BATCH):
        batch = wanted[start : start + _BATCH]
        found.update(session.scalars(select(column).distinct().where(of.in_(batch))))
    return found


def _work_out(rulebooks: Rulebooks, providers: dict[int, Provider]) -> Iterable[SpanRow]:
    for provider_id, provider in providers.items():
        for name, span in _qualified(rulebooks, provider.degree, provider.credentials):
            yield name, provider_id, span.starts_on, span.ends_on


# Worked out again for every session that somebody logs; it depends on nothing but these.
@lru_cache(maxsize=4_096)
def _qualified(
    rulebooks: Rulebooks, degree: str, credentials: tuple[Credential, ...]
) -> tuple[tuple[str, Span], ...]:
    return tuple(
        (name, span)
        for name, (association, rule) in rulebooks.provider_rules.items()
        for span in qualified_spans(association, rule, Provider("", degree, credentials))
    )


_ENTRY_PROVIDING = METADATA.tables["entry"]
_GROUP_SESSION = METADATA.tables["group_session"]
_PERSON_PROVIDING = METADATA.tables["person"]
_SPAN_PROVIDING = METADATA.tables["provider_span"]
# Sessions are sometimes written down long after they were held.
_LATELY = timedelta(days=365)

# Of a row ``p`` of `person`: their sessions count under some rule, or did lately. Or they have
# logged one for others: what is unanswered stays theirs to settle. For `quick.run`.
PROVIDES_RSC = """(
    (p.provides_rsc OR EXISTS (SELECT 1 FROM entry e WHERE e.provider_id = p.id))
    AND EXISTS (SELECT 1 FROM provider_span v
        WHERE v.provider_id = p.id AND v.ends_on >= ? AND v.starts_on <= ?)
    OR EXISTS (SELECT 1 FROM group_session g WHERE g.provider_id = p.id)
)"""


def providing_at(now: datetime) -> tuple[str, str]:
    """The parameters of `PROVIDES_RSC` at an instant."""
    return (now.date() - _LATELY).isoformat(), now.date().isoformat()


class Horizon(NamedTuple):
    """Sessions from ``used_since`` on, with providers whose last day is ``first`` to ``last``."""

    used_since: date
    first: date
    last: date


def cutoffs_of(
    session: Session, rulebooks: Rulebooks, people: str, horizon: Horizon
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
    rows = session.connection().execute(query).all()
    providers = load_providers(session, {row[2] for row in rows}) if rows else {}
    # One for all who see the provider: they are many more than the providers.
    endings: dict[tuple[str, int, date], Ending] = {}
    for person_id, rule, provider_id, last_day, minutes in rows:
        if rule in rulebooks.provider_rules:
            provider, about = providers[provider_id], (rule, provider_id, last_day)
            if about not in endings:
                endings[about] = find_ending(*rulebooks.provider_rules[rule], provider, last_day)
            cutoff = Cutoff(provider_id, provider.name, endings[about], minutes)
            found[person_id, rule].append(cutoff)
    return found


def people_with_cutoffs(session: Session, horizons: Iterable[Horizon]) -> set[int]:
    """Everyone who lately saw a provider whose last day lies in one of the horizons."""
    people: set[int] = set()
    for horizon in horizons:
        people.update(session.scalars(select(_ENTRY.c.person_id).distinct().where(_seen(horizon))))
    return people


def _seen(horizon: Horizon) -> ColumnElement[bool]:
    return and_(
        _SPAN.c.ends_on.between(horizon.first, horizon.last),
        _ENTRY.c.provider_id == _SPAN.c.provider_id,
        _ENTRY.c.activity == "rsc",
        _ENTRY.c.held_on >= horizon.used_since,
    )
