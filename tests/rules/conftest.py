"""One database for all cases of a file, on each engine."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from tracker.db.engine import open_engine


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """One database for all cases: each is rolled back."""
    if request.param == "sqlite":
        copy = tmp_path_factory.mktemp("cases") / "tracker.db"
        copy.write_bytes(request.getfixturevalue("migrated_sqlite").read_bytes())
        engine = open_engine(f"sqlite:///{copy}")
        yield engine
        engine.dispose()
        return
    with request.getfixturevalue("database_pool").borrowed() as url:
        engine = open_engine(url)
        yield engine
        engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session
        session.rollback()
