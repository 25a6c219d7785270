"""Rows of references.csv: what they make of a reference, and what is wrong with that."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping, select
from sqlmodel import Session

from tracker.clock import local_day
from tracker.db.statements import in_chunks
from tracker.db.tables import METADATA
from tracker.importer.applications import Belongings
from tracker.importer.files import Problem
from tracker.importer.lookups import CHUNK
from tracker.importer.reader import Reading
from tracker.importer.rows import Row
from tracker.importer.upserts import TARGETS
from tracker.importer.vocabulary import Vocabulary

_PERSON = METADATA.tables["person"]
_NOON = time(12)
_NAMES = {"referee_email": "email", "referee_name": "name"}
_APPLICATION = ("email", "association", "category")
_ANSWER = (
    "role_confirmed",
    "relationship",
    "endorsed_by",
    "endorsed_as",
    "vetted",
    "signed_as",
)
Values = Mapping[str, Any]


def reference_values(
    row: Row, stored: Values | RowMapping | None, vocabulary: Vocabulary
) -> dict[str, Any]:
    """A reference's columns as its row tells them; those that it does not tell of are left out.

    A day of receipt becomes noon of that day at the association. An empty cell takes back
    nothing of what a referee has answered: the file may be older than the answer.
    An answer by the link is no row's to change: `Belongings.is_settled` keeps it.
    """
    given = {n: v for n, v in row.values.items() if n not in (*_APPLICATION, "received_on")}
    values = {_NAMES.get(name, name): value for name, value in given.items()}
    zone = vocabulary.zones.get(row.values["association"], "UTC")
    before = stored["received_at"] if stored else None
    if received_on := row.values.get("received_on"):
        same = before is not None and local_day(before, zone) == received_on
        values["received_at"] = before if same else _noon(received_on, zone)
        values["declined_at"] = None
    if received_on or before is not None:
        values = {n: v for n, v in values.items() if v is not None or n not in _ANSWER}
    if "vetted" in values:
        values["vetted"] = bool(values["vetted"])
    return values


def _noon(day: date, zone: str) -> datetime:
    return datetime.combine(day, _NOON, ZoneInfo(zone)).astimezone(UTC)


def check_references(
    session: Session, reading: Reading, belongings: Belongings, vocabulary: Vocabulary
) -> Iterator[Problem]:
    """An answer is told whole, and nobody is their own referee, by whichever address."""
    rows = reading.rows.get("references", [])
    second = _second_emails(session, reading, {row.email for row in rows})
    for row in rows:
        if second.get(row.email) == row.values["referee_email"]:
            what = "is the applicant's own second address: name somebody else"
            yield row.problem("referee_email", what)
        if belongings.is_settled("references", row):
            continue
        stored = belongings.reference(row)
        empty = TARGETS["references"].empty
        yield from _problems_of_answer(
            row, {**empty, **(stored or {}), **reference_values(row, stored, vocabulary)}
        )


def _problems_of_answer(row: Row, after: Values) -> Iterator[Problem]:
    if after["received_at"]:
        for column in ("relationship", "signed_as"):
            if not after[column]:
                yield row.problem(column, "must not be empty where received_on is given")
    else:
        for column in ("signed_as", "role_confirmed"):
            if after[column] is not None:
                what = f"must not be empty where {column} is given"
                yield row.problem("received_on", what)
    for column, other in (("endorsed_by", "endorsed_as"), ("endorsed_as", "endorsed_by")):
        if after[other] and not after[column]:
            yield row.problem(column, f"must not be empty where {other} is given")


def _second_emails(session: Session, reading: Reading, emails: set[str]) -> dict[str, str | None]:
    """The second addresses of people, those of the files before those of the database."""
    found = dict[str, str | None]()
    for chunk in in_chunks(emails, CHUNK):
        query = select(_PERSON.c.email, _PERSON.c.second_email).where(_PERSON.c.email.in_(chunk))
        found.update((row.email, row.second_email) for row in session.connection().execute(query))
    for row in reading.rows.get("people", ()):
        if row.email in emails and "second_email" in row.values:
            found[row.email] = row.values["second_email"]
    return found
