"""A service context for each person of the cast."""

from collections.abc import Callable, Iterator

import pytest
from sqlmodel import Session

from tests.rules.case_data import CasePeople
from tests.support.cast import BOOKS, NOW, Cast, fill
from tracker.db.engine import open_engine, writing
from tracker.services.context import Actor, ServiceContext

Act = Callable[[str], ServiceContext]


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill(database_url)
    yield filled
    filled.engine.dispose()


@pytest.fixture
def session(cast: Cast) -> Iterator[Session]:
    with writing(cast.engine) as session:
        yield session


@pytest.fixture
def empty_session(database_url: str) -> Iterator[Session]:
    """A session that writes to a database without rows."""
    engine = open_engine(database_url)
    with writing(engine) as session:
        yield session
    engine.dispose()


@pytest.fixture
def people(empty_session: Session) -> CasePeople:
    """The people of a case in a database without rows but theirs."""
    return CasePeople(empty_session)


@pytest.fixture
def act(cast: Cast, session: Session) -> Act:
    """Returns the context in which a person, or a coordinator at NCIMHA, acts."""

    def context_of(email: str) -> ServiceContext:
        person_id = cast.people.get(email)
        coordinates = () if person_id else ("NCIMHA",)
        return ServiceContext(session, BOOKS, Actor(email, person_id, coordinates), NOW)

    return context_of
