"""What is left before a cycle closes: counted as the desk counts it."""

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import insert, update

from tests.support.cast import ALICE, BOB, BOOKS, NOW, Cast, fill
from tests.support.held import settle_last_year
from tracker.db.engine import reading, writing
from tracker.db.tables import METADATA
from tracker.services.cycle_closing import ClosingStep, CycleClosing, check_closing
from tracker.services.evaluation import evaluate_people

TODAY = NOW.date()


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill(database_url)
    yield filled
    filled.engine.dispose()


def check(cast: Cast, today: date = TODAY) -> CycleClosing:
    with reading(cast.engine) as session:
        return check_closing(session, BOOKS, "NCIMHA", today)


def left(cast: Cast, today: date = TODAY) -> dict[ClosingStep, int]:
    return {item.step: item.left for item in check(cast, today).items if item.left}


def test_days_of_the_cycle_are_named(cast: Cast) -> None:
    closing = check(cast)
    assert closing.cycle is not None
    assert closing.cycle.due_on == date(2026, 12, 31)
    assert closing.closes_on == date(2027, 1, 31)
    assert closing.settles_on == date(2027, 2, 1)


def test_open_renewals_are_left(cast: Cast) -> None:
    assert left(cast)[ClosingStep.OPEN] == 2
    assert check(cast).incomplete == 2


def test_unconfirmed_provider_and_bounced_address_are_left(cast: Cast) -> None:
    """Alice has an hour with somebody who is not confirmed."""
    person = METADATA.tables["person"]
    with writing(cast.engine) as session:
        bob = person.c.id == cast.people[BOB]
        session.connection().execute(update(person).where(bob).values(email_refused_at=NOW))
    found = left(cast)
    assert (found[ClosingStep.PROVIDERS], found[ClosingStep.ADDRESSES]) == (1, 1)
    [providers] = [i for i in check(cast).items if i.step is ClosingStep.PROVIDERS]
    assert providers.minutes == 60


def test_reopened_and_differing_cycles_are_listed(cast: Cast) -> None:
    settled = METADATA.tables["settled_cycle"]
    with writing(cast.engine) as session:
        settle_last_year(session, cast, ALICE)
        settle_last_year(session, cast, BOB)
        reopened = {"reopened_at": NOW, "reopened_by": "carol@example.org"}
        bobs = settled.c.endorsement_id == cast.endorsements[BOB]
        session.connection().execute(update(settled).where(bobs).values(reopened))
        session.connection().execute(update(settled).where(~bobs).values(differs_since=TODAY))
    closing = check(cast)
    assert [(one.name, one.is_reopened) for one in closing.past] == [
        ("Alice Moreno", False),
        ("Bob Osei", True),
    ]
    assert left(cast)[ClosingStep.REOPENED] == 1
    assert left(cast)[ClosingStep.DIFFERING] == 1


def test_extended_renewal_closes_later(cast: Cast) -> None:
    with writing(cast.engine) as session:
        values = {"endorsement_id": cast.endorsements[BOB], "cycle_starts_on": date(2026, 1, 1)}
        values |= {"extended_due_on": date(2027, 3, 1), "reason": "Illness"}
        session.connection().execute(insert(METADATA.tables["renewal"]).values(values))
        evaluate_people(session, BOOKS, [cast.people[BOB]], NOW)
    [later] = check(cast).later
    assert (later.closes_on, later.renewals) == (date(2027, 4, 1), 1)
