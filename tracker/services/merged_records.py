"""The records that were merged into a person's: what undoes a merge keeps their columns."""

import json
from typing import Any

from sqlmodel import Session, col, select

from tracker.db.corrections import Removal
from tracker.services.merging import MERGE


def list_merged_records(session: Session, person_id: int) -> list[dict[str, Any]]:
    """The columns of each record that was merged into a person's, also through another record.

    Values are as JSON has them. Merges that were undone are left out.
    """
    found: dict[int, dict[str, Any]] = {}
    unread = [person_id]
    while unread:
        query = select(Removal.content).where(
            Removal.person_id == unread.pop(),
            Removal.kind == MERGE,
            col(Removal.undone_at).is_(None),
        )
        for content in session.exec(query):
            for name, values in json.loads(content)["rows"]:
                if name == "person" and values["id"] not in {person_id, *found}:
                    found[values["id"]] = values
                    unread.append(values["id"])
    return list(found.values())


def list_record_ids(session: Session, person_id: int) -> set[int]:
    """The id of a person, and those of the records that were merged into theirs."""
    return {person_id, *(values["id"] for values in list_merged_records(session, person_id))}


def list_undone_merges(session: Session, person_id: int) -> list[Removal]:
    """The undone merges of a person's record into another one."""
    query = select(Removal).where(Removal.kind == MERGE, col(Removal.undone_at).is_not(None))
    merges = session.exec(query).all()
    return [each for each in merges if _get_merged_id(each) == person_id]


def _get_merged_id(merge: Removal) -> int | None:
    """The id of the record that was merged; None if what undoes the merge was deleted."""
    rows = json.loads(merge.content).get("rows")
    return rows[0][1]["id"] if rows else None
