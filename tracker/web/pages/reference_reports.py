"""An applicant's references as the coordinator reads them: who was asked, and what they wrote."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from tracker.clock import local_day
from tracker.formatting import format_list
from tracker.rulebooks import Rulebooks
from tracker.rules.application.references import format_role
from tracker.rules.model import Rulebook
from tracker.services.applications import Applicant
from tracker.services.reference_reports import Report, reports_of
from tracker.web.pages.checklist import Tone
from tracker.web.rendering import short_day

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


def read_references(session: Session, rulebooks: Rulebooks, one: Applicant) -> list[Read]:
    """The references of somebody who applies to one of the coordinator's own associations."""
    rulebook = rulebooks.associations.get(one.application.association)
    if rulebook is None:
        return []
    found = reports_of(session, one.application.id, rulebook.id, rulebook.time_zone)
    return [_read(rulebooks, rulebook, report) for report in found]


def _read(rulebooks: Rulebooks, rulebook: Rulebook, report: Report) -> Read:
    state, tone = _state(rulebook, report)
    written = [*_written(rulebooks, rulebook, report)] if report.received_at else []
    return Read(report.name, report.email, format_role(rulebook, report.role), state, tone, written)


def _state(rulebook: Rulebook, report: Report) -> tuple[str, Tone]:
    if report.received_at:
        return f"Received {_day(rulebook, report.received_at)}", "good"
    if report.declined_at:
        return f"Declined {_day(rulebook, report.declined_at)}", "warm"
    if report.asked_at:
        return f"Waiting, asked {_day(rulebook, report.asked_at)}", "plain"
    return "Not asked yet", "plain"


def _written(rulebooks: Rulebooks, rulebook: Rulebook, report: Report) -> Iterator[tuple[str, str]]:
    yield f"Is “{format_role(rulebook, report.role)}” right?", _CONFIRMED[report.role_confirmed]
    yield "How they know the work", report.relationship or ""
    yield "Endorsed, by their own word", _claim(rulebooks, rulebook, report)
    yield "Endorsed, by our records, on that day", _on_record(rulebooks, rulebook, report)
    yield f"Vetted by {rulebook.id}", _vetted(report)
    yield "Signed as", report.signed_as or ""


def _claim(rulebooks: Rulebooks, rulebook: Rulebook, report: Report) -> str:
    if not report.endorsed_as:
        return "No"
    as_what = _category(rulebooks, rulebook, report.endorsed_as)
    return f"{as_what}, by {_association(rulebooks, report.endorsed_by)}"


def _on_record(rulebooks: Rulebooks, rulebook: Rulebook, report: Report) -> str:
    held = [
        f"{_category(rulebooks, rulebook, category)}, by {_association(rulebooks, association)}"
        for association, category in report.on_record
    ]
    return format_list(held) or "No endorsement on record"


def _vetted(report: Report) -> str:
    said = [
        words
        for words, is_so in (
            ("by their own word", report.vetted),
            ("by our records", report.vetted_on_record),
        )
        if is_so
    ]
    return f"Yes, {format_list(said)}" if said else "No"


def _association(rulebooks: Rulebooks, name: str | None) -> str:
    """An association's name; its key where nothing is known of it."""
    if name is None:
        return "an association not named"
    known = rulebooks.organizations.get(name)
    return known.name if known else name


def _category(rulebooks: Rulebooks, first: Rulebook, key: str) -> str:
    """A category's name and key, by the applicant's association's words if it has any."""
    known = (b.categories.get(key) for b in (first, *rulebooks.associations.values()))
    found = next(filter(None, known), None)
    return f"{found.name} ({key})" if found else key


def _day(rulebook: Rulebook, instant: datetime) -> str:
    return short_day(local_day(instant, rulebook.time_zone))
