"""RSC providers: who they are, whom a person may name, and when sessions with them count.

The table provider_span stores those days, so that the database can add up hours.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy
from sqlalchemy import ColumnElement, Select, and_, bindparam, delete, literal, union_all
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, exists, func, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from tracker.db.engine import lock_names
from tracker.db.ledgers import LAST_DAY, ProviderSpan
from tracker.db.log import Entry, GroupSession
from tracker.db.people import Endorsement, Person, Vetting
from tracker.db.providers import OutsideEndorsement
from tracker.db.statements import in_chunks, insert_rows, refresh_statistics
from tracker.rulebooks import Rulebooks
from tracker.rules.notices import Cutoff
from tracker.rules.providers import Credential, Ending, Provider, find_ending, qualified_spans
from tracker.rules.standing import Span

_BATCH = 1_000
# So many new spans that what PostgreSQL's planner knows of the table no longer holds.
_MANY_SPANS = 50
# Sessions are sometimes written down long after they were held.
_LATELY = timedelta(days=365)
_MAX_NAMES = 20


class SpanRow(NamedTuple):
    """Days on which a provider qualifies under a rule, as they are stored."""

    rule: str
    provider_id: int
    starts_on: date
    ends_on: date


def load_providers(
    session: Session, person_ids: Collection[int] | None = None
) -> dict[int, Provider]:
    """Return people by id with what makes them qualified providers: degree and credentials.

    Default: everyone who provides RSC, by their own word or because an entry names them.
    """
    if person_ids is None:
        named = exists().where(col(Entry.provider_id) == Person.id)
        wanted = select(Person.id).where(or_(col(Person.provides_rsc), named))
        return _load(session, _select_credentials(wanted))
    providers: dict[int, Provider] = {}
    for ids in in_chunks(sorted(person_ids), _BATCH):
        providers |= _load(session, _CREDENTIALS_OF, {"ids": ids})
    return providers


def _select_credentials(ids: Any) -> Select[Any]:  # noqa: ANN401 - of people
    """The statement for people, with a row for each credential, or one without any."""
    columns = ("person_id", *Credential._fields)
    known_to_all = literal(None).label("known_to")
    held: list[Any] = [getattr(Endorsement, name) for name in columns[:-2]]
    held.append(LAST_DAY.label("ends_on"))
    vetted: list[Any] = [Vetting.person_id, Vetting.association, literal(None)]
    vetted += [Vetting.starts_on, Vetting.ends_on, known_to_all]
    outside: list[Any] = [getattr(OutsideEndorsement, name) for name in columns]
    outside[columns.index("category")] = func.nullif(OutsideEndorsement.category, "")
    credential = union_all(
        sqlalchemy.select(*held, known_to_all).where(col(Endorsement.person_id).in_(ids)),
        sqlalchemy.select(*vetted).where(col(Vetting.person_id).in_(ids)),
        sqlalchemy.select(*outside).where(col(OutsideEndorsement.person_id).in_(ids)),
    ).subquery()
    return (
        sqlalchemy.select(
            col(Person.id),
            col(Person.name),
            col(Person.highest_degree),
            *(credential.c[name] for name in Credential._fields),
        )
        .outerjoin(credential, credential.c.person_id == Person.id)
        .where(col(Person.id).in_(ids))
    )


# Built once, because building a statement takes as long as running it.
_CREDENTIALS_OF = _select_credentials(bindparam("ids", expanding=True))


def _load(
    session: Session, statement: Select[Any], parameters: dict[str, Any] | None = None
) -> dict[int, Provider]:
    session.flush()
    people: dict[int, tuple[str, str]] = {}
    credentials: defaultdict[int, list[Credential]] = defaultdict(list)
    for number, name, degree, *columns in session.connection().execute(statement, parameters):
        people[number] = name, degree
        credential = Credential(*columns)
        if credential.starts_on is not None:
            credentials[number].append(credential)
    providers = {}
    for number, person in people.items():
        providers[number] = Provider(*person, tuple(sorted(credentials[number], key=str)))
    return providers


def refresh_provider_spans(
    session: Session, rulebooks: Rulebooks, *, person_ids: Collection[int] | None = None
) -> set[int]:
    """Work out the spans anew, store what differs, and return the ids of providers who changed.

    Default: of everyone who provides RSC.
    """
    if person_ids is not None and len(person_ids) > _BATCH:
        person_ids = None
    wanted, stored = _work_out_spans(session, rulebooks, person_ids)
    if wanted != stored:
        # Somebody else may be storing the same spans. As a rule none differ, and nobody waits.
        lock_names(session, ["provider spans"])
        wanted, stored = _work_out_spans(session, rulebooks, person_ids)
    for span in stored - wanted:
        session.connection().execute(delete(ProviderSpan).filter_by(**span._asdict()))
    new = sorted(wanted - stored)
    insert_rows(session, ProviderSpan, (span._asdict() for span in new))
    if len(new) > _MANY_SPANS:
        refresh_statistics(session, [ProviderSpan])
    return {span.provider_id for span in wanted ^ stored}


def _work_out_spans(
    session: Session, rulebooks: Rulebooks, person_ids: Collection[int] | None
) -> tuple[set[SpanRow], set[SpanRow]]:
    """The spans of these providers by today's records, and those that are stored."""
    wanted: set[SpanRow] = set()
    for provider_id, provider in load_providers(session, person_ids).items():
        for rule_name, span in _qualified(rulebooks, provider.degree, provider.credentials):
            wanted.add(SpanRow(rule_name, provider_id, *span))
    return wanted, _stored_spans(session, person_ids)


def list_spans_by_rules(session: Session, rulebooks: Rulebooks) -> list[SpanRow]:
    """The spans of everyone who provides RSC as these rulebooks would have them."""
    return [
        SpanRow(rule, provider_id, *span)
        for provider_id, provider in load_providers(session).items()
        for rule, span in _qualified(rulebooks, provider.degree, provider.credentials)
    ]


def _stored_spans(session: Session, person_ids: Collection[int] | None) -> set[SpanRow]:
    query = select(
        col(ProviderSpan.rule),
        col(ProviderSpan.provider_id),
        col(ProviderSpan.starts_on),
        col(ProviderSpan.ends_on),
    )
    if person_ids is not None:
        query = query.where(col(ProviderSpan.provider_id).in_(person_ids))
    return {SpanRow(*row) for row in session.exec(query)}


# Worked out again for every session that somebody logs; it depends on nothing but these.
@lru_cache(maxsize=4_096)
def _qualified(
    rulebooks: Rulebooks, degree: str, credentials: tuple[Credential, ...]
) -> tuple[tuple[str, Span], ...]:
    spans = []
    for name, (association, rule) in rulebooks.provider_rules.items():
        for span in qualified_spans(association, rule, Provider("", degree, credentials)):
            spans.append((name, span))
    return tuple(spans)


def list_supervised_people(session: Session, provider_ids: Iterable[int]) -> set[int]:
    """Return the ids of people who ever logged a session with one of the providers."""
    people: set[int] = set()
    for ids in in_chunks(sorted(provider_ids), _BATCH):
        query = select(Entry.person_id).distinct().where(col(Entry.provider_id).in_(ids))
        people.update(session.exec(query))
    return people


def list_providers_of(session: Session, person_ids: Iterable[int]) -> set[int]:
    """Return the ids of the providers with whom these people ever logged a session."""
    providers: set[int] = set()
    for ids in in_chunks(sorted(person_ids), _BATCH):
        query = select(Entry.provider_id).distinct().where(col(Entry.person_id).in_(ids))
        providers.update(number for number in session.exec(query) if number is not None)
    return providers


def provides_rsc(person_id: Any, today: date) -> ColumnElement[bool]:  # noqa: ANN401 - a column
    """The condition that a person's sessions count under some rule on ``today``, or did lately.

    Or that they have logged a group session: what is unanswered stays theirs to settle.
    ``person_id`` is a column or a value.
    """
    provider = aliased(Person)
    says_so = exists().where(col(provider.id) == person_id, col(provider.provides_rsc))
    is_named = exists().where(col(Entry.provider_id) == person_id)
    qualifies = exists().where(
        col(ProviderSpan.provider_id) == person_id,
        col(ProviderSpan.ends_on) >= today - _LATELY,
        col(ProviderSpan.starts_on) <= today,
    )
    has_logged_group = exists().where(col(GroupSession.provider_id) == person_id)
    return or_(and_(or_(says_so, is_named), qualifies), has_logged_group)


class Horizon(NamedTuple):
    """Sessions from ``used_since`` on, with providers whose last day is ``first`` to ``last``."""

    used_since: date
    first: date
    last: date


def find_cutoffs(
    session: Session, rulebooks: Rulebooks, person_ids: Iterable[int], horizon: Horizon
) -> dict[tuple[int, str], list[Cutoff]]:
    """Return by person and provider rule whose sessions stop counting within the horizon."""
    rows: list[tuple[int, ProviderSpan, int]] = []
    for ids in in_chunks(sorted(person_ids), _BATCH):
        query = (
            select(Entry.person_id, ProviderSpan, func.sum(Entry.minutes))
            .where(_used_lately(horizon), col(Entry.person_id).in_(ids))
            .group_by(
                col(Entry.person_id),
                col(ProviderSpan.rule),
                col(ProviderSpan.provider_id),
                col(ProviderSpan.starts_on),
                col(ProviderSpan.ends_on),
            )
            .order_by(col(ProviderSpan.ends_on), col(ProviderSpan.provider_id))
        )
        rows += session.exec(query).all()
    providers = load_providers(session, {span.provider_id for _, span, _ in rows})
    # One for all who see the provider: they are many more than the providers.
    endings: dict[tuple[str, int, date], Ending] = {}
    cutoffs: defaultdict[tuple[int, str], list[Cutoff]] = defaultdict(list)
    for person_id, span, minutes in rows:
        if span.rule not in rulebooks.provider_rules:
            continue
        provider = providers[span.provider_id]
        key = (span.rule, span.provider_id, span.ends_on)
        if key not in endings:
            association, rule = rulebooks.provider_rules[span.rule]
            endings[key] = find_ending(association, rule, provider, span.ends_on)
        cutoff = Cutoff(span.provider_id, provider.name, endings[key], minutes)
        cutoffs[person_id, span.rule].append(cutoff)
    return cutoffs


def people_with_cutoffs(session: Session, horizons: Iterable[Horizon]) -> set[int]:
    """Return everyone who lately saw a provider whose last day lies in one of the horizons."""
    people: set[int] = set()
    for horizon in horizons:
        query = select(Entry.person_id).distinct().where(_used_lately(horizon))
        people.update(session.exec(query))
    return people


def _used_lately(horizon: Horizon) -> ColumnElement[bool]:
    return and_(
        col(ProviderSpan.ends_on).between(horizon.first, horizon.last),
        col(Entry.provider_id) == ProviderSpan.provider_id,
        col(Entry.activity) == "rsc",
        col(Entry.held_on) >= horizon.used_since,
    )


class ProviderChoice(NamedTuple):
    """A provider to choose; ``last_on`` is the day of the last session with them, if any."""

    id: int
    name: str
    last_on: date | None


def provider_choices(
    session: Session, person_id: int, rules: Iterable[str]
) -> list[ProviderChoice]:
    """The providers of a person's entries, newest entry first, then others who qualify, by name.

    ``rules`` are the provider rules that apply to the person. People who do not provide RSC are
    left out, and so is the person.
    """
    latest = select(col(Entry.provider_id), func.max(Entry.held_on)).where(
        Entry.person_id == person_id, col(Entry.provider_id).is_not(None)
    )
    by_newest = latest.group_by(col(Entry.provider_id)).order_by(func.max(Entry.id).desc())
    used = dict(session.exec(by_newest).all())
    offered = select(Person.id, Person.name).where(
        or_(col(Person.id).in_(used), col(Person.id).in_(select_qualified(list(rules)))),
        Person.id != person_id,
    )
    names = dict(session.exec(offered).all())
    choices = [
        ProviderChoice(id_, names.pop(id_), last_on)
        for id_, last_on in used.items()
        if id_ in names
    ]
    others = sorted(names.items(), key=lambda item: (item[1].casefold(), item[0]))
    return choices + [ProviderChoice(id_, name, None) for id_, name in others]


def select_qualified(rules: Any) -> SelectOfScalar[int]:  # noqa: ANN401 - a list or a parameter
    """The ids of RSC providers who qualify under one of the rules on some days."""
    provider = aliased(Person)
    has_entries = select(Entry.id).where(Entry.provider_id == provider.id).exists()
    return (
        select(ProviderSpan.provider_id)
        .join(provider, col(provider.id) == col(ProviderSpan.provider_id))
        .where(col(ProviderSpan.rule).in_(rules))
        .where(or_(col(provider.provides_rsc), has_entries))
    )


class ProviderUse(NamedTuple):
    """Whether a person may name a provider, and whether a session on a day counts by some rule."""

    may_be_named: bool
    counts: bool


_OF_PROVIDER = col(ProviderSpan.provider_id) == bindparam("provider_id")
# Built once, because building a statement takes as long as running it.
_USE = select(
    or_(
        exists().where(
            col(Entry.person_id) == bindparam("person_id"),
            col(Entry.provider_id) == bindparam("provider_id"),
        ),
        select_qualified(bindparam("rules", expanding=True)).where(_OF_PROVIDER).exists(),
    ),
    exists().where(
        _OF_PROVIDER,
        col(ProviderSpan.rule).in_(bindparam("rules", expanding=True)),
        col(ProviderSpan.starts_on) <= bindparam("day"),
        col(ProviderSpan.ends_on) >= bindparam("day"),
    ),
)


def check_provider(
    session: Session, person_id: int, rules: Iterable[str], provider_id: int, day: date
) -> ProviderUse:
    """Whether the provider is among the person's `provider_choices`, and counts on ``day``."""
    parameters = {
        "person_id": person_id,
        "provider_id": provider_id,
        "rules": list(rules),
        "day": day,
    }
    may_be_named, counts = session.connection().execute(_USE, parameters).one()
    return ProviderUse(bool(may_be_named) and provider_id != person_id, bool(counts))


def names_used(session: Session, person_id: int) -> list[str]:
    """The names that a person entered for providers we do not know, newest first."""
    names = select(Entry.provider_name).where(
        Entry.person_id == person_id, col(Entry.provider_name).is_not(None)
    )
    newest = func.max(Entry.id).desc()
    query = names.group_by(col(Entry.provider_name)).order_by(newest).limit(_MAX_NAMES)
    return [name for name in session.exec(query) if name is not None]


def credentials_of(
    session: Session, ids: Collection[int], associations: Collection[str]
) -> dict[int, str]:
    """Each provider's latest endorsement, else who vetted them, at these associations.

    Associations publish both, so people of one name may be told apart by them.
    """
    vetted = (
        select(Vetting)
        .where(col(Vetting.person_id).in_(ids), col(Vetting.association).in_(associations))
        .order_by(col(Vetting.starts_on), col(Vetting.id))
    )
    endorsed = (
        select(Endorsement)
        .where(col(Endorsement.person_id).in_(ids), col(Endorsement.association).in_(associations))
        .order_by(col(Endorsement.starts_on), col(Endorsement.id))
    )
    credentials = {row.person_id: f"vetted by {row.association}" for row in session.exec(vetted)}
    for row in session.exec(endorsed):
        credentials[row.person_id] = f"{row.association} {row.category}"
    return credentials
