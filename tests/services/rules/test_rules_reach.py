"""Whom a rule touches: sizes of categories, and RSC providers who stop counting."""

from datetime import date, timedelta

import pytest
from sqlmodel import Session

from tests.rules.case_data import insert_row
from tests.support.cast import ALICE, BOB, DANA, ERIN, EVE, Cast
from tracker.db.ledgers import EndorsementEnd, ProviderSpan
from tracker.db.log import Entry
from tracker.db.people import Person
from tracker.services.rules_reach import (
    CategorySizes,
    LosingProvider,
    count_by_category,
    list_losing_providers,
)

# Of an imagined association, so that nothing of the cast's is counted.
ASSOCIATION = "GRACE"
TODAY = date(2026, 11, 22)
DAY = timedelta(days=1)


def endorse(session: Session, person_id: int, category: str, *days: date | None) -> int:
    starts_on, ends_on = days
    return insert_row(
        session,
        "endorsement",
        person_id=person_id,
        association=ASSOCIATION,
        category=category,
        starts_on=starts_on,
        ends_on=ends_on,
    )


def test_sizes_add_up_categories() -> None:
    sizes = CategorySizes({"IFS": 3, "IMHS": 4, "ERS": 5}, {"IFS": 10, "ERS": 20})
    assert sizes.count_endorsements(["IFS", "IMHS", "NONE"]) == 7
    assert sizes.count_applications(["IFS", "IMHS", "ERS"]) == 30


def test_endorsements_count_from_first_to_last_day(session: Session, cast: Cast) -> None:
    first = date(2025, 1, 1)
    alice, bob, dana, eve = (cast.people[each] for each in (ALICE, BOB, DANA, EVE))
    endorse(session, alice, "IFS", TODAY, None)
    endorse(session, bob, "IFS", first, TODAY)
    endorse(session, dana, "IFS", first, TODAY - DAY)
    endorse(session, eve, "IFS", TODAY + DAY, None)
    endorse(session, eve, "ERS", first, None)
    for person_id, last_day in ((alice, TODAY), (bob, TODAY - DAY)):
        number = endorse(session, person_id, "IMHS", first, None)
        session.add(EndorsementEnd(endorsement_id=number, ends_on=last_day))
    session.flush()
    sizes = count_by_category(session, ASSOCIATION, TODAY)
    assert sizes == CategorySizes({"ERS": 1, "IFS": 2, "IMHS": 1}, {})
    assert count_by_category(session, "NCIMHA", TODAY).endorsements == {"IFS": 2}


def test_undecided_applications_count_by_category(session: Session, cast: Cast) -> None:
    for email, association, category, state in (
        (ALICE, ASSOCIATION, "IFS", "open"),
        (BOB, ASSOCIATION, "IFS", "submitted"),
        (DANA, ASSOCIATION, "IFS", "endorsed"),
        (EVE, ASSOCIATION, "ERS", "open"),
        (EVE, "NCIMHA", "IMHS", "open"),
    ):
        days = {} if state == "open" else {"submitted_on": TODAY}
        insert_row(
            session,
            "application",
            person_id=cast.people[email],
            association=association,
            category=category,
            state=state,
            opened_on=TODAY,
            decided_on=TODAY if state == "endorsed" else None,
            **days,
        )
    sizes = count_by_category(session, ASSOCIATION, TODAY)
    assert sizes == CategorySizes({}, {"IFS": 2, "ERS": 1})


SINCE, LAST_DAY = date(2026, 1, 1), date(2026, 12, 31)


@pytest.fixture
def losing(session: Session, cast: Cast) -> Session:
    """Dana and Eve count through the last day; Alice and Bob are endorsed, and Erin is not."""
    for email, rule, last_day in (
        (DANA, f"{ASSOCIATION}/reflective", LAST_DAY),
        (EVE, f"{ASSOCIATION}/reflective", LAST_DAY),
        (BOB, f"{ASSOCIATION}/reflective", LAST_DAY + DAY),
        (BOB, f"{ASSOCIATION}/other", LAST_DAY),
        (BOB, "NCIMHA/reflective", LAST_DAY),
    ):
        days = {"starts_on": date(2020, 1, 1), "ends_on": last_day}
        session.add(ProviderSpan(rule=rule, provider_id=cast.people[email], **days))
    for email in (ALICE, BOB):
        endorse(session, cast.people[email], "IFS", date(2025, 1, 1), None)
    return session


def hold(
    session: Session,
    cast: Cast,
    email: str,
    provider: str,
    *days: date,
    activity: str = "rsc",
) -> None:
    """Log a session of each of these days."""
    for day in days:
        entry = Entry(
            person_id=cast.people[email],
            activity=activity,
            held_on=day,
            minutes=60,
            title="RSC",
            provider_id=cast.people[provider],
            format="individual",
        )
        session.add(entry)
    session.flush()


def list_losing(session: Session) -> list[LosingProvider]:
    return list_losing_providers(session, ASSOCIATION, "reflective", LAST_DAY, SINCE)


def test_providers_who_stop_counting_are_listed(losing: Session, cast: Cast) -> None:
    dana, eve = (cast.people[each] for each in (DANA, EVE))
    # Alice's sessions with Dana are the cast's.
    assert list_losing(losing) == [(dana, "Dana Ruiz", 1)]
    hold(losing, cast, ALICE, EVE, SINCE, SINCE + DAY)
    hold(losing, cast, ALICE, BOB, TODAY)
    hold(losing, cast, BOB, EVE, TODAY)
    hold(losing, cast, BOB, DANA, SINCE - DAY)
    hold(losing, cast, BOB, DANA, TODAY, activity="training")
    hold(losing, cast, ERIN, DANA, TODAY)
    assert list_losing(losing) == [(eve, "Eve Chen", 2), (dana, "Dana Ruiz", 1)]
    hold(losing, cast, BOB, DANA, SINCE)
    assert list_losing(losing) == [(dana, "Dana Ruiz", 2), (eve, "Eve Chen", 2)]
    losing.get_one(Person, eve).name = "Abe Chen"
    assert list_losing(losing) == [(eve, "Abe Chen", 2), (dana, "Dana Ruiz", 2)]
