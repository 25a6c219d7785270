"""The site with the cast in it, on both engines, and browsers for each of them."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.cast import Cast, fill
from tests.web.applicants import fill_with_applicants
from tests.web.visiting import Visitor, WebClient, settle_all


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill(database_url)
    yield filled
    settle_all()
    filled.engine.dispose()


@pytest.fixture
def house(cast: Cast) -> WebClient:
    return WebClient(cast)


@pytest.fixture
def visit(house: WebClient) -> Callable[[str], Visitor]:
    return house.visit


@pytest.fixture
def page_house(sqlite_url: str) -> Iterator[WebClient]:
    """On SQLite alone: for what pages say, which no engine changes."""
    filled = fill(sqlite_url)
    yield WebClient(filled)
    settle_all()
    filled.engine.dispose()


@pytest.fixture
def hall(cast: Cast) -> WebClient:
    """The site with applicants, too."""
    return WebClient(fill_with_applicants(cast))


@pytest.fixture
def page_hall(page_house: WebClient) -> WebClient:
    """The same on SQLite alone."""
    return WebClient(fill_with_applicants(page_house.cast))
