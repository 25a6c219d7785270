"""An applicant's references as the coordinator reads them: who was asked, and what they wrote."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from tracker.clock import local_day
from tracker.records.applying.applicants import Applicant
from tracker.records.applying.reference_reports import Report, reports_of
from tracker.rulebooks import Rulebooks
from tracker.rules.reference_roles import say_role
from tracker.rules.schema import Rulebook
from tracker.web.applying.checklist_words import Tone
from tracker.web.frame.pages import short_day
from tracker.web.frame.words import join

_CONFIRMED = {True: "Yes", False: "No, the role is denied", None: "Not said"}


@dataclass(frozen=True, slots=True)
class Read:
    """One reference; ``written`` are questions and answers, empty while nothing has come."""

    name: str
    email: str
    role: str
    state: str
    tone: Tone
    written: Sequence[tuple[str, str]]


def read_references(connection: Connection, books: Rulebooks, one: Applicant) -> list[Read]:
    """The references of somebody who applies to one of the coordinator's own associations."""
    book = books.associations.get(one.application.association)
    if book is None:
        return []
    found = reports_of(connection, one.application.id, book.id, book.time_zone)
    return [_read(books, book, report) for report in found]


def _read(books: Rulebooks, book: Rulebook, report: Report) -> Read:
    state, tone = _state(book, report)
    written = [*_written(books, book, report)] if report.received_at else []
    return Read(report.name, report.email, say_role(book, report.role), state, tone, written)


def _state(book: Rulebook, report: Report) -> tuple[str, Tone]:
    if report.received_at:
        return f"Received {_day(book, report.received_at)}", "good"
    if report.declined_at:
        return f"Declined {_day(book, report.declined_at)}", "warm"
    if report.asked_at:
        return f"Waiting, asked {_day(book, report.asked_at)}", "plain"
    return "Not asked yet", "plain"


def _written(books: Rulebooks, book: Rulebook, report: Report) -> Iterator[tuple[str, str]]:
    yield f"Is “{say_role(book, report.role)}” right?", _CONFIRMED[report.role_confirmed]
    yield "How they know the work", report.relationship or ""
    yield "Endorsed, by their own word", _claim(books, book, report)
    yield "Endorsed, by our records, on that day", _on_record(books, book, report)
    yield f"Vetted by {book.id}", _vetted(report)
    yield "Signed as", report.signed_as or ""


def _claim(books: Rulebooks, book: Rulebook, report: Report) -> str:
    if not report.endorsed_as:
        return "No"
    as_what = _category(books, book, report.endorsed_as)
    return f"{as_what}, by {_association(books, report.endorsed_by)}"


def _on_record(books: Rulebooks, book: Rulebook, report: Report) -> str:
    held = [
        f"{_category(books, book, category)}, by {_association(books, association)}"
        for association, category in report.on_record
    ]
    return join(held) or "No endorsement on record"


def _vetted(report: Report) -> str:
    said = [
        words
        for words, is_so in (
            ("by their own word", report.vetted),
            ("by our records", report.vetted_on_record),
        )
        if is_so
    ]
    return f"Yes, {join(said)}" if said else "No"


def _association(books: Rulebooks, name: str | None) -> str:
    """An association's name; its key where nothing is known of it."""
    if name is None:
        return "an association not named"
    known = books.organizations.get(name)
    return known.name if known else name


def _category(books: Rulebooks, first: Rulebook, key: str) -> str:
    """A category's name and key, by the applicant's association's words if it has any."""
    known = (b.categories.get(key) for b in (first, *books.associations.values()))
    found = next(filter(None, known), None)
    return f"{found.name} ({key})" if found else key


def _day(book: Rulebook, instant: datetime) -> str:
    return short_day(local_day(instant, book.time_zone))
