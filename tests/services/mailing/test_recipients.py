"""What a mailing knows of people is the same however many they are."""

from collections.abc import Iterator
from datetime import date

import pytest

from tests.support.cast import ALICE, BOB, DANA, ERIN, EVE, NOW, Cast, fill
from tracker.db.engine import reading, writing
from tracker.db.people import Endorsement, MailOff
from tracker.services import mailing_recipients
from tracker.services.mailing_recipients import list_recipients, list_trainings
from tracker.services.mailing_rules import Recipient

TODAY = NOW.date()


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill(database_url)
    yield filled
    filled.engine.dispose()


def recipients(cast: Cast, *emails: str) -> list[Recipient]:
    people = [cast.people[email] for email in emails]
    with reading(cast.engine) as session:
        return list_recipients(session, "NCIMHA", people, TODAY, with_documents=True)


def test_many_people_are_read_as_a_few(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many, everybody of the association is read; the result has the chosen people only."""
    with writing(cast.engine) as session:
        session.add(MailOff(person_id=cast.people[BOB], kind="messages", at=NOW))
        session.get_one(Endorsement, cast.endorsements[BOB]).ends_on = date(2026, 5, 1)
    few = recipients(cast, BOB, DANA, ERIN, EVE)
    assert [one.name for one in few] == ["Bob Osei", "Dana Ruiz"]
    assert [(one.belongs, one.switched_off) for one in few] == [
        (False, frozenset({"messages"})),
        (True, frozenset()),
    ]
    monkeypatch.setattr(mailing_recipients, "_IDS_PER_QUERY", 3)
    assert recipients(cast, BOB, DANA, ERIN, EVE) == few


def test_trainings_without_a_document_are_found(cast: Cast) -> None:
    assert {one.name: one.lacks_documents for one in recipients(cast, ALICE, BOB)} == {
        "Alice Moreno": True,
        "Bob Osei": False,
    }
    with reading(cast.engine) as session:
        trainings = list_trainings(session, "NCIMHA", TODAY, cast.people.values())
    titles = {person_id: [one.title for one in own] for person_id, own in trainings.items()}
    assert titles == {cast.people[ALICE]: ["Infant mental health week"]}
