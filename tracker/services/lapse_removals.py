"""Endorsements that an association removes some time after they lapsed, by its rulebook."""

from collections.abc import Collection
from datetime import date, timedelta
from typing import Any, NamedTuple

from sqlmodel import Session, col, exists, or_, select

from tracker.db.audits import AuditCase
from tracker.db.ledgers import LAST_DAY, StandingRow
from tracker.db.people import REMOVED, Endorsement, Person, TimeRequest
from tracker.db.submissions import Submission
from tracker.rulebooks import Rulebooks
from tracker.rules.stages import Stage
from tracker.rules.standing import Status
from tracker.services.context import (
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    lock_person,
    require_other_person,
)
from tracker.services.desk_access import check_association
from tracker.services.evaluation import DayOf, days_at, evaluate_people

_DAY = timedelta(days=1)
_AUDITED = {"ends_on", "ended_as"}


class LapsedEndorsement(NamedTuple):
    """An endorsement that is removed from ``removal_on`` on, because a renewal lapsed.

    ``due_on`` is the due date of that renewal in force, ``grace_ends_on`` the last day of its grace
    period. ``by_itself``: the nightly evaluation removes it, unless ``waits``: a request of the
    person's is not decided.
    """

    endorsement: Endorsement
    person: Person
    cycle_starts_on: date
    due_on: date
    grace_ends_on: date
    removal_on: date
    by_itself: bool
    waits: bool


def list_lapsed(
    session: Session,
    rulebooks: Rulebooks,
    association: str,
    day_of: DayOf,
    *,
    endorsement_ids: Collection[int] | None = None,
) -> list[LapsedEndorsement]:
    """Those that have lapsed and are removed some day, the earliest removal first.

    None if the rulebook has no rule about removals. A renewal that was submitted, and that nobody
    returned, is decided first, and so is an appeal against an audit.
    """
    rulebook = rulebooks.associations[association]
    if not rulebook.removals:
        return []
    today = day_of(association)
    query = _select_lapsed(association, today)
    if endorsement_ids is not None:
        query = query.where(col(Endorsement.id).in_(endorsement_ids))
    found: dict[int, LapsedEndorsement] = {}
    for endorsement, person, cycle_starts_on, due_on, waits in session.exec(query):
        triple = (association, endorsement.category, endorsement.starts_on)
        plan = rulebooks.plan(*triple, cycle_starts_on)
        if plan is None or plan.cycle is None or endorsement.id in found:
            continue
        grace_ends_on = plan.cycle.grace_ends_on(due_on)
        rule = rulebooks.removal_rule(association, grace_ends_on)
        if rule is not None:
            removal_on = rule.kept_through(grace_ends_on) + _DAY
            days = (cycle_starts_on, due_on, grace_ends_on, removal_on)
            lapsed = LapsedEndorsement(endorsement, person, *days, rule.by_itself, waits)
            found[endorsement.id] = lapsed
    return sorted(
        found.values(), key=lambda one: (one.removal_on, one.person.name, one.endorsement.id)
    )


def list_due_removals(
    session: Session,
    rulebooks: Rulebooks,
    association: str,
    day_of: DayOf,
) -> list[LapsedEndorsement]:
    """Those of `list_lapsed` whose removal is due."""
    lapsed = list_lapsed(session, rulebooks, association, day_of)
    return [one for one in lapsed if one.removal_on <= day_of(association)]


def find_lapsed(context: ServiceContext, endorsement_id: int) -> LapsedEndorsement:
    """An endorsement of the actor's associations that is removed some day. Raises NotFound."""
    endorsement = context.session.get(Endorsement, endorsement_id)
    if endorsement is None or endorsement.association not in context.rulebooks.associations:
        raise NotFound
    check_association(context.actor, endorsement.association)
    day_of = days_at(context.rulebooks, context.now)
    found = list_lapsed(
        context.session,
        context.rulebooks,
        endorsement.association,
        day_of,
        endorsement_ids=[endorsement_id],
    )
    if not found:
        raise NotFound
    return found[0]


def remove_lapsed(context: ServiceContext, endorsement_id: int) -> LapsedEndorsement:
    """Remove a lapsed endorsement from today on: yesterday is its last day.

    It is never removed from an earlier day on, however long the removal was due. Raises NotFound,
    and Refused before the day on which the removal is due.
    """
    lapsed = find_lapsed(context, endorsement_id)
    endorsement = lapsed.endorsement
    require_other_person(context, endorsement.person_id)
    lock_person(context.session, endorsement.person_id)
    lapsed = find_lapsed(context, endorsement_id)
    today = days_at(context.rulebooks, context.now)(endorsement.association)
    if today < lapsed.removal_on:
        facts = {"removal_on": lapsed.removal_on}
        raise Refused(Refusal("", "removal-not-due", facts))
    context.update_row(endorsement, _AUDITED, ends_on=today - _DAY, ended_as=REMOVED)
    evaluate_people(context.session, context.rulebooks, {endorsement.person_id}, context.now)
    return lapsed


def list_removed_by_itself(context: ServiceContext, association: str) -> list[LapsedEndorsement]:
    """What the nightly evaluation removes: what is due, and waits for nobody."""
    day_of = days_at(context.rulebooks, context.now)
    due = list_due_removals(context.session, context.rulebooks, association, day_of)
    return [lapsed for lapsed in due if lapsed.by_itself and not lapsed.waits]


def _select_lapsed(association: str, today: date) -> Any:  # noqa: ANN401 - a Select of five columns
    """Endorsements in force with a lapsed renewal, the one that lapsed first before the others."""
    is_asked = exists().where(
        col(TimeRequest.endorsement_id) == Endorsement.id, col(TimeRequest.state) == "asked"
    )
    appealed = select(AuditCase.submission_id).where(AuditCase.state == Stage.APPEALED.value)
    is_submitted = exists().where(
        col(Submission.endorsement_id) == Endorsement.id,
        col(Submission.cycle_starts_on) == StandingRow.cycle_starts_on,
        or_(col(Submission.returned_at).is_(None), col(Submission.id).in_(appealed)),
    )
    return (
        select(  # type: ignore[call-overload]
            Endorsement,
            Person,
            StandingRow.cycle_starts_on,
            StandingRow.due_on,
            is_asked,
        )
        .join(Endorsement, col(Endorsement.id) == StandingRow.endorsement_id)
        .join(Person)
        .where(
            StandingRow.association == association,
            StandingRow.status == Status.LAPSED.value,
            or_(LAST_DAY.is_(None), today <= LAST_DAY),
            ~is_submitted,
        )
        .order_by(col(StandingRow.due_on))
    )
