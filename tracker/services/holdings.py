"""What people hold, as coordinators record it: endorsements, vettings, and memberships.

A coordinator records what belongs to their associations: their own endorsements and vettings, and
memberships of organizations that their rulebooks accept. Cycles that are closed do not stop them:
what was settled stays, and the desk shows that it would differ.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from tracker.db.people import Endorsement, Membership, Vetting
from tracker.rules.cycles import end_of_years
from tracker.rules.requirement import INDIVIDUAL, MEMBERSHIP_KINDS
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext
from tracker.services.desk_access import check_association
from tracker.services.evaluation import evaluate_people
from tracker.services.memberships import MAX_TERM_YEARS, list_recordable_organizations
from tracker.services.person_facts import lock_desk_person

Holding = Endorsement | Vetting | Membership
_DAYS = {"starts_on", "ends_on"}
# Each table has some of these columns.
_AUDITED = {"person_id", "association", "category", "organization", "kind", *_DAYS}
# The columns that say what is held, by table.
_WHAT = {"endorsement": ("association", "category"), "vetting": ("association",),
         "membership": ("organization",)}  # fmt: skip


class Term(NamedTuple):
    """The first and the last day of something that is held; both included, None has no end."""

    starts_on: date
    ends_on: date | None = None

    @property
    def last_day(self) -> date:
        """The last day; ``date.max`` if there is none."""
        return self.ends_on or date.max


def add_endorsement(
    context: ServiceContext, person_id: int, association: str, category: str, term: Term
) -> int:
    """Record an endorsement and return its id; raises Refused as `store_endorsement`."""
    lock_desk_person(context, person_id)
    return store_endorsement(context, person_id, (association, category), term)


def store_endorsement(
    context: ServiceContext, person_id: int, name: tuple[str, str], term: Term
) -> int:
    """Record an endorsement (association and category) of a person whom the caller has locked.

    Raises NotFound for an association that is not the actor's, and Refused for a category that the
    rulebook does not have, or days on which the person holds the same category already.
    """
    association, category = name
    check_association(context.actor, association)
    if category not in context.rulebooks.associations[association].categories:
        raise Refused(Refusal("category", "category-not-offered"))
    row = Endorsement(
        person_id=person_id, association=association, category=category, **term._asdict()
    )
    return _store(context, row)


def add_vetting(context: ServiceContext, person_id: int, association: str, term: Term) -> int:
    """Record that an association accepts a person as an RSC provider; return the id."""
    check_association(context.actor, association)
    lock_desk_person(context, person_id)
    row = Vetting(person_id=person_id, association=association, **term._asdict())
    return _store(context, row)


def add_membership(
    context: ServiceContext,
    person_id: int,
    organization: str,
    term: Term,
    *,
    kind: str = INDIVIDUAL,
) -> int:
    """Record a term of a membership and return its id."""
    if kind not in MEMBERSHIP_KINDS or not accepts_membership(context, organization):
        raise Refused(Refusal("organization", "organization-not-accepted"))
    lock_desk_person(context, person_id)
    row = Membership(person_id=person_id, organization=organization, kind=kind, **term._asdict())
    return _store(context, row)


def change_days(context: ServiceContext, kind: type[Holding], row_id: int, term: Term) -> None:
    """Give something that a person holds another first or last day; ending it is one of these.

    Raises NotFound for what is not the actor's to change, and Refused for days that are wrong.
    """
    lock_desk_person(context, get_holding(context, kind, row_id).person_id)
    # Someone else may have changed or removed it while this waited for the lock.
    row = get_holding(context, kind, row_id)
    _check_term(term, _list_others(context.session, row), _name(row))
    if isinstance(row, Endorsement) and term.ends_on is None:
        # It was removed by mistake, and goes on.
        row.ended_as = None
    context.update_row(row, _DAYS, starts_on=term.starts_on, ends_on=term.ends_on)
    evaluate_people(context.session, context.rulebooks, {row.person_id}, context.now)


def get_holding(context: ServiceContext, kind: type[Holding], row_id: int) -> Holding:
    """An endorsement, vetting, or membership that the actor may change. Raises NotFound."""
    row: Any = context.session.get(kind, row_id, populate_existing=True)
    if row is None:
        raise NotFound
    if isinstance(row, Membership):
        if not accepts_membership(context, row.organization):
            raise NotFound
    else:
        check_association(context.actor, row.association)
    holding: Holding = row
    return holding


def accepts_membership(context: ServiceContext, organization: str) -> bool:
    """Whether a membership of this organization is the actor's to record."""
    return organization in list_recordable_organizations(context)


def _store(context: ServiceContext, row: Holding) -> int:
    term = Term(row.starts_on, row.ends_on)
    _check_term(term, _list_others(context.session, row), _name(row))
    context.create_row(row, _AUDITED)
    evaluate_people(context.session, context.rulebooks, {row.person_id}, context.now)
    return row.id


def _name(row: Any) -> str:  # noqa: ANN401 - of one of three tables
    """``NCIMHA IFS``."""
    return " ".join(getattr(row, name) for name in _WHAT[row.__tablename__])


def _list_others(session: Session, row: Holding) -> list[Term]:
    """The other terms of the same thing, in order."""
    kind: Any = type(row)
    same = {name: getattr(row, name) for name in ("person_id", *_WHAT[kind.__tablename__])}
    query = select(kind.id, kind.starts_on, kind.ends_on).filter_by(**same)
    rows = session.exec(query.order_by(col(kind.starts_on)))
    return [Term(starts_on, ends_on) for row_id, starts_on, ends_on in rows if row_id != row.id]


def _check_term(term: Term, others: Iterable[Term], name: str) -> None:
    """Raise Refused for days in the wrong order, or days on which it is held already."""
    if term.last_day < term.starts_on:
        facts: dict[str, Any] = {"starts_on": term.starts_on}
        raise Refused(Refusal("ends_on", "ends-before-start", facts))
    if term.ends_on and term.ends_on > end_of_years(term.starts_on, MAX_TERM_YEARS):
        raise Refused(Refusal("ends_on", "term-too-long", {"years": MAX_TERM_YEARS}))
    for other in others:
        if other.starts_on <= term.last_day and term.starts_on <= other.last_day:
            facts = {"name": name, **other._asdict()}
            raise Refused(Refusal("starts_on", "term-overlaps", facts))
