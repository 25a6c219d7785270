"""A band in an association's color has no barriers, whatever the color."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.barriers import check
from tests.browser.conftest import LiveServer
from tests.support.cast import ALICE, BOOKS, CAROL, NOW
from tests.support.listing import REGISTRY
from tests.support.live_server import ServerPort
from tests.support.logos import brand
from tracker.web.app import build_app

pytestmark = pytest.mark.browser


# White text just reaches the contrast on the one, and black text is on the other.
@pytest.mark.parametrize("color", ["#767676", "#f4c20d"])
def test_branded_pages_have_no_barriers(
    scripted: Callable[[str], Page],
    server: LiveServer,
    port: ServerPort,
    tmp_path: Path,
    color: str,
) -> None:
    settings = brand(server.cast.settings, tmp_path, NCIMHA=color, ATTESTING=color)
    settings = settings.model_copy(update={"base_url": port.base_url})
    port.app = build_app(settings, server.cast.engine, BOOKS, now=lambda: NOW)
    for email, path in (
        (ALICE, "/my-year"),
        (CAROL, "/coordinator/people"),
        ("", REGISTRY),
        ("", f"{REGISTRY}/embed"),
    ):
        page = scripted(email)
        page.goto(path)
        assert page.locator(".branding, .branded").count() == 1
        check(page)
