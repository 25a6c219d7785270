"""What a digest and the coordinator's page count: one pass over an association's standings."""

import json
from collections.abc import Iterator
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import Connection, and_, distinct, func, or_, select

from tracker.records.schema.tables import (
    Endorsement,
    Entry,
    Outbox,
    Person,
    ProviderSpan,
    StandingRow,
)

_STANDING = StandingRow.__table__  # type: ignore[attr-defined]
_ENDORSEMENT = Endorsement.__table__  # type: ignore[attr-defined]
_PERSON = Person.__table__  # type: ignore[attr-defined]
_ENTRY = Entry.__table__  # type: ignore[attr-defined]
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
        found = json.loads(self.requirements)
        return [Missing(name, counts, short) for name, _, _, _, short, _, counts in found if short]


def standing_lines(connection: Connection, association: str, as_of: date) -> Iterator[StandingLine]:
    """The renewals to look after, streamed: the current ones, and those overdue from before.

    A renewal of the cycle before is listed while it is overdue, and for as long after its
    lapse as the current cycle runs.
    """
    query = (
        select(
            _STANDING.c.endorsement_id,
            _PERSON.c.name,
            _PERSON.c.email,
            _PERSON.c.second_email,
            _PERSON.c.email_refused_at,
            _ENDORSEMENT.c.category,
            _STANDING.c.status,
            _STANDING.c.status_since,
            _STANDING.c.falls_behind_on,
            _STANDING.c.due_on,
            _STANDING.c.short_minutes,
            _STANDING.c.requirements,
            (_STANDING.c.cycle_ends_on >= as_of).label("is_current"),
        )
        .join_from(_STANDING, _ENDORSEMENT, _ENDORSEMENT.c.id == _STANDING.c.endorsement_id)
        .join(_PERSON, _PERSON.c.id == _ENDORSEMENT.c.person_id)
        .where(
            _STANDING.c.association == association,
            _STANDING.c.status != "no rules",
            or_(
                _STANDING.c.cycle_ends_on >= as_of,
                _STANDING.c.status.in_(("overdue", "lapsed")),
            ),
        )
        .order_by(_PERSON.c.name, _STANDING.c.endorsement_id)
    )
    rows = connection.execute(query.execution_options(stream_results=True))
    return (StandingLine._make(row) for row in rows)


class NamedProvider(NamedTuple):
    """A provider whom an endorsee named and nobody has confirmed: minutes that wait for it."""

    provider_name: str
    person_name: str
    category: str
    minutes: int
    endorsement_id: int


def named_providers(
    connection: Connection, association: str, first: date, last: date
) -> list[NamedProvider]:
    """Unconfirmed providers in sessions from ``first`` to ``last``; the most minutes first."""
    total = func.sum(_ENTRY.c.minutes)
    query = (
        select(
            _ENTRY.c.provider_name,
            _PERSON.c.name,
            _ENDORSEMENT.c.category,
            total,
            _ENDORSEMENT.c.id,
        )
        .join_from(_ENTRY, _PERSON, _PERSON.c.id == _ENTRY.c.person_id)
        .join(_ENDORSEMENT, _ENDORSEMENT.c.person_id == _PERSON.c.id)
        .where(
            _ENDORSEMENT.c.association == association,
            or_(_ENDORSEMENT.c.ends_on.is_(None), _ENDORSEMENT.c.ends_on >= last),
            _ENTRY.c.provider_name.is_not(None),
            _ENTRY.c.held_on.between(first, last),
        )
        .group_by(
            _ENTRY.c.provider_name, _PERSON.c.name, _ENDORSEMENT.c.category, _ENDORSEMENT.c.id
        )
        .order_by(total.desc(), _PERSON.c.name)
    )
    return [NamedProvider(*row) for row in connection.execute(query)]


def minutes_held(connection: Connection, association: str, first: date, last: date) -> int:
    """Minutes of the association's endorsees' sessions from ``first`` to ``last``."""
    people = select(_ENDORSEMENT.c.person_id).where(_ENDORSEMENT.c.association == association)
    return int(
        connection.scalar(
            select(func.coalesce(func.sum(_ENTRY.c.minutes), 0)).where(
                _ENTRY.c.held_on.between(first, last), _ENTRY.c.person_id.in_(people)
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
    connection: Connection, association: str, used_since: date, first: date, last: date
) -> list[CutoffAhead]:
    """Days from ``first`` to ``last`` after which providers lately seen stop counting."""
    query = (
        select(
            _SPAN.c.ends_on,
            func.count(distinct(_SPAN.c.provider_id)),
            func.count(distinct(_ENTRY.c.person_id)),
        )
        .join_from(_SPAN, _ENTRY, _ENTRY.c.provider_id == _SPAN.c.provider_id)
        .join(_ENDORSEMENT, _ENDORSEMENT.c.person_id == _ENTRY.c.person_id)
        .where(
            _SPAN.c.rule.like(f"{association}/%"),
            _ENDORSEMENT.c.association == association,
            _ENTRY.c.activity == "rsc",
            _ENTRY.c.held_on >= used_since,
            _SPAN.c.ends_on.between(first, last),
        )
        .group_by(_SPAN.c.ends_on)
        .order_by(_SPAN.c.ends_on)
    )
    return [CutoffAhead(*row) for row in connection.execute(query)]


def mail_counts(
    connection: Connection, association: str, first: datetime, last: datetime
) -> tuple[int, list[tuple[str, str]]]:
    """Notices sent between two instants, and those refused for good: (recipient, error)."""
    finished = and_(
        _OUTBOX.c.association == association,
        _OUTBOX.c.kind == "notices",
        _OUTBOX.c.finished_at.between(first, last),
    )
    sent = connection.scalar(
        select(func.count()).select_from(_OUTBOX).where(finished, _OUTBOX.c.state == "sent")
    )
    failed = connection.execute(
        select(_OUTBOX.c.recipient, _OUTBOX.c.last_error)
        .where(finished, _OUTBOX.c.state == "failed")
        .order_by(_OUTBOX.c.finished_at)
    )
    return int(sent or 0), [(row[0], row[1] or "") for row in failed]
