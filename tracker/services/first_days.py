"""An association's first day in this system: renewals due before it have no records here.

It is asked for at import, and kept in the database. The setting `judge_renewals_due_from` is the
default of associations for which nobody has chosen one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import NamedTuple

from sqlmodel import Session, col, func, select

from tracker.db.ledgers import LAST_DAY, SettledCycle, StandingRow
from tracker.db.people import AssociationStart, Endorsement, Person, Renewal
from tracker.db.statements import in_chunks
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle
from tracker.rules.renewal import is_before_records
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext, check_text
from tracker.services.evaluation import DayOf, days_at, evaluate_association
from tracker.services.facts import parse_settlement
from tracker.services.run_ledger import find_first_run_date

_AUDITED = {"association", "first_day", "is_chosen", "reason"}
_MISSING = ("lapsed", "overdue")
_BATCH = 1_000
# Who prepares a start does so within a year.
_MOST_AHEAD = timedelta(days=366)
# No association has used a system like this for longer.
_MOST_BEHIND = timedelta(days=50 * 366)


class StandingCounts(NamedTuple):
    """How many current standings an association has, and how many of them miss something late."""

    standings: int
    lapsed_or_overdue: int


class RenewalWithoutRecords(NamedTuple):
    """A renewal that was due before its association's first day in this system."""

    endorsement_id: int
    name: str
    email: str
    association: str
    category: str
    cycle: Cycle
    due_on: date
    first_day: date


class UndecidedAssociation(NamedTuple):
    """An association without a first day whose new endorsees would be late at once.

    ``due_dates`` are those of all the ``renewals``; ``email`` and ``due_on`` are the first one.
    """

    association: str
    renewals: int
    email: str
    due_on: date
    due_dates: tuple[date, ...] = ()


class ProvisionalDay(NamedTuple):
    """A first day that an import took because nobody has said one.

    ``late`` are those of its new renewals that are overdue or lapsed nevertheless.
    """

    undecided: UndecidedAssociation
    first_day: date
    late: int = 0


def list_starts(session: Session) -> list[AssociationStart]:
    """What is known of each association's first day, by association."""
    return list(session.exec(select(AssociationStart).order_by(AssociationStart.association)))


def list_first_days(session: Session) -> dict[str, date]:
    """The first day of each association that has one."""
    starts = list_starts(session)
    return {start.association: start.first_day for start in starts if start.first_day}


def set_first_day(
    context: ServiceContext, association: str, first_day: date | None, reason: str
) -> None:
    """Set or change the first day of an association; None: all its records are here.

    Everyone there is evaluated again. Raises NotFound for anybody but an operator, and Refused
    without a reason, or for a day that must be a typing error.
    """
    if context.actor.person_id is not None or context.actor.coordinates:
        raise NotFound
    if association not in context.rulebooks.associations:
        raise NotFound
    refusals = check_text("reason", reason.strip())
    today = days_at(context.rulebooks, context.now)(association)
    if first_day is not None and first_day > today + _MOST_AHEAD:
        facts = {"first_day": first_day, "last": today + _MOST_AHEAD}
        refusals.append(Refusal("first_day", "first-day-too-late", facts))
    if first_day is not None and first_day < today - _MOST_BEHIND:
        facts = {"first_day": first_day, "first": today - _MOST_BEHIND}
        refusals.append(Refusal("first_day", "first-day-too-early", facts))
    if refusals:
        raise Refused(*refusals)
    _store(context, association, first_day, reason)


def take_provisional_days(
    context: ServiceContext, undecided: Iterable[UndecidedAssociation], new_ids: Collection[int]
) -> list[ProvisionalDay]:
    """Give associations a first day that nobody has said, and evaluate everyone there again.

    It is today for an association whose endorsements are all new, and otherwise the first night
    on which they were evaluated: what happened since is on record. No standing of earlier people
    is lost, so the day is no later than the first due date for which one of them has a standing.
    """
    session = context.session
    days = []
    new = frozenset(new_ids)
    for each in undecided:
        today = days_at(context.rulebooks, context.now)(each.association)
        query = select(Endorsement.id).where(Endorsement.association == each.association)
        is_new = set(session.exec(query)) <= new
        first_day = today if is_new else find_first_run_date(session, each.association) or today
        first_day = min([first_day, *_list_judged_due_dates(session, each.association, new)])
        reason = "taken at an import; nobody has said another day"
        _store(context, each.association, first_day, reason, is_chosen=False)
        late = sum(due_on >= first_day for due_on in each.due_dates)
        days.append(ProvisionalDay(each, first_day, late))
    return days


def _list_judged_due_dates(
    session: Session, association: str, new_ids: Collection[int]
) -> set[date]:
    """The due dates for which people who were here before have standings."""
    query = select(StandingRow).where(StandingRow.association == association)
    return {
        standing.due_on
        for standing in session.exec(query)
        if standing.due_on is not None and standing.endorsement_id not in new_ids
    }


def _store(
    context: ServiceContext,
    association: str,
    first_day: date | None,
    reason: str,
    *,
    is_chosen: bool = True,
) -> None:
    session = context.session
    start = find_start(session, association)
    if start is None:
        start = AssociationStart(
            association=association,
            first_day=first_day,
            is_chosen=is_chosen,
            reason=reason.strip(),
            set_at=context.now,
            set_by=context.actor.label,
        )
        context.create_row(start, _AUDITED)
    else:
        context.update_row(
            start,
            _AUDITED,
            first_day=first_day,
            is_chosen=is_chosen,
            reason=reason.strip(),
            set_at=context.now,
            set_by=context.actor.label,
        )
    if first_day is not None:
        _forget_differences(session, association, first_day)
    evaluate_association(session, context.rulebooks, association, context.now)


def choose_first_days(
    context: ServiceContext, chosen: Mapping[str, date | None], reason: str
) -> None:
    """Set the first days that an import names. A day that is the same already changes nothing.

    Raises Refused for an association for which another one was chosen before.
    """
    refusals = []
    for association, first_day in chosen.items():
        start = find_start(context.session, association)
        if start is None or not start.is_chosen:
            set_first_day(context, association, first_day, reason)
        elif start.first_day != first_day:
            facts = {"association": association, "first_day": start.first_day}
            refusals.append(Refusal("first_day", "first-day-chosen", facts))
    if refusals:
        raise Refused(*refusals)


def adopt_first_days(context: ServiceContext, configured: Mapping[str, date]) -> list[str]:
    """Take the setting's days where nobody has chosen one; return the associations.

    Then one place has them, and a setting that an operator wrote before still holds.
    """
    adopted = []
    for association, first_day in configured.items():
        if association not in context.rulebooks.associations:
            continue
        start = find_start(context.session, association)
        if start is None or not start.is_chosen:
            _store(context, association, first_day, "the setting judge_renewals_due_from")
            adopted.append(association)
    return adopted


def count_standings(session: Session, association: str) -> StandingCounts:
    """Count an association's stored standings, to tell what a change moves."""
    is_late = col(StandingRow.status).in_(_MISSING)
    query = select(func.count()).where(StandingRow.association == association)
    late = session.exec(query.where(is_late)).one()
    return StandingCounts(session.exec(query).one(), late)


def list_undecided(session: Session, new_ids: Collection[int]) -> list[UndecidedAssociation]:
    """Associations without a first day where new endorsements are overdue or lapsed at once.

    Nobody can tell from the files whether their hours are missing or only not in the system.
    """
    decided = {start.association for start in list_starts(session)}
    late: dict[str, list[tuple[date, str]]] = {}
    for ids in in_chunks(sorted(new_ids), _BATCH):
        query = (
            select(StandingRow, Person.email)
            .join(Endorsement, col(Endorsement.id) == StandingRow.endorsement_id)
            .join(Person)
            .where(col(StandingRow.endorsement_id).in_(ids), col(StandingRow.status).in_(_MISSING))
        )
        for standing, email in session.exec(query):
            if standing.association not in decided and standing.due_on is not None:
                late.setdefault(standing.association, []).append((standing.due_on, email))
    return [_describe_undecided(*each) for each in sorted(late.items())]


def _describe_undecided(association: str, late: list[tuple[date, str]]) -> UndecidedAssociation:
    due_on, email = min(late)
    due_dates = tuple(sorted(each for each, _ in late))
    return UndecidedAssociation(association, len(late), email, due_on, due_dates)


def list_without_records(
    session: Session,
    rulebooks: Rulebooks,
    day_of: DayOf,
    *,
    cycle_day: date | None = None,
    association: str | None = None,
    endorsement_ids: Collection[int] | None = None,
) -> Iterator[RenewalWithoutRecords]:
    """The renewals without records in the cycle that contains ``cycle_day`` (default: today)."""
    first_days = list_first_days(session)
    for name in [association] if association else list(rulebooks.associations):
        if name in first_days:
            day, today = cycle_day or day_of(name), day_of(name)
            for held in _list_held(session, name, day, endorsement_ids):
                renewal = _find_without_records(rulebooks, held, day, first_days[name])
                if renewal is not None and held.starts_on <= today:
                    yield renewal


class _Held(NamedTuple):
    """An endorsement that has not ended, with the due dates of its extensions by cycle."""

    id: int
    name: str
    email: str
    association: str
    category: str
    starts_on: date
    ends_on: date | None
    extended: Mapping[date, date]


def _find_without_records(
    rulebooks: Rulebooks, held: _Held, day: date, first_day: date
) -> RenewalWithoutRecords | None:
    plan = rulebooks.plan(held.association, held.category, held.starts_on, day)
    if plan is None or plan.cycle is None:
        return None
    due_on = held.extended.get(plan.cycle.starts_on, plan.cycle.due_on)
    if not is_before_records(first_day, due_on) or (held.ends_on or due_on) < due_on:
        return None
    return RenewalWithoutRecords(*held[:5], plan.cycle, due_on, first_day)


def find_start(session: Session, association: str) -> AssociationStart | None:
    """What is known of an association's first day."""
    query = select(AssociationStart).where(AssociationStart.association == association)
    return session.exec(query).first()


def _list_held(
    session: Session, association: str, day: date, endorsement_ids: Collection[int] | None
) -> list[_Held]:
    query = (
        select(Endorsement, LAST_DAY, Person.name, Person.email)
        .join(Person)
        .where(Endorsement.association == association)
        .where(LAST_DAY.is_(None) | (day <= LAST_DAY))
        .order_by(col(Endorsement.id))
    )
    if endorsement_ids is not None:
        query = query.where(col(Endorsement.id).in_(endorsement_ids))
    rows = list(session.exec(query).all())
    extended = _read_extensions(session, [held.id for held, _, _, _ in rows])
    found = []
    for held, ends_on, name, email in rows:
        due_dates = extended.get(held.id, {})
        about = (held.id, name, email, association, held.category)
        found.append(_Held(*about, held.starts_on, ends_on, due_dates))
    return found


def _read_extensions(session: Session, ids: Iterable[int]) -> dict[int, dict[date, date]]:
    extended: dict[int, dict[date, date]] = {}
    for chunk in in_chunks(sorted(ids), _BATCH):
        for row in session.exec(select(Renewal).where(col(Renewal.endorsement_id).in_(chunk))):
            extended.setdefault(row.endorsement_id, {})[row.cycle_starts_on] = row.extended_due_on
    return extended


def _forget_differences(session: Session, association: str, first_day: date) -> None:
    """Settled cycles that have no records here any more differ from nothing."""
    query = (
        select(SettledCycle)
        .join(Endorsement)
        .where(Endorsement.association == association, col(SettledCycle.differs_since).is_not(None))
    )
    for settled in session.exec(query).all():
        if is_before_records(first_day, parse_settlement(settled.content).due_on):
            settled.differs_since = None
            session.add(settled)
    session.flush()
