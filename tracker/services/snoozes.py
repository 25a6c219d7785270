"""Coordinators snooze what needs attention until a day, with a note, and end that again."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from dateutil.relativedelta import relativedelta
from sqlmodel import Session, col, delete, select

from tracker.clock import local_day
from tracker.db.engine import lock_names
from tracker.db.snoozes import Snooze
from tracker.services.attention import QueueItem, read_queue
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext, check_text
from tracker.services.desk_access import check_association

_LONGEST = relativedelta(years=1)
# A snooze that has ended is kept for as long, so that its note stands beside what has come back.
_KEPT = timedelta(days=30)
# The note may be personal, so the audit log does not repeat it.
_AUDITED = set(Snooze.model_fields) - {"id", "note", "snoozed_at", "snoozed_by"}


@dataclass(frozen=True, slots=True)
class SnoozeInput:
    """What a coordinator puts off, and until when: the first day on which it is shown again.

    ``replaces`` is the id of the snooze that the form showed, 0 if there was none.
    """

    association: str
    cause: str
    until: date
    note: str
    replaces: int = 0


def get_cause(context: ServiceContext, association: str, key: str) -> QueueItem:
    """A cause of the actor's association, open or snoozed.

    Raises NotFound if it is not theirs, or no longer there.
    """
    check_association(context.actor, association)
    queue = read_queue(context.session, context.rulebooks, association, context.now)
    item = queue.find(key)
    if item is None:
        raise NotFound
    return item


def snooze_cause(context: ServiceContext, chosen: SnoozeInput) -> Snooze:
    """Leave a cause out of the queue and the digest until a day, or change how long.

    Raises NotFound if the cause is not the actor's, or no longer there. Raises Refused for a day
    that is not ahead or more than a year away, a note that is too long, or if somebody else
    snoozed it in the meantime.
    """
    _lock_snoozes(context, chosen.association)
    attention, stored = get_cause(context, chosen.association, chosen.cause)
    zone = context.rulebooks.associations[chosen.association].time_zone
    today = local_day(context.now, zone)
    refusals = check_text("note", chosen.note, required=False)
    last = today + _LONGEST
    if not today < chosen.until <= last:
        refusals.append(Refusal("until", "snooze-day", {"last": last}))
    if stored and stored.until > today and stored.id != chosen.replaces:
        facts = {"who": stored.snoozed_by, "until": stored.until}
        refusals.append(Refusal("", "snoozed-meanwhile", facts))
    if refusals:
        raise Refused(*refusals)
    values: dict[str, Any] = {
        "kind": attention.kind.value,
        "gravity": attention.gravity,
        "until": chosen.until,
        "note": chosen.note,
        "snoozed_at": context.now,
        "snoozed_by": context.actor.label,
    }
    if stored is None:
        stored = Snooze(
            association=chosen.association,
            cause=attention.key,
            person_id=attention.person_id,
            **values,
        )
        context.create_row(stored, _AUDITED)
    else:
        context.update_row(stored, _AUDITED, **values)
    return stored


def end_snooze(context: ServiceContext, association: str, cause: str) -> None:
    """Put a cause back into the queue.

    Raises NotFound if the association is not the actor's, or the cause is not snoozed (anymore).
    """
    check_association(context.actor, association)
    _lock_snoozes(context, association)
    query = select(Snooze).where(Snooze.association == association, Snooze.cause == cause)
    stored = context.session.exec(query).first()
    if stored is None:
        raise NotFound
    context.delete_row(stored, _AUDITED)


def _lock_snoozes(context: ServiceContext, association: str) -> None:
    """Let one transaction at a time snooze a cause of an association, or end that."""
    lock_names(context.session, [f"snoozes {association}"])


def forget_ended_snoozes(session: Session, now: datetime) -> int:
    """Delete snoozes that ended long enough ago; return how many."""
    is_old = col(Snooze.until) < (now - _KEPT).date()
    return session.exec(delete(Snooze).where(is_old)).rowcount
