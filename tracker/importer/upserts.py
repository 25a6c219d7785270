"""What a person has said themselves, which no file of the association's takes back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import RowMapping, select
from sqlmodel import Session

from tracker.db.audit import Change, Stamp
from tracker.db.statements import in_chunks, insert_rows, reserve_ids
from tracker.db.tables import METADATA
from tracker.importer.lookups import CHUNK, Values, rows_where, update_rows
from tracker.importer.rows import Row

_PERSON = METADATA.tables["person"]


def keep_own_addresses(
    session: Session, wanted: Sequence[tuple[Row, Values]]
) -> list[tuple[Row, Values]]:
    """The rows, without a second address for those who confirmed or removed theirs on the pages."""
    telling = {row.email for row, values in wanted if "second_email" in values}
    own: set[str] = set()
    for chunk in in_chunks(telling, CHUNK):
        settled = _PERSON.c.second_email_confirmed_at.is_not(None)
        query = select(_PERSON.c.email).where(_PERSON.c.email.in_(chunk) & settled)
        own.update(session.scalars(query))
    return [(row, _without(values) if row.email in own else values) for row, values in wanted]


def _without(values: Values) -> Values:
    return {name: value for name, value in values.items() if name != "second_email"}


Key = tuple[Any, ...]
Moved = tuple[Values | RowMapping | None, Values]


@dataclass(frozen=True)
class Target:
    """A table; the columns that name a row in it; and the others, as they are when left out.

    A column without which no row can be new stands in ``empty`` with None. What files say
    nothing of stands in ``untold``, as a new row has it; a changed row keeps it.
    """

    table: str
    keys: tuple[str, ...]
    empty: dict[str, Any]
    untold: dict[str, Any] = field(default_factory=dict)


TARGETS = {
    "people": Target(
        "person",
        ("email",),
        {"name": None, "second_email": None, "highest_degree": "none", "provides_rsc": False},
    ),
    "endorsements": Target(
        "endorsement", ("person_id", "association", "category", "starts_on"), {"ends_on": None}
    ),
    "vetting": Target("vetting", ("person_id", "association", "starts_on"), {"ends_on": None}),
    "memberships": Target(
        "membership", ("person_id", "organization", "starts_on"), {"ends_on": None}
    ),
    "applications": Target(
        "application",
        ("person_id", "association", "category", "opened_on"),
        {"submitted_on": None, "decided_on": None, "state": "open"},
    ),
    "degrees": Target(
        "degree", ("person_id", "level", "title"), {"awarded_on": None, "transcript": "none"}
    ),
    "positions": Target(
        "position",
        ("person_id", "title", "starts_on"),
        {
            "pay": None,
            "services": None,
            "ages": None,
            "families": 0,
            "supervised": False,
            "trained": False,
            "gives_rsc": False,
            "statements": "",
            "supervisor_id": None,
            "ends_on": None,
        },
    ),
    "references": Target(
        "reference",
        ("application_id", "email"),
        {
            "name": None,
            "role": None,
            "role_confirmed": None,
            "relationship": None,
            "endorsed_by": None,
            "endorsed_as": None,
            "vetted": False,
            "signed_as": None,
            "received_at": None,
            "declined_at": None,
        },
        untold={"reminders": 0, "answered_by_link": False},
    ),
    "attestations": Target("attestation", ("application_id", "what"), {"signed_on": None}),
    "exams": Target("exam_result", ("application_id", "taken_on"), {"passed": None}),
    "leave": Target("leave", ("endorsement_id", "starts_on"), {"ends_on": None, "reason": None}),
    "waivers": Target(
        "waiver", ("endorsement_id", "cycle_starts_on", "requirement"), {"reason": None}
    ),
    "extensions": Target(
        "renewal",
        ("endorsement_id", "cycle_starts_on"),
        {"extended_due_on": None, "reason": None},
    ),
}


@dataclass
class Counts:
    """How many rows of one kind were new, were different, or were there already."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0


@dataclass
class Stored:
    """What became of the rows: counts, whom they changed, and each row's id by its key.

    ``moved`` are the table's rows that were added (None before) or changed, before and after.
    """

    counts: Counts = field(default_factory=Counts)
    touched: set[str] = field(default_factory=set)
    ids: dict[Key, int] = field(default_factory=dict)
    moved: list[Moved] = field(default_factory=list)


def upsert(session: Session, target: Target, wanted: Sequence[tuple[Row, Values]]) -> Stored:
    """Store rows, given with their values by column; what a row leaves out stays as it is."""
    table = METADATA.tables[target.table]
    anchors = {values[target.keys[0]] for _, values in wanted}
    before = {_key(target, row): row for row in rows_where(session, table, target.keys[0], anchors)}
    stored = Stored(ids={key: row["id"] for key, row in before.items()})
    added, changed = list[Values](), list[Values]()
    for row, values in wanted:
        old = before.get(_key(target, values))
        if old is None:
            added.append({**target.untold, **target.empty, **values})
        elif any(old[column] != values[column] for column in values):
            changed.append({**old, **values})
        else:
            stored.counts.unchanged += 1
            continue
        stored.touched.add(row.email)
    stored.counts.added, stored.counts.changed = len(added), len(changed)
    ids = reserve_ids(session, table, len(added))
    new = [{"id": each, **values} for each, values in zip(ids, added, strict=True)]
    insert_rows(session, table, new)
    stored.ids.update((_key(target, values), values["id"]) for values in new)
    update_rows(session, table, ("id",), tuple(target.empty), changed)
    olds = [before[_key(target, values)] for values in changed]
    stored.moved = [*((None, values) for values in new), *zip(olds, changed, strict=True)]
    return stored


def audit_events(target: Target, stored: Stored, stamp: Stamp) -> Iterator[Change]:
    """What the rows that moved were and are, in the columns of which files tell."""
    # As with what is granted on a page: the reason stays where it was written.
    columns = [name for name in (*target.keys, *target.empty) if name != "reason"]
    for before, after in stored.moved:
        old = None if before is None else {name: before[name] for name in columns}
        new = {name: after[name] for name in columns}
        yield Change(stamp.who, stamp.at, target.table, after["id"], old, new)


def _key(target: Target, values: Values | RowMapping) -> Key:
    return tuple(values[each] for each in target.keys)
