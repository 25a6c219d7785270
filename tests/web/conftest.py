"""The site with the test cast, on both database engines, and its browsers."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.cast import Cast, fill
from tests.web.applicants import fill_with_applicants
from tests.web.client import Visitor, WebClient, settle_all


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill(database_url)
    yield filled
    settle_all()
    filled.engine.dispose()


@pytest.fixture
def web(cast: Cast) -> WebClient:
    return WebClient(cast)


@pytest.fixture
def visit(web: WebClient) -> Callable[[str], Visitor]:
    return web.visit


@pytest.fixture
def sqlite_web(sqlite_url: str) -> Iterator[WebClient]:
    """The site on SQLite only, for tests of what pages show."""
    filled = fill(sqlite_url)
    yield WebClient(filled)
    settle_all()
    filled.engine.dispose()


@pytest.fixture
def postgres_web(postgres_database_url: str) -> Iterator[WebClient]:
    """The site on PostgreSQL only, where several requests write at the same moment."""
    filled = fill(postgres_database_url)
    yield WebClient(filled)
    settle_all()
    filled.engine.dispose()


@pytest.fixture
def applicant_web(cast: Cast) -> WebClient:
    """The site with applicants, on both engines."""
    return WebClient(fill_with_applicants(cast))


@pytest.fixture
def sqlite_applicant_web(sqlite_web: WebClient) -> WebClient:
    """The site with applicants, on SQLite only."""
    return WebClient(fill_with_applicants(sqlite_web.cast))
