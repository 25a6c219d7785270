"""What a coordinator changes on the desk: previewed, done as one unit, and undone as one.

A `ChangePlan` names the people and tables that its work may change; the work is any service. The
rows are read before and after it, and what differs is kept, so no service has to know how it is
undone. `tracker.services.desk_previews` does the same work, and rolls it back.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import Table, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, SQLModel, col, func
from sqlmodel import select as select_rows

from tracker.db.corrections import Removal
from tracker.db.desk import ChangedRow, DeskChange
from tracker.db.log import Entry
from tracker.db.people import Person
from tracker.db.statements import in_chunks, insert_rows
from tracker.db.tables import METADATA
from tracker.refusal_text import format_refusal
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext, lock_records
from tracker.services.dead_addresses import MARKS
from tracker.services.desk_access import check_association
from tracker.services.email_changes import return_access
from tracker.services.evaluation import evaluate_people
from tracker.services.message_subjects import mark_outdated
from tracker.services.row_contents import audited_values, from_json, to_plain
from tracker.services.row_links import LinksInUse
from tracker.services.row_owners import find_owner
from tracker.services.undo import DERIVED_COLUMNS
from tracker.services.unmerging import reverse_removal_or_merge

MAY_UNDO_FOR = timedelta(days=30)
# As long as a browser may take to send a form again, such as after a lost connection.
_SENT_TWICE = timedelta(hours=1)
REVERSED, CHANGED, REFUSED = "reversed", "changed", "refused"
_HIDDEN = {**DERIVED_COLUMNS, "person": {*MARKS}}
# What is worked out or sent because of a row, and goes with it.
_GOES_ALONG = {
    "notice",
    "standing",
    "standing_history",
    "settled_cycle",
    "provider_span",
    "endorsement_end",
    "snooze",
    "certificate",
}
_KEPT_WITHOUT_PERSON = "outbox"
_MANY = 500
_LONGEST_NOTE = 300


@dataclass(frozen=True, slots=True)
class ChangePlan:
    """What a coordinator is about to change: the work, and whose rows of which tables it may touch.

    ``title`` is an imperative ("Waive 1 hour of DEIA for Alice Moreno"). ``tables`` stand in such
    an order that each refers to earlier ones only. The work may return ids of people it created.
    ``form`` is a digest of all that a form has sent: it is saved once, also if it comes twice.
    """

    association: str
    title: str
    person_ids: frozenset[int]
    tables: tuple[str, ...]
    work: Callable[[ServiceContext], Collection[int] | None]
    reason: str = ""
    form: str | None = None


class UndoneRecord(NamedTuple):
    """What undoing a change did with the rows of one person, and why if it did nothing.

    ``outcome`` is "reversed"; "changed": something changed since, so they were kept; or "refused":
    something else has taken the place.
    """

    person_id: int | None
    name: str
    outcome: str
    note: str


class OwnedRow(NamedTuple):
    """A row as JSON has it, and the person to whom it belongs."""

    person_id: int
    values: dict[str, Any]


class _StoredRow(NamedTuple):
    """A `ChangedRow`; not as an object, because there can be many."""

    id: int
    person_id: int | None
    row_key: str
    before: str | None
    after: str | None


Rows = dict[str, OwnedRow]
_NOBODY = OwnedRow(0, {})


class _Kept(Exception):  # noqa: N818 - reads as the sentence it is
    """The rows of a person stay as they are: the outcome, and why."""


def apply_change(context: ServiceContext, plan: ChangePlan, state: str = "") -> DeskChange:
    """Do what the plan says, and keep how to undo it; or return what its form has done already.

    ``state`` is that of the preview. Raises Refused if the work does, or if the rows are not those
    of the preview any more.
    """
    check_association(context.actor, plan.association)
    session = context.session
    lock_records(session, plan.person_ids)
    session.flush()
    if plan.form and (saved := find_saved(context, plan.association, plan.form)):
        return saved
    before = read_rows(session, plan.tables, plan.person_ids)
    if state and state != digest_rows(before):
        raise Refused(Refusal("state", "changed-since-preview"))
    people = plan.person_ids | set(plan.work(context) or ())
    after = read_rows(session, plan.tables, people)
    forget_old_rows(session, context.now)
    change = DeskChange(
        association=plan.association,
        title=plan.title,
        reason=plan.reason,
        made_at=context.now,
        made_by=context.actor.label,
        form=plan.form,
    )
    session.add(change)
    session.flush()
    _keep_rows(session, change.id, before, after)
    return change


def find_saved(context: ServiceContext, association: str, form: str) -> DeskChange | None:
    """What the same form did when it came first, a moment ago; None if that was undone since."""
    query = select_rows(DeskChange).where(
        DeskChange.association == association,
        col(DeskChange.made_at) > context.now - _SENT_TWICE,
        DeskChange.made_by == context.actor.label,
        col(DeskChange.undone_at).is_(None),
        DeskChange.form == form,
    )
    return context.session.exec(query).first()


def apply_difference(
    context: ServiceContext, plan: ChangePlan, state: str = ""
) -> DeskChange | None:
    """Do what the plan says, as `apply_change` does; None, and nothing to undo, if all was so."""
    change = apply_change(context, plan, state)
    query = select_rows(func.count()).where(col(ChangedRow.change_id) == change.id)
    if context.session.exec(query).one():
        return change
    context.session.delete(change)
    context.session.flush()
    return None


def list_changes(
    session: Session, associations: Collection[str], *, skip: int = 0, limit: int
) -> Sequence[DeskChange]:
    """What was changed on the desks of these associations, newest first."""
    query = select_rows(DeskChange).where(col(DeskChange.association).in_(associations))
    return session.exec(query.order_by(col(DeskChange.id).desc()).offset(skip).limit(limit)).all()


def count_changes(session: Session, associations: Collection[str]) -> int:
    """How many changes `list_changes` has in all."""
    query = select_rows(func.count()).where(col(DeskChange.association).in_(associations))
    return session.exec(query).one()


def find_change(
    session: Session, associations: Collection[str], change_id: int
) -> DeskChange | None:
    """A change on the desk of one of these associations."""
    change = session.get(DeskChange, change_id)
    return change if change and change.association in associations else None


def list_people_of(session: Session, change_id: int) -> list[UndoneRecord]:
    """Whose rows a change touched, by name; ``outcome`` is empty unless it was undone."""
    query = (
        select_rows(
            ChangedRow.person_id,
            ChangedRow.name,
            func.coalesce(func.max(ChangedRow.outcome), ""),
            func.coalesce(func.max(ChangedRow.note), ""),
        )
        .where(ChangedRow.change_id == change_id)
        .group_by(col(ChangedRow.person_id), ChangedRow.name)
        .order_by(ChangedRow.name)
    )
    return [UndoneRecord(*row) for row in session.exec(query)]


def may_undo(change: DeskChange, now: datetime) -> bool:
    """Whether a change is not undone yet, recent enough, and has all that undoing it needs."""
    is_open = change.undone_at is None and change.undo_ended_at is None
    return is_open and change.made_at > now - MAY_UNDO_FOR


def end_undo(session: Session, change_ids: Collection[int], now: datetime) -> None:
    """Let nobody undo these changes: something that this needs is deleted."""
    ended = update(DeskChange).where(col(DeskChange.id).in_(change_ids))
    session.exec(ended.values(undo_ended_at=now))


def undo_change(context: ServiceContext, change_id: int) -> list[UndoneRecord]:
    """Undo a change, person by person; doing it twice is like once.

    The rows of a person are kept if one of them changed since. If all are kept, the change can be
    undone later, when what came after it is undone. Raises NotFound for a change on another
    association's desk, and Refused if it can't be undone anymore.
    """
    session = context.session
    # Of two who undo it at once, the second one finds it undone.
    change = session.get(DeskChange, change_id, populate_existing=True, with_for_update=True)
    if change is None:
        raise NotFound
    check_association(context.actor, change.association)
    if change.undone_at is None:
        if change.undo_ended_at is not None:
            raise Refused(Refusal("undo", "desk-undo-ended"))
        if not may_undo(change, context.now):
            raise Refused(Refusal("undo", "desk-undo-too-late", {"days": MAY_UNDO_FOR.days}))
        _undo_rows(context, change_id)
        if not are_all_kept(list_people_of(session, change_id)):
            change.undone_at, change.undone_by = context.now, context.actor.label
            session.add(change)
            session.flush()
    return list_people_of(session, change_id)


def are_all_kept(records: Sequence[UndoneRecord]) -> bool:
    """Whether undoing a change reversed nothing of it, although it has records."""
    return bool(records) and all(record.outcome != REVERSED for record in records)


def list_made_within(
    session: Session, changes: Iterable[DeskChange], label: str, tables: Collection[str]
) -> set[int]:
    """Which of these changes an actor made that touched nothing but rows of ``tables``."""
    own = {change.id: set[str]() for change in changes if change.made_by == label}
    query = select_rows(ChangedRow.change_id, ChangedRow.row_key).where(
        col(ChangedRow.change_id).in_(own)
    )
    for change_id, key in session.exec(query):
        own[change_id].add(key.partition(":")[0])
    return {change_id for change_id, touched in own.items() if touched and touched <= {*tables}}


def list_reversed(session: Session, change_id: int) -> list[tuple[str, int]]:
    """The rows that undoing a change has deleted or changed back, each its table and id."""
    query = select_rows(ChangedRow.row_key).where(
        ChangedRow.change_id == change_id,
        ChangedRow.outcome == REVERSED,
        col(ChangedRow.after).is_not(None),
    )
    keys = [key.split(":") for key in session.exec(query)]
    return [(parts[0], int(parts[1])) for parts in keys if len(parts) == 2]  # noqa: PLR2004


def _undo_rows(context: ServiceContext, change_id: int) -> None:
    session = context.session
    rows = _list_stored_rows(session, change_id)
    created = [(_table_of(row.row_key), _load(row.after)) for row in rows if row.before is None]
    links = LinksInUse(session, [(table, after) for table, after in created if after])
    reversed_people = set[int]()
    outcomes = defaultdict[tuple[str, str], list[int]](list)
    for person_id, group in groupby(rows, key=lambda row: row.person_id):
        own = list(group)
        outcome, note = REVERSED, ""
        if person_id is None:
            outcome, note = CHANGED, "the record is gone"
        else:
            lock_records(session, [person_id])
            try:
                with session.begin_nested():
                    _reverse(context, own, links)
                reversed_people.add(person_id)
            except _Kept as kept:
                outcome, note = kept.args
        outcomes[outcome, note] += [row.id for row in own]
    _keep_outcomes(session, outcomes)
    session.expire_all()
    there = set(session.exec(select_rows(Person.id).where(col(Person.id).in_(reversed_people))))
    mark_outdated(session, there)
    evaluate_people(session, context.rulebooks, there, context.now)


def _list_stored_rows(session: Session, change_id: int) -> list[_StoredRow]:
    """The rows of a change, by person."""
    query = select_rows(*(col(getattr(ChangedRow, name)) for name in _StoredRow._fields))
    query = query.where(ChangedRow.change_id == change_id)
    in_order = query.order_by(col(ChangedRow.person_id), col(ChangedRow.id))
    return [_StoredRow(*row) for row in session.exec(in_order)]


def _keep_outcomes(session: Session, outcomes: Mapping[tuple[str, str], Sequence[int]]) -> None:
    table = METADATA.tables[str(ChangedRow.__tablename__)]
    for (outcome, note), row_ids in outcomes.items():
        statement = update(table).values(outcome=outcome, note=note or None)
        for ids in in_chunks(row_ids, _MANY):
            session.connection().execute(statement.where(table.c.id.in_(ids)))


def _reverse(context: ServiceContext, rows: Sequence[_StoredRow], links: LinksInUse) -> None:
    """Give rows their values from before a change. Raises _Kept if one of them changed since."""
    removals = [row for row in rows if row.before is None and _is_of(Removal, row.row_key)]
    for row in reversed(removals):
        _, number = row.row_key.split(":")
        _reverse_removal(context, int(number))
    if not removals:
        _reverse_rows(context, rows, links)


def _reverse_rows(context: ServiceContext, rows: Sequence[_StoredRow], links: LinksInUse) -> None:
    changes = [(row.row_key, _load(row.before), _load(row.after)) for row in rows]
    _require_unchanged(context.session, {key: after for key, _, after in changes})
    # Created rows go first, the last ones that refer to others before those: then what was deleted
    # comes back in the order of the tables.
    for key, before, after in reversed(changes):
        if before is None and after is not None:
            _delete_created(context, key, after, links)
    for key, before, after in changes:
        if before is not None:
            _bring_back(context, key, before, after)


def _bring_back(
    context: ServiceContext, key: str, before: dict[str, Any], after: dict[str, Any] | None
) -> None:
    _write(context, key, before, after)
    if after is not None and _is_of(Person, key):
        return_access(context.session, before, after)


def _require_unchanged(session: Session, rows: Mapping[str, Mapping[str, Any] | None]) -> None:
    for key, after in rows.items():
        if _read_row(session, key) != after:
            raise _Kept(CHANGED, f"the {_name_of(key)} changed since")


def _is_of(model: type[SQLModel], key: str) -> bool:
    """Whether a row is one of a table."""
    return key.startswith(f"{model.__tablename__}:")


def _reverse_removal(context: ServiceContext, removal_id: int) -> None:
    """Bring back what was removed, or part two merged records: the removal knows how."""
    try:
        reverse_removal_or_merge(context, removal_id)
    except Refused as refused:
        first = refused.refusals[0]
        raise _Kept(REFUSED, format_refusal(first.code, first.facts)[:_LONGEST_NOTE]) from None


def _delete_created(
    context: ServiceContext, key: str, values: dict[str, Any], links: LinksInUse
) -> None:
    table, same = _locate(key)
    connection = context.session.connection()
    for link in links.list_links(table, values):
        other = link.table
        # Of a link by several columns, one alone would match other rows of the person.
        refers = and_(*(each.parent == values[each.column.name] for each in link.elements))
        if other.name in _GOES_ALONG:
            connection.execute(delete(other).where(refers))
        elif other.name == _KEPT_WITHOUT_PERSON:
            emptied = dict.fromkeys(link.column_keys)
            connection.execute(update(other).where(refers).values(emptied))
        elif connection.execute(select(link.elements[0].parent).where(refers)).first():
            raise _Kept(CHANGED, f"a row ({other.name.replace('_', ' ')}) was added since")
    try:
        connection.execute(delete(table).where(*same))
    except IntegrityError:
        _keep_submitted(key)
        raise
    _record(context, key, before=values, after=None)


def _keep_submitted(key: str) -> None:
    """Raise _Kept if a row is a session: those of a submitted renewal stay as they are."""
    if _is_of(Entry, key):
        raise _Kept(REFUSED, "the session belongs to a submitted renewal") from None


def _write(
    context: ServiceContext, key: str, before: dict[str, Any], after: dict[str, Any] | None
) -> None:
    """Bring back a deleted row, or give a changed one its former values."""
    table, same = _locate(key)
    values = from_json(table, before)
    statement: Any = update(table).where(*same).values(values)
    if after is None:
        statement = insert(table).values(values)
    try:
        context.session.connection().execute(statement)
    except IntegrityError:
        if after is not None:
            _keep_submitted(key)
        raise _Kept(REFUSED, f"something else has taken the place of the {_name_of(key)}") from None
    _record(context, key, before=after, after=before)


def _record(
    context: ServiceContext,
    key: str,
    *,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> None:
    table, number, *_ = key.split(":")
    context.record_change(
        table,
        int(number),
        before=None if before is None else audited_values({**before}),
        after=None if after is None else audited_values({**after}),
    )


def _keep_rows(session: Session, change_id: int, before: Rows, after: Rows) -> None:
    rows: list[dict[str, Any]] = []
    for key, was, now in list_differences(before, after):
        rows.append(
            {
                "change_id": change_id,
                "person_id": (now or was or _NOBODY).person_id,
                "row_key": key,
                "before": json.dumps(was.values) if was else None,
                "after": json.dumps(now.values) if now else None,
            }
        )
    names = dict[int, str]()
    for ids in in_chunks(sorted({row["person_id"] for row in rows}), _MANY):
        query = select_rows(Person.id, Person.name).where(col(Person.id).in_(ids))
        names.update(session.exec(query).all())
    insert_rows(session, ChangedRow, [{**row, "name": names[row["person_id"]]} for row in rows])


def list_differences(
    before: Rows, after: Rows
) -> Iterator[tuple[str, OwnedRow | None, OwnedRow | None]]:
    """The rows that differ, each with its key, and as it was before and after."""
    for key in dict.fromkeys([*before, *after]):
        was, now = before.get(key), after.get(key)
        if was is None or now is None or was.values != now.values:
            yield key, was, now


def read_rows(session: Session, tables: Iterable[str], people: Collection[int]) -> Rows:
    """The rows of people in these tables, by table and primary key, in the order of the tables."""
    session.flush()
    rows: Rows = {}
    for name in tables:
        table = METADATA.tables[name]
        owner, joined = find_owner(table)
        for ids in in_chunks(sorted(people), _MANY):
            query = select(table, owner.label("owner")).select_from(joined)
            found = session.connection().execute(query.where(owner.in_(ids))).mappings()
            for row in found.all():
                values = {column.name: row[column.name] for column in table.columns}
                rows[_key_of(table, values)] = OwnedRow(row["owner"], _plain(table, values))
    return rows


def _read_row(session: Session, key: str) -> dict[str, Any] | None:
    table, same = _locate(key)
    found = session.connection().execute(select(table).where(*same)).mappings().first()
    return None if found is None else _plain(table, dict(found))


def _key_of(table: Table, values: Mapping[str, Any]) -> str:
    return ":".join([table.name, *(str(values[column.name]) for column in table.primary_key)])


def _locate(key: str) -> tuple[Table, list[Any]]:
    """The table of a key, and the conditions that find its row."""
    table = _table_of(key)
    columns = list(table.primary_key)
    # The key of an imported row, the last column, can have colons of its own.
    _, *parts = key.split(":", len(columns))
    numbered = {
        column.name: int(part) if column.type.python_type is int else part
        for column, part in zip(columns, parts, strict=True)
    }
    return table, [table.c[name] == value for name, value in from_json(table, numbered).items()]


def _table_of(key: str) -> Table:
    return METADATA.tables[key.partition(":")[0]]


def _plain(table: Table, values: dict[str, Any]) -> dict[str, Any]:
    hidden = _HIDDEN.get(table.name, set())
    return to_plain({name: value for name, value in values.items() if name not in hidden})


def _load(text: str | None) -> dict[str, Any] | None:
    values: dict[str, Any] | None = json.loads(text) if text else None
    return values


def digest_rows(rows: Rows) -> str:
    """Names the rows and their values: other rows have another digest."""
    text = json.dumps({key: row.values for key, row in rows.items()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _name_of(key: str) -> str:
    return key.partition(":")[0].replace("_", " ")


def forget_old_rows(session: Session, now: datetime) -> int:
    """Delete the rows of changes that can no longer be undone, and count them; the changes stay."""
    old = select_rows(DeskChange.id).where(col(DeskChange.made_at) <= now - MAY_UNDO_FOR)
    return session.exec(delete(ChangedRow).where(col(ChangedRow.change_id).in_(old))).rowcount
