"""Merging two records of one person: everything of the one moves to the other.

It happens if someone's name or address changed and both were imported. What moves keeps its id, so
its history stays with it. `tracker remove undo` brings the second record back.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    ForeignKey,
    Table,
    and_,
    delete,
    func,
    select,
    update,
)
from sqlmodel import Session, col
from sqlmodel import select as select_rows

from tracker.addresses import is_erased_address
from tracker.db.access import Unsubscribed
from tracker.db.audit import Change, record_changes
from tracker.db.corrections import FormerEmail, Removal
from tracker.db.ledgers import StandingRow
from tracker.db.log import Entry
from tracker.db.people import DEGREES, Endorsement, Person
from tracker.db.statements import upsert
from tracker.db.tables import METADATA
from tracker.plain_text import plain_name
from tracker.services.context import (
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
    check_text,
    lock_records,
)
from tracker.services.evaluation import StoredResult, evaluate_people, parse_results
from tracker.services.merge_checks import check_merged, check_renewals
from tracker.services.message_subjects import mark_outdated
from tracker.services.person_facts import check_sole_person
from tracker.services.registry_consent import find_listings_to_end
from tracker.services.removals import list_keys
from tracker.services.row_contents import audited_values, to_iso

MERGE = "merge"
Similar = Literal["same", "new"]
_Values = dict[str, Any]
# Evaluation writes these anew.
_DERIVED = {"standing", "provider_span", "endorsement_end"}
# The second record's: nobody is signed in as it any more.
_ACCESS = {"web_session", "sign_in", "calendar_feed"}
# If both records have one of these, the kept record's stays.
_KEPT_FIRST = {
    "notice",
    "settled_cycle",
    "standing_history",
    "imported_row",
    "mail_off",
    "entry_confirmation",
    "entry_decision",
    "person_mark",
    # Whether one of them stays in force: `find_listings_to_end`.
    "registry_listing",
}
# What may differ in rows that are the same.
_NOT_COMPARED = {"id", "reason", "recorded_by"}
# What the overview of a record counts, with the column that names the person.
_HOLDINGS = (
    ("endorsements", "endorsement", "person_id"),
    ("memberships", "membership", "person_id"),
    ("vettings", "vetting", "person_id"),
    ("sessions logged", "entry", "person_id"),
    ("files", "evidence", "person_id"),
    ("sessions as a provider", "entry", "provider_id"),
    ("group sessions led", "group_session", "provider_id"),
    ("requests to confirm a session", "group_member", "person_id"),
    ("applications", "application", "person_id"),
    ("degrees", "degree", "person_id"),
    ("positions", "position", "person_id"),
)


class Double(NamedTuple):
    """A session that both records have: the same day, activity, and length."""

    kept_id: int
    other_id: int
    held_on: date
    activity: str
    minutes: int
    titles: tuple[str, str]


class StandingLine(NamedTuple):
    """One stored standing, and what is short in it."""

    association: str
    category: str
    cycle_starts_on: date
    status: str
    short: tuple[StoredResult, ...]


@dataclass(frozen=True, slots=True)
class RecordSummary:
    """What a record holds: how many of each kind, and its standings."""

    name: str
    email: str
    second_email: str | None
    holdings: Mapping[str, int]
    standings: tuple[StandingLine, ...]


@dataclass(frozen=True, slots=True)
class MergeResult:
    """What a merge did. ``removal_id`` undoes it."""

    removal_id: int
    kept: RecordSummary
    doubles: tuple[Double, ...]


class _Move(NamedTuple):
    """Changed columns of a row; those of its ``key`` are as they were before."""

    table: str
    key: _Values
    before: _Values
    after: _Values


def find_record(session: Session, email: str) -> Person:
    """The person whose first address it is. Raises Refused if there is none."""
    person = session.exec(select_rows(Person).where(Person.email == email)).first()
    if person is None:
        raise Refused(Refusal("email", "nobody-has-email", {"email": email}))
    return person


def find_record_again(session: Session, person: Person) -> Person:
    """A person as stored now. Raises NotFound if the record is gone, or was erased."""
    found = session.get(Person, person.id, populate_existing=True)
    if found is None or is_erased_address(found.email):
        raise NotFound
    return found


def summarize_record(session: Session, person: Person) -> RecordSummary:
    """What a person's record holds."""
    counted = count_holdings(session, person.id)
    holdings = {label: counted.get(label, 0) for label, _, _ in _HOLDINGS}
    query = (
        select_rows(StandingRow, Endorsement.category)
        .join(Endorsement)
        .where(Endorsement.person_id == person.id)
        .order_by(
            col(StandingRow.association), Endorsement.category, col(StandingRow.cycle_starts_on)
        )
    )
    standings = []
    for row, category in session.exec(query):
        short = tuple(r for r in parse_results(row.requirements) if r.outcome == "short")
        standings.append(
            StandingLine(row.association, category, row.cycle_starts_on, row.status, short)
        )
    return RecordSummary(person.name, person.email, person.second_email, holdings, tuple(standings))


def count_holdings(
    session: Session, person_id: int, after: Mapping[str, int] | None = None
) -> dict[str, int]:
    """How many rows of each kind a person has; only those with an id above ``after``'s."""
    counts = dict[str, int]()
    for label, name, column in _HOLDINGS:
        table = METADATA.tables[name]
        query = select(func.count()).where(table.c[column] == person_id)
        if after is not None:
            query = query.where(table.c.id > after.get(name, 0))
        if count := session.connection().execute(query).scalar_one():
            counts[label] = count
    return counts


def _list_latest(session: Session) -> dict[str, int]:
    """The highest id in each table that holds something of a person, to tell what came later."""
    latest = dict[str, int]()
    for _, name, _ in _HOLDINGS:
        highest = select(func.max(METADATA.tables[name].c.id))
        latest[name] = session.connection().execute(highest).scalar() or 0
    return latest


def list_doubles(session: Session, kept: Person, other: Person) -> list[Double]:
    """The sessions that both records have, each once; those with the same title first."""
    free: dict[tuple[Any, ...], list[Entry]] = {}
    for entry in _list_entries(session, kept):
        free.setdefault(_likeness(entry), []).append(entry)
    doubles, rest = [], []
    for entry in _list_entries(session, other):
        same = [e for e in free.get(_likeness(entry), ()) if _has_same_title(e, entry)]
        if same:
            free[_likeness(entry)].remove(same[0])
            doubles.append(_pair(same[0], entry))
        else:
            rest.append(entry)
    for entry in rest:
        if candidates := free.get(_likeness(entry)):
            doubles.append(_pair(candidates.pop(0), entry))
    return doubles


def _pair(kept: Entry, other: Entry) -> Double:
    titles = (kept.title, other.title)
    return Double(kept.id, other.id, kept.held_on, kept.activity, kept.minutes, titles)


def _has_same_title(one: Entry, other: Entry) -> bool:
    return plain_name(one.title) == plain_name(other.title)


def _list_entries(session: Session, person: Person) -> list[Entry]:
    query = select_rows(Entry).where(Entry.person_id == person.id)
    return list(session.exec(query.order_by(col(Entry.held_on), col(Entry.id))))


def _likeness(entry: Entry) -> tuple[Any, ...]:
    return entry.held_on, entry.activity, entry.minutes


def merge_people(
    context: ServiceContext, kept: Person, other: Person, reason: str, similar: Similar | None
) -> MergeResult:
    """Move everything of ``other`` to ``kept``, delete ``other``, and evaluate again.

    ``similar`` says whether sessions that both have are the "same" (the kept record's stays, with
    the files of both) or "new" ones that both count. Raises NotFound for anybody but an operator
    and a coordinator to whose associations alone both belong, and Refused with every reason if the
    records contradict each other; the transaction must then be rolled back.
    """
    _check_actor(context, kept, other)
    session = context.session
    lock_records(session, {kept.id, other.id})
    # Somebody else may have changed, merged, or erased one while we waited.
    kept, other = (find_record_again(session, person) for person in (kept, other))
    doubles = list_doubles(session, kept, other)
    refusals = _check_input(kept, other, reason, similar, doubles)
    if refusals := [*refusals, *check_renewals(session, kept.id, other.id)]:
        raise Refused(*refusals)
    # Its row is about to go, and what it says is needed afterwards.
    session.expunge(other)
    merge = _Merge(session, {d.other_id: d.kept_id for d in doubles if similar == "same"})
    unlisted = find_listings_to_end(session, kept.id, other.id)
    merge.run(kept, other)
    merge.end_listings(kept.id, unlisted, context)
    if refusals := [*merge.refusals, *check_merged(session, kept.id)]:
        raise Refused(*refusals)
    merge.delete_rows()
    former = {"email": other.email, "person_id": kept.id, "changed_at": context.now}
    # A file or a person of earlier versions may have had the address a second time.
    upsert(session, FormerEmail, [former], key=["email"], update=["person_id", "changed_at"])
    mark_outdated(session, {kept.id})
    removal = _record(context, merge, kept, other, reason.strip())
    session.expire_all()
    people = {kept.id, *merge.supervised}
    evaluate_people(session, context.rulebooks, people, context.now)
    return MergeResult(removal.id, summarize_record(session, kept), tuple(doubles))


def _check_actor(context: ServiceContext, kept: Person, other: Person) -> None:
    for person in (kept, other):
        check_sole_person(context, person.id)


def _check_input(
    kept: Person,
    other: Person,
    reason: str,
    similar: Similar | None,
    doubles: Iterable[Double],
) -> list[Refusal]:
    if kept.id == other.id:
        return [Refusal("email", "merge-with-itself", {"email": kept.email})]
    refusals = check_text("reason", reason.strip())
    count = len(list(doubles))
    if count and similar is None:
        refusals.append(Refusal("similar", "merge-doubles", {"count": count}))
    return refusals


@dataclass
class _Merge:
    """One merge at work.

    ``doubles`` are the ids of the other record's sessions that are the kept record's, with the
    ids of those. ``rows`` are deleted, each noted before those that refer to it.
    """

    session: Session
    doubles: Mapping[int, int]
    rows: list[tuple[str, _Values]] = field(default_factory=list)
    moved: list[_Move] = field(default_factory=list)
    supervised: set[int] = field(default_factory=set)
    refusals: list[Refusal] = field(default_factory=list)

    def run(self, kept: Person, other: Person) -> None:
        """Move all rows of a person, and note those to delete."""
        self.session.flush()
        self._merge_rows(METADATA.tables["person"], kept.id, other.model_dump())
        self._move_cutoffs(str(kept.id), str(other.id))
        self._move_address(kept, other)
        self._settle_answers(kept.id)
        self._complete_person(kept, other)

    def end_listings(
        self, kept_id: int, associations: Mapping[str, str | None], context: ServiceContext
    ) -> None:
        """End listings in public registries, with why a coordinator removed them if one did."""
        table = METADATA.tables["registry_listing"]
        for values in self._list_rows(table, table.c.person_id == kept_id):
            association = values["association"]
            if association not in associations:
                continue
            ended: _Values = {}
            if values["withdrawn_at"] is None:
                ended = {"withdrawn_at": context.now, "withdrawn_by": context.actor.label}
            if reason := associations[association]:
                ended["removal_reason"] = reason
            if ended:
                self.change(table, values, **ended)

    def delete_rows(self) -> None:
        """Delete what nothing refers to any more."""
        for name, values in reversed(self.rows):
            table = METADATA.tables[name]
            same = [column == values[column.name] for column in table.primary_key]
            self.session.connection().execute(delete(table).where(*same))

    def change(self, table: Table, values: _Values, **after: object) -> None:
        """Change columns of a row, and note how to change them back."""
        key = {each.name: values[each.name] for each in table.primary_key}
        same = [table.c[name] == value for name, value in key.items()]
        self.session.connection().execute(update(table).where(*same).values(after))
        before = {name: values[name] for name in after}
        self.moved.append(_Move(table.name, key, before, after))

    def _merge_rows(self, table: Table, kept_id: int | None, other: _Values) -> None:
        """Move what refers to ``other``, which is the same as the kept row, and note it."""
        self.rows.append((table.name, other))
        if kept_id is None:
            return
        outbox = METADATA.tables["outbox"]
        about = (outbox.c.about_kind == table.name) & (outbox.c.about_id == other["id"])
        for values in self._list_rows(outbox, about):
            self.change(outbox, values, about_id=kept_id)
        for child in METADATA.sorted_tables:
            for key in child.foreign_keys:
                if key.column is table.c.id:
                    self._move_children(child, key, kept_id, other["id"])

    def _move_children(self, child: Table, key: ForeignKey, kept_id: int, other_id: int) -> None:
        column: Column[Any] = key.parent
        if child.name in _DERIVED | _ACCESS:
            self.session.connection().execute(delete(child).where(column == other_id))
            return
        for values in self._list_rows(child, column == other_id):
            if child.name == "entry_topic":
                # The kept session has its own topics.
                self._merge_rows(child, None, values)
            elif child.name == "entry" and column.name == "person_id":
                self._move_entry(child, values, kept_id)
            elif child.name == "imported_row" and column.name == "person_id":
                self._move_imported_row(child, values, kept_id)
            else:
                self._move_row(child, values, column.name, kept_id)

    def _move_row(self, table: Table, values: _Values, column: str, kept_id: int) -> None:
        """Move a row, or merge it with the kept record's row that has the same key."""
        if table.name == "entry":
            self.supervised.add(values["person_id"])
        twin = self._find_twin(table, {**values, column: kept_id}, column)
        if twin is None:
            self.change(table, values, **{column: kept_id})
        elif table.name in _KEPT_FIRST:
            self._merge_rows(table, None, values)
        elif different := _list_differences(twin, values, column):
            facts = {"kind": table.name, "kept": twin, "other": values, "different": different}
            self.refusals.append(Refusal("row", "merge-conflict", facts))
        else:
            self._merge_rows(table, twin["id"], values)

    def _move_entry(self, table: Table, values: _Values, kept_id: int) -> None:
        twin_id = self.doubles.get(values["id"])
        if twin_id is None:
            changed: _Values = {"person_id": kept_id}
            if self._find_twin(table, {**values, **changed}, "person_id"):
                changed["form_key"] = None
            self.change(table, values, **changed)
            return
        [twin] = self._list_rows(table, table.c.id == twin_id)
        if twin["provider_id"] is None and values["provider_id"] is not None:
            self.change(table, twin, provider_id=values["provider_id"], provider_name=None)
        self._merge_rows(table, twin_id, values)

    def _move_imported_row(self, table: Table, values: _Values, kept_id: int) -> None:
        """Move a row, with the next number if the kept record has one of the same content.

        The import numbers equal rows of one person, which those of both records are now.
        """
        content, colon, number = values["key"].rpartition(":")
        if not number.isdecimal() or content != values["digest"]:
            self._move_row(table, values, "person_id", kept_id)
            return
        key, count = values["key"], int(number)
        while self._find_twin(table, {**values, "person_id": kept_id, "key": key}, "person_id"):
            count += 1
            key = f"{content}{colon}{count}"
        self.change(table, values, person_id=kept_id, key=key)

    def _find_twin(self, table: Table, values: _Values, column: str) -> _Values | None:
        """The row that has a unique key of ``values`` already."""
        for names in list_keys(table):
            if column not in names or None in [values[name] for name in names]:
                continue
            same = and_(*(table.c[name] == values[name] for name in names))
            if rows := self._list_rows(table, same):
                return rows[0]
        return None

    def _move_cutoffs(self, kept_id: str, other_id: str) -> None:
        """Notices about the last day of a provider name the provider by its id."""
        table = METADATA.tables["notice"]
        is_cutoff = (table.c.kind == "provider cutoff") & (table.c.subject_key == other_id)
        for values in self._list_rows(table, is_cutoff):
            if self._find_twin(table, {**values, "subject_key": kept_id}, "subject_key") is None:
                self.change(table, values, subject_key=kept_id)

    def _list_rows(self, table: Table, where: ColumnElement[bool]) -> list[_Values]:
        rows = self.session.connection().execute(select(table).where(where)).mappings()
        return [dict(row) for row in rows]

    def _settle_answers(self, kept_id: int) -> None:
        """A question about a session that the other record answered is answered."""
        table = METADATA.tables["group_member"]
        answered: dict[int, _Values] = {}
        members = self._list_rows(table, table.c.person_id == kept_id)
        for member in members:
            if member["state"] != "asked":
                answered.setdefault(member["group_session_id"], member)
        for member in members:
            answer = answered.get(member["group_session_id"])
            if answer is not None and member["state"] == "asked":
                values = {name: answer[name] for name in ("state", "answered_at", "note")}
                self.change(table, member, **values)

    def _move_address(self, kept: Person, other: Person) -> None:
        """Move waiting mail and invitations, and what the other address does not want to get."""
        outbox, member = METADATA.tables["outbox"], METADATA.tables["group_member"]
        waiting = (outbox.c.recipient == other.email) & (outbox.c.state == "waiting")
        for values in self._list_rows(outbox, waiting):
            self.change(outbox, values, recipient=kept.email)
        invited = (member.c.email == other.email) & member.c.person_id.is_(None)
        for values in self._list_rows(member, invited):
            self.change(member, values, person_id=kept.id)
        unwanted = METADATA.tables["unsubscribed"]
        rows = self._list_rows(unwanted, unwanted.c.email == other.email)
        wanted = [{**row, "email": kept.email} for row in rows]
        upsert(self.session, Unsubscribed, wanted, key=["email", "kind", "association"])
        failure = METADATA.tables["run_failure"]
        is_about = failure.c.subject == str(other.id)
        self.session.connection().execute(delete(failure).where(is_about))

    def _complete_person(self, kept: Person, other: Person) -> None:
        """Take over what the kept record lacks."""
        taken: _Values = {}
        if other.provides_rsc and not kept.provides_rsc:
            taken["provides_rsc"] = True
        if DEGREES.index(other.highest_degree) > DEGREES.index(kept.highest_degree):
            taken["highest_degree"] = other.highest_degree
        for name in ("time_zone", "takes_supervisees_since", "provider_line"):
            if getattr(other, name) and not getattr(kept, name):
                taken[name] = getattr(other, name)
        taken |= _take_second_email(kept, other)
        if taken:
            self.change(METADATA.tables["person"], kept.model_dump(), **taken)


def _take_second_email(kept: Person, other: Person) -> _Values:
    if kept.second_email or other.second_email in {None, "", kept.email}:
        return {}
    names = ("second_email", "second_email_confirmed_at")
    return {name: getattr(other, name) for name in names}


def _list_differences(one: _Values, other: _Values, column: str) -> list[str]:
    ignored = {*_NOT_COMPARED, column}
    return [name for name in one if name not in ignored and one[name] != other[name]]


def _record(
    context: ServiceContext, merge: _Merge, kept: Person, other: Person, reason: str
) -> Removal:
    """Record what is needed to undo a merge, and the audit events."""
    record_changes(context.session, list(_list_changes(context, merge)))
    content = {
        "rows": merge.rows,
        "links": [],
        "moved": merge.moved,
        "latest": _list_latest(context.session),
        "created": [(FormerEmail.__tablename__, {"email": other.email})],
    }
    removal = Removal(
        person_id=kept.id,
        kind=MERGE,
        description=f"{other.name} <{other.email}> into {kept.name} <{kept.email}>"[:500],
        reason=reason,
        removed_at=context.now,
        removed_by=context.actor.label,
        content=json.dumps(content, default=to_iso),
    )
    context.create_row(removal, {"person_id", "kind", "description", "reason"})
    return removal


def _list_changes(context: ServiceContext, merge: _Merge) -> Iterator[Change]:
    who, now = context.actor.label, context.now
    for move in merge.moved:
        if "id" in move.key:
            yield Change(who, now, move.table, move.key["id"], move.before, move.after)
    for name, values in merge.rows:
        if "id" in values:
            yield Change(who, now, name, values["id"], audited_values(values), None)
