"""The people and endorsements that the files refer to, and what must be true of them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Any

from sqlmodel import Session, col, select

from tracker.db.people import Endorsement, Leave, Person, Renewal
from tracker.importer.csv_row import CsvRow
from tracker.importer.problems import ImportProblem
from tracker.importer.reader import UNKNOWN_PERSON, ImportedFiles
from tracker.importer.schemas import (
    ApplicationRow,
    CategoryRow,
    CycleRow,
    EndorsementRow,
    ExtensionRow,
    LeaveRow,
    OfEndorsement,
    PersonRow,
)
from tracker.importer.table_rows import chunked, stored_rows
from tracker.refusal_text import format_refusal
from tracker.rules.absence_rules import read_kind
from tracker.rules.model import Rulebook
from tracker.rules.standing import Absence
from tracker.services.absence_limits import check_limits, read_absence
from tracker.services.applications import covering
from tracker.services.endorsements import Endorsed

# Email, association, category.
Held = tuple[str, str, str]
# The last day (None: no end) of an endorsement by its first day.
Terms = dict[date, date | None]


@dataclass
class KnownRecords:
    """What is known of the people and endorsements to which the rows of ``files`` refer.

    ``person_ids`` and ``names`` by address; the ids also of people whom the files add, once they
    are stored.
    """

    files: ImportedFiles
    person_ids: dict[str, int] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    terms: dict[Held, Terms] = field(default_factory=dict)
    new_endorsements: list[EndorsementRow] = field(default_factory=list)

    def is_known(self, email: str) -> bool:
        """Whether the person is in people.csv or in the database."""
        return email in self.files.people or email in self.person_ids

    def id_of(self, email: str) -> int:
        """A person's id; 0 for somebody whom the files add, until people are stored."""
        return self.person_ids.get(email, 0)

    def ids_of(self, emails: Iterable[str]) -> dict[int, str]:
        """The addresses of those who are known, by id."""
        return {self.person_ids[each]: each for each in emails if each in self.person_ids}


def load_known_records(session: Session, files: ImportedFiles) -> KnownRecords:
    """Load everyone whom the files mention, and their endorsements where rows refer to them.

    The endorsements in the files replace those of the database.
    """
    known = KnownRecords(files)
    _load_people(session, known)
    by_id = known.ids_of(row.email for row in files.rows_of(CategoryRow))
    for stored in stored_rows(session, Endorsement, "person_id", by_id):
        held = (by_id[stored["person_id"]], stored["association"], stored["category"])
        known.terms.setdefault(held, {})[stored["starts_on"]] = stored["ends_on"]
    for endorsement in files.rows_of(EndorsementRow):
        terms = known.terms.setdefault(endorsement.held, {})
        if endorsement.starts_on not in terms:
            known.new_endorsements.append(endorsement)
        if "ends_on" in endorsement.model_fields_set or endorsement.starts_on not in terms:
            terms[endorsement.starts_on] = endorsement.ends_on
    return known


def _load_people(session: Session, known: KnownRecords) -> None:
    mentioned = {problem.value for problem in known.files.mentions}
    for row in known.files.rows_of(CsvRow):
        mentioned.update(dict(row.people()).values())
    for emails in chunked(mentioned):
        people = select(Person.email, Person.id, Person.name).where(col(Person.email).in_(emails))
        for email, person_id, name in session.exec(people):
            known.person_ids[email], known.names[email] = person_id, name
    known.names.update((row.email, row.name) for row in known.files.rows_of(PersonRow))


def check_people(known: KnownRecords) -> Iterator[ImportProblem]:
    """Every row must mention people who are in the files or in the database."""
    for row in known.files.rows_of(CsvRow):
        for column, email in row.people():
            if not known.is_known(email):
                yield row.problem(column, UNKNOWN_PERSON)
    for problem in known.files.mentions:
        if not known.is_known(str(problem.value)):
            yield problem


def check_endorsements(known: KnownRecords) -> Iterator[ImportProblem]:
    """A person holds a category at an association once on any day (both ends included)."""
    rows = {(row.held, row.starts_on): row for row in known.files.rows_of(EndorsementRow)}
    for held in dict.fromkeys(held for held, _ in rows):
        for first, second in pairwise(sorted(known.terms[held])):
            ends_on = known.terms[held][first]
            if ends_on is not None and ends_on < second:
                continue
            if row := rows.get((held, second)):
                end = f"ends on {ends_on}" if ends_on else "has no end"
                message = f"overlaps the endorsement since {first}, which {end}: end that one first"
                yield row.problem("starts_on", message)
            elif row := rows.get((held, first)):
                message = f"overlaps the endorsement since {second}: end this one before that day"
                yield row.problem("ends_on", message)


def check_leave_and_cycles(known: KnownRecords) -> Iterator[ImportProblem]:
    """Leave needs an endorsement that is valid on its first day; a cycle needs the one it names.

    Not checked if a row of endorsements.csv or applications.csv has a problem: the endorsement
    may come from there.
    """
    if known.files.incomplete & {EndorsementRow, ApplicationRow}:
        return
    for row in known.files.rows_of(OfEndorsement):
        if not known.is_known(row.email) or find_endorsement(row, known) is not None:
            continue
        column, verb = "starts_on", "is valid"
        if isinstance(row, CycleRow):
            column, verb = "endorsed_on", "begins"
        days = ", ".join(map(str, sorted(known.terms.get(row.held, ()))))
        since = f" (known: since {days})" if days else ""
        message = f"no {row.association} endorsement as {row.category} {verb} on that day{since}"
        yield row.problem(column, message)


def check_absence_limits(
    session: Session, known: KnownRecords, rulebooks: Mapping[str, Rulebook]
) -> Iterator[ImportProblem]:
    """Leave and inactive status are within the rulebook's limits, beside those on record."""
    rows = known.files.rows_of(LeaveRow)
    recorded = _read_absences(session, known.ids_of(row.email for row in rows))
    for row in rows:
        endorsed_on = find_endorsement(row, known)
        rulebook = rulebooks.get(row.association)
        if endorsed_on is None or rulebook is None:
            continue
        on_record = recorded[row.held, endorsed_on]
        absence = _absence_of(row)
        if on_record.get(row.starts_on) == absence:
            continue
        on_record[row.starts_on] = absence
        others = [each for day, each in on_record.items() if day != row.starts_on]
        endorsed = Endorsed(0, 0, "", row.email, row.association, row.category, endorsed_on, None)
        for refusal in check_limits(rulebook, endorsed, absence, others):
            yield row.problem(refusal.field, format_refusal(refusal.code, refusal.facts))


def _absence_of(row: LeaveRow) -> Absence:
    return Absence(row.starts_on, row.ends_on or date.max, read_kind(row.kind))


def _read_absences(
    session: Session, emails_by_id: Mapping[int, str]
) -> dict[tuple[Held, date], dict[date, Absence]]:
    """By endorsement and its first day: the leave and inactive status on record by first day."""
    recorded: dict[tuple[Held, date], dict[date, Absence]] = defaultdict(dict)
    for ids in chunked(emails_by_id):
        leaves = (
            select(Endorsement, Leave)
            .where(Leave.endorsement_id == Endorsement.id)
            .where(col(Endorsement.person_id).in_(ids))
        )
        for held, leave in session.exec(leaves):
            names = (emails_by_id[held.person_id], held.association, held.category)
            recorded[names, held.starts_on][leave.starts_on] = read_absence(leave)
    return recorded


def find_endorsement(row: OfEndorsement, known: KnownRecords) -> date | None:
    """The first day of the endorsement that a row belongs to; None if there is none."""
    terms = known.terms.get(row.held, {})
    if isinstance(row, CycleRow):
        return row.endorsed_on if row.endorsed_on in terms else None
    return covering(terms, row.starts_on) if isinstance(row, LeaveRow) else None


def check_extensions(session: Session, known: KnownRecords) -> Iterator[ImportProblem]:
    """An extension must not be earlier than the one in force.

    The endorsee may know that one, and an old file must not take it back.
    """
    rows = known.files.rows_of(ExtensionRow)
    by_id = known.ids_of(row.email for row in rows)
    granted = dict[tuple[Any, ...], date]()
    for ids in chunked(by_id):
        renewals = (
            select(Endorsement, Renewal)
            .where(Renewal.endorsement_id == Endorsement.id)
            .where(col(Endorsement.person_id).in_(ids))
        )
        for held, renewal in session.exec(renewals):
            names = (by_id[held.person_id], held.association, held.category, held.starts_on)
            granted[*names, renewal.cycle_starts_on] = renewal.extended_due_on
    for row in rows:
        due_on = granted.get(row.identity() or ())
        if due_on is not None and row.extended_due_on < due_on:
            message = f"must be {due_on} or later: the renewal is already extended to that day"
            yield row.problem("extended_due_on", message)
