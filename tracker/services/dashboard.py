"""What a coordinator looks after: an association's renewals, and what needs attention and why.

The coordinator's page, the weekly digest, and `tracker attention` all read it here, so they agree.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, case
from sqlmodel import Session, and_, col, func, or_, select

from tracker.db.ledgers import SettledCycle, StandingRow
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Person
from tracker.plain_text import plain_name
from tracker.services.declined_providers import list_declined_keys
from tracker.services.evaluation import parse_results
from tracker.services.run_ledger import list_failures
from tracker.services.settlements import list_differing
from tracker.services.time_requests import SubmittedRequest, list_requests

# Worst first. "behind" is an open renewal that an even pace no longer completes in time.
STATES = ("lapsed", "overdue", "behind", "open", "excused", "met", "no rules")
UNSETTLED = ("lapsed", "overdue", "open")
_NEED_ATTENTION = ("lapsed", "overdue", "behind")
_ALL_REQUESTS = 100_000


class AttentionKind(StrEnum):
    """Why something needs a coordinator's attention, the most urgent reason first."""

    LAPSED = "lapsed"
    OVERDUE = "overdue"
    UNREACHABLE = "unreachable"
    REQUEST = "request"
    RECORDS_CHANGED = "records changed"
    UNCONFIRMED = "unconfirmed provider"
    BEHIND = "behind"


class ShortRequirement(NamedTuple):
    """A requirement that is short by so many minutes (a membership: by so many days).

    ``topic`` is None for whole hours.
    """

    counts: str
    topic: str | None
    minutes: int


class RenewalLine(NamedTuple):
    """One renewal and whose it is; ``state`` is one of STATES."""

    standing: StandingRow
    category: str
    name: str
    email: str
    state: str
    is_unreachable: bool

    @property
    def short(self) -> list[ShortRequirement]:
        """What is short, in the rulebook's order."""
        results = parse_results(self.standing.requirements)
        return [
            ShortRequirement(r.counts, r.topic, r.short) for r in results if r.outcome == "short"
        ]


class ProviderUser(NamedTuple):
    """An endorsee who named a provider, and the minutes that count once the provider does."""

    endorsement_id: int
    name: str
    category: str
    minutes: int


class NamedProvider(NamedTuple):
    """An RSC provider known by name only, with everyone who named them; minutes in all."""

    name: str
    minutes: int
    users: tuple[ProviderUser, ...]


@dataclass(frozen=True, slots=True)
class Attention:
    """One thing for a coordinator to do: about a renewal, a request, a provider, or a closed cycle.

    ``provider`` holds only the user that this is about.
    """

    kind: AttentionKind
    endorsement_id: int
    name: str
    category: str
    renewal: RenewalLine | None = None
    request: SubmittedRequest | None = None
    provider: NamedProvider | None = None
    settled: SettledCycle | None = None

    @property
    def urgency(self) -> tuple[int, int, str]:
        """Its place in the list of what needs attention."""
        minutes = 0
        if self.renewal:
            minutes = self.renewal.standing.short_minutes
        elif self.provider:
            minutes = self.provider.minutes
        return list(AttentionKind).index(self.kind), -minutes, self.name


class JobProblem(NamedTuple):
    """A job, or part of one, that failed and will be tried again.

    ``about`` is the person or the coordinator it was for; empty if the whole job failed.
    """

    job: str
    about: str


def list_job_problems(session: Session, association: str) -> list[JobProblem]:
    """What failed for an association at the last attempt."""
    failures = list_failures(session, association)
    ids = {int(failure.subject) for failure in failures if failure.subject.isdecimal()}
    names = dict(session.exec(select(Person.id, Person.name).where(col(Person.id).in_(ids))).all())
    problems = []
    for failure in failures:
        about = failure.subject
        if about.isdecimal():
            about = names.get(int(about), "")
        problems.append(JobProblem(failure.job, about))
    return problems


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


def list_renewals(
    session: Session,
    association: str,
    today: date,
    *,
    state: str = "",
    skip: int = 0,
    most: int | None = None,
) -> list[RenewalLine]:
    """At most ``most`` renewals, worst first, in one state or (empty) in any."""
    worst_first = case({name: i for i, name in enumerate(STATES)}, value=state_on(today))
    conditions = [is_listed(association, today)]
    if state:
        conditions.append(state_on(today) == state)
    query = (
        _select_lines(today)
        .where(*conditions)
        .order_by(
            worst_first,
            StandingRow.due_on,
            col(StandingRow.short_minutes).desc(),
            func.lower(Person.name),
            StandingRow.endorsement_id,
            StandingRow.cycle_starts_on,
        )
        .offset(skip)
        .limit(most)
    )
    return [RenewalLine(*row) for row in session.exec(query)]


def list_attention(session: Session, association: str, today: date) -> list[Attention]:
    """Everything that needs a coordinator's attention, the most urgent first.

    An endorsement stands here once, with its most urgent reason, however many apply. Each request
    for leave or a later due date stands here besides.
    """
    reasons = [
        *_list_renewals_in_need(session, association, today),
        *_list_unconfirmed(session, association, today),
    ]
    for settled, endorsement, person in list_differing(session, association):
        about = (endorsement.id, person.name, endorsement.category)
        reasons.append(Attention(AttentionKind.RECORDS_CHANGED, *about, settled=settled))
    reasons.sort(key=lambda attention: attention.urgency)
    most_urgent: dict[int, Attention] = {}
    for reason in reasons:
        most_urgent.setdefault(reason.endorsement_id, reason)
    requests = [
        Attention(
            AttentionKind.REQUEST,
            submitted.endorsement.id,
            submitted.person.name,
            submitted.endorsement.category,
            request=submitted,
        )
        for submitted in list_requests(
            session, association, undecided=True, skip=0, limit=_ALL_REQUESTS
        )
    ]
    # The sort is stable: requests stay in their order, the oldest first.
    return sorted([*most_urgent.values(), *requests], key=lambda a: a.urgency[0])


def list_named_providers(session: Session, association: str, today: date) -> list[NamedProvider]:
    """Providers whom endorsees named for sessions in a listed cycle, those with the most first.

    Names are the same as `plain_name` compares them. Declined ones are left out.
    """
    declined = list_declined_keys(session, association)
    query = (
        select(Entry, Endorsement, Person.name)
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
    names: dict[str, str] = {}
    users: dict[str, dict[int, ProviderUser]] = {}
    counted: set[int] = set()
    for entry, endorsement, person_name in session.exec(query):
        name = entry.provider_name or ""
        key = plain_name(name)
        if key in declined:
            continue
        names.setdefault(key, name)
        user = users.setdefault(key, {}).get(endorsement.person_id)
        if user is None:
            user = ProviderUser(endorsement.id, person_name, endorsement.category, 0)
        # An entry is read once for each endorsement and cycle that it could count for.
        if entry.id not in counted:
            user = user._replace(minutes=user.minutes + entry.minutes)
            counted.add(entry.id)
        users[key][endorsement.person_id] = user
    providers = [
        NamedProvider(
            names[key], sum(user.minutes for user in named_by.values()), (*named_by.values(),)
        )
        for key, named_by in users.items()
    ]
    return sorted(providers, key=lambda provider: (-provider.minutes, provider.name))


def _list_renewals_in_need(session: Session, association: str, today: date) -> list[Attention]:
    in_need = or_(state_on(today).in_(_NEED_ATTENTION), is_unreachable())
    query = _select_lines(today).where(is_listed(association, today), in_need)
    found = []
    for row in session.exec(query):
        line = RenewalLine(*row)
        kind = AttentionKind.UNREACHABLE
        if line.state in ("lapsed", "overdue") or not line.is_unreachable:
            kind = AttentionKind(line.state)
        found.append(Attention(kind, line.standing.endorsement_id, line.name, line.category, line))
    return found


def _list_unconfirmed(session: Session, association: str, today: date) -> list[Attention]:
    unconfirmed = []
    for provider in list_named_providers(session, association, today):
        for user in provider.users:
            named = provider._replace(minutes=user.minutes, users=(user,))
            unconfirmed.append(
                Attention(
                    AttentionKind.UNCONFIRMED,
                    user.endorsement_id,
                    user.name,
                    user.category,
                    provider=named,
                )
            )
    return unconfirmed


def state_on(today: date) -> ColumnElement[str]:
    """The state of a standing on a day: one of STATES."""
    is_behind = and_(StandingRow.status == "open", col(StandingRow.falls_behind_on) <= today)
    return case((is_behind, "behind"), else_=StandingRow.status)


def is_listed(association: str, today: date) -> ColumnElement[bool]:
    """That a renewal is the current one, or the one before it and not settled yet."""
    ends_on = col(StandingRow.cycle_ends_on)
    is_current = or_(ends_on.is_(None), ends_on >= today)
    is_unsettled = col(StandingRow.status).in_(UNSETTLED)
    return and_(StandingRow.association == association, or_(is_current, is_unsettled))


def is_unreachable() -> ColumnElement[bool]:
    """That mail to a person comes back, and there is no other address."""
    has_second = func.coalesce(Person.second_email, "") != ""
    return and_(col(Person.email_refused_at).is_not(None), ~has_second)


def _select_lines(today: date) -> Any:  # noqa: ANN401 - a Select of six columns
    return (
        select(  # type: ignore[call-overload]
            StandingRow,
            Endorsement.category,
            Person.name,
            Person.email,
            state_on(today).label("state"),
            is_unreachable().label("is_unreachable"),
        )
        .join(Endorsement, col(Endorsement.id) == StandingRow.endorsement_id)
        .join(Person, col(Person.id) == Endorsement.person_id)
    )
