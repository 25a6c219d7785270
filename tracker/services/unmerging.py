"""Undoing the merge of two records: what was imported since for the second one goes with it."""

import json
from typing import Any, NamedTuple

from sqlmodel import Session, col, select, update

from tracker.db.corrections import Removal
from tracker.db.log import Entry, Evidence, ImportedRow
from tracker.db.people import Person
from tracker.formatting import format_count
from tracker.services.context import ServiceContext
from tracker.services.entry_undo import check_not_logged_again
from tracker.services.evaluation import evaluate_people
from tracker.services.merging import MERGE, count_holdings
from tracker.services.removals import lock_removal, require_operator, restore


class UndoneRemoval(NamedTuple):
    """What an undone removal left as it is, and why; and, of a merge, what stays with whom."""

    left_alone: list[str]
    went_with: list[str]


def undo_removal_or_merge(context: ServiceContext, removal_id: int) -> UndoneRemoval:
    """Bring back what a removal deleted, and part what two merged records got since.

    Raises NotFound for an unknown removal or anybody but an operator. Raises Refused if it was
    undone before, if something has taken the place of what was removed, or for an entry that was
    stored again since.
    """
    require_operator(context)
    return reverse_removal_or_merge(context, removal_id)


def reverse_removal_or_merge(context: ServiceContext, removal_id: int) -> UndoneRemoval:
    """Undo a removal as `undo_removal_or_merge` does; the caller has checked who may."""
    removal = lock_removal(context, removal_id)
    if removal.kind == "entry":
        check_not_logged_again(context.session, removal)
    left_alone = restore(context, removal)
    if removal.kind != MERGE:
        return UndoneRemoval(left_alone, [])
    _, values = json.loads(removal.content)["rows"][0]
    kept = context.session.get_one(Person, removal.person_id)
    other = context.session.get_one(Person, values["id"])
    went_with = _part_records(context, removal, kept, other)
    evaluate_people(context.session, context.rulebooks, {kept.id, other.id}, context.now)
    return UndoneRemoval(left_alone, went_with)


def _part_records(
    context: ServiceContext, removal: Removal, kept: Person, other: Person
) -> list[str]:
    session = context.session
    query = select(ImportedRow).where(
        ImportedRow.person_id == kept.id, ImportedRow.former_email == other.email
    )
    moved = sum(_move_imported(context, row, other) for row in session.exec(query).all())
    session.flush()
    notes = []
    if moved:
        notes.append(
            f"Imported for {other.email} since the merge, and now with {other.name} again: "
            f"{format_count(moved, 'session')}."
        )
    latest = json.loads(removal.content).get("latest")
    if latest and (added := count_holdings(session, kept.id, latest)):
        counts = "; ".join(f"{label}: {count}" for label, count in added.items())
        notes.append(f"Added since the merge, and still with {kept.name} <{kept.email}>: {counts}.")
    return notes


def _move_imported(context: ServiceContext, row: ImportedRow, other: Person) -> bool:
    """Give an imported row to the record for which it came; whether its entry goes with it."""
    session = context.session
    if session.get(ImportedRow, (other.id, row.key)) is not None:
        return False
    entry_id, kept_id = row.entry_id, row.person_id
    is_row = (col(ImportedRow.person_id) == kept_id) & (col(ImportedRow.key) == row.key)
    session.expunge(row)
    session.exec(update(ImportedRow).where(is_row).values(person_id=other.id, former_email=None))
    if entry_id is None or not _came_with_it(session, entry_id, kept_id):
        return False
    entry = session.get_one(Entry, entry_id)
    values: dict[str, Any] = {"person_id": other.id}
    session.exec(update(Entry).where(col(Entry.id) == entry_id).values(**values))
    session.exec(update(Evidence).where(col(Evidence.entry_id) == entry_id).values(**values))
    session.refresh(entry)
    before = {"person_id": kept_id}
    context.record_change("entry", entry_id, before=before, after=values)
    return True


def _came_with_it(session: Session, entry_id: int, kept_id: int) -> bool:
    """Whether an entry was imported, and no row of the kept record is about it."""
    own = select(ImportedRow.key).where(
        ImportedRow.entry_id == entry_id, ImportedRow.person_id == kept_id
    )
    entry = session.get(Entry, entry_id)
    is_imported = entry is not None and entry.person_id == kept_id and entry.logged_at is None
    return is_imported and session.exec(own).first() is None
