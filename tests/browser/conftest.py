"""A real browser on a real server, with the cast in it."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from tests.browser.keyboard import Keys
from tests.browser.sizes import DESK, PHONE
from tests.support.street import Street, build_street, open_street
from tests.web.all_pages import furnish
from tests.web.applying import WithApplicants

__all__ = ["ARGUMENTS", "DESK", "PHONE", "Street"]

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


# The package's, not the session's: Playwright's loop runs until the fixture ends, and as long as
# it does no other test of this process can run a loop of its own.
@pytest.fixture(scope="package")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium_path, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="package")
def built(tmp_path_factory: pytest.TempPathFactory) -> WithApplicants:
    """A database to copy, so that each journey finds the world as it was."""
    return build_street(tmp_path_factory.mktemp("built"))


@pytest.fixture
def street(built: WithApplicants, tmp_path: Path) -> Iterator[Street]:
    """A world of one's own: what a journey saves is gone after it."""
    with open_street(tmp_path, built) as opened:
        yield opened


@pytest.fixture(scope="module")
def still_street(
    built: WithApplicants, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Street]:
    """A world for those who only look, in which much has happened."""
    with open_street(tmp_path_factory.mktemp("still"), built) as opened:
        opened.ids = furnish(opened.cast)
        yield opened


def open_context(browser: Browser, street: Street, email: str, *, scripts: bool) -> BrowserContext:
    """A phone; somebody's, unless ``email`` is empty."""
    context = browser.new_context(
        viewport=PHONE,
        base_url=street.url,
        java_script_enabled=scripts,
        # Nothing is looked at while it is changing its colour.
        reduced_motion="reduce",
        # What is under test sends no scripts; axe is put in from outside.
        bypass_csp=scripts,
    )
    context.set_default_timeout(10_000)
    if email:
        context.add_cookies([{"name": "session", "value": street.cookie(email), "url": street.url}])
    return context


@pytest.fixture(params=[PHONE, DESK], ids=["phone", "desk"])
def size(request: pytest.FixtureRequest) -> ViewportSize:
    """The window of a phone, then that of a desk."""
    found: ViewportSize = request.param
    return found


@pytest.fixture
def keys(
    browser: Browser, street: Street, size: ViewportSize
) -> Iterator[Callable[[str, str], Keys]]:
    """Opens a page as somebody (signed in, if it is anybody) who has a keyboard and no scripts."""
    contexts: list[BrowserContext] = []

    def open_page(email: str, path: str) -> Keys:
        contexts.append(open_context(browser, street, email, scripts=False))
        page = contexts[-1].new_page()
        page.set_viewport_size(size)
        page.goto(path)
        return Keys(page)

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def scripted(browser: Browser, street: Street) -> Iterator[Callable[[str], Page]]:
    """Opens a phone on which tools can run scripts of their own."""
    contexts: list[BrowserContext] = []

    def open_phone(email: str = "") -> Page:
        contexts.append(open_context(browser, street, email, scripts=True))
        return contexts[-1].new_page()

    yield open_phone
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def reader(browser: Browser, still_street: Street) -> Iterator[Callable[[str], Page]]:
    """The same, one page for each person, on a street on which nobody changes anything."""
    contexts: list[BrowserContext] = []

    @cache
    def open_phone(email: str = "") -> Page:
        contexts.append(open_context(browser, still_street, email, scripts=True))
        return contexts[-1].new_page()

    yield open_phone
    for context in contexts:
        context.close()
