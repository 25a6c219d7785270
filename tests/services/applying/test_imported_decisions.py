"""Which decisions of an imported file the applicants get a letter about."""

from datetime import date, timedelta

from sqlmodel import Session

from tests.support.cast import BOB, EVE, Cast
from tracker.db.applications import Application
from tracker.services.application_decisions import (
    Decided,
    ImportedDecision,
    list_imported_decisions,
)

TODAY = {"NCIMHA": date(2026, 11, 22), "CT-AIMH": date(2026, 11, 21)}


def test_decisions_of_two_weeks_are_news(session: Session, cast: Cast) -> None:
    def decide(email: str, association: str, state: str, decided_on: date) -> int:
        application = Application(
            person_id=cast.people[email],
            association=association,
            category="IFS",
            opened_on=date(2026, 3, 1),
            state=state,
            decided_on=decided_on,
        )
        session.add(application)
        session.flush()
        return application.id

    first = date(2026, 11, 8)
    before = first - timedelta(days=1)
    eves = Decided(decide(EVE, "NCIMHA", "endorsed", first), 7)
    bobs = Decided(decide(BOB, "NCIMHA", "declined", before), None)
    # The day is the association's own.
    early = Decided(decide(BOB, "CT-AIMH", "declined", before), None)
    found = list_imported_decisions(session, TODAY.__getitem__, [eves, bobs, early])
    assert found == [
        ImportedDecision(eves, EVE, "endorsed", first, is_recent=True),
        ImportedDecision(bobs, BOB, "declined", before, is_recent=False),
        ImportedDecision(early, BOB, "declined", before, is_recent=True),
    ]
