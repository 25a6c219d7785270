"""Who reviews an application, and when."""

from collections.abc import Iterator
from datetime import date

import pytest
from sqlmodel import Session

from tests.support.cast import BOOKS, EVE, NOW, Cast, fill
from tracker.db.engine import writing
from tracker.services.applications import open_application, submit_application
from tracker.services.context import Actor, NotFound, Refused, ServiceContext
from tracker.services.reviews import (
    ReviewDecision,
    list_reviews,
    record_review,
    send_back_application,
    take_back_application,
)

ACCEPTED = ReviewDecision(accepted=True)
OPENED, SUBMITTED = date(2026, 1, 10), date(2026, 2, 10)


@pytest.fixture
def cast(sqlite_url: str) -> Iterator[Cast]:
    filled = fill(sqlite_url)
    yield filled
    filled.engine.dispose()


@pytest.fixture
def session(cast: Cast) -> Iterator[Session]:
    with writing(cast.engine) as session:
        yield session


def acting(session: Session, person_id: int | None, *coordinates: str) -> ServiceContext:
    return ServiceContext(session, BOOKS, Actor("somebody", person_id, coordinates), NOW)


@pytest.fixture
def submitted(cast: Cast, session: Session) -> int:
    eve = acting(session, cast.people[EVE])
    own = open_application(eve, cast.people[EVE], "NCIMHA", "IFS", OPENED)
    submit_application(eve, own.id, SUBMITTED)
    return own.id


def test_only_the_associations_coordinators_review(session: Session, submitted: int) -> None:
    for outsider in (acting(session, None, "CT-AIMH"), acting(session, None)):
        with pytest.raises(NotFound):
            record_review(outsider, submitted, "competencies", ACCEPTED)


def test_nobody_reviews_their_own_application(cast: Cast, session: Session, submitted: int) -> None:
    both = acting(session, cast.people[EVE], "NCIMHA")
    with pytest.raises(Refused, match="own-decision"):
        record_review(both, submitted, "competencies", ACCEPTED)
    with pytest.raises(Refused, match="own-decision"):
        send_back_application(both, submitted, "Please add a job")
    assert list_reviews(session, submitted) == {}


def test_an_open_application_is_not_reviewed(cast: Cast, session: Session, submitted: int) -> None:
    take_back_application(acting(session, cast.people[EVE]), submitted)
    with pytest.raises(Refused, match="application-not-submitted"):
        record_review(acting(session, None, "NCIMHA"), submitted, "competencies", ACCEPTED)


def test_strangers_neither_submit_nor_withdraw(session: Session, submitted: int) -> None:
    with pytest.raises(NotFound):
        take_back_application(acting(session, 999), submitted)
