"""What undoing an import needs besides the rows of people: which rows of files it took.

A row that an import took is never taken again, even if its entry is deleted. So undoing an import
has to forget that, or the same file would bring nothing back.
"""

import json
import zlib
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from sqlalchemy import delete
from sqlmodel import Session, col, select

from tracker.db.corrections import FormerEmail
from tracker.db.desk import ChangedRow
from tracker.db.imports import ImportPlanRow
from tracker.db.log import ImportedRow
from tracker.db.people import Person
from tracker.db.statements import in_chunks, insert_rows, upsert
from tracker.services.context import ServiceContext
from tracker.services.desk_changes import REVERSED
from tracker.services.email_changes import find_former_emails
from tracker.services.evaluation import evaluate_association
from tracker.services.first_days import find_start

_BATCH = 500
# Person and key of a row that was taken, and its other values.
TakenRows = dict[tuple[int, str], dict[str, Any]]
_WORDS = {
    "added": "removed again",
    "changed": "as it was before",
}
_LONGEST_NOTE = 300


def read_taken_rows(session: Session, people: Collection[int]) -> TakenRows:
    """The rows of files that were taken for these people."""
    session.flush()
    taken: TakenRows = {}
    for ids in in_chunks(sorted(people), _BATCH):
        for row in session.exec(select(ImportedRow).where(col(ImportedRow.person_id).in_(ids))):
            values = row.model_dump(exclude={"person_id", "key"})
            taken[row.person_id, row.key] = values
            session.expunge(row)
    return taken


class Remembered(NamedTuple):
    """What an import stored besides the rows of people, as undoing it needs it.

    ``rows`` are those that it took, each as person, key, and what was stored of it before.
    ``first_days`` are the associations that had no first day, and for which it took one.
    """

    rows: list[tuple[int, str, dict[str, Any] | None]]
    first_days: list[str]

    def pack(self) -> bytes:
        """As it is stored."""
        return zlib.compress(json.dumps(self).encode())

    @classmethod
    def unpack(cls, stored: bytes | None) -> "Remembered":
        """From what `pack` made."""
        if stored is None:
            return cls([], [])
        return cls(*json.loads(zlib.decompress(stored)))


def compare_taken_rows(
    before: TakenRows, after: TakenRows
) -> list[tuple[int, str, dict[str, Any] | None]]:
    """The rows that an import took, each with what was stored of it before."""
    return [
        (person_id, key, before.get((person_id, key)))
        for (person_id, key), values in after.items()
        if before.get((person_id, key)) != values
    ]


def forget_first_day(context: ServiceContext, association: str) -> None:
    """Forget the day that an import took, unless somebody has chosen one since."""
    start = find_start(context.session, association)
    if start is not None and not start.is_chosen:
        audited = {"association", "first_day", "is_chosen", "reason"}
        context.delete_row(start, audited)
        evaluate_association(context.session, context.rulebooks, association, context.now)


def forget_taken_rows(session: Session, remembered: Remembered) -> TakenRows:
    """Forget that an import took its rows, and restore what was known before it.

    Before its entries are deleted. Returns the rows as they were.
    """
    forgotten: TakenRows = {}
    restored = []
    for person_id, key, before in remembered.rows:
        current = session.get(ImportedRow, (person_id, key))
        if current is None:
            continue
        forgotten[person_id, key] = current.model_dump(exclude={"person_id", "key"})
        session.delete(current)
        if before is not None:
            restored.append({"person_id": person_id, "key": key, **before})
    session.flush()
    insert_rows(session, ImportedRow, restored)
    return forgotten


def keep_taken_rows(session: Session, forgotten: TakenRows, kept: Collection[int | None]) -> None:
    """Bring back the rows of people of whom undoing an import has kept everything."""
    rows = [
        {"person_id": person_id, "key": key, **values}
        for (person_id, key), values in forgotten.items()
        if person_id in kept
    ]
    names = ["person_id", "key"]
    upsert(session, ImportedRow, rows, key=names, update=["digest", "entry_id", "former_email"])


def forget_own_emails(session: Session) -> None:
    """Forget former addresses that are somebody's present ones again."""
    own = select(Person.email)
    session.exec(delete(FormerEmail).where(col(FormerEmail.email).in_(own)))


def list_changed_emails(session: Session, change_id: int) -> dict[int, str]:
    """Whose rows a change has changed: the person's address by the id of the changed row.

    Read before undoing it, which deletes the people whom it created.
    """
    query = select(ChangedRow.id, Person.email).join(Person)
    return dict(session.exec(query.where(ChangedRow.change_id == change_id)).all())


def list_stored(session: Session, person_ids: Collection[int]) -> set[int]:
    """Those of these people who are stored."""
    stored = set[int]()
    for ids in in_chunks(sorted(person_ids), _BATCH):
        stored.update(session.exec(select(Person.id).where(col(Person.id).in_(ids))))
    return stored


def note_undone_rows(session: Session, plan_id: int, emails: Mapping[int, str]) -> None:
    """Note with each row of an import what undoing it did, by the people of the rows."""
    outcomes = dict[str, str]()
    for ids in in_chunks(emails, _BATCH):
        for changed in session.exec(select(ChangedRow).where(col(ChangedRow.id).in_(ids))):
            is_reversed = changed.outcome == REVERSED
            outcomes[emails[changed.id]] = "" if is_reversed else f"kept: {changed.note}"
    rows = select(ImportPlanRow).where(
        ImportPlanRow.plan_id == plan_id, col(ImportPlanRow.outcome).in_(_WORDS)
    )
    changed_rows = list(session.exec(rows))
    others = {row.email for row in changed_rows} - outcomes.keys()
    present = find_former_emails(session, others)
    for row in changed_rows:
        kept = outcomes.get(row.email) or outcomes.get(present.get(row.email, ""), "")
        row.undone = (kept or _WORDS[row.outcome])[:_LONGEST_NOTE]
        session.add(row)
    session.flush()
