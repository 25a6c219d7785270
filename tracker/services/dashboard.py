"""What a coordinator's page lists: standings, worst first, and providers to confirm."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, case, distinct, func, or_, select
from sqlmodel import Session

from tracker.db.ledgers import Outbox, ProviderSpan, StandingRow
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Person
from tracker.db.tables import METADATA
from tracker.services.standings import parse_results

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


def count_standings(session: Session, association: str, today: date) -> dict[str, int]:
    """How many renewals an association has in each state of `FILTERS`."""
    state = _state(today)
    query = (
        select(state, func.count())
        .select_from(_STANDING)
        .where(_is_listed(association, today))
        .group_by(state)
    )
    found = {row[0]: row[1] for row in session.connection().execute(query)}
    return {name: found.get(name, 0) for name in FILTERS}


def list_standings(
    session: Session, association: str, today: date, *, state: str, skip: int, most: int
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
    return [Listed._make([*row[:7], _short(row[7])]) for row in session.connection().execute(query)]


def providers_to_confirm(session: Session, association: str, today: date) -> list[NamedProvider]:
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
    return _by_name(session.connection().execute(query).all())


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
    return {r.id: r.short for r in parse_results(requirements) if r.outcome == "short"}


_STANDING_DIGEST = StandingRow.__table__  # type: ignore[attr-defined]
_ENDORSEMENT_DIGEST = Endorsement.__table__  # type: ignore[attr-defined]
_PERSON_DIGEST = Person.__table__  # type: ignore[attr-defined]
_ENTRY_DIGEST = Entry.__table__  # type: ignore[attr-defined]
_SPAN = ProviderSpan.__table__  # type: ignore[attr-defined]
_OUTBOX = Outbox.__table__  # type: ignore[attr-defined]


class Missing(NamedTuple):
    """A short requirement: ``short`` in minutes (a membership: days that are not covered)."""

    id: str
    counts: str
    short: int


class StandingLine(NamedTuple):
    """One renewal as a coordinator sees it; ``requirements`` as in the standing table."""

    endorsement_id: int
    name: str
    email: str
    second_email: str | None
    email_refused_at: datetime | None
    category: str
    status: str
    status_since: date
    falls_behind_on: date | None
    due_on: date | None
    short_minutes: int
    requirements: str
    is_current: bool

    @property
    def missing(self) -> list[Missing]:
        """What is missing, in the rulebook's order."""
        results = parse_results(self.requirements)
        return [Missing(r.id, r.counts, r.short) for r in results if r.short]


def standing_lines(session: Session, association: str, as_of: date) -> Iterator[StandingLine]:
    """The renewals to look after, streamed: the current ones, and those overdue from before.

    A renewal of the cycle before is listed while it is overdue, and for as long after its
    lapse as the current cycle runs.
    """
    query = (
        select(
            _STANDING_DIGEST.c.endorsement_id,
            _PERSON_DIGEST.c.name,
            _PERSON_DIGEST.c.email,
            _PERSON_DIGEST.c.second_email,
            _PERSON_DIGEST.c.email_refused_at,
            _ENDORSEMENT_DIGEST.c.category,
            _STANDING_DIGEST.c.status,
            _STANDING_DIGEST.c.status_since,
            _STANDING_DIGEST.c.falls_behind_on,
            _STANDING_DIGEST.c.due_on,
            _STANDING_DIGEST.c.short_minutes,
            _STANDING_DIGEST.c.requirements,
            (_STANDING_DIGEST.c.cycle_ends_on >= as_of).label("is_current"),
        )
        .join_from(
            _STANDING_DIGEST,
            _ENDORSEMENT_DIGEST,
            _ENDORSEMENT_DIGEST.c.id == _STANDING_DIGEST.c.endorsement_id,
        )
        .join(_PERSON_DIGEST, _PERSON_DIGEST.c.id == _ENDORSEMENT_DIGEST.c.person_id)
        .where(
            _STANDING_DIGEST.c.association == association,
            _STANDING_DIGEST.c.status != "no rules",
            or_(
                _STANDING_DIGEST.c.cycle_ends_on >= as_of,
                _STANDING_DIGEST.c.status.in_(("overdue", "lapsed")),
            ),
        )
        .order_by(_PERSON_DIGEST.c.name, _STANDING_DIGEST.c.endorsement_id)
    )
    rows = session.connection().execute(query.execution_options(stream_results=True))
    return (StandingLine._make(row) for row in rows)


class NamedProviderDigest(NamedTuple):
    """A provider whom an endorsee named and nobody has confirmed: minutes that wait for it."""

    provider_name: str
    person_name: str
    category: str
    minutes: int
    endorsement_id: int


def named_providers(
    session: Session, association: str, first: date, last: date
) -> list[NamedProviderDigest]:
    """Unconfirmed providers in sessions from ``first`` to ``last``; the most minutes first."""
    total = func.sum(_ENTRY_DIGEST.c.minutes)
    query = (
        select(
            _ENTRY_DIGEST.c.provider_name,
            _PERSON_DIGEST.c.name,
            _ENDORSEMENT_DIGEST.c.category,
            total,
            _ENDORSEMENT_DIGEST.c.id,
        )
        .join_from(_ENTRY_DIGEST, _PERSON_DIGEST, _PERSON_DIGEST.c.id == _ENTRY_DIGEST.c.person_id)
        .join(_ENDORSEMENT_DIGEST, _ENDORSEMENT_DIGEST.c.person_id == _PERSON_DIGEST.c.id)
        .where(
            _ENDORSEMENT_DIGEST.c.association == association,
            or_(_ENDORSEMENT_DIGEST.c.ends_on.is_(None), _ENDORSEMENT_DIGEST.c.ends_on >= last),
            _ENTRY_DIGEST.c.provider_name.is_not(None),
            _ENTRY_DIGEST.c.held_on.between(first, last),
        )
        .group_by(
            _ENTRY_DIGEST.c.provider_name,
            _PERSON_DIGEST.c.name,
            _ENDORSEMENT_DIGEST.c.category,
            _ENDORSEMENT_DIGEST.c.id,
        )
        .order_by(total.desc(), _PERSON_DIGEST.c.name)
    )
    return [NamedProviderDigest(*row) for row in session.connection().execute(query)]


def minutes_held(session: Session, association: str, first: date, last: date) -> int:
    """Minutes of the association's endorsees' sessions from ``first`` to ``last``."""
    people = select(_ENDORSEMENT_DIGEST.c.person_id).where(
        _ENDORSEMENT_DIGEST.c.association == association
    )
    return int(
        session.scalar(
            select(func.coalesce(func.sum(_ENTRY_DIGEST.c.minutes), 0)).where(
                _ENTRY_DIGEST.c.held_on.between(first, last), _ENTRY_DIGEST.c.person_id.in_(people)
            )
        )
        or 0
    )


class CutoffAhead(NamedTuple):
    """A day after which providers stop counting, and how many it concerns."""

    last_day: date
    providers: int
    endorsees: int


def cutoffs_ahead(
    session: Session, association: str, used_since: date, first: date, last: date
) -> list[CutoffAhead]:
    """Days from ``first`` to ``last`` after which providers lately seen stop counting."""
    query = (
        select(
            _SPAN.c.ends_on,
            func.count(distinct(_SPAN.c.provider_id)),
            func.count(distinct(_ENTRY_DIGEST.c.person_id)),
        )
        .join_from(_SPAN, _ENTRY_DIGEST, _ENTRY_DIGEST.c.provider_id == _SPAN.c.provider_id)
        .join(_ENDORSEMENT_DIGEST, _ENDORSEMENT_DIGEST.c.person_id == _ENTRY_DIGEST.c.person_id)
        .where(
            _SPAN.c.rule.like(f"{association}/%"),
            _ENDORSEMENT_DIGEST.c.association == association,
            _ENTRY_DIGEST.c.activity == "rsc",
            _ENTRY_DIGEST.c.held_on >= used_since,
            _SPAN.c.ends_on.between(first, last),
        )
        .group_by(_SPAN.c.ends_on)
        .order_by(_SPAN.c.ends_on)
    )
    return [CutoffAhead(*row) for row in session.connection().execute(query)]


def mail_counts(
    session: Session, association: str, first: datetime, last: datetime
) -> tuple[int, list[tuple[str, str]]]:
    """Notices sent between two instants, and those refused for good: (recipient, error)."""
    finished = and_(
        _OUTBOX.c.association == association,
        _OUTBOX.c.kind == "notices",
        _OUTBOX.c.finished_at.between(first, last),
    )
    sent = session.scalar(
        select(func.count()).select_from(_OUTBOX).where(finished, _OUTBOX.c.state == "sent")
    )
    failed = session.connection().execute(
        select(_OUTBOX.c.recipient, _OUTBOX.c.last_error)
        .where(finished, _OUTBOX.c.state == "failed")
        .order_by(_OUTBOX.c.finished_at)
    )
    return int(sent or 0), [(row[0], row[1] or "") for row in failed]
