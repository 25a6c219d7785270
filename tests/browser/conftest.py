"""A real browser on a real server, with the cast in it."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support.street import Street, open_street

__all__ = ["ARGUMENTS", "PHONE", "Street"]

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PHONE = {"width": 360, "height": 740}


# A module's, not the session's: Playwright's loop runs until the fixture ends, and as long as it
# does no other test of this process can run a loop of its own.
@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with open_street(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium_path, args=ARGUMENTS)
        yield opened
        opened.close()


def _context(browser: Browser, street: Street, email: str, *, scripts: bool) -> BrowserContext:
    context = browser.new_context(
        viewport=PHONE,  # type: ignore[arg-type]
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


@pytest.fixture
def phone(browser: Browser, street: Street) -> Iterator[Callable[[str], Page]]:
    """Opens a phone without scripts; signed in if it is somebody's."""
    contexts: list[BrowserContext] = []

    def open_phone(email: str = "") -> Page:
        contexts.append(_context(browser, street, email, scripts=False))
        return contexts[-1].new_page()

    yield open_phone
    for context in contexts:
        context.close()


@pytest.fixture
def scripted(browser: Browser, street: Street) -> Iterator[Callable[[str], Page]]:
    """Opens a phone on which tools can run scripts of their own."""
    contexts: list[BrowserContext] = []

    def open_phone(email: str = "") -> Page:
        contexts.append(_context(browser, street, email, scripts=True))
        return contexts[-1].new_page()

    yield open_phone
    for context in contexts:
        context.close()
