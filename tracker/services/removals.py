"""Removing wrong rows, such as somebody else's membership, and undoing that.

A row goes with everything that belongs to it, and comes back with the same ids. An operator does
it, or a coordinator with what belongs to their association. What people delete themselves is kept
here for a day, so that they can undo it. What coordinators decide is kept like it: see
`tracker.services.undo`.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, SQLModel, col
from sqlmodel import select as select_rows

from tracker.db.applications import (
    Application,
    Attestation,
    Degree,
    ExamResult,
    Position,
    Reference,
    WithdrawnReference,
)
from tracker.db.corrections import Removal
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Leave, Membership, Person, Renewal, Vetting, Waiver
from tracker.db.tables import METADATA
from tracker.services.context import (
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    lock_person,
    lock_records,
    require_other_person,
)
from tracker.services.evaluation import evaluate_people
from tracker.services.message_subjects import mark_outdated
from tracker.services.row_contents import (
    RowContents,
    Values,
    audited_values,
    collect_row,
    delete_row,
    delete_rows,
    from_json,
    to_iso,
)
from tracker.services.submitted_sessions import list_frozen

KINDS: dict[str, type[SQLModel]] = {
    "endorsement": Endorsement,
    "membership": Membership,
    "vetting": Vetting,
    "leave": Leave,
    "waiver": Waiver,
    "extension": Renewal,
    "application": Application,
    "degree": Degree,
    "position": Position,
    "reference": Reference,
    "attestation": Attestation,
    "exam": ExamResult,
    "entry": Entry,
}
MAX_REASON_LENGTH = 500
# What people delete themselves and what coordinators decide are of kinds of their own, and for
# how long they can undo it.
_BY_OWNER = "own "
DECIDED = "decided "
MAY_UNDO_FOR = timedelta(days=1)
# The columns that tell rows of a kind apart, the owner's first.
_SHOWN = (
    "association",
    "category",
    "organization",
    "activity",
    "level",
    "what",
    "title",
    "employer",
    "name",
    "email",
    "requirement",
    "held_on",
    "minutes",
    "opened_on",
    "starts_on",
    "ends_on",
    "cycle_starts_on",
    "extended_due_on",
    "taken_on",
)
# What a coordinator of the association may remove; memberships are of organizations.
_OF_ASSOCIATION = {"endorsement", "vetting", "leave", "waiver", "extension"}
# What one person holds once on any day.
_SPANS = {"endorsement": ("association", "category"), "membership": ("organization",)}


class RemovableRow(NamedTuple):
    """A row that can be removed: its id, its person, and the values by which people know it."""

    kind: str
    id: int
    person_id: int
    values: Values

    @property
    def description(self) -> str:
        """``CT-AIMH, IFS, 2021-04-01``."""
        return ", ".join(str(value) for value in self.values.values())

    def has(self, words: Iterable[str]) -> bool:
        """Whether each word is one of the row's values, as text."""
        values = {str(value).casefold() for value in self.values.values()}
        return all(word.casefold() in values for word in words)


def list_removable(session: Session, kind: str, email: str) -> list[RemovableRow]:
    """A person's rows of a kind, oldest first. Raises NotFound if nobody has the address."""
    person_id = session.exec(select_rows(Person.id).where(Person.email == email)).first()
    if person_id is None:
        raise NotFound
    model: Any = KINDS[kind]
    removable = []
    for owner in (Endorsement, Application):
        link = getattr(model, f"{owner.__tablename__}_id", None)
        if link is not None:
            owned = select_rows(model, owner).where(link == owner.id)
            for row, owned_by in session.exec(owned.where(col(owner.person_id) == person_id)):
                removable.append(_removable(kind, person_id, row, owned_by))
    if hasattr(model, "person_id"):
        for row in session.exec(select_rows(model).where(model.person_id == person_id)):
            removable.append(_removable(kind, person_id, row, None))
    # By their ids, as they are of one kind.
    return sorted(removable)


def _removable(kind: str, person_id: int, row: SQLModel, owner: SQLModel | None) -> RemovableRow:
    stored = {**(owner.model_dump() if owner else {}), **row.model_dump()}
    shown = {name: stored[name] for name in _SHOWN if stored.get(name) not in {None, ""}}
    return RemovableRow(kind, stored["id"], person_id, shown)


def remove_row(context: ServiceContext, row: RemovableRow, reason: str) -> Removal:
    """Remove a row and everything that belongs to it; return how to undo it.

    Raises NotFound if the row is gone, or is not the actor's to remove.
    """
    _check_remover(context, row)
    if not reason.strip():
        raise Refused(Refusal("reason", "reason-missing"))
    if len(reason) > MAX_REASON_LENGTH:
        raise Refused(Refusal("reason", "text-too-long", {"limit": MAX_REASON_LENGTH}))
    session = context.session
    lock_records(session, [row.person_id])
    session.flush()
    table = _table_of(row.kind)
    content = collect_row(session, table, row.id)
    if not content.rows:
        raise NotFound
    if table.name == "entry" and row.id in list_frozen(session, [row.person_id]):
        raise Refused(Refusal("reason", "entry-of-submitted"))
    removal = _removal(context, row.person_id, row.kind, row.description, content)
    delete_rows(context, content.rows)
    removal.reason = reason.strip()
    context.create_row(removal, {"person_id", "kind", "description", "reason"})
    session.expire_all()
    evaluate_people(session, context.rulebooks, {row.person_id}, context.now)
    return removal


def _table_of(kind: str) -> Table:
    return METADATA.tables[str(KINDS[kind].__tablename__)]


def _removal(
    context: ServiceContext, person_id: int, kind: str, description: str, content: RowContents
) -> Removal:
    """A removal that is not stored yet."""
    table = _table_of(kind.removeprefix(_BY_OWNER))
    latest = context.session.connection().execute(select(func.max(table.c.id))).scalar_one()
    kept = {"rows": content.rows, "links": content.links, "latest": latest}
    return Removal(
        person_id=person_id,
        kind=kind,
        description=description[:MAX_REASON_LENGTH],
        reason="deleted by its owner",
        removed_at=context.now,
        removed_by=context.actor.label,
        logged_at=content.rows[0][1].get("logged_at"),
        content=json.dumps(kept, default=to_iso),
    )


def keep_for_undo(
    context: ServiceContext,
    kind: str,
    row_id: int,
    description: str,
    subject_id: int | None = None,
) -> RowContents:
    """Keep a row of the actor's that is about to be deleted for a day; return what is kept.

    ``subject_id`` is what it belongs to, by which `find_own_deletion` finds it.
    """
    session = context.session
    forget_old_deletions(session, context.now)
    content = collect_row(session, _table_of(kind), row_id)
    removal = _removal(context, context.person_id, _BY_OWNER + kind, description, content)
    removal.subject_id = subject_id
    # The deletion has an audit event of its own.
    session.add(removal)
    session.flush()
    return content


def find_own_deletion(
    session: Session,
    person_id: int,
    kind: str,
    now: datetime,
    subject_id: int | None = None,
) -> Removal | None:
    """What a person deleted last and can still undo."""
    query = (
        select_rows(Removal)
        .where(
            Removal.person_id == person_id,
            Removal.kind == _BY_OWNER + kind,
            Removal.subject_id == subject_id,
            col(Removal.undone_at).is_(None),
            col(Removal.removed_at) > now - MAY_UNDO_FOR,
        )
        .order_by(col(Removal.id).desc())
    )
    return session.exec(query).first()


def find_deletion_of(
    session: Session, person_id: int, kind: str, row_id: int, now: datetime
) -> Removal | None:
    """The deletion of one row by its owner, if it can still be undone."""
    query = select_rows(Removal).where(
        Removal.person_id == person_id,
        Removal.kind == _BY_OWNER + kind,
        col(Removal.undone_at).is_(None),
        col(Removal.removed_at) > now - MAY_UNDO_FOR,
    )
    for removal in session.exec(query):
        if json.loads(removal.content)["rows"][0][1]["id"] == row_id:
            return removal
    return None


def get_own_deletion(context: ServiceContext, kind: str, removal_id: int) -> Removal:
    """A deletion of the actor's own, undone or not. Raises NotFound if it is too late."""
    removal = context.session.get(Removal, removal_id, populate_existing=True)
    if removal is None or (removal.person_id, removal.kind) != (
        context.person_id,
        _BY_OWNER + kind,
    ):
        raise NotFound
    if removal.undone_at is None and removal.removed_at <= context.now - MAY_UNDO_FOR:
        raise NotFound
    return removal


def get_latest_id(removal: Removal) -> int:
    """The highest id in the table of what was removed, when that was removed."""
    content = json.loads(removal.content)
    # What was removed before this was kept has only its own.
    latest: int = content.get("latest") or content["rows"][0][1]["id"]
    return latest


def get_first_row(removal: Removal) -> tuple[str, Values]:
    """The row that was deleted, to which the others belonged: its table and values."""
    name, values = json.loads(removal.content)["rows"][0]
    return name, from_json(METADATA.tables[name], values)


def forget_old_deletions(session: Session, now: datetime) -> int:
    """Delete for good what people deleted or decided and can no longer undo; return how many."""
    is_kept_a_day = or_(
        col(Removal.kind).startswith(_BY_OWNER), col(Removal.kind).startswith(DECIDED)
    )
    is_over = col(Removal.removed_at) <= now - MAY_UNDO_FOR
    return session.exec(delete(Removal).where(is_kept_a_day, is_over)).rowcount


def list_removals(session: Session) -> list[tuple[Removal, str]]:
    """Every removal with the person's address, newest first."""
    query = select_rows(Removal, Person.email).join(Person)
    return list(session.exec(query.order_by(col(Removal.id).desc())).all())


def lock_removal(context: ServiceContext, removal_id: int) -> Removal:
    """A removal that is not undone; nobody else undoes it meanwhile.

    Raises NotFound for an unknown one, and Refused if it was undone before.
    """
    session = context.session
    removal = session.get(Removal, removal_id)
    if removal is None:
        raise NotFound
    lock_person(session, removal.person_id)
    removal = session.get(Removal, removal_id, populate_existing=True)
    if removal is None:
        raise NotFound
    if removal.undone_at is not None:
        raise Refused(Refusal("removal", "removal-undone"))
    return removal


def restore(context: ServiceContext, removal: Removal) -> list[str]:
    """Bring back what a removal deleted; return what could not be linked to it again, and why.

    The caller has checked who may. Raises Refused if something has taken its place.
    """
    session = context.session
    content = json.loads(removal.content)
    rows = [(METADATA.tables[name], values) for name, values in content["rows"]]
    rows = [(table, from_json(table, values)) for table, values in rows]
    _check_place(session, removal, rows[0])
    for name, key in content.get("created", ()):
        delete_row(session, METADATA.tables[name], key)
    _insert(context, rows)
    _forget_withdrawal(session, *rows[0])
    kept = [*_link_rows(session, content["links"]), *_move_rows(session, content.get("moved", []))]
    undone = {"undone_at": context.now, "undone_by": context.actor.label}
    # What people undo themselves has no other event than that of each row.
    audited = set() if removal.kind.startswith(_BY_OWNER) else {"undone_by"}
    context.update_row(removal, audited, **undone)
    session.expire_all()
    people = {values["id"] for table, values in rows if table.name == Person.__tablename__}
    if people:
        mark_outdated(session, {removal.person_id, *people})
    evaluate_people(session, context.rulebooks, {removal.person_id, *people}, context.now)
    return kept


def _link_rows(session: Session, links: Iterable[Any]) -> Iterator[str]:
    """Link rows to what is back, and yield those that can't be linked, and why."""
    for name, key, column, linked in links:
        if not _link_again(session, METADATA.tables[name], key, {column: linked}):
            what = _describe_row(session, METADATA.tables[name], key)
            yield f"{what}: it was deleted or linked to something else meanwhile"


def _move_rows(session: Session, moved: Sequence[Any]) -> Iterator[str]:
    """Move rows back to the person from whom they came, and yield those that stay, and why."""
    for name, key, before, after in reversed(moved):
        if not _move_back(session, METADATA.tables[name], key, before, after):
            what = _describe_row(session, METADATA.tables[name], key)
            yield f"{what}: it was deleted or changed meanwhile"


def _describe_row(session: Session, table: Table, key: Values) -> str:
    """``the membership of Alice Moreno (CT-AIMH, 2026-01-01)``, in the words of people."""
    kind = table.name.replace("_", " ")
    same = [table.c[name] == value for name, value in from_json(table, key).items()]
    found = session.connection().execute(select(table).where(*same)).mappings().first()
    if found is None:
        return f"a row ({kind}) that is gone"
    values = dict(found)
    owner = session.get(Person, values.get("person_id") or 0)
    whose = f" of {owner.name} <{owner.email}>" if owner else ""
    shown = _describe_values(values)
    return f"the {kind}{whose}" + (f" ({shown})" if shown else "")


def _forget_withdrawal(session: Session, table: Table, values: Values) -> None:
    """A referee who is back was not removed, for later imports."""
    if table.name == Reference.__tablename__:
        withdrawn = delete(WithdrawnReference).where(
            col(WithdrawnReference.application_id) == values["application_id"],
            col(WithdrawnReference.email) == values["email"],
        )
        session.exec(withdrawn)


def _insert(context: ServiceContext, rows: Sequence[tuple[Table, Values]]) -> None:
    """Insert rows, with audit events. Raises Refused if the database refuses one."""
    session = context.session
    inserted = []
    try:
        with session.begin_nested():
            for table, values in rows:
                statement = insert(table).values(_without_reused_id(table, values))
                key = session.connection().execute(statement.returning(*table.primary_key))
                inserted.append((table, {**values, **key.mappings().one()}))
    except IntegrityError:
        raise Refused(_explain_conflict(session, *rows[0])) from None
    for table, values in inserted:
        if "id" in values:
            context.record_change(table.name, values["id"], after=audited_values(values))


def _without_reused_id(table: Table, values: Values) -> Values:
    """The values without an id that SQLite may have given to another row since.

    No removed row refers to such an id, so that another one is as good.
    """
    if table.dialect_options["sqlite"]["autoincrement"]:
        return values
    return {name: value for name, value in values.items() if name != "id"}


def _explain_conflict(session: Session, table: Table, values: Values) -> Refusal:
    """What has taken the place of a row that can't be brought back, or that nothing has."""
    found = _find_same_key(session, table, values)
    if found is None:
        return Refusal("removal", "removal-conflicts")
    if table.name == Person.__tablename__:
        facts = {"email": found["email"], "name": found["name"]}
        return Refusal("removal", "removal-address-taken", facts)
    facts = {"kind": table.name.replace("_", " "), "taken_by": _describe_values(found)}
    return Refusal("removal", "removal-place-taken", facts)


def _find_same_key(session: Session, table: Table, values: Values) -> Values | None:
    keys = [names for names in list_keys(table) if None not in [values[name] for name in names]]
    for names in keys:
        same = [table.c[name] == values[name] for name in names]
        found = session.connection().execute(select(table).where(*same)).mappings().first()
        if found is not None:
            return dict(found)
    return None


def _describe_values(values: Values) -> str:
    """``CT-AIMH, IFS, 2021-04-01``: the values by which people know a row."""
    shown = [values[name] for name in _SHOWN if values.get(name) not in {None, ""}]
    return ", ".join(str(value) for value in shown)


def list_keys(table: Table) -> list[list[str]]:
    """The columns of each unique key of a table."""
    keys = (UniqueConstraint, PrimaryKeyConstraint)
    found = [each for each in table.constraints if isinstance(each, keys)]
    return [[column.name for column in key.columns] for key in found]


def get_removable(context: ServiceContext, kind: str, person_id: int, row_id: int) -> RemovableRow:
    """A row of a person that the actor may remove. Raises NotFound."""
    person = context.session.get(Person, person_id)
    if person is not None:
        for row in list_removable(context.session, kind, person.email):
            if row.id == row_id:
                _check_remover(context, row)
                return row
    raise NotFound


def _check_remover(context: ServiceContext, row: RemovableRow) -> None:
    """An operator may remove every row, a coordinator one that belongs to their association."""
    actor = context.actor
    if actor.is_operator:
        return
    if row.kind == "membership":
        accepted = set[str]()
        for association in actor.coordinates:
            accepted |= context.rulebooks.accepted_by(association)
        is_own = row.values.get("organization") in accepted
    else:
        is_own = row.kind in _OF_ASSOCIATION and row.values.get("association") in actor.coordinates
    if not is_own:
        raise NotFound
    require_other_person(context, row.person_id)


def require_operator(context: ServiceContext) -> None:
    """Raise NotFound for anybody but an operator."""
    if not context.actor.is_operator:
        raise NotFound


def _link_again(session: Session, table: Table, key: Values, link: Values) -> bool:
    """Set a row's link if the row is still there and has none."""
    [(column, linked)] = link.items()
    same = [table.c[name] == value for name, value in key.items()]
    free = update(table).where(*same, table.c[column].is_(None)).values({column: linked})
    return session.connection().execute(free).rowcount == 1


def _move_back(session: Session, table: Table, key: Values, before: Values, after: Values) -> bool:
    """Change columns of a row back if the row still is as the merge of two records left it."""
    same = {**from_json(table, key), **from_json(table, after)}
    is_same = [table.c[name].is_not_distinct_from(value) for name, value in same.items()]
    statement = update(table).where(*is_same).values(from_json(table, before))
    return session.connection().execute(statement).rowcount == 1


def _check_place(session: Session, removal: Removal, first: tuple[Table, Values]) -> None:
    """Raise Refused if the person holds the same thing on days of the removed row by now."""
    table, values = first
    if removal.kind not in _SPANS:
        return
    same = [table.c[name] == values[name] for name in ("person_id", *_SPANS[removal.kind])]
    last = values["ends_on"] or date.max
    for other in session.connection().execute(select(table).where(*same)).mappings():
        other_last = other["ends_on"] or date.max
        if other["starts_on"] <= last and values["starts_on"] <= other_last:
            facts = {"kind": removal.kind, "starts_on": other["starts_on"]}
            raise Refused(Refusal("removal", "removal-replaced", facts))
