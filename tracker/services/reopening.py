"""A coordinator reopens a settled cycle, so that today's records count, and settles it again."""

from datetime import date
from typing import Any

from sqlmodel import Session, select

from tracker.db.ledgers import SettledCycle
from tracker.db.people import Endorsement
from tracker.rules.settlement import settle
from tracker.services.context import (
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    check_text,
    lock_person,
    require_other_person,
)
from tracker.services.endorsements import endorsement_within, standing_in
from tracker.services.evaluation import days_at, evaluate_people
from tracker.services.facts import format_settlement

_AUDITED = {"cycle_starts_on", "settled_on", "reopened_at", "reopened_by", "reopening_reason"}


def find_settled_cycle(
    session: Session, endorsement_id: int, cycle_starts_on: date
) -> SettledCycle | None:
    """What a cycle was settled as, even if it is reopened; None if it never was."""
    key = (SettledCycle.endorsement_id == endorsement_id) & (
        SettledCycle.cycle_starts_on == cycle_starts_on
    )
    return session.exec(select(SettledCycle).where(key)).first()


def reopen_cycle(
    context: ServiceContext, endorsement_id: int, cycle_starts_on: date, reason: str
) -> None:
    """Let today's records count for a settled cycle, until it is settled again.

    Raises NotFound for anybody but a coordinator of its association, and Refused for a
    reason that is missing or too long.
    """
    row = _lock_settled(context, endorsement_id, cycle_starts_on)
    if refusals := check_text("reason", reason):
        raise Refused(*refusals)
    if row.reopened_at is None:
        reopen_settled(context, row, reason)


def reopen_settled(context: ServiceContext, row: SettledCycle, reason: str) -> None:
    """Reopen a settled cycle, whose person is locked, and evaluate it by today's records."""
    _update(
        context,
        row,
        reopened_at=context.now,
        reopened_by=context.actor.label,
        reopening_reason=reason,
        differs_since=None,
    )


def settle_again(context: ServiceContext, endorsement_id: int, cycle_starts_on: date) -> None:
    """Settle a reopened cycle as today's records have it.

    Raises NotFound for anybody but a coordinator of its association, and Refused if the cycle can
    still be completed, as after an extension, or if today's records have nothing to renew in it, as
    after an earlier end of the endorsement.
    """
    row = _lock_settled(context, endorsement_id, cycle_starts_on)
    if row.reopened_at is None:
        return
    rulebooks = context.rulebooks
    day_of = days_at(rulebooks, context.now)
    standing = standing_in(context.session, rulebooks, day_of, endorsement_id, cycle_starts_on)
    if standing is None:
        raise Refused(Refusal("reason", "nothing-to-settle"))
    today = day_of(standing.plan.association)
    settlement = settle(standing, today, rulebooks.digest_of(standing.plan.association))
    if settlement is None:
        raise Refused(Refusal("reason", "cycle-not-over"))
    _update(
        context,
        row,
        settled_on=today,
        content=format_settlement(settlement),
        reopened_at=None,
        reopened_by=None,
        reopening_reason=None,
    )


def _lock_settled(
    context: ServiceContext, endorsement_id: int, cycle_starts_on: date
) -> SettledCycle:
    session = context.session
    endorsed = endorsement_within(session, endorsement_id, context.actor.coordinates)
    if endorsed is None:
        raise NotFound
    require_other_person(context, endorsed.person_id)
    lock_person(session, endorsed.person_id)
    row = find_settled_cycle(session, endorsement_id, cycle_starts_on)
    if row is None:
        raise NotFound
    session.refresh(row)
    return row


def _update(
    context: ServiceContext,
    row: SettledCycle,
    **values: Any,  # noqa: ANN401 - values of columns
) -> None:
    """Change a settled cycle, with an audit event, and evaluate its endorsement again."""
    session = context.session
    before = row.model_dump(include=_AUDITED)
    row.sqlmodel_update(values)
    session.add(row)
    session.flush()
    after = row.model_dump(include=_AUDITED)
    context.record_change("settled_cycle", row.endorsement_id, before=before, after=after)
    person_id = session.get_one(Endorsement, row.endorsement_id).person_id
    evaluate_people(session, context.rulebooks, {person_id}, context.now)
