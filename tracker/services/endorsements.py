"""Reads what a person holds, the cycles of an endorsement, and when providers' sessions count."""

from collections import defaultdict
from collections.abc import Collection
from datetime import date
from typing import NamedTuple

import sqlalchemy
from sqlmodel import Session, col, exists, select

from tracker.db.applications import Application
from tracker.db.ledgers import ProviderSpan
from tracker.db.people import Endorsement, Person
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle, cycles_until
from tracker.rules.standing import Span, Standing
from tracker.services.evaluation import DayOf, judge_all


class Endorsed(NamedTuple):
    """One endorsement and whose it is; ``ends_on`` includes its day, None has no end."""

    id: int
    person_id: int
    name: str
    email: str
    association: str
    category: str
    starts_on: date
    ends_on: date | None

    @property
    def triple(self) -> tuple[str, str, date]:
        """What decides which plan a cycle has: association, category and first day."""
        return self.association, self.category, self.starts_on


_HELD = (
    sqlalchemy.select(
        col(Endorsement.id),
        col(Endorsement.person_id),
        col(Person.name),
        col(Person.email),
        col(Endorsement.association),
        col(Endorsement.category),
        col(Endorsement.starts_on),
        col(Endorsement.ends_on),
    )
    .join(Person, col(Person.id) == col(Endorsement.person_id))
    .order_by(col(Endorsement.association), col(Endorsement.starts_on), col(Endorsement.id))
)


def endorsements_of(session: Session, person_id: int) -> list[Endorsed]:
    """Return every endorsement that a person holds, held or will hold."""
    rows = session.connection().execute(_HELD.where(col(Endorsement.person_id) == person_id))
    return [Endorsed._make(row) for row in rows]


class Own(NamedTuple):
    """What every page of a person needs; ``endorsements`` are as of `endorsements_of`."""

    time_zone: str | None
    has_applied: bool
    endorsements: list[Endorsed]


def own_of(session: Session, person_id: int) -> Own:
    """Return a person's time zone, endorsements, and whether they ever applied for one."""
    has_applied = exists().where(col(Application.person_id) == person_id)
    person = session.exec(select(Person.time_zone, has_applied).where(Person.id == person_id))
    time_zone, applied = person.first() or (None, False)
    return Own(time_zone, applied, endorsements_of(session, person_id))


def endorsement_within(
    session: Session, endorsement_id: int, associations: Collection[str]
) -> Endorsed | None:
    """Return an endorsement if it belongs to one of ``associations``, otherwise None."""
    query = _HELD.where(
        col(Endorsement.id) == endorsement_id, col(Endorsement.association).in_(associations)
    )
    row = session.connection().execute(query).first()
    return None if row is None else Endorsed._make(row)


def spans_of(session: Session, rule: str, provider_ids: Collection[int]) -> dict[int, list[Span]]:
    """Return the days on which each provider's sessions count under a rule, in order."""
    query = (
        select(ProviderSpan)
        .where(ProviderSpan.rule == rule, col(ProviderSpan.provider_id).in_(provider_ids))
        .order_by(col(ProviderSpan.starts_on))
    )
    spans: defaultdict[int, list[Span]] = defaultdict(list)
    for row in session.exec(query):
        spans[row.provider_id].append(Span(row.starts_on, row.ends_on))
    return spans


def cycles_held(rulebooks: Rulebooks, endorsed: Endorsed, today: date) -> list[Cycle]:
    """Return every cycle from that of ``today`` (or of the endorsement's last day) back.

    None if there is no rulebook, no renewal rules for the category, or nothing has begun.
    """
    last = min(today, endorsed.ends_on or today)
    if endorsed.association not in rulebooks.associations or last < endorsed.starts_on:
        return []
    plan = rulebooks.plan(*endorsed.triple, last)
    if plan is None or plan.cycle is None:
        return []
    schemes = rulebooks.associations[endorsed.association].cycles
    return cycles_until(schemes, endorsed.starts_on, last)


def standing_in(
    session: Session, rulebooks: Rulebooks, day_of: DayOf, endorsement_id: int, cycle: Cycle
) -> Standing | None:
    """Judge an endorsement in one of its cycles; None if it ended before the due date."""
    judged = judge_all(
        session, rulebooks, day_of, cycle_day=cycle.starts_on, endorsement_ids=[endorsement_id]
    )
    return next(judged, None)
