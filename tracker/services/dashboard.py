"""What a coordinator looks after: an association's renewals, and the providers named for them.

What needs attention, and why, is worked out from it in `tracker.services.attention`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple, Self

from sqlalchemy import ColumnElement, case
from sqlmodel import Session, and_, col, func, or_, select

from tracker.db.ledgers import StandingRow
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Leave, Person
from tracker.plain_text import plain_name
from tracker.rules.standing import Result, is_too_late
from tracker.services.declined_providers import list_declined_keys
from tracker.services.evaluation import StoredResult, parse_results

# Worst first. "behind" is an open renewal that an even pace no longer completes in time; "inactive"
# and "emeritus" are those of today's cycle whose endorsement is so today.
_NOT_USED = ("inactive", "emeritus")
STATES = ("lapsed", "overdue", "behind", "open", "excused", *_NOT_USED, "met", "no rules")
_PAST_DUE = ("lapsed", "overdue")
UNSETTLED = ("lapsed", "overdue", "open")
_NEED_ATTENTION = ("lapsed", "overdue", "behind")


class ShortRequirement(NamedTuple):
    """A requirement that is short, in minutes.

    A membership is short of days, a spread of months, and everything else of a number. ``topic`` is
    None for whole hours. The other fields are as in `StoredResult`.
    """

    counts: str
    topic: str | None
    minutes: int
    unit: str = "hours"
    year: int = 0
    formats: str = ""
    too_late: bool = False

    @property
    def is_part(self) -> bool:
        """Whether these hours may lie within others that are short."""
        return bool(self.topic or self.year or self.formats) or self.unit != "hours"

    @classmethod
    def of_stored(cls, result: StoredResult) -> Self:
        """What a stored result is short of."""
        part = (result.unit, result.year, result.formats, result.too_late)
        return cls(result.counts, result.topic, result.short, *part)

    @classmethod
    def of_result(cls, result: Result) -> Self:
        """What a requirement of a renewal is short of."""
        requirement = result.requirement
        return cls(
            requirement.counts,
            requirement.topic,
            result.short,
            requirement.unit if requirement.is_spread else "hours",
            requirement.year.number if requirement.year else 0,
            ",".join(requirement.own_formats),
            is_too_late(result),
        )


class ListedStanding(NamedTuple):
    """What lists show of a `StandingRow`; not as an object, because there are many."""

    endorsement_id: int
    cycle_starts_on: date
    due_on: date | None
    falls_behind_on: date | None
    membership_until: date | None
    short_minutes: int


class RenewalLine(NamedTuple):
    """One renewal and whose it is; ``state`` is one of STATES.

    ``short`` is what is short, in the rulebook's order.
    """

    standing: ListedStanding
    category: str
    name: str
    email: str
    state: str
    person_id: int
    short: Sequence[ShortRequirement]


# Many renewals have the same results.
@lru_cache(maxsize=4_096)
def list_short(requirements: str) -> tuple[ShortRequirement, ...]:
    """What is short of a stored standing, in the rulebook's order; ``requirements`` is its JSON."""
    results = parse_results(requirements)
    return tuple(
        ShortRequirement.of_stored(result) for result in results if result.outcome == "short"
    )


class ProviderUser(NamedTuple):
    """An endorsee who named a provider, and the minutes that count once the provider does."""

    endorsement_id: int
    name: str
    category: str
    minutes: int


class NamedProvider(NamedTuple):
    """An RSC provider known by name only, with everyone who named them; minutes in all.

    ``since`` is the day of the first session, ``due_on`` the earliest due date, from today on, of
    a renewal that the sessions could count for (None: there is none).
    """

    name: str
    minutes: int
    users: tuple[ProviderUser, ...]
    since: date
    due_on: date | None


def count_renewals(session: Session, association: str, today: date) -> dict[str, int]:
    """How many renewals an association has in each of STATES."""
    state = state_on(today)
    query = (
        select(state, func.count())
        .select_from(StandingRow)
        .where(is_listed(association, today))
        .group_by(state)
    )
    counts = dict(session.exec(query).all())
    return {name: counts.get(name, 0) for name in STATES}


def list_lines(
    session: Session, association: str, today: date, condition: ColumnElement[bool]
) -> list[RenewalLine]:
    """The listed renewals of an association that a condition is true of."""
    query = _select_lines(today).where(is_listed(association, today), condition)
    lines = []
    # Row by row, and without the text of the results: thousands may be in need.
    for row in session.connection().execute(query):
        *standing, category, name, email, state, person_id, results = row
        about = ListedStanding(*standing), category, name, email, state, person_id
        lines.append(RenewalLine(*about, list_short(results)))
    return lines


def list_named_providers(session: Session, association: str, today: date) -> list[NamedProvider]:
    """Providers whom endorsees named for sessions in a listed cycle, those with the most first.

    Names are the same as `plain_name` compares them. Declined ones are left out.
    """
    declined = list_declined_keys(session, association)
    query = (
        select(  # type: ignore[call-overload]
            Entry.id,
            Entry.provider_name,
            Entry.held_on,
            Entry.minutes,
            Person.id,
            Endorsement.id,
            Person.name,
            Endorsement.category,
            StandingRow.due_on,
        )
        .select_from(StandingRow)
        .join(Endorsement, col(Endorsement.id) == StandingRow.endorsement_id)
        .join(Person, col(Person.id) == Endorsement.person_id)
        .join(
            Entry,
            and_(
                col(Entry.person_id) == Person.id,
                col(Entry.held_on).between(StandingRow.cycle_starts_on, StandingRow.cycle_ends_on),
            ),
        )
        .where(is_listed(association, today), col(Entry.provider_name).is_not(None))
        .order_by(col(Entry.id), col(Endorsement.id))
    )
    named: dict[str, _Naming] = {}
    counted: set[int] = set()
    for entry_id, name, held_on, minutes, person_id, *about, due_on in session.exec(query):
        endorsement_id, person_name, category = about
        key = plain_name(name)
        if key in declined:
            continue
        naming = named.setdefault(key, _Naming(name, held_on))
        naming.since = min(naming.since, held_on)
        if due_on and due_on >= today:
            naming.due_on = min(naming.due_on or due_on, due_on)
        user = naming.users.setdefault(
            person_id, ProviderUser(endorsement_id, person_name, category, 0)
        )
        # An entry is read once for each endorsement and cycle that it could count for.
        if entry_id not in counted:
            naming.users[person_id] = user._replace(minutes=user.minutes + minutes)
            counted.add(entry_id)
    providers = []
    for naming in named.values():
        users = tuple(naming.users.values())
        total = sum(user.minutes for user in users)
        providers.append(NamedProvider(naming.name, total, users, naming.since, naming.due_on))
    return sorted(providers, key=lambda provider: (-provider.minutes, provider.name))


@dataclass
class _Naming:
    """A `NamedProvider` while its entries are read; users by the person's id."""

    name: str
    since: date
    due_on: date | None = None
    users: dict[int, ProviderUser] = field(default_factory=dict)


def needs_attention(today: date) -> ColumnElement[bool]:
    """That a renewal is lapsed, overdue, or too far behind."""
    return state_on(today).in_(_NEED_ATTENTION)


def state_on(today: date) -> ColumnElement[str]:
    """The state of a standing on a day: one of STATES."""
    is_behind = and_(StandingRow.status == "open", col(StandingRow.falls_behind_on) <= today)
    # No two of them have a day in common.
    not_used = (
        select(Leave.kind)
        .where(
            col(Leave.endorsement_id) == StandingRow.endorsement_id,
            col(Leave.kind).in_(_NOT_USED),
            col(Leave.starts_on) <= today,
            or_(col(Leave.ends_on).is_(None), col(Leave.ends_on) >= today),
        )
        .correlate(StandingRow)
        .limit(1)
        .scalar_subquery()
    )
    is_current = or_(
        col(StandingRow.cycle_ends_on).is_(None), col(StandingRow.cycle_ends_on) >= today
    )
    # What has lapsed, or is overdue, was due before; and leave is rare.
    can_be_not_used = and_(col(StandingRow.status).not_in(_PAST_DUE), is_current)
    usual = case((is_behind, "behind"), else_=StandingRow.status)
    return func.coalesce(case((can_be_not_used, not_used)), usual)


def is_listed(association: str, today: date) -> ColumnElement[bool]:
    """That a renewal is the current one, or the one before it and not settled yet."""
    ends_on = col(StandingRow.cycle_ends_on)
    is_current = or_(ends_on.is_(None), ends_on >= today)
    is_unsettled = col(StandingRow.status).in_(UNSETTLED)
    return and_(StandingRow.association == association, or_(is_current, is_unsettled))


def _select_lines(today: date) -> Any:  # noqa: ANN401 - a Select of these columns
    return (
        select(  # type: ignore[call-overload]
            *(col(getattr(StandingRow, name)) for name in ListedStanding._fields),
            Endorsement.category,
            Person.name,
            Person.email,
            state_on(today),
            Person.id,
            StandingRow.requirements,
        )
        .select_from(StandingRow)
        .join(Endorsement, col(Endorsement.id) == StandingRow.endorsement_id)
        .join(Person, col(Person.id) == Endorsement.person_id)
    )
