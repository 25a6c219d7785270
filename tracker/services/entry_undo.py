"""Bringing back an entry that was deleted, unless it would count twice."""

from sqlmodel import Session

from tracker.db.corrections import Removal
from tracker.formatting import MINUTES_IN_DAY
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext, lock_person
from tracker.services.endorsements import refusal_of_lock
from tracker.services.entries import describe_entry, list_entries
from tracker.services.entry_rules import (
    INPUT_FIELDS,
    EntryInput,
    find_warnings,
    load_entry_rules,
)
from tracker.services.removals import (
    find_own_deletion,
    get_first_row,
    get_latest_id,
    get_own_deletion,
    restore,
)


def undo_deletion(context: ServiceContext, removal_id: int | None = None) -> None:
    """Bring back an entry that the actor deleted: that of a removal, or else the last one.

    Bringing back that of a removal twice is like once. Raises NotFound if there is none, or it was
    deleted more than a day ago; and Refused if its cycle is closed by now, if its day has too many
    hours with it, or if an entry that was stored since looks like the same session.
    """
    session, person_id = context.session, context.person_id
    lock_person(session, person_id)
    if removal_id is not None:
        removal = get_own_deletion(context, "entry", removal_id)
    elif (last := find_own_deletion(session, person_id, "entry", context.now)) is not None:
        removal = last
    else:
        raise NotFound
    if removal.undone_at is None:
        _check_restorable(context, removal)
        restore(context, removal)


def _check_restorable(context: ServiceContext, removal: Removal) -> None:
    """Raise Refused if a deleted entry of the actor's can't come back."""
    session, person_id = context.session, context.person_id
    _, values = get_first_row(removal)
    day, minutes = values["held_on"], values["minutes"]
    rules = load_entry_rules(session, context.rulebooks, person_id, context.now)
    lock = rules.lock_on(day)
    if lock is not None:
        raise Refused(refusal_of_lock("entry", lock))
    check_not_logged_again(session, removal)
    others = list_entries(session, person_id, day, day)
    logged = sum(other.minutes for other in others)
    if logged + minutes > MINUTES_IN_DAY:
        raise Refused(Refusal("minutes", "day-is-full", {"logged": logged, "held_on": day}))


def check_not_logged_again(session: Session, removal: Removal) -> None:
    """Raise Refused if an entry stored since looks like the one that was deleted."""
    _, values = get_first_row(removal)
    others = list_entries(session, removal.person_id, values["held_on"], values["held_on"])
    since = [other for other in others if other.id > get_latest_id(removal)]
    stored = {name: values[name] for name in INPUT_FIELDS if name in values}
    warnings = find_warnings(EntryInput(**stored), since, ())
    if warnings is not None and warnings.duplicate is not None:
        facts = {"title": warnings.duplicate.title, **describe_entry(warnings.duplicate)}
        raise Refused(Refusal("entry", "entry-logged-again", facts))
