"""References, attestations, and exams: the application each belongs to, and what changes in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping
from sqlmodel import Session, col, select

from tracker.clock import local_day
from tracker.db.applications import Application, WithdrawnReference
from tracker.db.people import Person
from tracker.importer.applications import Applications
from tracker.importer.cells import ImportContext
from tracker.importer.known_records import KnownRecords
from tracker.importer.problems import ImportProblem
from tracker.importer.schemas import (
    ApplicationRow,
    AttestationRow,
    ExamRow,
    OfApplication,
    PersonRow,
    ReferenceRow,
)
from tracker.importer.table_rows import chunked, stored_rows
from tracker.plain_text import normalize_text

_NOON = time(12)
_ANSWER = (
    "role_confirmed",
    "relationship",
    "endorsed_by",
    "endorsed_as",
    "vetted",
    "signed_as",
    "ratings",
)
# The kind of row, the application, and what the row is about: referee, document, or exam day.
_Place = tuple[type[OfApplication], int, Any]
# Application, email, name, role.
_Withdrawn = tuple[int, str, str, str]


@dataclass
class ApplicationItems:
    """What is stored with applications, and the day of each at the association."""

    applications: Applications
    time_zones: Mapping[str, str]
    stored: dict[_Place, RowMapping] = field(default_factory=dict)
    days: dict[_Place, date | None] = field(default_factory=dict)
    withdrawn: set[_Withdrawn] = field(default_factory=set)

    def application_of(self, row: OfApplication) -> Application | None:
        """The application that a row belongs to; None if none was open on the row's day.

        It stays with the application that it is stored with. Otherwise it is the newest one, or
        for a day before that was opened, the newest one that was undecided on that day (both
        ends included).
        """
        applications = self.applications.newest_first(row.held)
        day = getattr(row, row.day)
        if not applications:
            return None
        newest = applications[0]
        if day is None:
            return newest
        undecided_then = [each for each in applications[1:] if (each.decided_on or day) >= day]
        possible = [newest, *undecided_then]
        for each in possible:
            if self.days.get((type(row), each.id, row.subject)) == day:
                return each
        return next((each for each in possible if each.opened_on <= day), None)

    def find_stored(self, row: OfApplication) -> RowMapping | None:
        """The stored row that a row changes; None if it is new."""
        application = self.application_of(row)
        place = (type(row), application.id if application else 0, row.subject)
        return self.stored.get(place)

    def is_settled(self, row: ReferenceRow) -> bool:
        """Whether a file must leave a reference alone.

        The referee answered with the link, or answered or declined for an earlier application,
        or the applicant removed the referee; and the row says nothing new.
        """
        stored = self.find_stored(row)
        if stored is not None:
            return bool(stored["answered_by_link"])
        if row.received_on:
            return False
        for application in self.applications.newest_first(row.held):
            names = (application.id, row.referee_email, row.referee_name, row.role)
            earlier = self.stored.get((ReferenceRow, application.id, row.referee_email))
            if names in self.withdrawn or (
                earlier is not None and (earlier["received_at"] or earlier["declined_at"])
            ):
                return True
        return False

    def reference_values(self, row: ReferenceRow) -> dict[str, Any]:
        """The columns that a row gives a reference; those that stay as stored are absent.

        A day of receipt becomes noon of that day at the association. An empty cell takes back
        nothing that a referee answered: the file may be older than the answer.
        """
        stored, zone = self.find_stored(row), self.time_zones.get(row.association, "UTC")
        received_at = stored["received_at"] if stored else None
        values: dict[str, Any] = {
            "email": row.referee_email,
            "name": row.referee_name,
            "role": row.role,
        }
        has_answer = row.received_on is not None or received_at is not None
        for name in row.model_fields_set & set(_ANSWER):
            value = getattr(row, name)
            if value is not None or not has_answer:
                values[name] = value
        if "vetted" in values:
            values["vetted"] = bool(values["vetted"])
        if row.received_on:
            if received_at is None or local_day(received_at, zone) != row.received_on:
                noon = datetime.combine(row.received_on, _NOON, ZoneInfo(zone))
                received_at = noon.astimezone(UTC)
            values.update(received_at=received_at, declined_at=None)
        return values


def load_application_items(
    session: Session, known: KnownRecords, applications: Applications, context: ImportContext
) -> ApplicationItems:
    """Load what is stored with the applications of everyone whom the files' rows are about.

    On PostgreSQL it stays locked until the import ends, so that no answer is lost.
    """
    items = ApplicationItems(applications, context.vocabulary.time_zones)
    for schema in (ReferenceRow, AttestationRow, ExamRow):
        of_rows = dict[int, Application]()
        for row in known.files.rows_of(schema):
            of_rows.update((each.id, each) for each in applications.stored[row.held].values())
        rows = stored_rows(session, schema.table, "application_id", of_rows, for_update=True)
        for stored in rows:
            application = of_rows[stored["application_id"]]
            place = (schema, application.id, stored[schema.table_key[-1]])
            items.stored[place] = stored
            if schema is ReferenceRow:
                zone = items.time_zones.get(application.association, "UTC")
                received_at = stored["received_at"]
                items.days[place] = local_day(received_at, zone) if received_at else None
            else:
                items.days[place] = stored[schema.day]
        if schema is ReferenceRow:
            for ids in chunked(of_rows):
                removed = select(WithdrawnReference).where(
                    col(WithdrawnReference.application_id).in_(ids)
                )
                for each in session.exec(removed):
                    name = normalize_text(each.name)
                    items.withdrawn.add((each.application_id, each.email, name, each.role))
    return items


def check_application_items(
    known: KnownRecords, items: ApplicationItems
) -> Iterator[ImportProblem]:
    """References, attestations, and exams belong to an application that was open on their day.

    Not checked if a row of applications.csv has a problem: it may be the one.
    """
    if ApplicationRow in known.files.incomplete:
        return
    for row in known.files.rows_of(OfApplication):
        if not known.is_known(row.email) or items.application_of(row) is not None:
            continue
        message = f"{row.email} has no application for {row.association} {row.category}"
        applications = items.applications.newest_first(row.held)
        if applications:
            days = [f"from {each.opened_on} to {each.decided_on}" for each in applications[:0:-1]]
            days.append(f"{applications[0].opened_on} or later")
            message = f"{message} that was open on that day: must be {' or '.join(days)}"
            yield row.problem(row.day, message)
        else:
            yield row.problem("category", f"{message}: add it to applications.csv")


def check_references(
    session: Session, known: KnownRecords, items: ApplicationItems
) -> Iterator[ImportProblem]:
    """An answer must be complete, and nobody may be their own referee, by either address."""
    rows = known.files.rows_of(ReferenceRow)
    second_emails = dict[str, str | None]()
    for emails in chunked(row.email for row in rows):
        query = select(Person.email, Person.second_email).where(col(Person.email).in_(emails))
        second_emails.update(session.exec(query).all())
    for person in known.files.rows_of(PersonRow):
        if "second_email" in person.model_fields_set:
            second_emails[person.email] = person.second_email
    for row in rows:
        if second_emails.get(row.email) == row.referee_email:
            message = "is the applicant's own second address: name someone else"
            yield row.problem("referee_email", message)
        if not items.is_settled(row):
            stored = items.find_stored(row)
            before = stored or dict.fromkeys((*_ANSWER, "received_at"))
            yield from _answer_problems(row, {**before, **items.reference_values(row)})


def _answer_problems(row: ReferenceRow, after: Mapping[str, Any]) -> Iterator[ImportProblem]:
    if after["received_at"]:
        for column in ("relationship", "signed_as"):
            if not after[column]:
                yield row.problem(column, "must not be empty if received_on is given")
    else:
        for column in ("signed_as", "role_confirmed", "ratings"):
            if after[column] is not None:
                yield row.problem("received_on", f"must not be empty if {column} is given")
    for column, other in (("endorsed_by", "endorsed_as"), ("endorsed_as", "endorsed_by")):
        if after[other] and not after[column]:
            yield row.problem(column, f"must not be empty if {other} is given")
