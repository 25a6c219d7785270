"""What an association decides about an entry: confirmed, not counted there, or removed.

What the person logged is not changed. An entry that an association excludes counts for nothing
there, and the person sees the reason; so they do if it is removed.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session, col, delete, select

from tracker.db.entry_reviews import EntryConfirmation, EntryDecision
from tracker.db.log import Entry
from tracker.rules.explain import LoggedEntry
from tracker.services.context import (
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    check_text,
    lock_person,
    require_other_person,
)
from tracker.services.coordinator_access import access_windows, sees_entry
from tracker.services.desk_access import check_association, check_sole
from tracker.services.endorsements import load_person_locks
from tracker.services.entries import (
    entry_input_of,
    entry_version,
    evaluate_entries,
    find_entry,
)
from tracker.services.row_contents import delete_what_belongs_to

EXCLUDED, REMOVED = "excluded", "removed"
_CONFIRMED = {"entry_id", "association"}
_DECIDED = {"person_id", "entry_id", "association", "kind", "title", "held_on", "minutes", "reason"}


class Confirmation(NamedTuple):
    """When and by whom an entry was confirmed; ``is_current``: it has not changed since."""

    confirmed_at: datetime
    confirmed_by: str
    is_current: bool


def lock_reviewed_entry(context: ServiceContext, entry_id: int, association: str) -> LoggedEntry:
    """An entry that the actor may decide about for an association; its person stays locked.

    Raises NotFound if the association may not see it, and Refused for the actor's own.
    """
    check_association(context.actor, association)
    session = context.session
    person_id = session.exec(select(Entry.person_id).where(Entry.id == entry_id)).first()
    if person_id is None:
        raise NotFound
    require_other_person(context, person_id)
    lock_person(session, person_id)
    entry = find_entry(session, person_id, entry_id)
    windows = access_windows(session, person_id, {association})
    if entry is None or not sees_entry(windows, entry.held_on):
        raise NotFound
    return entry


def confirm_entry(context: ServiceContext, entry_id: int, association: str) -> None:
    """Note that the association has checked an entry, as it is now, and found it right."""
    entry = lock_reviewed_entry(context, entry_id, association)
    row = _find_confirmation(context.session, entry_id, association)
    version, who = entry_version(entry), context.actor.label
    if row is None:
        row = EntryConfirmation(
            entry_id=entry_id,
            association=association,
            version=version,
            confirmed_at=context.now,
            confirmed_by=who,
        )
        context.create_row(row, _CONFIRMED)
    elif row.version != version:
        values = {"version": version, "confirmed_at": context.now, "confirmed_by": who}
        context.update_row(row, _CONFIRMED | {"version"}, **values)


def withdraw_confirmation(context: ServiceContext, entry_id: int, association: str) -> None:
    """Take back a confirmation; nothing happens if there is none."""
    lock_reviewed_entry(context, entry_id, association)
    row = _find_confirmation(context.session, entry_id, association)
    if row is not None:
        context.delete_row(row, _CONFIRMED)


def exclude_entry(
    context: ServiceContext, entry_id: int, association: str, reason: str
) -> EntryDecision:
    """Decide that an entry does not count at the association, for a reason that the person sees."""
    entry = lock_reviewed_entry(context, entry_id, association)
    refusals = check_text("reason", reason)
    if association in entry.exclusions:
        refusals.append(Refusal("reason", "entry-excluded"))
    if refusals:
        raise Refused(*refusals)
    decision = _decide(context, entry, association, EXCLUDED, reason)
    evaluate_entries(context, entry.person_id)
    return decision


def count_entry_again(context: ServiceContext, entry_id: int, association: str) -> None:
    """Take back the decision that an entry does not count; nothing happens if there is none."""
    entry = lock_reviewed_entry(context, entry_id, association)
    query = select(EntryDecision).where(
        EntryDecision.entry_id == entry_id, EntryDecision.association == association
    )
    decision = context.session.exec(query).first()
    if decision is not None:
        context.delete_row(decision, _DECIDED)
        evaluate_entries(context, entry.person_id)


def remove_entry(
    context: ServiceContext, entry_id: int, association: str, reason: str
) -> EntryDecision:
    """Delete an entry that is plainly wrong, for a reason that the person sees.

    Its documents stay with the person. Raises Refused if the person also belongs to an association
    of other coordinators, for whom it may count.
    """
    entry = lock_reviewed_entry(context, entry_id, association)
    check_sole(context, entry.person_id)
    session = context.session
    refusals = check_text("reason", reason)
    locks = load_person_locks(session, context.rulebooks, entry.person_id, context.now)
    if entry.id in locks.own.frozen:
        refusals.append(Refusal("reason", "entry-of-submitted"))
    if refusals:
        raise Refused(*refusals)
    decision = _decide(context, entry, association, REMOVED, reason)
    delete_what_belongs_to(context, "entry", entry_id)
    session.exec(delete(Entry).where(col(Entry.id) == entry_id))
    before = {"person_id": entry.person_id, **entry_input_of(entry).values()}
    context.record_change("entry", entry_id, before=before)
    session.expire_all()
    evaluate_entries(context, entry.person_id)
    return decision


def _decide(
    context: ServiceContext, entry: LoggedEntry, association: str, kind: str, reason: str
) -> EntryDecision:
    decision = EntryDecision(
        person_id=entry.person_id,
        entry_id=entry.id if kind == EXCLUDED else None,
        association=association,
        kind=kind,
        title=entry.title,
        held_on=entry.held_on,
        minutes=entry.minutes,
        reason=reason,
        decided_at=context.now,
        decided_by=context.actor.label,
    )
    context.create_row(decision, _DECIDED)
    return decision


def list_removed(session: Session, person_id: int) -> Sequence[EntryDecision]:
    """The entries that associations removed from a person's log, newest first."""
    query = select(EntryDecision).where(
        EntryDecision.person_id == person_id, EntryDecision.kind == REMOVED
    )
    return session.exec(query.order_by(col(EntryDecision.id).desc())).all()


def list_confirmations(
    session: Session, entries: Collection[LoggedEntry], association: str
) -> Mapping[int, Confirmation]:
    """The confirmations of an association, by entry."""
    by_id = {entry.id: entry for entry in entries}
    query = select(EntryConfirmation).where(
        col(EntryConfirmation.entry_id).in_(by_id), EntryConfirmation.association == association
    )
    return {
        row.entry_id: Confirmation(
            row.confirmed_at,
            row.confirmed_by,
            row.version == entry_version(by_id[row.entry_id]),
        )
        for row in session.exec(query)
    }


def _find_confirmation(
    session: Session, entry_id: int, association: str
) -> EntryConfirmation | None:
    query = select(EntryConfirmation).where(
        EntryConfirmation.entry_id == entry_id, EntryConfirmation.association == association
    )
    return session.exec(query).first()
