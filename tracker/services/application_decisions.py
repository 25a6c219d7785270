"""Decisions on applications that files record: which of them are news to the applicant."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple

from sqlmodel import Session

from tracker.db.applications import Application
from tracker.db.people import Person
from tracker.services.evaluation import DayOf

# Offices record decisions every week or two. Older ones are history that the applicant knows.
RECENT = timedelta(days=14)


class Decided(NamedTuple):
    """An application that was endorsed, or declined (without an endorsement)."""

    application_id: int
    endorsement_id: int | None


class ImportedDecision(NamedTuple):
    """A decision, whose it is, and whether it is recent enough for a letter."""

    decided: Decided
    email: str
    state: str
    decided_on: date
    is_recent: bool


def list_imported_decisions(
    session: Session, day_of: DayOf, decisions: Iterable[Decided]
) -> list[ImportedDecision]:
    """Describe decisions; the recent ones get a letter, as those that are made in the browser."""
    recorded = []
    for decided in decisions:
        application = session.get_one(Application, decided.application_id)
        person = session.get_one(Person, application.person_id)
        decided_on = application.decided_on or application.opened_on
        is_recent = decided_on >= day_of(application.association) - RECENT
        recorded.append(
            ImportedDecision(decided, person.email, application.state, decided_on, is_recent)
        )
    return recorded
