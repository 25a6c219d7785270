"""Erases a person: what says who it was goes, and what others' records rest on stays, nameless.

The row of the person stays under a number, so that the history of who did what can still be
counted, and sessions with an erased RSC provider still count. Everything else of the person is
deleted with the tables that belong to it, whatever tables there are. In all other rows their
addresses and their name are replaced.
"""

import zlib
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    String,
    Table,
    Update,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, exists
from sqlmodel import select as select_rows

from tracker.addresses import format_erased_address
from tracker.db.applications import Application
from tracker.db.desk import TeamRole
from tracker.db.imports import ImportPlanRecord, ImportPlanRow
from tracker.db.log import AuditEvent, Entry
from tracker.db.people import Endorsement, Person
from tracker.db.providers import OutsideEndorsement
from tracker.db.statements import upsert
from tracker.db.tables import METADATA
from tracker.errors import UserError
from tracker.formatting import format_count
from tracker.plain_text import plain_name
from tracker.services.context import ServiceContext, lock_records
from tracker.services.dead_addresses import MARKS
from tracker.services.desk_changes import end_undo
from tracker.services.desk_tasks import forget_all_files
from tracker.services.erased_identity import find_identity, format_erased_name
from tracker.services.erased_mail import ErasedMail
from tracker.services.evaluation import days_at, evaluate_people
from tracker.services.evidence import list_stored_names
from tracker.services.identifying_text import IdentifyingText
from tracker.services.merged_records import list_undone_merges
from tracker.services.merging import find_record
from tracker.services.removals import MAX_REASON_LENGTH, require_operator

_EMPTY = "{}"
# So many rows in which no two may be the same have the person's name or address in other spellings.
_MOST_ALIKE = 100
# Rows of the person that stay without what says who it is: `_strip` and `_sweep` see to them.
_STRIPPED = {"person", "outbox", "certificate"}
# What makes others' sessions count, if the person provided RSC to anybody.
_CREDENTIALS = {"vetting", "outside_endorsement"}
_LINKS = {"endorsement_id": Endorsement.__tablename__, "application_id": "application"}
_LINKS["entry_id"] = Entry.__tablename__
# Of these an address says whose they are.
_BY_EMAIL = ("sign_in", "web_session", "second_factor", "unsubscribed", "group_member")


class EraseError(UserError):
    """The person can't be erased, or not yet. Nothing was changed."""

    heading = "Nobody was erased:"


class Erased(NamedTuple):
    """What was erased: rows deleted and changed by table, and names of files to delete.

    ``number`` is that of the person, under which their history stays.
    """

    number: int
    deleted: dict[str, int]
    changed: dict[str, int]
    files: list[str]


def erase_person(
    context: ServiceContext, email: str, reason: str, staff: Collection[str]
) -> Erased:
    """Erase the person with this first address; the caller deletes the files after the commit.

    ``staff`` are the addresses of coordinators of the settings. Raises Refused for an unknown
    address, EraseError for somebody who works or worked for an association, and while emails wait
    that name the person to others, and NotFound for anybody but an operator.
    """
    require_operator(context)
    if not 0 < len(reason.strip()) <= MAX_REASON_LENGTH:
        raise EraseError(f"give a reason of at most {MAX_REASON_LENGTH} characters")
    person = find_record(context.session, email)
    lock_records(context.session, [person.id])
    # Somebody else may have changed or merged the record while we waited.
    if context.session.get(Person, person.id, populate_existing=True) is None:
        raise EraseError(f"the record of {email} was just merged into another one")
    erasure = _Erasure(context, person)
    erasure.refuse(staff)
    return erasure.run(reason)


@dataclass
class _Erasure:
    """One person's; ``naming`` finds and replaces what names them in texts."""

    context: ServiceContext
    person: Person
    deleted: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.session: Session = self.context.session
        self.id = self.person.id
        self.label = format_erased_name(self.id)
        self.address = format_erased_address(self.id)
        self.identity = find_identity(self.session, self.person)
        self.emails = sorted(self.identity.emails)
        self.naming = IdentifyingText(
            self.emails,
            self.identity.names,
            self._list_others_names(),
            address=self.address,
            label=self.label,
        )
        self.mail = ErasedMail(self.session, self.id, self.emails, self.naming)

    def _list_others_names(self) -> set[str]:
        query = select_rows(Person.name).where(Person.id != self.id)
        return {plain_name(name) for name in self.session.exec(query)}

    def refuse(self, staff: Collection[str]) -> None:
        """Raise EraseError if the person can't be erased, or not yet."""
        roles = select_rows(TeamRole.id).where(col(TeamRole.email).in_(self.emails))
        has_role = self.session.exec(roles).first() is not None
        if has_role or not {address.lower() for address in staff}.isdisjoint(self.emails):
            raise EraseError(
                f"{self.person.email} works or worked for an association: who decided about others "
                "stays on record. Only people without a role can be erased"
            )
        email, mail = self.person.email, self.mail.count_on_its_way()
        if mail.sending:
            raise EraseError(
                f"an email to {email}, or one that names them, is being sent right now. Try again "
                "in a minute"
            )
        if mail.waiting:
            raise EraseError(
                f"{format_count(mail.waiting, 'email')} to others that name {email} wait to be "
                "sent. Run `tracker deliver`, and try again"
            )

    def run(self, reason: str) -> Erased:
        """Erase; everything is part of the caller's transaction."""
        files = list_stored_names(self.session, self.id)
        supervising = self._list_supervising()
        self._forget_imports()
        self._forget_prepared_files()
        stripped = self.mail.strip(self.address, self.context.now)
        self._count(self.changed, "outbox", stripped)
        self._strip_history()
        self._strip_undone_merges()
        self._strip_certificates()
        if supervising:
            self._keep_credentials(supervising)
        self._delete_rows(kept=_CREDENTIALS if supervising else set())
        self._strip_person(keeps_degree=bool(supervising))
        self._sweep()
        stated = {"erased": self.naming.replace(reason)}
        self.context.record_change("person", self.id, before={}, after=stated)
        self.session.flush()
        self.session.expire_all()
        evaluate_people(self.session, self.context.rulebooks, [self.id], self.context.now)
        return Erased(self.id, self.deleted, self.changed, files)

    def _forget_imports(self) -> None:
        """Delete the uploaded lists that name the person, with their rows.

        Their imports can't be undone anymore: a list knows which of its rows were imported.
        """
        named = set[int]()
        query = select_rows(ImportPlanRow.plan_id).where(
            func.lower(ImportPlanRow.email).in_(self.emails)
        )
        named.update(self.session.exec(query))
        for plan in self.session.exec(select_rows(ImportPlanRecord)):
            packed = [text for text in (plan.sheets, plan.remembered) if text]
            texts = [zlib.decompress(text).decode() for text in packed]
            if any(map(self.naming.is_in, texts)):
                named.add(plan.id)
        imported = select_rows(ImportPlanRecord.change_id).where(
            col(ImportPlanRecord.id).in_(named)
        )
        change_ids = [*filter(None, self.session.exec(imported))]
        end_undo(self.session, change_ids, self.context.now)
        for table, column in (("import_plan_row", "plan_id"), ("import_plan", "id")):
            found = METADATA.tables[table]
            self._delete(found, found.c[column].in_(named))

    def _forget_prepared_files(self) -> None:
        """Delete the files that coordinators had prepared; they can be made again."""
        counts = forget_all_files(self.session)
        self._count(self.changed, "desk_task", counts["desk_task"])
        self._count(self.deleted, "desk_task_piece", counts["desk_task_piece"])

    def _strip_history(self) -> None:
        """Keep of each event who changed which row when, but not from what to what."""
        own = col(AuditEvent.person_id).in_(self.identity.record_ids)
        for name in ("before", "after"):
            is_filled = col(getattr(AuditEvent, name)).is_not(None)
            statement = update(AuditEvent).where(own, is_filled).values({name: _EMPTY})
            self._count(self.changed, "audit_event", self.session.exec(statement).rowcount)

    def _strip_undone_merges(self) -> None:
        """Keep that the person's record was merged into another one, but not what it had."""
        for removal in list_undone_merges(self.session, self.id):
            removal.content = _EMPTY
            self.session.add(removal)
            self._count(self.changed, "removal", 1)
        self.session.flush()

    def _strip_certificates(self) -> None:
        """Their numbers stay issued, and verify to nobody once their endorsements are deleted."""
        certificate, held = METADATA.tables["certificate"], METADATA.tables["endorsement"]
        own = select(held.c.id).where(held.c.person_id == self.id)
        statement = update(certificate).where(certificate.c.endorsement_id.in_(own))
        result = self.session.connection().execute(statement.values(name=""))
        self._count(self.changed, "certificate", result.rowcount)

    def _delete_rows(self, kept: set[str]) -> None:
        """Delete all rows that belong to the person, those that refer to others first."""
        # Submissions come before entries, which can't be deleted while their renewal is submitted.
        for table in reversed(METADATA.sorted_tables):
            if table.name in kept or table.name in _STRIPPED:
                continue
            owned = list(self._list_owned(table))
            if owned:
                self._delete(table, or_(*owned))

    def _list_owned(self, table: Table) -> Iterator[ColumnElement[bool]]:
        """The conditions under which a row of a table belongs to the person."""
        if "person_id" in table.c and table.c.person_id.foreign_keys:
            yield table.c.person_id == self.id
        for column, name in _LINKS.items():
            parent = METADATA.tables[name]
            if column in table.c and table.name != name:
                own = select(parent.c.id).where(parent.c.person_id == self.id)
                yield table.c[column].in_(own)
        if table.name == "provider_span":
            yield table.c.provider_id == self.id
        if table.name in _BY_EMAIL:
            yield func.lower(table.c.email).in_(self.emails)

    def _keep_credentials(self, associations: Collection[str]) -> None:
        """Note endorsements as those elsewhere are: they count until today, and nobody renews them.

        ``associations`` are those to whose people the person provided RSC.
        """
        today = days_at(self.context.rulebooks, self.context.now)
        query = select_rows(Endorsement).where(Endorsement.person_id == self.id)
        rows = []
        for held in self.session.exec(query):
            last = max(today(held.association), held.starts_on)
            for association in associations:
                rows.append(
                    {
                        "person_id": self.id,
                        "known_to": association,
                        "association": held.association,
                        "category": held.category,
                        "starts_on": held.starts_on,
                        "ends_on": min(held.ends_on or last, last),
                        "recorded_by": self.context.actor.label,
                    }
                )
        key = ["known_to", "person_id", "association", "category", "starts_on"]
        upsert(self.session, OutsideEndorsement, rows, key=key)

    def _list_supervising(self) -> set[str]:
        """The associations of the people whose sessions name the person as their RSC provider."""
        of_others = (col(Entry.provider_id) == self.id) & (col(Entry.person_id) != self.id)
        found = set[str]()
        for model in (Endorsement, Application):
            query = select_rows(model.association).where(
                exists().where(of_others, col(Entry.person_id) == model.person_id)
            )
            found.update(self.session.exec(query))
        return found

    def _strip_person(self, *, keeps_degree: bool) -> None:
        person = self.person
        person.email, person.name = self.address, self.label
        person.second_email = person.second_email_confirmed_at = None
        for mark in MARKS:
            setattr(person, mark, None)
        person.time_zone = person.takes_supervisees_since = person.provider_line = None
        person.provides_rsc = False
        if not keeps_degree:
            person.highest_degree = "none"
        self.session.add(person)
        self.session.flush()
        self._count(self.changed, "person", 1)

    def _sweep(self) -> None:
        """Replace addresses and names in every text of every table."""
        for table in METADATA.sorted_tables:
            for column in table.c:
                if isinstance(getattr(column.type, "impl", column.type), String):
                    self._sweep_column(table, column)

    def _sweep_column(self, table: Table, column: Column[Any]) -> None:
        keys = list(table.primary_key)
        query = select(column.label("text"), *keys).where(self.naming.may_be_in(column))
        for row in self.session.connection().execute(query).mappings().all():
            clean = self.naming.replace(row["text"])
            if clean != row["text"]:
                is_row = [key == row[key] for key in keys]
                self._store_clean(update(table).where(*is_row), column, clean)
                self._count(self.changed, table.name, 1)

    def _store_clean(self, statement: Update, column: Column[Any], clean: str) -> None:
        """Store a text that names nobody any more, with a number if another row has the same.

        Two texts that named the person in two ways, such as two filters of a coordinator, would
        have one name now.
        """
        kind: Any = column.type
        for number in range(1, _MOST_ALIKE + 1):
            text = self._number(clean, number, kind.length)
            with suppress(IntegrityError), self.session.begin_nested():
                self.session.connection().execute(statement.values({column.name: text}))
                return
        raise EraseError(f"a row of {column.table.name} can't have {clean!r} in {column.name}")

    def _number(self, clean: str, number: int, longest: int | None) -> str:
        if clean == self.address:
            return format_erased_address(self.id, number)
        suffix = f" ({number})" if number > 1 else ""
        room = longest - len(suffix) if longest else None
        return f"{clean[:room]}{suffix}"

    def _delete(self, table: Table, where: ColumnElement[bool]) -> None:
        result = self.session.connection().execute(delete(table).where(where))
        self._count(self.deleted, table.name, result.rowcount)

    @staticmethod
    def _count(counts: dict[str, int], table: str, number: int) -> None:
        if number:
            counts[table] = counts.get(table, 0) + number
