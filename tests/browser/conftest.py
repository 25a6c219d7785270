"""A real browser on a real server, with the cast in it."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from tests.browser.keyboard import Keys
from tests.browser.sizes import DESK, PHONE
from tests.support.live_server import LiveServer, ServerPort, build_database, open_port, open_server
from tests.web.all_pages import furnish
from tests.web.applicants import WithApplicants

__all__ = ["ARGUMENTS", "DESK", "PHONE", "LiveServer"]

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


class OpenPhone(Protocol):
    """Opens a phone on a server; somebody's, unless ``email`` is empty."""

    def __call__(self, server: LiveServer, email: str, *, scripts: bool) -> Page: ...


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
    return build_database(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="package")
def port() -> Iterator[ServerPort]:
    """Where every journey's site is: a browser goes on with the next at the same address."""
    with open_port() as opened:
        yield opened


@pytest.fixture
def server(built: WithApplicants, port: ServerPort, tmp_path: Path) -> Iterator[LiveServer]:
    """A world of one's own: what a journey saves is gone after it."""
    with open_server(tmp_path, built, port) as opened:
        yield opened


@pytest.fixture(scope="module")
def still_street(
    built: WithApplicants, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A world for those who only look, in which much has happened."""
    with open_server(tmp_path_factory.mktemp("still"), built) as opened:
        opened.ids = furnish(opened.cast)
        yield opened


def open_context(
    browser: Browser, server: LiveServer, email: str, *, scripts: bool
) -> BrowserContext:
    """A phone; somebody's, unless ``email`` is empty."""
    context = browser.new_context(
        viewport=PHONE,
        base_url=server.url,
        java_script_enabled=scripts,
        # Nothing is looked at while it is changing its color.
        reduced_motion="reduce",
        # What is under test sends no scripts; axe is put in from outside.
        bypass_csp=scripts,
    )
    context.set_default_timeout(30_000)
    if scripts:
        context.add_init_script(AXE_SCRIPT)
    sign_in(context, server, email)
    return context


def sign_in(context: BrowserContext, server: LiveServer, email: str) -> None:
    """Have the cookie of somebody, and nothing else; no cookie if ``email`` is empty."""
    context.clear_cookies()
    if email:
        context.add_cookies([{"name": "session", "value": server.cookie(email), "url": server.url}])


class Phones:
    """Phones to borrow: to open a new one takes as long as to load six pages."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._idle: dict[tuple[str, bool], list[Page]] = defaultdict(list)

    @contextmanager
    def lent(self) -> Iterator[OpenPhone]:
        """Hands out phones, at most until the end."""
        lent: list[tuple[tuple[str, bool], Page]] = []

        def open_phone(server: LiveServer, email: str, *, scripts: bool) -> Page:
            idle = self._idle[server.url, scripts]
            page = idle.pop() if idle else self._new(server, scripts=scripts)
            lent.append(((server.url, scripts), page))
            sign_in(page.context, server, email)
            return page

        yield open_phone
        for kind, page in lent:
            self._idle[kind].append(_as_new(page))

    def _new(self, server: LiveServer, *, scripts: bool) -> Page:
        return open_context(self._browser, server, "", scripts=scripts).new_page()


def _as_new(page: Page) -> Page:
    """Take back all that was set on a phone; its cookies go when it is lent again."""
    for other in page.context.pages:
        if other != page:
            other.close()
    page.set_viewport_size(PHONE)
    page.emulate_media(media="screen", color_scheme="light", reduced_motion="reduce")
    return page


@pytest.fixture(scope="package")
def phones(browser: Browser) -> Phones:
    return Phones(browser)


@pytest.fixture
def open_phone(phones: Phones) -> Iterator[OpenPhone]:
    with phones.lent() as found:
        yield found


@pytest.fixture(params=[PHONE, DESK], ids=["phone", "desk"])
def size(request: pytest.FixtureRequest) -> ViewportSize:
    """The window of a phone, then that of a desk."""
    found: ViewportSize = request.param
    return found


@pytest.fixture
def keys(
    open_phone: OpenPhone, server: LiveServer, size: ViewportSize
) -> Callable[[str, str], Keys]:
    """Opens a page as somebody (signed in, if it is anybody) who has a keyboard and no scripts."""

    def open_page(email: str, path: str) -> Keys:
        page = open_phone(server, email, scripts=False)
        page.set_viewport_size(size)
        page.goto(path)
        return Keys(page)

    return open_page


@pytest.fixture
def scripted(open_phone: OpenPhone, server: LiveServer) -> Callable[[str], Page]:
    """Opens a phone on which tools can run scripts of their own."""

    def open_scripted(email: str) -> Page:
        return open_phone(server, email, scripts=True)

    return open_scripted


@pytest.fixture(scope="module")
def reader(phones: Phones, still_street: LiveServer) -> Iterator[Callable[[str], Page]]:
    """The same, one phone for everybody, on a server on which nobody changes anything."""
    with phones.lent() as open_phone:
        page = open_phone(still_street, "", scripts=True)

        def read_as(email: str) -> Page:
            sign_in(page.context, still_street, email)
            return page

        yield read_as
