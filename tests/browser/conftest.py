"""A real browser on a real server, with the cast in it."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support.cast import BOOKS, NOW, Cast, fill
from tests.web.applying import fill_with_applicants
from tracker.records.engine import migrate, writing
from tracker.records.sessions import open_session
from tracker.web.app import build_app

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PHONE = {"width": 360, "height": 740}


class Street:
    """The site as a browser reaches it."""

    def __init__(self, cast: Cast, url: str, settle: Callable[[], None]) -> None:
        self.cast = cast
        self.url = url
        self.settle = settle

    def cookie(self, email: str) -> str:
        """The cookie of a fresh session."""
        with writing(self.cast.engine) as connection:
            return open_session(connection, email, NOW)


# A module's, not the session's: Playwright's loop runs until the fixture ends, and as long as it
# does no other test of this process can run a loop of its own.
@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    folder: Path = tmp_path_factory.mktemp("browser")
    url = f"sqlite:///{folder / 'tracker.db'}"
    migrate(url)
    cast = fill_with_applicants(fill(url))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{free.getsockname()[1]}"
    settings = cast.settings.model_copy(update={"base_url": base_url})
    app = build_app(settings, cast.engine, BOOKS, now=lambda: NOW)
    port = int(base_url.rpartition(":")[2])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield Street(cast, base_url, app.state.site.later.settle)
    server.should_exit = True
    thread.join(10)
    cast.engine.dispose()


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
